"""Opening picture files of every kind; whatever goes wrong becomes a fault that names the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image, ImageOps

from pipelines import _tiff
from pipelines.faults import MISSING, FileFault, unreadable, wrong_kind

ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)
_FIRST_IS_CHANNELS = 32

Path = str | os.PathLike


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever damaged bytes raise into a fault that names the file."""
    if not os.path.isfile(path):
        raise FileFault(
            MISSING, path,
            f"A file of the dataset does not exist. Received: {os.fspath(path)!r}. "
            "Check the folder, or take the file off the list.",
        )  # fmt: skip
    try:
        yield
    except FileFault:
        raise
    except Exception as error:  # on damaged bytes decoders raise whatever they like
        raise unreadable(path, str(error) or type(error).__name__) from error


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture with Pillow, without decoding it."""
    with guarded(path), Image.open(path) as picture:
        yield picture


def is_npy(path: Path) -> bool:
    """Say whether a file is a NumPy array, by its name."""
    return os.fspath(path).lower().endswith(".npy")


def is_bands(path: Path) -> bool:
    """Say whether a file is a TIFF of a kind that Pillow does not read: many or deep channels."""
    if not os.fspath(path).lower().endswith((".tif", ".tiff")):
        return False
    with guarded(path):
        return _tiff.is_bands(path)


def read_npy(path: Path) -> np.ndarray:
    """Read an array (h, w), (h, w, c) or (c, h, w) of numbers; channels come last."""
    with guarded(path), open(path, "rb") as file:
        shape, _, dtype = _npy_header(file)
        if dtype.hasobject or dtype.kind not in "buif":
            raise wrong_kind(path, "Arrays must hold numbers.", dtype, "Save it as uint8.")
        file.seek(0)
        array = np.lib.format.read_array(file, allow_pickle=False)
    return np.moveaxis(array, 0, -1) if _channels_first(shape) else array


def npy_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of an array file, channels last, without reading it."""
    with guarded(path), open(path, "rb") as file:
        shape, _, _ = _npy_header(file)
        if len(shape) not in (2, 3) or 0 in shape:
            raise unreadable(path, f"an array of the shape {shape}, not (h, w) or (h, w, c)")
    return (*shape[1:], shape[0]) if _channels_first(shape) else shape


def read_pages(picture: Image.Image) -> np.ndarray | None:
    """Return the pages of a grey TIFF stack as channels (h, w, c), or None for one page."""
    count = num_pages(picture)
    if count == 1:
        return None
    pages = []
    for index in range(count):
        picture.seek(index)
        pages.append(np.asarray(picture))
    return np.stack(pages, axis=-1)


def num_pages(picture: Image.Image) -> int:
    """Count pages that are channels: all grey, of one size. Thumbnails and pyramids are not."""
    count = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
    if count == 1:
        return 1
    kinds = set()
    for index in range(count):
        picture.seek(index)
        kinds.add((picture.mode, picture.size))
    picture.seek(0)
    return count if len(kinds) == 1 and picture.mode in ("L", "I;16", "I;16B", "F") else 1


def read_deep(path: Path, picture: Image.Image) -> np.ndarray | None:
    """Read a 16-bit colour PNG as uint16 (h, w, c); None for what Pillow reads in full depth."""
    if picture.format != "PNG" or picture.mode not in ("RGB", "RGBA", "LA"):
        return None
    if ";16" not in str(getattr(picture, "tile", "")):
        return None
    orientation = Image.Image.getexif(picture).get(ORIENTATION, 1)
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise unreadable(path, "the data end too early")
    order = [2, 1, 0, 3][: pixels.shape[-1]] if pixels.ndim == 3 else ...
    return turned(pixels[..., order], orientation)


def displayed(picture: Image.Image) -> Image.Image:
    """Return a decoded picture, turned as its EXIF data say."""
    picture.load()
    return ImageOps.exif_transpose(picture)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array (h, w, ...) as an EXIF orientation 1..8 says."""
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::rows, ::columns]


def _npy_header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, order and type, if the file has as many bytes as they say."""
    if np.lib.format.read_magic(file) == (1, 0):
        header = np.lib.format.read_array_header_1_0(file)
    else:
        header = np.lib.format.read_array_header_2_0(file)
    shape, _, dtype = header
    rest = os.fstat(file.fileno()).st_size - file.tell()
    if not dtype.hasobject and np.prod(shape, dtype=float) * dtype.itemsize != rest:
        raise ValueError(f"{rest} bytes of data for the shape {shape}")
    return header


def _channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] <= _FIRST_IS_CHANNELS < min(shape[1:])
