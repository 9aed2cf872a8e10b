"""Georeferenced pictures: coordinates, and reading by rows, with rasterio (GDAL)."""

import struct
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from pipelines.read.row_source import LARGEST_PIECE, Rows, damaged

# ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory: GeoTIFF 1.1, section 7.
GEO_TAGS = (33550, 33922, 34264, 34735)
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"  # ISO/IEC 15444-1, annex I.5.1


class Georeference(NamedTuple):
    """The georeference of a picture.

    Attributes:
        crs: rasterio's coordinate reference system, or None.
        transform: rasterio's affine transform from (column, row) to coordinates.
    """

    crs: Any
    transform: Any


def rasterio_or_none() -> Any:
    """Return the package rasterio, or None where it is not installed."""
    try:
        import rasterio  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return rasterio


def georeference(path: str | PathLike) -> Georeference | None:
    """Return the georeference of a picture.

    Args:
        path: a file.

    Returns:
        its `Georeference`; None for a file without one, or that GDAL does not open.

    Raises:
        ImportError: it is a GeoTIFF, and rasterio is not installed.

    >>> georeference("street.jpg") is None
    True
    """
    rasterio = rasterio_or_none()
    if rasterio is None:
        if is_geotiff(path):
            raise ImportError(
                "The georeference of a label map is written by the package rasterio, which is "
                f"not installed. Received: '{path}', a GeoTIFF. Install it (pip install "
                "keras_seg[geo]), or write a .png file, which has no georeference."
            )
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                found = Georeference(file.crs, file.transform)
    except rasterio.errors.RasterioError:
        return None
    nowhere = found.crs is None and found.transform == rasterio.Affine.identity()
    return None if nowhere else found


def is_geotiff(path: str | PathLike) -> bool:
    """Say whether a file is a TIFF with the tags of a georeference.

    >>> is_geotiff("street.jpg")
    False
    """
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        return False
    try:
        with tifffile.TiffFile(path) as file:
            return any(tag in file.pages.first.tags for tag in GEO_TAGS)
    except Exception:  # Damaged: the reader of its pixels raises an error.
        return False


def open_gdal(path: Path) -> Rows | None:
    """Open a file for reading by rows with rasterio.

    Args:
        path: the file.

    Returns:
        its rows; None where rasterio is not installed or does not read it, or its bands are a
        palette, inverted, of several types, or of one large piece.
    """
    rasterio = rasterio_or_none()
    if rasterio is None or not _has_sound_boxes(path):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            file = rasterio.open(path)
    except rasterio.errors.RasterioError:
        return None
    palette = rasterio.enums.ColorInterp.palette in file.colorinterp
    pieces = max(height * width for height, width in file.block_shapes)
    inverted = file.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    if palette or inverted or len(set(file.dtypes)) > 1 or pieces > LARGEST_PIECE:
        file.close()
        return None

    def read(top, bottom):
        window = rasterio.windows.Window(0, top, file.width, bottom - top)  # pyright: ignore
        try:
            return np.moveaxis(file.read(window=window), 0, -1)
        except rasterio.errors.RasterioError as error:
            raise damaged(path, error) from error

    return Rows(file.height, file.width, file.count, np.dtype(file.dtypes[0]), read)


def _has_sound_boxes(path: Path) -> bool:
    """Say whether the boxes of a JPEG 2000 file follow each other; GDAL loops where they do not."""
    with path.open("rb") as file:
        if file.read(12) != _JP2:
            return True
        return _are_sound(file, 0, path.stat().st_size)


def _are_sound(file: Any, at: int, end: int, may_end_file: bool = True) -> bool:
    """Iterate over the boxes between two positions of a file: length, kind and content.

    A length of 0 stands for the rest of the file, which is allowed outside of other boxes only.
    """
    while at < end:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8).rjust(8, b"\0"))
        head = 8
        if length == 1:
            length, head = int.from_bytes(file.read(8)), 16
        if length == 0 and may_end_file:
            length = end - at
        if length < head or at + length > end:
            return False
        if kind == b"jp2h" and not _are_sound(file, at + head, at + length, False):
            return False
        at += length
    return True
