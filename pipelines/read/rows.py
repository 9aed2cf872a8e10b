"""Read a picture a few rows at a time, without loading all of it into memory.

The numbers equal those of the reader of whole files, before they are scaled to 0..255.
"""

from os import PathLike
from pathlib import Path

import numpy as np
from PIL import JpegImagePlugin

from pipelines.read.arrays import npy_layout
from pipelines.read.faults import wrong_kind
from pipelines.read.geotiff import open_gdal
from pipelines.read.png_rows import open_png
from pipelines.read.row_source import Rows, damaged
from pipelines.read.tiff_rows import open_tiff

LONGEST_SIDE = 1 << 23  # pixels
MOST_PROGRESSIVE = 1 << 27  # largest progressive JPEG, in pixels: each of its scans is decoded
_FIRST_IS_CHANNELS = 32


def open_rows(path: str | PathLike) -> Rows | None:
    """Open a picture for reading by rows, if its format allows.

    TIFF, PNG and .npy files are read in parts, except for rare variants; with rasterio installed
    also TIFF files that tifffile does not decode, and .vrt, .jp2 and .img files.

    Args:
        path: the file.

    Returns:
        `Rows`; None for a file that must be read as a whole.

    Raises:
        ValueError: the file is missing or damaged, or a progressive JPEG that is too large. For
            other files that are read as a whole, `pipelines.read.limits` hold.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "picture.npy"
    >>> np.save(path, np.zeros((40, 50, 3), "uint8"))
    >>> rows = open_rows(path)
    >>> rows.height, rows.width, rows.read(10, 12).shape
    (40, 50, (2, 50, 3))
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"A picture must be a file. Received: '{path}'. Check the path.")
    rows = None
    for opener in _OPENERS.get(path.suffix.lower(), ()):
        rows = rows or opener(path)
    if rows is None:
        _require_moderate(path)
    elif not 0 < min(rows.height, rows.width) <= max(rows.height, rows.width) <= LONGEST_SIDE:
        raise damaged(path, f"{rows.height} x {rows.width} pixels by its header")
    return rows


def _open_npy(path: Path) -> Rows:
    """Rows of a .npy file. A memory map is not used, since its pages count as used memory."""
    layout = npy_layout(path)
    shape, dtype = layout.shape, layout.dtype
    if len(shape) not in (2, 3) or 0 in shape:
        raise wrong_kind(
            path, "A picture in a .npy file must be numbers (h, w), (h, w, c) or (c, h, w).",
            f"shape={shape}, dtype={dtype}", "Save one picture per file.",
        )  # fmt: skip
    channels_first = len(shape) == 3 and shape[0] <= _FIRST_IS_CHANNELS < min(shape[1:])
    if channels_first or layout.is_fortran:  # Rows are not contiguous in the file.
        pixels = layout.mapped(path)
        pixels = np.moveaxis(pixels, 0, -1) if channels_first else pixels
        height, width, channels = (*pixels.shape, 1)[:3]
        return Rows(
            height, width, channels, dtype,
            lambda top, bottom: np.array(pixels[top:bottom]).reshape(-1, width, channels),
        )  # fmt: skip
    height, width, channels = (*shape, 1)[:3]
    row = width * channels

    def read(top, bottom):
        offset = layout.start + top * row * dtype.itemsize
        found = np.fromfile(path, dtype, (bottom - top) * row, offset=offset)
        if len(found) < (bottom - top) * row:
            raise damaged(path, "it has become shorter")
        return found.reshape(bottom - top, width, channels)

    return Rows(height, width, channels, dtype, read)


def _require_moderate(path: Path) -> None:
    """Raise for a large progressive JPEG: each of up to a hundred scans covers all its pixels."""
    try:
        with path.open("rb") as file:  # Not Image.open, which raises for large pictures.
            picture = JpegImagePlugin.JpegImageFile(file)
            (width, height), progressive = picture.size, "progressive" in picture.info
    except Exception:  # No JPEG, or damaged: the reader of whole files raises the error.
        return
    if progressive and width * height > MOST_PROGRESSIVE:
        raise ValueError(
            f"A progressive JPEG must have at most {MOST_PROGRESSIVE // 1_000_000} million pixels. "
            f"Received: '{path}' of {height} x {width} pixels. Convert it to a tiled TIFF, which "
            "is read in parts."
        )


_OPENERS = {
    ".npy": (_open_npy,),
    ".tif": (open_tiff,),
    ".tiff": (open_tiff,),
    ".png": (open_png,),
    ".vrt": (open_gdal,),
    ".jp2": (open_gdal,),
    ".img": (open_gdal,),
}
