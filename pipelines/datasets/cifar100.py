"""CIFAR-100: small photographs of a hundred kinds of things, in twenty groups.

A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009.
"""

import os

from pipelines.dataset import Dataset
from pipelines.datasets import _keras_sets


def cifar100(
    root: str | os.PathLike | None = None, coarse: bool = False, val_share: float = 0.1
) -> Dataset:
    """Read CIFAR-100 from files: 50,000 and 10,000 pictures of 32x32 pixels, 100 or 20 classes.

    The files are those of `cifar-100-python`, the Python version of the archive, which
    `keras.datasets.cifar100.load_data()` downloads and unpacks. Nothing is downloaded.

    Args:
        root: folder of the files, or one above; None for the folder to which Keras downloads,
            `~/.keras/datasets/cifar-100-python-target`.
        coarse: whether the twenty groups are the classes.
        val_share: share of the training pictures for the split "val", the last ones, 0 to 0.5.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        ValueError: if the files are not there or damaged; names them.

    >>> cifar100("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: `cifar100` needs the files that Keras downloads: train, test, meta. ...
    """
    folder = _keras_sets.located(
        "cifar100", root, "cifar-100-python-target", ("train", "test", "meta")
    )
    kind = "coarse" if coarse else "fine"
    with _keras_sets.reading(folder / "meta"):
        names = _keras_sets.unpickled(folder / "meta")[f"{kind}_label_names"]
        names = [name.decode() if isinstance(name, bytes) else name for name in names]
    parts = {
        split: _keras_sets.read_cifar([folder / split], f"{kind}_labels")
        for split in ("train", "test")
    }
    return _keras_sets.dataset("cifar100", names, parts, val_share)
