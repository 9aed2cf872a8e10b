"""The small classification sets that `keras.datasets` downloads, read from their files."""

import gzip
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.dataset import Dataset
from pipelines.datasets._layout import folders_below

Split = tuple[np.ndarray, np.ndarray]  # images uint8 (n, h, w, c), class ids (n,)

_IDX = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
IDX_FILES = tuple(name for names in _IDX.values() for name in names)
_SIDE = 32  # of CIFAR's pictures


def located(name: str, root: str | os.PathLike | None, folder: str, *choices: Sequence[str]):
    """Return the folder with the files of a set.

    Args:
        name: the set's name in `keras.datasets`.
        root: folder of the files, or one up to three levels above it; None for the folder to which
            Keras downloads.
        folder: what Keras calls the set's folder, below which files are looked for if it exists.
        *choices: names of files; all of one choice must be there.

    Returns:
        Path.

    Raises:
        ValueError: if they are in no folder; names the files.
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    base = home / folder if root is None else Path(root)
    # Keras's own folder contains other sets, too.
    below = folders_below(base) if folder or root is not None else (base,)
    # Fashion-MNIST has files of the same names.
    below = [one for one in below if name != "mnist" or "fashion" not in one.name.lower()]
    found = (one for one in below if any(_holds(one, names) for names in choices))
    found = next(found, None)
    if found is None:
        files = " or ".join(", ".join(names) for names in choices)
        raise ValueError(
            f"`{name}` needs the files that Keras downloads: {files}. Received: "
            f"root={None if root is None else os.fspath(root)!r}, none of them in {str(base)!r}. "
            f"Run keras.datasets.{name}.load_data() once on a machine with internet access, and "
            f"copy {str(home / folder)!r} from there, or pass the folder of the files as root."
        )
    return found


def _holds(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / name).is_file() for name in names)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into an error that names the file."""
    try:
        yield
    except Exception as error:  # decoders raise whatever they like
        raise ValueError(
            "A file of the dataset cannot be read; it is damaged or of another format. "
            f"Received: {str(path)!r} ({error or type(error).__name__}). Download it again."
        ) from error


def dataset(name: str, class_names: Sequence[str], parts: dict[str, Split], val_share: float):
    """Return the dataset; the end of the training pictures, in the files' order, is for validation.

    Args:
        name: the dataset's name.
        class_names: one name per class id.
        parts: "train" and "test".
        val_share: share of the training pictures, 0 to 0.5; 0 for no validation split.

    Returns:
        Dataset, in memory.

    Raises:
        ValueError: if the share is out of its range.
    """
    if not isinstance(val_share, int | float) or not 0 <= val_share <= 0.5:
        raise ValueError(
            f"`{name}` needs val_share to be a number from 0 to 0.5. "
            f"Received: val_share={val_share!r}. For example, use 0.1."
        )
    images, labels = parts["train"]
    kept = len(images) - round(val_share * len(images))
    splits = {"train": (images[:kept], labels[:kept])}
    if kept < len(images):
        splits["val"] = (images[kept:], labels[kept:])
    return Dataset.from_arrays(name, class_names, None, {**splits, "test": parts["test"]})


def read_npz(path: Path) -> dict[str, Split]:
    """Return "train" and "test" of a file with x_train, y_train, x_test and y_test."""
    with reading(path), open(path, "rb") as opened:
        file = np.load(opened, allow_pickle=False)
        parts = {split: (file[f"x_{split}"], file[f"y_{split}"]) for split in ("train", "test")}
    return {split: (images[..., np.newaxis], labels) for split, (images, labels) in parts.items()}


def read_idx(folder: Path) -> dict[str, Split]:
    """Return "train" and "test" of MNIST's own four files."""
    parts = {}
    for split, names in _IDX.items():
        images, labels = (_idx(folder / name) for name in names)
        parts[split] = (images[..., np.newaxis], labels)
    return parts


def _idx(path: Path) -> np.ndarray:
    """Return the array of a file: type and number of axes, sizes as big-endian int32, bytes."""
    with reading(path), gzip.open(path) as file:
        content = file.read()
        unsigned_bytes, axes = content[2:4]
        if unsigned_bytes != 8:
            raise ValueError(f"numbers of type {unsigned_bytes} in place of 8, unsigned bytes")
        shape = np.frombuffer(content, ">i4", axes, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_cifar(paths: Sequence[Path], key: str) -> Split:
    """Return pictures and class ids of CIFAR's Python files, concatenated.

    Args:
        paths: the files.
        key: name of the labels: "labels", "fine_labels" or "coarse_labels".
    """
    images, labels = [], []
    for path in paths:
        with reading(path):
            content = unpickled(path)
            pixels = np.asarray(content["data"], np.uint8)
            images.append(pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))
            labels.append(np.asarray(content[key], np.int32))
    return np.concatenate(images), np.concatenate(labels)


def unpickled(path: Path) -> dict[str, Any]:
    """Return the dict in a pickle of Python 2 that may contain arrays, but no other objects."""
    with open(path, "rb") as file:
        content = _Unpickler(file, encoding="bytes").load()
    return {key.decode(): value for key, value in content.items()}


class _Unpickler(pickle.Unpickler):
    """Creates nothing but arrays: a pickle could otherwise run any function."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        modules = ("numpy.core.multiarray", "numpy._core.multiarray")
        if module in modules and name == "_reconstruct":
            return super().find_class("numpy._core.multiarray", name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
