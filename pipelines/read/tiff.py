"""TIFF files of any number of channels and pages, with the package tifffile."""

import logging
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image

from pipelines.read.decode import SIDEWAYS, turned
from pipelines.read.faults import Path, guarded, wrong_kind
from pipelines.read.limits import require_size

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_PHOTOMETRIC = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR)
_JPEG = (6, 7, 34892, 33007)
_ORIENTATION = 274
_MOST_PAGES = 65536

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its log messages repeat our errors


class Header(NamedTuple):
    """Layout of a TIFF file.

    Attributes:
        pages: pages that are slices or channels: all gray and of one size. Else 1: thumbnails and
            pyramids are left out.
        height: rows, as displayed.
        width: columns, as displayed.
        channels: channels of a page, as its pixels are read: 3 for a palette.
        is_lossy: whether it has JPEG compression.
        has_alpha: whether the last channel is alpha.
    """

    pages: int
    height: int
    width: int
    channels: int
    is_lossy: bool
    has_alpha: bool


def is_tiff(path: Path) -> bool:
    """Return whether a file is a TIFF, by its first bytes; False if there is no such file."""
    if not os.path.isfile(path):
        return False
    with guarded(path), open(path, "rb") as file:
        return file.read(4) in _STARTS


def tiff_header(path: Path) -> Header:
    """Return the layout of a TIFF, without decoding it.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or too large.
    """
    with _opened(path) as pages:
        return _header(pages)


def read_tiff(path: Path, as_stored: bool = False) -> np.ndarray:
    """Return the numbers of a TIFF, (h, w), (h, w, c), or (pages, h, w) for several gray pages.

    Args:
        path: the file.
        as_stored: return palette indices instead of colors, and values of fewer than 8 bits
            unscaled, as needed for masks.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or too large.
    """
    with _opened(path) as pages:
        arrays = [_pixels(path, page, as_stored) for page in pages]
        return arrays[0] if len(arrays) == 1 else np.stack(arrays)


@contextmanager
def _opened(path: Path) -> Iterator[list[Any]]:
    """Yield the pages to read."""
    with guarded(path), tifffile.TiffFile(os.fspath(path)) as file:
        pages = _chosen(file)
        first = pages[0]
        if first.imagedepth != 1 or first.dtype is None or 0 in first.shaped:
            raise ValueError(f"a page of the shape {first.shaped}, {first.bitspersample} bits")
        sizes = len(pages) * first.imagelength * first.imagewidth
        require_size(path, sizes, sizes * first.samplesperpixel * np.dtype(first.dtype).itemsize)
        yield pages


def _chosen(file: tifffile.TiffFile) -> list[Any]:
    if len(file.pages) > _MOST_PAGES:
        raise ValueError(f"{len(file.pages)} pages")
    pages: list[Any] = list(file.pages)
    kinds = {(page.shape, page.dtype, page.photometric) for page in pages}
    gray = pages[0].samplesperpixel == 1 and pages[0].photometric in (0, 1)
    if not gray or len(kinds) > 1:
        return pages[:1]
    _require_last(file, pages[-1])
    return pages


def _require_last(file: tifffile.TiffFile, page: Any) -> None:
    """Raise for a truncated stack: the last page refers to a page that tifffile cannot find."""
    form, handle = file.tiff, file.filehandle
    handle.seek(page.offset)
    (tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    handle.seek(page.offset + form.tagnosize + tags * form.tagsize)
    if any(handle.read(form.offsetsize)):
        raise ValueError(f"the page after page {page.index + 1} is missing")


def _header(pages: list[Any]) -> Header:
    first = pages[0]
    height, width = first.imagelength, first.imagewidth
    if _orientation(first) in SIDEWAYS:
        height, width = width, height
    samples = 3 if first.photometric in (_PALETTE, _SEPARATED) else first.samplesperpixel
    extra = [int(kind) for kind in first.extrasamples]
    alpha = bool(extra) and extra[-1] in (1, 2)
    return Header(len(pages), height, width, samples, first.compression in _JPEG, alpha)


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    return tag.value if tag is not None and isinstance(tag.value, int) else 1


def _pixels(path: Path, page: Any, as_stored: bool) -> np.ndarray:
    """Decode a page to (h, w) or (h, w, c), as displayed."""
    if page.photometric not in _PHOTOMETRIC:
        raise wrong_kind(
            path, "TIFF files must hold gray, RGB, palette, CMYK or YCbCr pixels.",
            page.photometric, "Convert the file to RGB.",
        )  # fmt: skip
    _require_complete(page)
    try:
        pixels = page.asarray(maxworkers=1)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise wrong_kind(
            path, "This kind of TIFF is read with the package imagecodecs, which is not installed.",
            error, 'Install it (pip install "keras_seg[tiff]"), or save the file uncompressed.',
        ) from error  # fmt: skip
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        pixels = np.moveaxis(pixels, 0, -1)
    return turned(_colors(page, pixels, as_stored), _orientation(page))


def _require_complete(page: Any) -> None:
    """Raise for missing strips or tiles; tifffile would return uninitialized memory for them."""
    expected = math.prod(page.chunked)
    if len(page.dataoffsets) != expected or len(page.databytecounts) != expected:
        raise ValueError(f"{len(page.dataoffsets)} pieces of data where there must be {expected}")
    size = page.parent.filehandle.size
    pieces = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    last = max(start + length for start, length in pieces)
    if page.is_contiguous:
        last = max(last, pieces[0][0] + page.nbytes)
    if last > size:
        raise ValueError("the data end too early")


def _colors(page: Any, pixels: np.ndarray, as_stored: bool) -> np.ndarray:
    """Convert palette indices, inverted gray, fewer than 8 bits and inks to gray or RGB."""
    bits = page.bitspersample
    most = (1 << bits) - 1
    if page.photometric == _WHITE_IS_ZERO and pixels.dtype.kind in "bu":
        pixels = ~pixels if pixels.dtype == bool else (most - pixels).astype(pixels.dtype)
    if as_stored:
        return pixels
    if page.photometric == _PALETTE:
        colors = (np.asarray(page.colormap) >> 8).astype(np.uint8)
        return colors.T[pixels]
    if page.photometric == _SEPARATED:
        if pixels.dtype != np.uint8 or pixels.shape[-1] != 4:
            raise ValueError(f"inks of the shape {pixels.shape}, {pixels.dtype}")
        inks = Image.fromarray(np.ascontiguousarray(pixels), "CMYK")
        return np.asarray(inks.convert("RGB"))
    if pixels.dtype == np.uint8 and 1 < bits < 8:
        return (pixels.astype(np.uint16) * 255 // most).astype(np.uint8)
    return pixels
