"""Rows of pixels of a picture, converted for the network, without reading it whole."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipelines.read import InputSpec, as_image
from pipelines.read.pixels import to_pixels
from pipelines.read.rows import open_rows


class Source(NamedTuple):
    """A picture that is read by rows.

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


def open_picture(picture, spec: InputSpec) -> Source:
    """Open a picture without reading its pixels, if its format allows it.

    Args:
        picture: path; array; or any object with `shape` and `dtype` uint8 whose rows are
            `picture[top:bottom]`. For the file types that are read in parts, see `open_rows`.
        spec: how files are converted to pixels.

    Returns:
        `Source`.

    Raises:
        ValueError: if the file is not a picture, or its shape or type is unsupported.

    >>> source = open_picture(np.zeros((40, 50, 3), "uint8"), InputSpec(3))
    >>> source.height, source.width, source.read(10, 12).shape
    (40, 50, (2, 50, 3))
    """
    if isinstance(picture, str | Path):
        rows = open_rows(picture)
        if rows is not None:
            return _converted(
                rows.height, rows.width,
                lambda top, bottom: to_pixels(rows.read(top, bottom), spec, picture),
            )  # fmt: skip
    elif type(picture) is not np.ndarray and hasattr(picture, "shape"):
        _require_rows(picture)
        height, width = picture.shape[:2]
        return _converted(
            height, width, lambda top, bottom: as_image(np.asarray(picture[top:bottom]), spec)
        )
    pixels = as_image(picture, spec)
    return Source(pixels.shape[0], pixels.shape[1], lambda top, bottom: pixels[top:bottom])


def _converted(height, width, read):
    read(0, 1)  # A wrong number of channels raises here.
    return Source(height, width, read)


def _require_rows(picture):
    shape, dtype = picture.shape, picture.dtype
    if len(shape) not in (2, 3) or 0 in shape or np.dtype(dtype) != np.uint8:
        raise ValueError(
            "A picture that is read in parts must be uint8 (h, w) or (h, w, c). "
            f"Received: picture with shape={tuple(shape)}, dtype={dtype}. Scale it to 0..255, "
            "convert it to uint8, and save it again."
        )
