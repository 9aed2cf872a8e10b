"""Read one picture or volume, from a file or an array, as pixels for a network."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipelines.read import arrays, decode, pixels, tiff, volume
from pipelines.read.faults import SIZE, FileFault, Path, guarded
from pipelines.read.spec import InputSpec

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".pgm", ".ppm",
    ".npy", *volume.ONLY,
)  # fmt: skip
_FIRST_IS_CHANNELS = 32


def as_image(picture: Any, spec: InputSpec) -> np.ndarray:
    """Return a picture, given as a path or an array, as uint8 pixels.

    Args:
        picture: path of a file, or array of pixels 0..255.
        spec: how files are converted to pixels.

    Returns:
        uint8 array (h, w, channels), or (d, h, w, channels).

    Raises:
        ValueError: if a file is damaged or of another kind, or an array does not fit.
        TypeError: if it is neither a path nor an array of numbers.

    >>> as_image(np.full((2, 5), 7, "uint8"), InputSpec(3)).shape
    (2, 5, 3)
    """
    if isinstance(picture, str | os.PathLike):
        return read_image(picture, spec)
    return pixels.from_array(np.asarray(picture), spec)


def read_image(path: Path | Sequence[Path], spec: InputSpec | None = None) -> np.ndarray:
    """Read a picture's or a volume's file as uint8 pixels, rotated according to its EXIF data.

    Numbers of 16 bits are scaled from 0..65535 to 0..255, unless the spec has a value range.

    Args:
        path: a file; or several whose channels are concatenated.
        spec: how files are converted to pixels; RGB pictures if None.

    Returns:
        uint8 array (h, w, channels), or (d, h, w, channels), 0..255.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged, too large or of another
            kind.
        ImportError: if the file needs a package that is not installed.

    >>> import tempfile
    >>> from PIL import Image
    >>> path = tempfile.mkdtemp() + "/red.png"
    >>> Image.new("RGB", (4, 2), (255, 0, 0)).save(path)
    >>> read_image(path, InputSpec(channels=3)).shape
    (2, 4, 3)
    """
    spec = spec or InputSpec()
    if not isinstance(path, str) and isinstance(path, Sequence):
        return pixels.resized(_read_parts(path, replace(spec, size=None)), spec.size)
    with guarded(path):
        if spec.dimensions == 3:
            numbers = volume.read_volume(path)
        else:
            numbers = _read_numbers(path, spec.channels)
        return pixels.resized(pixels.to_pixels(numbers, spec, path), spec.size)


def read_header(path: Path | Sequence[Path], dimensions: int = 2) -> tuple[int, ...]:
    """Return height, width (as displayed) and number of channels, without decoding.

    With 3 dimensions, depth comes first.

    Raises:
        FileFault: a ValueError that names the file, if it has no header of a picture.
    """
    if not isinstance(path, str) and isinstance(path, Sequence):
        headers = [read_header(part, dimensions) for part in path]
        return (*headers[0][:-1], sum(header[-1] for header in headers))
    if dimensions == 3:
        return volume.volume_shape(path)
    volume.require_picture(path)
    if arrays.suffix_of(path) == ".npy":
        shape = _picture_shape(path)
        if _channels_first(shape):
            shape = (*shape[1:], shape[0])
        return (*shape, 1)[:3]
    if tiff.is_tiff(path):
        header = tiff.tiff_header(path)
        channels = header.pages if header.pages > 1 else header.channels
        return header.height, header.width, channels
    with decode.opened(path) as picture:
        return *decode.header_size(picture), 1 if picture.mode in decode.GRAY else 3


def _read_parts(paths: Sequence[Path], spec: InputSpec) -> np.ndarray:
    """Read several files and concatenate their channels."""
    headers = [read_header(path, spec.dimensions) for path in paths]
    parts = [
        read_image(path, replace(spec, channels=header[-1], bands=None))
        for path, header in zip(paths, headers, strict=True)
    ]
    for path, part in zip(paths, parts, strict=True):
        if part.shape[:-1] != parts[0].shape[:-1]:
            raise FileFault(
                SIZE, path,
                "All files of one picture must have the same size. "
                f"Received: {str(path)!r} of {part.shape[:-1]} and {str(paths[0])!r} of "
                f"{parts[0].shape[:-1]} (height, width). Resize one of them.",
                f"{part.shape[:-1]}, the first {parts[0].shape[:-1]}",
            )  # fmt: skip
    whole = np.concatenate(parts, axis=-1)
    return pixels.to_pixels(whole, replace(spec, value_range=None), paths[0])


def _read_numbers(path: Path, channels: int) -> np.ndarray:
    """Return the numbers of a picture as they are stored, (h, w) or (h, w, c)."""
    volume.require_picture(path)
    if arrays.suffix_of(path) == ".npy":
        shape = _picture_shape(path)
        array = arrays.read_array(path)
        return np.moveaxis(array, 0, -1) if _channels_first(shape) else array
    if tiff.is_tiff(path):
        numbers = tiff.read_tiff(path)
        return np.moveaxis(numbers, 0, -1) if tiff.tiff_header(path).pages > 1 else numbers
    with decode.opened(path) as picture:
        return decode.numbers(picture, path, channels, path)


def _picture_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of an array file, if it is that of a picture."""
    shape = arrays.array_shape(path)
    with guarded(path):
        if len(shape) not in (2, 3) or 0 in shape:
            raise ValueError(f"an array of the shape {shape}, not (h, w) or (h, w, c)")
    return shape


def _channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] <= _FIRST_IS_CHANNELS < min(shape[1:])
