"""Reading one picture or one mask from a file, with errors that name the file."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipelines import _decode, _mat, _tiff, _volumes
from pipelines._decode import Path
from pipelines.faults import SIZE, FileFault, wrong_kind

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm", ".npy",
    *_volumes.SUFFIXES,
)  # fmt: skip
_JPEG_NOISE = 16  # by so much the channels of a gray picture may differ
_GREY = ("1", "L", "LA", "I;16", "I;16B", "I", "F")
# ITU-R 601, in 1/65536; Pillow's own numbers.
_LUMA = np.array([19595, 38470, 7471], np.uint32)

Range = tuple[float, float] | None


def read_image(
    path: Path | Sequence[Path],
    num_channels: int = 3,
    value_range: Range = None,
    dimensions: int = 2,
) -> np.ndarray:
    """Read a picture as uint8 (h, w, num_channels), turned as its EXIF data say.

    Numbers of 16 bits are scaled from 0..65535 to 0..255. Where they use less of that, or the
    picture holds real numbers, `value_range` says which become 0 and 255.

    Args:
        path: a picture; or several whose channels are put together.
        num_channels: 3 for RGB, 1 for gray, which are converted into each other; 4 keeps the
            alpha channel; any number for TIFF files, stacks and several files.
        value_range: numbers of the file that become 0 and 255; those beyond are cut off.
        dimensions: 2 for pictures, 3 for volumes.

    Returns:
        uint8 array (h, w, num_channels), or (d, h, w, num_channels), 0..255.

    Raises:
        FileFault: a ValueError that names the file, if it is not such a picture.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/red.png"
    >>> Image.new("RGB", (4, 2), (255, 0, 0)).save(path)
    >>> read_image(path).shape
    (2, 4, 3)
    """
    if not isinstance(path, str) and isinstance(path, Sequence):
        return _read_parts(path, num_channels, value_range, dimensions)
    stored = _volumes.read_image(path) if dimensions == 3 else _read_pixels(path, num_channels)
    pixels = _convert(_bytes(stored, value_range, path), num_channels, path, dimensions)
    return np.ascontiguousarray(pixels)


def read_label(path: Path) -> np.ndarray:
    """Read a mask as integer ids (h, w): the palette's indices, not its colors.

    Args:
        path: a file of gray values, palette indices, an array of whole numbers, or MATLAB's.

    Returns:
        integer array (h, w), the ids as the file holds them; (d, h, w) for a volume's mask.

    Raises:
        FileFault: a ValueError that names the file, if it is unreadable or holds colors.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/mask.png"
    >>> Image.fromarray(np.array([[0, 7]], "uint8")).save(path)
    >>> read_label(path).tolist()
    [[0, 7]]
    """
    is_volume = _volumes.is_label(path)
    ids = _volumes.read_label(path) if is_volume else _read_ids(path)
    if ids.dtype == bool:
        return ids.astype(np.uint8)
    save = "Save the mask as a gray or palette PNG of class ids"
    axes = 3 if is_volume else 2
    if ids.ndim == 3 and not is_volume:
        if ids.shape[-1] > 2 and np.ptp(ids[..., :3], axis=-1).any():
            raise wrong_kind(
                path, "Masks must hold one class id per pixel.", "colors",
                f"{save}, or give `classes` as {{(red, green, blue): name}}.",
            )  # fmt: skip
        ids = ids[..., 0]
    if not np.issubdtype(ids.dtype, np.integer):
        if ids.ndim != axes or not np.isfinite(ids).all() or np.any(ids != np.rint(ids)):
            raise wrong_kind(path, "Masks must hold whole numbers.", f"{ids.dtype}", f"{save}.")
        ids = ids.astype(np.int64)
    if ids.ndim != axes or ids.size == 0:
        rule = "Masks must be (height, width), or (depth, height, width)."
        raise wrong_kind(path, rule, f"{ids.shape}", f"{save}.")
    return ids


def _read_ids(path: Path) -> np.ndarray:
    """Return the numbers of a picture's mask as they are stored."""
    if _decode.is_npy(path):
        ids = _decode.read_npy(path)
        return ids[..., 0] if ids.ndim == 3 and ids.shape[-1] == 1 else ids
    if _mat.is_mat(path):
        with _decode.guarded(path):
            return _mat.read_mat(path)
    with _decode.opened(path) as picture:
        deep = _decode.read_deep(path, picture)  # of which Pillow keeps the upper half
        if deep is not None:
            return deep
        ids = np.asarray(_decode.displayed(picture))
        lossy = picture.format == "JPEG"
        if picture.format == "GIF" and picture.mode == "P":
            return _black_and_white(ids, picture.getpalette() or [])
    if lossy and ids.ndim == 3 and np.ptp(ids[..., :3], axis=-1).max() <= _JPEG_NOISE:
        return ids[..., 1]
    return ids


