"""Reading a picture a few rows at a time, so that it never lies in memory as a whole."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import JpegImagePlugin

from keras_seg._pictures import read_picture
from keras_seg.inference._png import open_png
from keras_seg.inference._tiff import open_tiff

LARGE_JPEG = 64_000_000  # pixels


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
            by `picture[top:bottom]`. Files .npy, .tif and .png are read piece by piece, except
            for the rarer kinds of tif and png; others are read at once.
        num_channels: channels that the model takes.

    Returns:
        `Source`.

    Raises:
        ValueError: the file is no picture, or shape or type do not fit.

    >>> source = open_picture(np.zeros((40, 50, 3), "uint8"), 3)
    >>> source.height, source.width, source.read(10, 12).shape
    (40, 50, (2, 50, 3))
    """
    rows = None
    if isinstance(picture, str | Path):
        path = Path(picture)
        opener = OPENERS.get(path.suffix.lower())
        rows = opener(path) if opener and path.is_file() else None
    elif type(picture) is not np.ndarray and hasattr(picture, "shape"):
        _require_rows("picture", picture.shape, picture.dtype)
        rows = (*picture.shape[:2], lambda top, bottom: np.asarray(picture[top:bottom]))
    if rows is None:  # As a whole.
        pixels = read_picture(picture, num_channels)
        return Source(pixels.shape[0], pixels.shape[1], lambda top, bottom: pixels[top:bottom])
    height, width, read = rows
    read_picture(read(0, 1), num_channels)  # Channels that do not fit are known at once.
    return Source(height, width, lambda top, bottom: read_picture(read(top, bottom), num_channels))


def _open_npy(path):
    """Rows of a .npy file; a memory map would do, but what it has read counts as memory."""
    try:
        pixels = np.lib.format.open_memmap(path, "r")
    except ValueError as error:
        raise ValueError(
            f"A .npy file must hold one array of numbers. Received: '{path}' ({error}). "
            "Write it with np.save."
        ) from None
    _require_rows(str(path), pixels.shape, pixels.dtype)
    shape, start, by_columns = pixels.shape, pixels.offset, not pixels.flags.c_contiguous
    if by_columns:  # Fortran's order: rows are no pieces of the file.
        return (*shape[:2], lambda top, bottom: np.asarray(pixels[top:bottom]))
    row = int(np.prod(shape[1:]))

    def read(top, bottom):
        found = np.fromfile(path, np.uint8, (bottom - top) * row, offset=start + top * row)
        return found.reshape(bottom - top, *shape[1:])

    return (*shape[:2], read)


def _open_jpeg(path):
    """Rows of a large JPEG, which is decoded at once: OpenCV would hold it twice meanwhile."""
    try:
        with path.open("rb") as file:  # Not Image.open, which refuses large pictures.
            image = JpegImagePlugin.JpegImageFile(file)
            plain = image.mode in ("L", "RGB") and image.getexif().get(274, 1) == 1
            if not plain or image.width * image.height < LARGE_JPEG:
                return None
            image.load()
    except (OSError, SyntaxError):
        return None
    return (
        image.height,
        image.width,
        lambda top, bottom: np.asarray(image.crop((0, top, image.width, bottom))),
    )


def _require_rows(name, shape, dtype):
    if len(shape) not in (2, 3) or 0 in shape or np.dtype(dtype) != np.uint8:
        raise ValueError(
            "A picture that is read piece by piece must be uint8 (h, w) or (h, w, c). "
            f"Received: {name} with shape={tuple(shape)}, dtype={dtype}. Scale it to 0..255, "
            "convert it to uint8, and save it anew."
        )


OPENERS = {
    ".npy": _open_npy,
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".png": open_png,
    ".jpg": _open_jpeg,
    ".jpeg": _open_jpeg,
}
