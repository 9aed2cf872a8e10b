"""Read one mask: class ids as stored, or the colors of classes.

The axes of the masks determine whether a data set has volumes (d, h, w) or pictures (h, w). An
array with a first axis of 1, or a last one of 1..4, is a mask of a picture, and so is a one-hot
array (h, w, classes) or (classes, h, w), whose values are 0 and a single 1 per pixel.
"""

import numpy as np
from PIL import Image

from pipelines.read import arrays, decode, matlab, nifti, tiff, volume
from pipelines.read.arrays import suffix_of
from pipelines.read.faults import LOSSY, FileFault, Path, guarded, wrong_kind

_SAVE = "Save the mask as a gray or palette PNG of class ids"
_MOST_CLASSES = 255
_MOST_FIRST = 32  # classes on the first axis
_JPEG_NOISE = 16  # largest difference between the channels of a gray JPEG
_MIDDLE = (64, 192)  # values between these are neither clearly black nor clearly white


def is_volume(path: Path) -> bool:
    """Return whether a mask's file holds a volume.

    Raises:
        FileFault: a ValueError that names the file, if it cannot be read.
    """
    suffix = suffix_of(path)
    if suffix in nifti.SUFFIXES:
        return True
    if suffix in (".tif", ".tiff") and tiff.is_tiff(path):
        return tiff.tiff_header(path).pages > 1
    if suffix not in (".npy", ".npz"):
        return False
    shape = arrays.array_shape(path)
    found = len(shape) == 3 and shape[0] > 1 and shape[-1] > 4
    if found and suffix == ".npy" and min(shape[0], shape[-1]) <= _MOST_CLASSES:
        found = one_hot_axis(arrays.read_array(path)) is None
    if suffix == ".npz" and not found:
        raise wrong_kind(
            path, "Masks in .npz files must be volumes (depth, height, width).", f"{shape}",
            "Save masks of pictures as .npy or PNG.",
        )  # fmt: skip
    return found


def read_label(path: Path, allow_jpeg: bool = False) -> np.ndarray:
    """Read a mask as integer ids (h, w): the palette's indices, not its colors.

    Args:
        path: a file of gray values, palette indices, an array of whole numbers, one-hot or not, or
            MATLAB's.
        allow_jpeg: read JPEG files too, whose values are inexact.

    Returns:
        integer array (h, w), the ids as stored in the file; (d, h, w) for a volume's mask.

    Raises:
        FileFault: a ValueError that names the file, if it is unreadable, a JPEG or holds colors.

    >>> import tempfile
    >>> from PIL import Image
    >>> path = tempfile.mkdtemp() + "/mask.png"
    >>> Image.fromarray(np.array([[0, 7]], "uint8")).save(path)
    >>> read_label(path).tolist()
    [[0, 7]]
    """
    with guarded(path):
        deep = is_volume(path)
        ids = volume.read_numbers(path) if deep else _read_ids(path, allow_jpeg)
        return _whole(path, ids, 3 if deep else 2)


def read_two_valued(path: Path) -> np.ndarray:
    """Read a mask like `read_label`; a black and white JPEG is read as 0 and 255.

    Raises:
        FileFault: a ValueError that names the file, if a pixel of a JPEG is neither clearly black
            nor clearly white.
    """
    if not is_jpeg(path):
        return read_label(path)
    ids = read_label(path, allow_jpeg=True)
    white = ids >= _MIDDLE[1]
    if not _is_black_and_white(ids, white):
        raise _lossy(path, "a JPEG with pixels that are neither clearly black nor clearly white")
    return np.where(white, np.uint8(255), np.uint8(0))


def _is_black_and_white(ids: np.ndarray, white: np.ndarray) -> bool:
    """Return whether a JPEG's values are 0 and 255, except for noise at edges.

    JPEG compresses blocks of 8x8: a block without an edge is decoded as exactly 0 or 255 at any
    quality from 50. Ids such as 1 and 2 would be kept there.
    """
    if (~white & (ids >= _MIDDLE[0])).any():
        return False
    edges = [(0, -size % 8) for size in ids.shape]
    blocks = [
        np.pad(array, edges, mode="edge").reshape(
            (ids.shape[0] + 7) // 8, 8, (ids.shape[1] + 7) // 8, 8
        )
        for array in (ids, white)
    ]
    values, is_white = blocks
    black_blocks, white_blocks = ~is_white.any(axis=(1, 3)), is_white.all(axis=(1, 3))
    highest, lowest = values.max(axis=(1, 3)), values.min(axis=(1, 3))
    return not highest[black_blocks].any() and not (lowest[white_blocks] < 255).any()


