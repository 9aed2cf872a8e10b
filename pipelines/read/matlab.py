"""Masks in MATLAB files, as in SBD and COCO-Stuff 10k, read by scipy, or h5py for version 7.3."""

import os
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipelines.read.faults import Path, guarded, wrong_kind
from pipelines.read.limits import require_size

# Where data sets store their masks: SBD, COCO-Stuff 10k, PASCAL-Context, CrackForest.
_KNOWN = ("GTcls.Segmentation", "S", "LabelMap", "groundTruth.Segmentation")
_COMPRESSED = 15
_PIECE = 1 << 20


def is_mat(path: Path) -> bool:
    """Return whether a file is a MATLAB file, by its name."""
    return os.fspath(path).lower().endswith(".mat")


def read_mat(path: Path) -> np.ndarray:
    """Read the mask (h, w) of a MATLAB file.

    It is `GTcls.Segmentation`, `S`, `LabelMap` or `groundTruth.Segmentation`, or else the only
    matrix of the file.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or holds no mask.
        ImportError: if scipy, or h5py for version 7.3, is not installed.
    """
    with guarded(path):
        with open(path, "rb") as file:
            head = file.read(520)
        hdf5 = head.startswith((b"\x89HDF", b"MATLAB 7.3")) or b"\x89HDF" in head[512:]
        found = dict(_of_hdf5(path) if hdf5 else _of_version_5(path))
        chosen = [name for name in _KNOWN if name in found] or list(found)
        if not chosen or (len(chosen) > 1 and chosen[0] not in _KNOWN):
            raise wrong_kind(
                path, f"MATLAB files must hold one matrix, or one of {', '.join(_KNOWN)}.",
                f"matrices {sorted(found)}", "Save the mask as a PNG of class ids.",
            )  # fmt: skip
        return found[chosen[0]]


def _of_version_5(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values of each matrix of numbers, also in plain structs."""
    try:
        from scipy.io import loadmat  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise _missing("scipy", path) from error
    _require_moderate(path)
    for name, value in loadmat(path).items():
        if not isinstance(value, np.ndarray):
            continue
        if value.dtype.names and value.shape == (1, 1):
            for field in value.dtype.names:
                if _is_matrix(value[field][0, 0]):
                    yield f"{name}.{field}", value[field][0, 0]
        elif _is_matrix(value):
            yield name, value


def _of_hdf5(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the same for version 7.3, which has the axes in reverse order."""
    try:
        import h5py
    except ImportError as error:
        raise _missing("h5py", path) from error
    with h5py.File(path) as file:
        parts: dict[str, Any] = {}
        for name, value in file.items():
            fields = value.items() if isinstance(value, h5py.Group) else ()
            parts |= {name: value} | {f"{name}.{field}": part for field, part in fields}
        for name, value in parts.items():
            if not name.startswith("#") and isinstance(value, h5py.Dataset) and _is_matrix(value):
                require_size(path, value.size, value.size * value.dtype.itemsize)
                yield name, value[()].T


def _is_matrix(value: Any) -> bool:
    is_array = hasattr(value, "dtype") and hasattr(value, "shape")
    return is_array and value.dtype.kind in "buif" and len(value.shape) == 2 and value.size > 1


def _require_moderate(path: Path) -> None:
    """Raise for a file whose variables exceed the limit when decompressed, without storing them.

    scipy would decompress them into memory first.
    """
    with open(path, "rb") as file:
        content = memoryview(file.read())
    order = "little" if content[126:128] == b"IM" else "big"
    at, total = 128, 0
    while at + 8 <= len(content):
        kind = int.from_bytes(content[at : at + 4], order)
        size = int.from_bytes(content[at + 4 : at + 8], order)
        if kind == _COMPRESSED:
            for length in _unpacked(content[at + 8 : at + 8 + size]):
                total += length
                require_size(path, 0, total)
        at += 8 + size


def _unpacked(data: memoryview) -> Iterator[int]:
    """Yield the lengths of the unpacked pieces."""
    inflater = zlib.decompressobj()
    rest = bytes(data)
    while rest and not inflater.eof:
        yield len(inflater.decompress(rest, _PIECE))
        rest = inflater.unconsumed_tail


def _missing(package: str, path: Path) -> ImportError:
    return ImportError(
        f"MATLAB files are read by the package {package}, which is not installed. "
        f"Received: {os.fspath(path)!r}. Install it "
        '(pip install "keras_seg[matlab]"), or save the '
        "masks as PNG files of class ids."
    )
