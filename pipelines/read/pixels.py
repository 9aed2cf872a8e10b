"""Convert stored numbers to uint8 pixels: scaling, channels, and checks of arrays."""

import cv2
import numpy as np

from pipelines.read.faults import Path, wrong_kind
from pipelines.read.spec import InputSpec, Range

# ITU-R 601, in 1/65536; Pillow's own numbers.
_LUMA = np.array([19595, 38470, 7471], np.uint32)
_ROWS = 1 << 24  # numbers scaled per step


def to_pixels(numbers: np.ndarray, spec: InputSpec, path: Path) -> np.ndarray:
    """Convert the numbers of a file to uint8 pixels with the channels of the spec.

    Args:
        numbers: (h, w) or (h, w, c); volumes have the depth as the first axis.
        spec: how files are converted to pixels.
        path: the file, for errors.

    Returns:
        uint8 array (h, w, channels) or (d, h, w, channels).

    Raises:
        FileFault: a ValueError that names the file, if type or channels do not fit.
    """
    numbers = numbers.reshape(*numbers.shape[: spec.dimensions], -1)
    if spec.bands is not None:
        numbers = _take_bands(numbers, spec.bands, path)
    pixels = to_channels(to_bytes(numbers, spec.value_range, path), spec.channels)
    if pixels is None:
        raise wrong_kind(
            path, f"Pictures must have the {spec.channels} channels of their dataset.",
            f"{numbers.shape[-1]} channels",
            "Give `num_channels`, or remove the picture from the dataset.",
        )  # fmt: skip
    return np.ascontiguousarray(pixels)


def _take_bands(numbers: np.ndarray, bands: tuple[int, ...], path: Path) -> np.ndarray:
    if max(bands) >= numbers.shape[-1]:
        raise wrong_kind(
            path, f"Pictures must have the bands {bands} of their dataset, counted from 0.",
            f"{numbers.shape[-1]} channels", "Give other `bands`.",
        )  # fmt: skip
    return numbers[..., list(bands)]


