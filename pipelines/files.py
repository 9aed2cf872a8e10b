"""Reading one picture or one mask from a file, with errors that name the file."""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
# Everything that Pillow raises on damaged bytes.
_DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError,
    TypeError, OverflowError, MemoryError, Image.DecompressionBombError,
)  # fmt: skip

Path = str | os.PathLike


def read_image(path: Path, num_channels: int = 3) -> np.ndarray:
    """Read a picture as uint8 (h, w, num_channels), RGB or grey, turned as its EXIF data say.

    Args:
        path: a png, jpg or bmp file.
        num_channels: 3 for RGB, 1 for grey; pictures of the other kind are converted.

    Returns:
        uint8 array (h, w, num_channels), 0..255.

    Raises:
        ValueError: if the file is no readable 8-bit picture; names the file.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/red.png"
    >>> Image.new("RGB", (4, 2), (255, 0, 0)).save(path)
    >>> read_image(path).shape
    (2, 4, 3)
    """
    with _opened(path) as picture:
        if picture.mode.startswith(("I", "F")):
            raise _UnsupportedError(
                f"Pictures must have 8 bits per channel. Received: mode {picture.mode!r} in "
                f"{os.fspath(path)!r}. Save the picture as 8-bit grey or RGB."
            )
        picture = ImageOps.exif_transpose(picture)
        pixels = np.asarray(picture.convert("RGB" if num_channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], num_channels)


def read_label(path: Path) -> np.ndarray:
    """Read a mask as integer ids (h, w): the palette's indices, not its colours.

    Args:
        path: a png or bmp file of grey values or palette indices.

    Returns:
        integer array (h, w), the ids as the file holds them.

    Raises:
        ValueError: if the file is unreadable or holds colours; names the file.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/mask.png"
    >>> Image.fromarray(np.array([[0, 7]], "uint8")).save(path)
    >>> read_label(path).tolist()
    [[0, 7]]
    """
    with _opened(path) as picture:
        picture = ImageOps.exif_transpose(picture)
        mode, ids = picture.mode, np.asarray(picture)
    if ids.dtype == bool:
        return ids.astype(np.uint8)
    if ids.ndim == 3 and mode in ("RGB", "RGBA") and np.ptp(ids[..., :3], axis=-1).any():
        raise ValueError(
            f"Masks must hold one class id per pixel. Received: colours in {os.fspath(path)!r}. "
            "Save the mask as a grey or palette PNG of class ids."
        )
    ids = ids[..., 0] if ids.ndim == 3 else ids
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"Masks must hold whole numbers. Received: {ids.dtype} values in "
            f"{os.fspath(path)!r}. Save the mask as a grey or palette PNG of class ids."
        )
    return ids


def read_header(path: Path) -> tuple[int, int, int]:
    """Return height, width (as displayed) and number of channels (1 or 3) without decoding."""
    with _opened(path, decode=False) as picture:
        width, height = picture.size
        # A PNG's own getexif decodes the whole file, to look behind the pixels too.
        if Image.Image.getexif(picture).get(_ORIENTATION_TAG) in _SIDEWAYS:
            width, height = height, width
        grey = picture.mode in ("1", "L", "LA", "I;16", "I", "F")
    return height, width, 1 if grey else 3


class _UnsupportedError(ValueError):
    """A file that is whole but of a kind that we do not read."""


@contextmanager
def _opened(path: Path, decode: bool = True) -> Iterator[Image.Image]:
    """Open (and decode) a picture; any failure becomes a ValueError that names the file."""
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ValueError(
            f"A file of the dataset does not exist. Received: {path!r}. "
            "Check the folder, or take the file off the list."
        )
    try:
        with Image.open(path) as picture:
            if decode:
                picture.load()
            yield picture
    except _UnsupportedError:
        raise
    except _DAMAGED as error:
        raise ValueError(
            f"A file cannot be read as a picture; it is damaged or of another format. "
            f"Received: {path!r} ({error}). Copy it again, or take it out of the dataset."
        ) from error
