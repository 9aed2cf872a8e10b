"""NumPy's files: .npy, and .npz with one array."""

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipelines.read.faults import Path, guarded, wrong_kind
from pipelines.read.limits import require_size

_ONE_ARRAY = "Save it with np.savez_compressed(path, array)."


def suffix_of(path: Path) -> str:
    """Return a file's ending in small letters, ".nii.gz" as one.

    >>> suffix_of("scans/A.nii.gz")
    '.nii.gz'
    """
    name = os.fspath(path).lower()
    return ".nii.gz" if name.endswith(".nii.gz") else os.path.splitext(name)[1]


def array_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of a .npy file's array, or of the one array of a .npz file.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or too large.
    """
    with _array(path) as (_, shape):
        return shape


def read_array(path: Path) -> np.ndarray:
    """Return the array of a .npy file, or the one array of a .npz file, as it is stored.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged, too large, or holds no
            numbers.
    """
    with _array(path) as (file, _):
        return np.lib.format.read_array(file, allow_pickle=False)


@contextmanager
def _array(path: Path) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Give the file at the start of its array, and the array's shape."""
    with guarded(path):
        if suffix_of(path) == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise wrong_kind(path, "A .npz file must hold one array.", names, _ONE_ARRAY)
                require_size(path, 0, archive.getinfo(names[0]).file_size)
                size = archive.getinfo(names[0]).file_size
                with archive.open(names[0]) as file:
                    shape = _checked_header(path, file, size)
                with archive.open(names[0]) as file:
                    yield file, shape
        else:
            with open(path, "rb") as file:
                shape = _checked_header(path, file, os.fstat(file.fileno()).st_size)
                file.seek(0)
                yield file, shape


def _checked_header(path: Path, file: Any, size: int) -> tuple[int, ...]:
    """Return the shape, if it is one of numbers, of allowed size, and of as many bytes."""
    if np.lib.format.read_magic(file) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject or dtype.kind not in "buif":
        raise wrong_kind(path, "Arrays must hold numbers.", dtype, "Save it as uint8.")
    declared = math.prod(shape) * dtype.itemsize
    require_size(path, 0, declared)
    rest = size - file.tell()
    if declared != rest:
        raise ValueError(f"{rest} bytes of data for the shape {shape}")
    return shape
