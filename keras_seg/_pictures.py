"""Reading one picture from a file or an array, as the pixels a model takes."""

from pathlib import Path

import cv2
import numpy as np


def read_picture(picture, num_channels: int = 3) -> np.ndarray:
    """Return a path or an array as uint8 pixels with the wanted number of channels.

    Args:
        picture: path of a file that OpenCV reads, or array (h, w) or (h, w, c) in 0..255.
        num_channels: 1 for grey, 3 for red, green, blue; more are taken only as they are.

    Returns:
        uint8 array (h, w, num_channels). Photographs are turned as their EXIF entry says.

    Raises:
        ValueError: if the file is missing or no picture, or shape, range or channels do not fit.
        TypeError: if the picture is neither a path nor an array of numbers.

    >>> read_picture(np.full((2, 5), 7, "uint8")).shape
    (2, 5, 3)
    """
    if isinstance(picture, str | Path):
        return _with_channels(as_pixels(_decode(Path(picture), num_channels)), num_channels)
    return _with_channels(as_pixels(np.asarray(picture)), num_channels)


def _decode(path: Path, num_channels: int) -> np.ndarray:
    if not path.is_file():
        raise ValueError(f"A picture must be a file. Received: {str(path)!r}. Check the path.")
    data = np.frombuffer(path.read_bytes(), np.uint8)
    flags = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR}.get(num_channels, cv2.IMREAD_UNCHANGED)
    pixels = cv2.imdecode(data, flags) if data.size else None
    if pixels is None:
        raise ValueError(
            "A picture must be a file that OpenCV reads (png, jpg, bmp, tif, webp, ...). "
            f"Received: {str(path)!r}. Check that it is complete, or convert it to png."
        )
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):  # OpenCV gives blue, green, red.
        for top in range(0, len(pixels), 256):  # A large picture is not held twice.
            band = pixels[top : top + 256, :, :3]
            band[:] = band[..., ::-1].copy()
    return pixels


def as_pixels(pixels: np.ndarray, dimensions: int = 2) -> np.ndarray:
    """Return whole numbers 0..255, or say why these are none; of a volume with 3 dimensions."""
    shapes = "(h, w) or (h, w, c)" if dimensions == 2 else "(d, h, w) or (d, h, w, c)"
    if pixels.dtype.kind not in "uif":
        raise TypeError(
            "A picture must be a path or an array of numbers. "
            f"Received: dtype={pixels.dtype}, shape={pixels.shape}. "
            f"Pass uint8 pixels 0..255, shape {shapes}."
        )
    if pixels.ndim not in (dimensions, dimensions + 1) or 0 in pixels.shape:
        what = "picture" if dimensions == 2 else "volume"
        raise ValueError(
            f"A {what} must have shape {shapes} and at least one pixel. "
            f"Received: shape={pixels.shape}. Pass a list of {what}s, or call "
            "`segmenter.labels(batch)` for a uint8 batch (b, h, w, c) or (b, d, h, w, c)."
        )
    if pixels.dtype == np.uint8:
        return pixels
    lowest, highest = pixels.min(), pixels.max()
    if not (0 <= lowest and highest <= 255):
        raise ValueError(
            f"Pixels must be in 0..255. Received: dtype={pixels.dtype}, range "
            f"{lowest}..{highest}. Scale them to 0..255 as for the training, and convert to uint8."
        )
    if pixels.dtype.kind == "f" and highest <= 1:
        raise ValueError(
            "Pixels must be in 0..255, and these look like 0..1. "
            f"Received: dtype={pixels.dtype}, range {lowest}..{highest}. Multiply by 255, "
            "or convert to uint8 if they are right; the model does its own normalisation."
        )
    return np.rint(pixels).astype(np.uint8)


def _with_channels(pixels: np.ndarray, num_channels: int) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    have = pixels.shape[-1]
    if have == num_channels:
        return pixels
    if have == 1 and num_channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    if have == 4 and num_channels == 3:
        return pixels[..., :3]
    if have in (3, 4) and num_channels == 1:
        return cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_RGB2GRAY)[..., None]
    raise ValueError(
        f"This model takes pictures with {num_channels} channels. Received: shape={pixels.shape}. "
        f"Pass (h, w, {num_channels}), or build the model with input_shape=(None, None, {have})."
    )