def to_bytes(numbers: np.ndarray, value_range: Range, path: Path) -> np.ndarray:
    """Scale numbers to uint8 0..255.

    Args:
        numbers: array of any shape.
        value_range: values that are mapped to 0 and 255; None for the full range of 8 or 16 bits.
        path: the file, for errors.

    Raises:
        FileFault: a ValueError that names the file, if the type needs a range.
    """
    if value_range is not None:
        return _scaled(numbers, value_range)
    if numbers.dtype == np.uint8:
        return numbers
    if numbers.dtype == bool:
        return numbers.astype(np.uint8) * np.uint8(255)
    if numbers.dtype.kind == "u" and numbers.dtype.itemsize == 2:
        return ((numbers.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise wrong_kind(
        path, "Pictures must have 8 or 16 bits per channel.", f"{numbers.dtype} numbers",
        "Give `value_range=(low, high)`: the values that are mapped to 0 and 255.",
    )  # fmt: skip


def _scaled(numbers: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    """Scale in parts, to avoid a float32 copy of a large picture."""
    low, high = value_range
    factor = 255 / (high - low)
    found = np.empty(numbers.shape, np.uint8)
    rows = max(1, _ROWS // max(1, numbers[:1].size))
    for top in range(0, len(numbers), rows):
        piece = (numbers[top : top + rows].astype(np.float32) - low) * factor
        found[top : top + rows] = np.rint(np.clip(np.nan_to_num(piece), 0, 255))
    return found


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray | None:
    """Convert pixels (..., c) to a number of channels where that is well defined; else return None.

    Gray becomes RGB; in pictures RGB becomes gray, and a fourth channel is dropped. Channels of
    volumes are not colors.
    """
    have, is_volume = pixels.shape[-1], pixels.ndim == 4
    if have == channels:
        return pixels
    if channels == 3 and have == 1:
        return np.repeat(pixels, 3, axis=-1)
    if channels == 3 and have == 4 and not is_volume:
        return pixels[..., :3]
    if channels == 1 and have in (3, 4) and not is_volume:
        gray = pixels[..., :3].astype(np.uint32) @ _LUMA
        return ((gray + 0x8000) >> 16).astype(np.uint8)[..., None]
    return None


def from_array(array: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return an array in memory as uint8 pixels with the channels of the spec.

    Args:
        array: pixels 0..255, (h, w) or (h, w, c), of volumes (d, h, w) or (d, h, w, c). The value
            range and the bands of the spec are for files only.
        spec: how many dimensions and channels there must be.

    Returns:
        uint8 array (h, w, channels) or (d, h, w, channels).

    Raises:
        ValueError: if shape, range or channels do not fit.
        TypeError: if the array holds no numbers.

    >>> from_array(np.full((2, 5), 7, "uint8"), InputSpec(3)).shape
    (2, 5, 3)
    """
    pixels = _checked(np.asarray(array), spec)
    if pixels.ndim == spec.dimensions:
        pixels = pixels[..., None]
    found = to_channels(pixels, spec.channels)
    if found is None:
        what, axes, free = ("pictures", "h, w", "None, None")
        if spec.dimensions == 3:
            what, axes, free = ("volumes", "d, h, w", "None, None, None")
        raise ValueError(
            f"This model takes {what} with {spec.channels} channels. "
            f"Received: shape={pixels.shape}. Pass ({axes}, {spec.channels}), or build the model "
            f"with input_shape=({free}, {pixels.shape[-1]})."
        )
    return resized(found, spec.size)


def resized(pixels: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize a picture to cover a size, and center-crop it to that size.

    The aspect ratio is kept. Downscaling averages, upscaling is bilinear.

    Args:
        pixels: uint8 (h, w, c).
        size: (height, width); None returns the picture as it is.

    Returns:
        uint8 (height, width, c).

    >>> resized(np.zeros((20, 40, 3), "uint8"), (10, 10)).shape
    (10, 10, 3)
    """
    if size is None or pixels.shape[:2] == tuple(size):
        return pixels
    height, width = size
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    # Cut first: the window of the picture that becomes the result, in whole pixels.
    rows, columns = (max(1, round(side / scale)) for side in size)
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    window = np.ascontiguousarray(pixels[top : top + rows, left : left + columns])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(window, (width, height), interpolation=way).reshape(height, width, -1)


def _checked(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return numbers 0..255 as uint8, or raise with the reason."""
    two = spec.dimensions == 2
    shapes = "(h, w) or (h, w, c)" if two else "(d, h, w) or (d, h, w, c)"
    received = f"Received: dtype={pixels.dtype}, shape={pixels.shape}. "
    if pixels.dtype.kind not in "uif":
        raise TypeError(
            "A picture must be a path or an array of numbers. "
            f"{received}Pass uint8 pixels 0..255, shape {shapes}."
        )
    if pixels.ndim not in (spec.dimensions, spec.dimensions + 1) or 0 in pixels.shape:
        what = "picture" if two else "volume"
        raise ValueError(
            f"A {what} must have shape {shapes} and at least one pixel. "
            f"Received: shape={pixels.shape}. Pass a list of {what}s, or call "
            "`segmenter.labels(batch)` for a uint8 batch (b, h, w, c) or (b, d, h, w, c)."
        )
    if pixels.dtype == np.uint8:
        return pixels
    lowest, highest = pixels.min(), pixels.max()
    received = f"Received: dtype={pixels.dtype}, range {lowest}..{highest}. "
    if not (0 <= lowest and highest <= 255):
        advice = "Scale them to 0..255 as in training, and convert to uint8."
        if spec.value_range is not None:
            low, high = spec.value_range
            advice = f"Pass the file's path, or scale them so that {low}..{high} become 0..255."
        raise ValueError(f"Pixels must be in 0..255. {received}{advice}")
    if pixels.dtype.kind == "f" and highest <= 1:
        raise ValueError(
            f"Pixels must be in 0..255, and these look like 0..1. {received}Multiply by 255, "
            "or convert to uint8 if they are right; the model does its own normalization."
        )
    return np.rint(pixels).astype(np.uint8)
