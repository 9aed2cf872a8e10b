"""NumPy's files: .npy, and .npz with one array."""

import math
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from pipelines.read.faults import Path, guarded, wrong_kind
from pipelines.read.limits import require_size

_ONE_ARRAY = "Save it with np.savez_compressed(path, array)."
_ATTEMPTS = 20
_one_at_a_time = threading.Lock()


class Layout(NamedTuple):
    """Position and type of the values in a .npy file.

    Attributes:
        shape: of the array.
        dtype: of its numbers.
        is_fortran: whether the first axis varies fastest.
        start: bytes before the numbers.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    start: int

    def mapped(self, path: Path) -> np.ndarray:
        """Return the array as a memory map; nothing is read yet."""
        order = "F" if self.is_fortran else "C"
        return np.memmap(path, self.dtype, "r", self.start, self.shape, order)


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case; ".nii.gz" is one suffix.

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
    with _array(path) as (_, layout):
        return layout.shape


def read_array(path: Path) -> np.ndarray:
    """Return the array of a .npy file, or the one array of a .npz file, as it is stored.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged, too large, or holds no
            numbers.
    """
    with _array(path) as (file, layout):
        numbers = bytearray(math.prod(layout.shape) * layout.dtype.itemsize)
        if file.readinto(numbers) != len(numbers):
            raise ValueError("the file ends before its array does")
        order = "F" if layout.is_fortran else "C"
        return np.ndarray(layout.shape, layout.dtype, numbers, order=order)


def npy_layout(path: Path) -> Layout:
    """Return the layout of a .npy file of any size, to read parts of it.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or holds no numbers.
    """
    with guarded(path), open(path, "rb") as file:
        return _layout(path, file, os.fstat(file.fileno()).st_size, limited=False)


@contextmanager
def _array(path: Path) -> Iterator[tuple[Any, Layout]]:
    """Give the file at the start of its array's numbers, and their layout."""
    with guarded(path):
        if suffix_of(path) == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise wrong_kind(path, "A .npz file must hold one array.", names, _ONE_ARRAY)
                require_size(path, 0, archive.getinfo(names[0]).file_size)
                size = archive.getinfo(names[0]).file_size
                with archive.open(names[0]) as file:
                    yield file, _layout(path, file, size, limited=True)
        else:
            with open(path, "rb") as file:
                yield file, _layout(path, file, os.fstat(file.fileno()).st_size, limited=True)


def _layout(path: Path, file: Any, size: int, limited: bool) -> Layout:
    """Read the header of an array of numbers, which must declare as many bytes as there are."""
    shape, is_fortran, dtype = _header(file)
    if dtype.hasobject or dtype.kind not in "buif":
        raise wrong_kind(path, "Arrays must hold numbers.", dtype, "Save it as uint8.")
    rest, declared = size - file.tell(), math.prod(shape) * dtype.itemsize
    if limited:
        require_size(path, 0, declared)
    if declared != rest:
        raise ValueError(f"{rest} bytes of data for the shape {shape}")
    return Layout(shape, dtype, is_fortran, file.tell())


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, order and type of an array, from the start of its file.

    NumPy parses the header as Python. Python 3.11 raises a SystemError ("AST constructor recursion
    depth mismatch") if another thread parses anything at the same moment, as readers in parallel
    do; the lock keeps ours apart, and threads of other packages are met by repeating.
    """
    with _one_at_a_time:
        for _ in range(_ATTEMPTS):
            with suppress(SystemError):
                return _parsed_header(file)
        return _parsed_header(file)


def _parsed_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    file.seek(0)
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)