def _black_and_white(ids: np.ndarray, palette: list[int]) -> np.ndarray:
    """Return 0 and 255 for a GIF of black and white, whose palette may begin with either."""
    colors = np.resize(np.array([*palette, 0, 0, 0]), (256, 3))[: len(palette) // 3]
    used = np.unique(ids)
    values = {tuple(color) for color in colors[used[used < len(colors)]].tolist()}
    if not values or not values <= {(0, 0, 0), (255, 255, 255)}:
        return ids
    return colors[:, 0].astype(np.uint8)[ids]


def read_colors(path: Path) -> np.ndarray:
    """Read a color-coded mask as uint8 (h, w, 3), RGB.

    Raises:
        FileFault: a ValueError that names the file, if it is unreadable.
    """
    with _decode.opened(path) as picture:
        return np.asarray(_colored(_decode.displayed(picture)))


def read_header(path: Path | Sequence[Path], dimensions: int = 2) -> tuple[int, ...]:
    """Return height, width (as displayed) and number of channels, without decoding.

    With 3 dimensions, depth comes first.

    Raises:
        FileFault: a ValueError that names the file, if its header is no picture's.
    """
    if not isinstance(path, str) and isinstance(path, Sequence):
        headers = [read_header(part, dimensions) for part in path]
        return (*headers[0][:-1], sum(header[-1] for header in headers))
    if dimensions == 3:
        return _volumes.image_shape(path)
    _volumes.require_picture(path)
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


def _read_parts(
    paths: Sequence[Path], num_channels: int, value_range: Range, dimensions: int
) -> np.ndarray:
    """Read several files and put their channels together."""
    headers = [read_header(path, dimensions) for path in paths]
    parts = [
        read_image(path, header[-1], value_range, dimensions)
        for path, header in zip(paths, headers, strict=True)
    ]
    for path, part in zip(paths, parts, strict=True):
        if part.shape[:-1] != parts[0].shape[:-1]:
            raise FileFault(
                SIZE, path,
                "Files of one picture must have one size. "
                f"Received: {str(path)!r} of {part.shape[:-1]} and {str(paths[0])!r} of "
                f"{parts[0].shape[:-1]} (height, width). Resize one of them.",
                f"{part.shape[:-1]}, the first {parts[0].shape[:-1]}",
            )  # fmt: skip
    return _convert(np.concatenate(parts, axis=-1), num_channels, paths[0], dimensions)


def _read_pixels(path: Path, num_channels: int) -> np.ndarray:
    """Return the numbers of a picture as they are stored, (h, w) or (h, w, c)."""
    _volumes.require_picture(path)
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
            picture = _colored(picture)
        return np.asarray(picture)


def _colored(picture: Image.Image) -> Image.Image:
    """Return a picture as RGB; what is transparent keeps its color."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # else Pillow warns
    return picture.convert("RGB")


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


def _convert(pixels: np.ndarray, num_channels: int, path: Path, dimensions: int = 2) -> np.ndarray:
    """Bring a picture (h, w) or (h, w, c), or a volume, to a number of channels."""
    pixels = pixels.reshape(*pixels.shape[:dimensions], -1)
    channels = pixels.shape[-1]
    if channels == num_channels:
        return pixels
    if num_channels == 3 and channels == 1:
        return np.repeat(pixels, 3, axis=-1)
    if num_channels == 3 and channels == 4:
        return pixels[..., :3]
    if num_channels == 1 and channels in (3, 4):
        gray = pixels[..., :3].astype(np.uint32) @ _LUMA
        return ((gray + 0x8000) >> 16).astype(np.uint8)[..., None]
    raise wrong_kind(
        path, f"Pictures must have the {num_channels} channels of their dataset.",
        f"{channels} channels", "Give `num_channels`, or take the picture out of the dataset.",
    )  # fmt: skip