def read_colors(path: Path, allow_jpeg: bool = False) -> np.ndarray:
    """Read a color-coded mask as uint8 (h, w, 3), RGB.

    Args:
        path: a picture's file.
        allow_jpeg: read JPEG files too, whose values are inexact.

    Raises:
        FileFault: a ValueError that names the file, if it is unreadable or a JPEG.
    """
    if tiff.is_tiff(path):
        if tiff.tiff_header(path).is_lossy and not allow_jpeg:
            raise _lossy(path, "a TIFF with JPEG compression")
        return _rgb(path, tiff.read_tiff(path))
    with decode.opened(path) as picture:
        if picture.format in ("JPEG", "MPO") and not allow_jpeg:
            raise _lossy(path, "a JPEG")
        return np.asarray(decode.colored(decode.displayed(picture)))


def is_jpeg(path: Path) -> bool:
    """Return whether a mask is a JPEG, by its content; False if it cannot be read."""
    try:
        if tiff.is_tiff(path):
            return tiff.tiff_header(path).is_lossy
        if suffix_of(path) in (*volume.SUFFIXES, ".mat"):
            return False
        with decode.opened(path) as picture:
            return picture.format in ("JPEG", "MPO")
    except FileFault:
        return False


def one_hot_axis(array: np.ndarray) -> int | None:
    """Return the axis, -1 or 0, along which an array (h, w, k) or (k, h, w) is one-hot.

    One-hot arrays hold 0 and 1 only, and a single 1 along the axis of the classes.

    Returns:
        the axis; None if there is none, or it could be either.

    >>> one_hot_axis(np.eye(3)[[[0, 1], [2, 2]]])
    -1
    """
    if array.ndim != 3 or min(array.shape) < 1:
        return None
    last = array.shape[-1] <= _MOST_CLASSES and array.shape[-1] > 1
    first = 1 < array.shape[0] <= _MOST_FIRST < min(array.shape[1:])
    found = [axis for axis, few in ((-1, last), (0, first)) if few and _is_one_hot(array, axis)]
    return found[0] if len(found) == 1 else None


def _is_one_hot(array: np.ndarray, axis: int) -> bool:
    corner = array[:1] if axis == -1 else array[:, :1]  # this decides for most arrays
    return all(
        bool(((part == 0) | (part == 1)).all() and (part.sum(axis=axis) == 1).all())
        for part in (corner, array)
    )


