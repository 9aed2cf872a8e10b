"""Rows of a TIFF, decoded strip by strip or tile by tile with tifffile."""

import logging
import math
from pathlib import Path

import numpy as np
import tifffile

from pipelines.read.geotiff import open_gdal
from pipelines.read.row_source import LARGEST_PIECE, Rows, damaged

# tifffile's warnings are silenced; real faults raise an error that names the file.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
MINISBLACK, RGB, YCBCR, JPEG = 1, 2, 6, 7
ORIENTATION = 274


def open_tiff(path: Path) -> Rows | None:
    """Open a TIFF or BigTIFF for reading by rows.

    Args:
        path: the file.

    Returns:
        its rows; None for kinds that are read as a whole: palettes, inverted gray, turned pictures,
        stacks of pages, bit depths other than 8, 16 ..., one large compressed strip, and
        compressions that the installed packages do not decode.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if not _is_plain(page) or _is_stack(file):
                return None
            source = _Contiguous(path, page) if _is_contiguous(page) else _Pieces(path, page)
            source.read(0, 1)  # Raises for an unknown compression.
    except (
        Exception
    ) as error:  # Damaged or of a rare kind: the reader of whole files raises the error.
        return open_gdal(path) if "imagecodecs" in str(error) else None
    return Rows(page.imagelength, page.imagewidth, page.samplesperpixel, source.dtype, source.read)


def _is_plain(page) -> bool:
    jpeg = page.photometric == YCBCR and page.compression == JPEG
    return bool(
        (page.photometric in (MINISBLACK, RGB) or jpeg)
        and page.tags.valueof(ORIENTATION, 1) == 1
        and page.imagedepth == 1
        and page.dtype is not None
        and page.dtype.kind in "uif"
        and page.bitspersample == 8 * page.dtype.itemsize
    )


def _is_stack(file) -> bool:
    """Return whether there are further pages, apart from thumbnails, masks and smaller copies."""
    first = file.pages.first
    for index in range(1, min(len(file.pages), 16)):
        page = file.pages[index]
        if page.shape == first.shape and not (page.aspage().subfiletype & 0b101):
            return True
    return False


def _is_contiguous(page) -> bool:
    return bool(page.is_final and (page.planarconfig == 1 or page.samplesperpixel == 1))


class _Contiguous:
    """Pixels that lie in the file row after row, not compressed."""

    def __init__(self, path, page):
        self.path, self.dtype = path, page.dtype
        self.stored = page.dtype.newbyteorder(page.parent.byteorder)
        self.start = page.dataoffsets[0]
        self.shape = (page.imagewidth, page.samplesperpixel)

    def read(self, top, bottom):
        row = math.prod(self.shape)
        offset = self.start + top * row * self.dtype.itemsize
        found = np.fromfile(self.path, self.stored, (bottom - top) * row, offset=offset)
        if len(found) < (bottom - top) * row:
            raise damaged(self.path, f"it ends before row {bottom}")
        return found.astype(self.dtype, copy=False).reshape(bottom - top, *self.shape)


class _Pieces:
    """Strips or tiles; planar pictures have separate ones for each channel."""

    def __init__(self, path, page):
        self.path, self.dtype, self.size = path, page.dtype, path.stat().st_size
        self.width, self.channels = page.imagewidth, page.samplesperpixel
        self.decode, self.tables = page.decode, page.jpegtables
        self.empty = page.nodata
        self.offsets, self.counts = page.dataoffsets, page.databytecounts
        self.height = page.tilelength if page.is_tiled else page.rowsperstrip
        self.across = math.ceil(self.width / page.tilewidth) if page.is_tiled else 1
        self.down = math.ceil(page.imagelength / self.height)
        self.sets = page.samplesperpixel if page.planarconfig == 2 else 1
        piece_width = page.tilewidth if page.is_tiled else self.width
        if self.height * piece_width > LARGEST_PIECE:
            raise ValueError("a large piece")
        if len(self.offsets) < self.sets * self.down * self.across:
            raise ValueError("pieces are missing")

    def read(self, top, bottom):
        rows = np.full((bottom - top, self.width, self.channels), self.empty, self.dtype)
        first, last = top // self.height, math.ceil(bottom / self.height)
        with self.path.open("rb") as file:
            for band in range(self.sets):
                start = (band * self.down + first) * self.across
                for index in range(start, start + (last - first) * self.across):
                    if self.counts[index]:  # None or 0: left out, as GDAL does with empty tiles.
                        self._place(file, index, rows, top)
        return rows

    def _place(self, file, index, rows, top):
        """Decode one piece, and copy what it has of these rows."""
        try:
            if self.offsets[index] + self.counts[index] > self.size:
                raise ValueError("the file ends")
            file.seek(self.offsets[index])
            data = file.read(self.counts[index])
            values, (band, _, y, x, _), _ = self.decode(data, index, jpegtables=self.tables)
            values = values[0, :, : self.width - x]  # The last tile may extend past the picture.
            first, last = max(y, top), min(y + values.shape[0], top + len(rows))
            place = (slice(first - top, last - top), slice(x, x + values.shape[1]))
            channels = slice(band, band + 1) if self.sets > 1 else slice(None)
            rows[(*place, channels)] = values[first - y : last - y]
        except Exception as error:  # Decoders raise many kinds of exceptions on damaged bytes.
            row = index // self.across % self.down * self.height
            raise damaged(self.path, f"damaged at row {row}: {error}") from error
