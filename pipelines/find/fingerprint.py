"""Digests of files and arrays, to detect changes of the training data."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

NUM_THREADS = 8  # hashing and reading release Python's lock


def fingerprint_of_files(groups: Iterable[Sequence[str]], *settings: object) -> str:
    """Return a digest of the names and bytes of files, and of how they are read.

    Files are read once per process; one whose size or modification time differs is read again.
    Folders are left out, so that a data set may be moved.

    Args:
        groups: the files that belong together, such as a picture and its mask, in order; "" for
            none.
        *settings: further values whose `repr` is part of the digest.

    Returns:
        32 hexadecimal digits.

    >>> fingerprint_of_files([("", "")]) == fingerprint_of_files([("", "")], "RGB")
    False
    """
    groups = [list(group) for group in groups]
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        found = pool.map(_content, [path for group in groups for path in group])
        lines = ["|".join(next(found) for _ in group) for group in groups]
    text = "\n".join([*lines, *(repr(value) for value in settings)])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fingerprint_of_arrays(*arrays: np.ndarray) -> str:
    """Return a digest of the shapes, types and values of arrays: 32 hexadecimal digits.

    >>> fingerprint_of_arrays(np.zeros(2)) == fingerprint_of_arrays(np.zeros((2, 1)))
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _content(path: str) -> str:
    """Return name and digest of a file; one that cannot be read is reported when it is decoded."""
    try:
        status = os.stat(path)
        return f"{os.path.basename(path)} {_digest(path, status.st_size, status.st_mtime_ns)}"
    except OSError:
        return os.path.basename(path)


@lru_cache(maxsize=1 << 20)
def _digest(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
