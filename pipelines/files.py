"""Reading one picture or one mask from a file, with errors that name the file."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipelines import _decode, _tiff
from pipelines._decode import Path
from pipelines.faults import SIZE, FileFault, wrong_kind

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm", ".npy",
)  # fmt: skip
_GREY = ("1", "L", "LA", "I;16", "I;16B", "I", "F")
# ITU-R 601, in 1/65536; Pillow's own numbers.
_LUMA = np.array([19595, 38470, 7471], np.uint32)

Range = tuple[float, float] | None


def read_image(
    path: Path | Sequence[Path], num_channels: int = 3, value_range: Range = None
) -> np.ndarray:
    """Read a picture as uint8 (h, w, num_channels), turned as its EXIF data say.

    Numbers of 16 bits are scaled from 0..65535 to 0..255. Where they use less of that, or the
    picture holds real numbers, `value_range` says which become 0 and 255.

    Args:
        path: a picture; or several whose channels are put together.
        num_channels: 3 for RGB, 1 for grey, which are converted into each other; 4 keeps the
            alpha channel; any number for TIFF files, stacks and several files.
        value_range: numbers of the file that become 0 and 255; those beyond are cut off.

    Returns:
        uint8 array (h, w, num_channels), 0..255.

    Raises:
        FileFault: a ValueError that names the file, if it is not such a picture.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/red.png"
    >>> Image.new("RGB", (4, 2), (255, 0, 0)).save(path)
    >>> read_image(path).shape
    (2, 4, 3)
    """
    if not isinstance(path, str) and isinstance(path, Sequence):
        return _read_parts(path, num_channels, value_range)
    pixels = _bytes(_read_pixels(path, num_channels), value_range, path)
    return np.ascontiguousarray(_convert(pixels, num_channels, path))


def read_label(path: Path) -> np.ndarray:
    """Read a mask as integer ids (h, w): the palette's indices, not its colours.

    Args:
        path: a file of grey values, palette indices, or an array of whole numbers.

    Returns:
        integer array (h, w), the ids as the file holds them.

    Raises:
        FileFault: a ValueError that names the file, if it is unreadable or holds colours.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/mask.png"
    >>> Image.fromarray(np.array([[0, 7]], "uint8")).save(path)
    >>> read_label(path).tolist()
    [[0, 7]]
    """
    if _decode.is_npy(path):
        ids = _decode.read_npy(path)
        ids = ids[..., 0] if ids.ndim == 3 and ids.shape[-1] == 1 else ids
    else:
        with _decode.opened(path) as picture:
            ids = np.asarray(_decode.displayed(picture))
    if ids.dtype == bool:
        return ids.astype(np.uint8)
    save = "Save the mask as a grey or palette PNG of class ids"
    if ids.ndim == 3:
        if ids.shape[-1] > 2 and np.ptp(ids[..., :3], axis=-1).any():
            raise wrong_kind(
                path, "Masks must hold one class id per pixel.", "colours",
                f"{save}, or give `classes` as {{(red, green, blue): name}}.",
            )  # fmt: skip
        ids = ids[..., 0]
    if not np.issubdtype(ids.dtype, np.integer):
        if ids.ndim != 2 or not np.isfinite(ids).all() or np.any(ids != np.rint(ids)):
            raise wrong_kind(path, "Masks must hold whole numbers.", f"{ids.dtype}", f"{save}.")
        ids = ids.astype(np.int64)
    if ids.ndim != 2 or ids.size == 0:
        raise wrong_kind(path, "Masks must be (height, width).", f"{ids.shape}", f"{save}.")
    return ids


def read_colors(path: Path) -> np.ndarray:
    """Read a colour-coded mask as uint8 (h, w, 3), RGB.

    Raises:
        FileFault: a ValueError that names the file, if it is unreadable.
    """
    with _decode.opened(path) as picture:
        return np.asarray(_decode.displayed(picture).convert("RGB"))


def read_header(path: Path | Sequence[Path]) -> tuple[int, int, int]:
    """Return height, width (as displayed) and number of channels, without decoding.

    Raises:
        FileFault: a ValueError that names the file, if its header is no picture's.
    """
    if not isinstance(path, str) and isinstance(path, Sequence):
        headers = [read_header(part) for part in path]
        return (*headers[0][:2], sum(header[2] for header in headers))
    if _decode.is_npy(path):
        shape = _decode.npy_shape(path)
        return shape[0], shape[1], shape[2] if len(shape) == 3 else 1
    if _decode.is_bands(path):
        with _decode.guarded(path):
            return _tiff.bands_shape(path)
    with _decode.opened(path) as picture:
        width, height = picture.size
        # A PNG's own getexif decodes the whole file, to look behind the pixels too.
        if Image.Image.getexif(picture).get(_decode.ORIENTATION) in _decode.SIDEWAYS:
            width, height = height, width
        pages = _decode.num_pages(picture)
        return height, width, pages if pages > 1 else 1 if picture.mode in _GREY else 3


def _read_parts(paths: Sequence[Path], num_channels: int, value_range: Range) -> np.ndarray:
    """Read several files and put their channels together."""
    parts = [read_image(path, read_header(path)[2], value_range) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        if part.shape[:2] != parts[0].shape[:2]:
            raise FileFault(
                SIZE, path,
                "Files of one picture must have one size. "
                f"Received: {str(path)!r} of {part.shape[:2]} and {str(paths[0])!r} of "
                f"{parts[0].shape[:2]} (height, width). Resize one of them.",
                f"{part.shape[:2]}, the first {parts[0].shape[:2]}",
            )  # fmt: skip
    return _convert(np.concatenate(parts, axis=-1), num_channels, paths[0])


def _read_pixels(path: Path, num_channels: int) -> np.ndarray:
    """Return the numbers of a picture as they are stored, (h, w) or (h, w, c)."""
    if _decode.is_npy(path):
        _decode.npy_shape(path)  # refuses what is no picture
        return _decode.read_npy(path)
    if _decode.is_bands(path):
        with _decode.guarded(path):
            return _decode.turned(*_tiff.read_bands(path))
    with _decode.opened(path) as picture:
        special = _decode.read_pages(picture)
        if special is None:
            special = _decode.read_deep(path, picture)
        if special is not None:
            return special
        picture = _decode.displayed(picture)
        if picture.mode in ("1", "LA"):
            picture = picture.convert("L")
        elif picture.mode not in (*_GREY, "RGB") and (picture.mode, num_channels) != ("RGBA", 4):
            picture = picture.convert("RGB")
        return np.asarray(picture)


def _bytes(pixels: np.ndarray, value_range: Range, path: Path) -> np.ndarray:
    """Scale numbers to uint8 0..255."""
    if value_range is not None:
        low, high = value_range
        scaled = (pixels.astype(np.float32) - low) * (255 / (high - low))
        return np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise wrong_kind(
        path, "Pictures must have 8 or 16 bits per channel.", f"{pixels.dtype} numbers",
        "Give `value_range=(low, high)`: the numbers that become black and white.",
    )  # fmt: skip


def _convert(pixels: np.ndarray, num_channels: int, path: Path) -> np.ndarray:
    """Bring a picture (h, w) or (h, w, c) to a number of channels."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    channels = pixels.shape[-1]
    if channels == num_channels:
        return pixels
    if num_channels == 3 and channels == 1:
        return np.repeat(pixels, 3, axis=-1)
    if num_channels == 3 and channels == 4:
        return pixels[..., :3]
    if num_channels == 1 and channels in (3, 4):
        grey = pixels[..., :3].astype(np.uint32) @ _LUMA
        return ((grey + 0x8000) >> 16).astype(np.uint8)[..., None]
    raise wrong_kind(
        path, f"Pictures must have the {num_channels} channels of their dataset.",
        f"{channels} channels", "Give `num_channels`, or take the picture out of the dataset.",
    )  # fmt: skip
