"""Opening and turning pictures with Pillow; OpenCV for what Pillow does not read in full depth."""

import io
import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from pipelines.read.faults import Path, guarded, unreadable
from pipelines.read.limits import require_size

ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
GRAY = ("1", "L", "LA", "I;16", "I;16B", "I", "F")
_BYTES = {"I;16": 2, "I;16B": 2, "I": 4, "F": 4}  # per channel, where it is not one


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture with Pillow, without decoding it.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged, no picture or too large.
    """
    with guarded(path), open(path, "rb") as file:
        yield identified(file, path)


def identified(file: Any, path: Path, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Return the picture of an open file, whose size is checked.

    Args:
        file: open for reading.
        path: the file, for errors.
        formats: the formats of Pillow that it may have.

    Raises:
        FileFault: a ValueError that names the file, if it has another format or is too large.
    """
    picture = _of_format(file, formats)
    if picture is None:
        others = ", TIFF" if formats is FORMATS else ""
        raise unreadable(path, f"it is none of the formats {', '.join(formats)}{others}")
    pixels = picture.width * picture.height
    channels = len(picture.getbands()) * _BYTES.get(picture.mode, 1)
    require_size(path, pixels, pixels * channels)
    return picture


def _of_format(file: Any, formats: Sequence[str]) -> Image.Image | None:
    """Return the picture of a file. Image.open is not used, since its size limit is global."""
    Image.init()
    start = file.read(16)
    for name in formats:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory is None or (accepts is not None and accepts(start) is not True):
            continue
        file.seek(0)
        return factory(file, "")
    return None


def numbers(picture: Image.Image, source: Path | bytes, channels: int, path: Path) -> np.ndarray:
    """Return the numbers of an open picture as they are stored, (h, w) or (h, w, c).

    Args:
        picture: from `opened` or `identified`.
        source: its file, or the bytes of it.
        channels: 4 keeps the alpha channel of colors.
        path: the file, for errors.
    """
    deep = read_deep(source, picture, path)
    if deep is not None:
        return deep
    if picture.format == "PPM" and picture.mode == "I":  # of 16 bits
        return np.asarray(displayed(picture)).astype(np.uint16)
    picture = displayed(picture)
    if picture.mode in ("1", "LA"):
        picture = picture.convert("L")
    elif picture.mode not in (*GRAY, "RGB") and (picture.mode, channels) != ("RGBA", 4):
        picture = colored(picture)
    return np.asarray(picture)


def header_size(picture: Image.Image) -> tuple[int, int]:
    """Return height and width as displayed, without decoding."""
    width, height = picture.size
    # A PNG's own getexif decodes the whole file, to search after the pixels too.
    if Image.Image.getexif(picture).get(ORIENTATION) in SIDEWAYS:
        return width, height
    return height, width


def read_deep(source: Path | bytes, picture: Image.Image, path: Path) -> np.ndarray | None:
    """Read a 16-bit color PNG as uint16 (h, w, c); None for what Pillow reads in full depth."""
    if picture.format != "PNG" or picture.mode not in ("RGB", "RGBA", "LA"):
        return None
    if ";16" not in str(getattr(picture, "tile", "")):
        return None
    orientation = Image.Image.getexif(picture).get(ORIENTATION, 1)
    content = source if isinstance(source, bytes) else pathlib.Path(source).read_bytes()
    with Image.open(io.BytesIO(content)) as file:
        file.verify()  # libpng would print messages about damage.
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise unreadable(path, "the data end too early")
    order = [2, 1, 0, 3][: pixels.shape[-1]] if pixels.ndim == 3 else ...
    return turned(pixels[..., order], orientation)


def displayed(picture: Image.Image) -> Image.Image:
    """Return a decoded picture, rotated according to its EXIF data."""
    picture.load()
    return ImageOps.exif_transpose(picture)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate an array (h, w, ...) according to an EXIF orientation 1..8."""
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::rows, ::columns]


def colored(picture: Image.Image) -> Image.Image:
    """Return a picture as RGB; transparent pixels keep their color."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # else Pillow warns
    return picture.convert("RGB")
