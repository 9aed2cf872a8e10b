"""The pixels of a picture, a few rows at a time, as the network takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_seg._pictures import read_picture
from pipelines.read.rows import open_rows


class Source(NamedTuple):
    """A picture of which only rows are read.

    Attributes:
        height: rows.
        width: columns.
        read: function (top, bottom) that returns uint8 pixels (bottom - top, width, channels).
    """

    height: int
    width: int
    read: Callable

    @property
    def sizes(self) -> tuple:
        """Rows and columns."""
        return self.height, self.width


def open_picture(picture, num_channels) -> Source:
    """Open a picture without reading it, as far as its kind allows.

    Args:
        picture: path; array; or anything with `shape` and `dtype` uint8 whose rows can be cut out
            by `picture[top:bottom]`. Which files are read piece by piece: see `open_rows`.
        num_channels: channels that the model takes.

    Returns:
        `Source`.

    Raises:
        ValueError: the file is no picture, or shape or type do not fit.

    >>> source = open_picture(np.zeros((40, 50, 3), "uint8"), 3)
    >>> source.height, source.width, source.read(10, 12).shape
    (40, 50, (2, 50, 3))
    """
    if isinstance(picture, str | Path):
        rows = open_rows(picture)
        if rows is not None and rows.dtype == np.uint8:
            return _converted(rows.height, rows.width, rows.read, num_channels)
    elif type(picture) is not np.ndarray and hasattr(picture, "shape"):
        _require_rows(picture)
        height, width = picture.shape[:2]
        return _converted(
            height, width, lambda top, bottom: np.asarray(picture[top:bottom]), num_channels
        )
    pixels = read_picture(picture, num_channels)
    return Source(pixels.shape[0], pixels.shape[1], lambda top, bottom: pixels[top:bottom])


def _converted(height, width, read, num_channels):
    read_picture(read(0, 1), num_channels)  # Channels that do not fit are known at once.
    return Source(height, width, lambda top, bottom: read_picture(read(top, bottom), num_channels))


def _require_rows(picture):
    shape, dtype = picture.shape, picture.dtype
    if len(shape) not in (2, 3) or 0 in shape or np.dtype(dtype) != np.uint8:
        raise ValueError(
            "A picture that is read piece by piece must be uint8 (h, w) or (h, w, c). "
            f"Received: picture with shape={tuple(shape)}, dtype={dtype}. Scale it to 0..255, "
            "convert it to uint8, and save it anew."
        )
