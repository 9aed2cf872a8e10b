"""Opening and turning pictures with Pillow; OpenCV for what Pillow does not read in full depth."""

from collections.abc import Iterator
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
        picture = _identified(file)
        if picture is None:
            raise unreadable(path, f"it is none of the formats {', '.join(FORMATS)}, TIFF")
        pixels = picture.width * picture.height
        channels = len(picture.getbands()) * _BYTES.get(picture.mode, 1)
        require_size(path, pixels, pixels * channels)
        yield picture


def _identified(file: Any) -> Image.Image | None:
    """Return the picture of a file. Image.open is not used, since its size limit is global."""
    Image.init()
    start = file.read(16)
    for name in FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory is None or (accepts is not None and accepts(start) is not True):
            continue
        file.seek(0)
        return factory(file, "")
    return None


def header_size(picture: Image.Image) -> tuple[int, int]:
    """Return height and width as displayed, without decoding."""
    width, height = picture.size
    # A PNG's own getexif decodes the whole file, to search after the pixels too.
    if Image.Image.getexif(picture).get(ORIENTATION) in SIDEWAYS:
        return width, height
    return height, width


def read_deep(path: Path, picture: Image.Image) -> np.ndarray | None:
    """Read a 16-bit color PNG as uint16 (h, w, c); None for what Pillow reads in full depth."""
    if picture.format != "PNG" or picture.mode not in ("RGB", "RGBA", "LA"):
        return None
    if ";16" not in str(getattr(picture, "tile", "")):
        return None
    orientation = Image.Image.getexif(picture).get(ORIENTATION, 1)
    with Image.open(path) as file:
        file.verify()  # libpng would print messages about damage.
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
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
