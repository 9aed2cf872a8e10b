"""`Rows`: a picture that is read by rows, and the error for a damaged one."""

from collections.abc import Callable
from os import PathLike
from typing import NamedTuple

import numpy as np

LARGEST_PIECE = 32_000_000  # pixels that are decoded at once


class Rows(NamedTuple):
    """A picture that is read by rows.

    Attributes:
        height: rows.
        width: columns.
        channels: numbers per pixel.
        dtype: of the numbers, as the file stores them.
        read: function (top, bottom) that returns numbers (bottom - top, width, channels).
    """

    height: int
    width: int
    channels: int
    dtype: np.dtype
    read: Callable[[int, int], np.ndarray]


def damaged(path: str | PathLike, reason: object) -> ValueError:
    """Return the error for a file whose pixels cannot all be read.

    >>> damaged("map.tif", "it ends early")
    ValueError("A picture must be complete. Received: 'map.tif' (it ends early). ...")
    """
    return ValueError(
        f"A picture must be complete. Received: '{path}' ({reason}). Copy or write it again."
    )
