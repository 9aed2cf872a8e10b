"""Limits on the size that a file declares, checked before its pixels are read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.read.faults import LARGE, FileFault

MAX_PIXELS = 500_000_000
MAX_BYTES = 2**31

_current = {"max_pixels": MAX_PIXELS, "max_bytes": MAX_BYTES}


@contextmanager
def limits(max_pixels: int | None = None, max_bytes: int | None = None) -> Iterator[None]:
    """Change the largest size of pictures, volumes and masks that are read, in a `with` block.

    A file of a few kilobytes can declare a picture that fills the memory. Files that declare more
    are therefore refused before their pixels are read. The limits hold for all threads.

    Args:
        max_pixels: most pixels, or voxels of a volume; 500 million if None.
        max_bytes: most bytes of the unpacked numbers; 2 GiB if None.

    Raises:
        ValueError: if a limit is not a whole number above 0.

    >>> with limits(max_pixels=2_000_000_000, max_bytes=8 * 2**30):
    ...     pass  # read a picture of up to 2000 million pixels
    """
    asked = {
        "max_pixels": MAX_PIXELS if max_pixels is None else max_pixels,
        "max_bytes": MAX_BYTES if max_bytes is None else max_bytes,
    }
    for name, value in asked.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{name}` must be a whole number above 0. Received: {name}={value!r}. "
                "Omit it for the default."
            )
    before = dict(_current)
    _current.update(asked)
    try:
        yield
    finally:
        _current.update(before)


def require_size(path: str | os.PathLike, pixels: int, num_bytes: int) -> None:
    """Raise for a file that declares more than the limits.

    Args:
        path: the file, for the error.
        pixels: pixels or voxels that its header declares.
        num_bytes: bytes of its unpacked numbers.

    Raises:
        FileFault: a ValueError that names the file.
    """
    for name, unit, value in (("max_pixels", "pixels", pixels), ("max_bytes", "bytes", num_bytes)):
        if value > _current[name]:
            raise FileFault(
                LARGE, path,
                f"A file may declare at most {_current[name]:,} {unit}. "
                f"Received: {value:,} {unit} in {os.fspath(path)!r}. If the file is valid, raise "
                f"the limit: `with pipelines.read.limits({name}={value}): ...`.",
                f"{value:,} {unit}",
            )  # fmt: skip