def _read_ids(path: Path, allow_jpeg: bool) -> np.ndarray:
    """Return the numbers of a picture's mask as they are stored, (h, w) or (h, w, c)."""
    if matlab.is_mat(path):
        return matlab.read_mat(path)
    if suffix_of(path) == ".npy":
        return _of_array(path, arrays.read_array(path))
    if tiff.is_tiff(path):
        header = tiff.tiff_header(path)
        if header.is_lossy and not allow_jpeg:
            raise _lossy(path, "a TIFF with JPEG compression")
        ids = tiff.read_tiff(path, as_stored=True)
        return ids[..., :-1] if header.has_alpha and ids.ndim == 3 else ids
    with decode.opened(path) as picture:
        deep = decode.read_deep(path, picture, path)  # Pillow keeps only the upper half of 16 bits
        if deep is not None:
            return deep
        largest = _largest(picture)
        ids = np.asarray(decode.displayed(picture))
        if largest is not None:
            white = 65535 if picture.mode == "I" else 255
            ids = (ids.astype(np.int64) * largest + white // 2) // white
        lossy = picture.format in ("JPEG", "MPO")
        if picture.format == "GIF" and picture.mode == "P":
            return _black_and_white(ids, picture.getpalette() or [])
    if lossy and not allow_jpeg:
        raise _lossy(path, "a JPEG")
    if lossy and ids.ndim == 3 and np.ptp(ids[..., :3], axis=-1).max() <= _JPEG_NOISE:
        return ids[..., 1]
    return ids


def _largest(picture: Image.Image) -> int | None:
    """Return the number for white in a gray file whose numbers Pillow scales; None for others.

    It scales those of PNG files of 2 and 4 bits, and of PGM files, to 8 or 16 bits.
    """
    tile = getattr(picture, "tile", None)  # as in read_deep: it is known until decoding
    raw = tile[0][3] if tile else None
    if picture.format == "PNG":
        return {"L;2": 3, "L;4": 15}.get(str(raw))
    if picture.format == "PPM" and picture.mode in ("L", "I") and isinstance(raw, tuple):
        return int(raw[1])
    return None


def _of_array(path: Path, ids: np.ndarray) -> np.ndarray:
    """Return the ids of an array, whose channels were kept or are one-hot."""
    if ids.ndim != 3:
        return ids
    if ids.shape[-1] == 1:
        return ids[..., 0]
    if ids.shape[0] == 1:
        return ids[0]
    axis = one_hot_axis(ids)
    if axis is not None:
        return ids.argmax(axis=axis)
    if ids.shape[-1] == 2 or not (ids == ids[..., :1]).all():
        raise wrong_kind(
            path, "A mask array must hold one class id per pixel, or be one-hot: 0 and a single 1 "
            "per pixel along its first or last axis.",
            f"an array of the shape {ids.shape} that is not one-hot",
            "Save the class ids, such as np.save(path, array.argmax(axis=-1)).",
        )  # fmt: skip
    return ids[..., 0]


def _whole(path: Path, ids: np.ndarray, axes: int) -> np.ndarray:
    """Return whole numbers (h, w) or (d, h, w), or raise for other arrays."""
    if ids.dtype == bool:
        ids = ids.astype(np.uint8)
    if ids.ndim == 3 and axes == 2:
        if ids.shape[-1] > 2 and np.ptp(ids[..., :3], axis=-1).any():
            raise wrong_kind(
                path, "Masks must hold one class id per pixel.", "colors",
                f"{_SAVE}, or give `classes` as {{(red, green, blue): name}} or as a table of "
                "colors.",
            )  # fmt: skip
        ids = ids[..., 0]
    if not np.issubdtype(ids.dtype, np.integer):
        if ids.ndim != axes or not np.isfinite(ids).all() or np.any(ids != np.rint(ids)):
            raise wrong_kind(path, "Masks must hold whole numbers.", f"{ids.dtype}", f"{_SAVE}.")
        ids = ids.astype(np.int64)
    if ids.ndim != axes or ids.size == 0:
        rule = "Masks must be (height, width), or (depth, height, width)."
        raise wrong_kind(path, rule, f"{ids.shape}", f"{_SAVE}.")
    return ids


def _rgb(path: Path, numbers: np.ndarray) -> np.ndarray:
    """Return the colors of a TIFF as uint8 (h, w, 3)."""
    if numbers.dtype == bool:
        numbers = numbers.astype(np.uint8) * np.uint8(255)
    if numbers.dtype != np.uint8 or (numbers.ndim == 3 and numbers.shape[-1] not in (3, 4)):
        raise wrong_kind(
            path, "Color masks must have 8 bits in 3 channels.",
            f"{numbers.dtype} {numbers.shape}", f"{_SAVE}.",
        )  # fmt: skip
    return np.repeat(numbers[..., None], 3, -1) if numbers.ndim == 2 else numbers[..., :3]


def _black_and_white(ids: np.ndarray, palette: list[int]) -> np.ndarray:
    """Return 0 and 255 for a GIF of black and white, whose palette may begin with either."""
    colors = np.resize(np.array([*palette, 0, 0, 0]), (256, 3))[: len(palette) // 3]
    used = np.unique(ids)
    values = {tuple(color) for color in colors[used[used < len(colors)]].tolist()}
    if not values or not values <= {(0, 0, 0), (255, 255, 255)}:
        return ids
    return colors[:, 0].astype(np.uint8)[ids]


def _lossy(path: Path, received: str) -> FileFault:
    return FileFault(
        LOSSY, path,
        "Masks must not be JPEG files: JPEG changes the values of pixels, and therefore their "
        f"classes. Received: {received} in {str(path)!r}. Save the mask as PNG from its source. "
        "A mask with only black and white can be converted: "
        "Image.open(path).convert('L').point(lambda v: 255 * (v > 127)).save('mask.png').",
        received,
    )  # fmt: skip
