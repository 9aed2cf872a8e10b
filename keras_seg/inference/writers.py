"""Write a label map row by row, without holding it in memory as a whole."""

import math
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from keras_seg.whole_files import draft
from pipelines.read.geotiff import Georeference, georeference, rasterio_or_none
from pipelines.read.png_rows import chunk

SIDE = 256  # of the tiles of a TIFF, in pixels
NODATA = 255  # of a GeoTIFF: no class has this id


class LabelFile(NamedTuple):
    """A label map to be written.

    Attributes:
        path: the file.
        size: (height, width) in pixels, or (depth, height, width).
        palette: colors (r, g, b) of the classes, or None.
        source: path of the picture, or None.
        place: `Georeference` of the picture, or None.
    """

    path: Path
    size: tuple
    palette: Any
    source: Path | None
    place: Georeference | None


def require_writable(out, dimensions) -> None:
    """Raise unless a label map can be written to a file of this name.

    Args:
        out: path.
        dimensions: 2 for pictures, 3 for volumes.

    Raises:
        ValueError: if the extension is unknown or not suited to volumes, or the file exists.

    >>> require_writable("labels.png", 2)
    """
    path = Path(out)
    endings = ENDINGS if dimensions == 2 else (".npy",)
    if path.suffix.lower() not in endings:
        of = "" if dimensions == 2 else " of volumes"
        raise ValueError(
            f"`tiles` writes label maps{of} as {' or '.join(endings)}. "
            f"Received: out='{path}'. Choose another extension."
        )
    if path.exists():
        raise ValueError(
            f"`tiles` does not replace files. Received: out='{path}', which exists. "
            "Choose another name, or delete it first."
        )


def write_labels(out, bands, size, palette=None, source=None) -> None:
    """Write a label map under a temporary name, then rename it. Missing folders are created.

    Args:
        out: a .npy file; a .png or .tif file whose pixels are the class ids. A .tif file of a
            georeferenced picture is a GeoTIFF with the picture's coordinate reference system and
            transform; where the picture has no data, it has 255.
        bands: iterable of uint8 rows (h, width) from top to bottom, or slices (d, height, width).
        size: (height, width) in pixels; (depth, height, width) for a .npy file alone.
        palette: colors of the classes; shades of gray if None.
        source: path of the picture.

    Raises:
        ValueError: if the name cannot be written, see `require_writable`.
        ImportError: if the picture is a GeoTIFF, `out` is a .tif file, and rasterio is missing.

    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "labels.npy"
    >>> write_labels(name, [np.ones((2, 3), "uint8")], (2, 3))
    >>> np.load(name).shape
    (2, 3)
    """
    require_writable(out, len(size))
    ending = Path(out).suffix.lower()
    is_tiff = ending in (".tif", ".tiff")
    place = georeference(source) if is_tiff and source is not None else None
    write = _write_geotiff if place else _WRITERS[ending]
    with draft("tiles", out) as path:
        write(LabelFile(path, tuple(size), palette, source, place), bands)


def _write_npy(labels, bands):
    header = {"descr": "|u1", "fortran_order": False, "shape": labels.size}
    with labels.path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for rows in bands:
            file.write(np.ascontiguousarray(rows, np.uint8))


def write_png(labels: LabelFile, bands, level: int = 6) -> None:
    """Write a palette PNG: its parts in their order, W3C PNG (Third Edition), section 5.6.

    Args:
        labels: file, size and palette.
        bands: iterable of uint8 rows (h, width) from top to bottom.
        level: of the compression, 0 to 9.
    """
    height, width = labels.size
    with labels.path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)))
        file.write(chunk(b"PLTE", _colors(labels.palette).tobytes()))
        packer = zlib.compressobj(level)
        for rows in bands:
            plain = np.zeros((len(rows), 1 + width), np.uint8)  # First of each row: filter 0.
            plain[:, 1:] = rows
            file.write(chunk(b"IDAT", packer.compress(plain.tobytes())))
        file.write(chunk(b"IDAT", packer.flush()))
        file.write(chunk(b"IEND", b""))


def _write_tiff(labels, bands):
    height, width = labels.size
    with tifffile.TiffWriter(labels.path, bigtiff=height * width > 1 << 31) as file:
        file.write(
            _tiles(bands, width),
            shape=labels.size,
            dtype=np.uint8,
            photometric="palette",
            colormap=_colors(labels.palette).T.astype(np.uint16) * 257,
            compression="zlib",
            tile=(SIDE, SIDE),
            metadata=None,
        )


def _write_geotiff(labels, bands):
    rasterio = rasterio_or_none()
    height, width = labels.size
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": height, "width": width}
    profile |= {"crs": labels.place.crs, "transform": labels.place.transform, "nodata": NODATA}
    profile |= {"compress": "deflate", "bigtiff": "IF_SAFER"}
    if min(height, width) >= SIDE:
        profile |= {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE}
    with rasterio.open(labels.source) as source, rasterio.open(labels.path, "w", **profile) as file:
        all_valid = rasterio.enums.MaskFlags.all_valid
        has_holes = any(all_valid not in flags for flags in source.mask_flag_enums)
        colors = _colors(labels.palette).tolist()
        file.write_colormap(1, {index: (*color, 255) for index, color in enumerate(colors)})
        top = 0
        for rows in _strips(bands, SIDE):
            window = rasterio.windows.Window(0, top, width, len(rows))
            if has_holes:
                rows = np.where(source.dataset_mask(window=window) == 0, NODATA, rows)
            file.write(rows.astype(np.uint8), 1, window=window)
            top += len(rows)


def _colors(palette):
    """A color uint8 for each of 256 ids."""
    if palette is None:
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(palette)] = palette
    return colors


def _tiles(bands, width):
    """Yield the tiles of a TIFF from left to right and from top to bottom."""
    for strip in _strips(bands, SIDE):
        for left in range(0, width, SIDE):
            yield np.ascontiguousarray(strip[:, left : left + SIDE])


def _strips(bands, height):
    """Yield the same rows in pieces of one height, except for the last."""
    kept = []
    for rows in bands:
        kept.append(rows)
        if sum(map(len, kept)) >= height:
            whole = np.concatenate(kept)
            for index in range(len(whole) // height):
                yield whole[index * height : (index + 1) * height]
            kept = [whole[math.floor(len(whole) / height) * height :]]
    rest = np.concatenate(kept)
    if len(rest):
        yield rest


_WRITERS = {".npy": _write_npy, ".png": write_png, ".tif": _write_tiff, ".tiff": _write_tiff}
ENDINGS = tuple(_WRITERS)
