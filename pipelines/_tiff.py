"""TIFF pictures of many or deep channels, as cameras on drones and satellites write them.

Neither Pillow nor OpenCV reads these right. But a row of w pixels with c numbers each is a row
of w * c grey pixels: so the file gets a new table of tags that says so, and Pillow decodes it.
"""

import io
import os
import struct

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Tags

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, SAMPLES, STRIP_ROWS, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, FORMAT = 317, 322, 323, 324, 325, 339
ORIENTATION = 274
_RGB, _CMYK, _YCBCR = 2, 5, 6
_MAX_CHANNELS = 4096
_SHORT, _LONG = 3, 4
_SHORT_TAGS = (BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR, PREDICTOR, FORMAT)


def is_bands(path: str | os.PathLike) -> bool:
    """Say whether a TIFF needs `read_bands`: not one channel and not plain 8-bit colour."""
    tags = _read_tags(path)
    if tags is None or not tags.get(SAMPLES) or tags.get(PHOTOMETRIC) in (_CMYK, _YCBCR):
        return False
    if tags.get(PLANAR, 1) == 2:
        return True
    plain = tags[SAMPLES] == 3 and max(tags.get(BITS, (1,))) == 8
    return tags[SAMPLES] > 1 and not plain


def bands_shape(path: str | os.PathLike) -> tuple[int, int, int]:
    """Return height, width (as displayed) and channels."""
    tags = _known(path)
    height, width = tags[HEIGHT], tags[WIDTH]
    if tags.get(ORIENTATION, 1) > 4:
        height, width = width, height
    return height, width, tags[SAMPLES]


def read_bands(path: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Return the numbers (h, w, c) as they are stored, and the orientation 1..8."""
    tags = _known(path)
    with open(path, "rb") as file:
        content = file.read()
    channels, orientation = tags[SAMPLES], tags.get(ORIENTATION, 1)
    parts, sizes = (TILES, TILE_BYTES) if TILES in tags else (STRIPS, STRIP_BYTES)
    if tags.get(PLANAR, 1) == 2:
        count = len(tags[parts]) // channels
        slices = [slice(i * count, (i + 1) * count) for i in range(channels)]
        bands = [
            _grey(content, tags, 1, {parts: tags[parts][one], sizes: tags[sizes][one]})
            for one in slices
        ]
        return np.stack(bands, axis=-1), orientation
    predictor = tags.get(PREDICTOR, 1)
    wide = _grey(content, tags, channels, {parts: tags[parts], sizes: tags[sizes], PREDICTOR: 1})
    pixels = wide.reshape(tags[HEIGHT], tags[WIDTH], channels)
    if predictor == 2:
        step = tags[TILE_WIDTH] if TILES in tags else tags[WIDTH]
        for start in range(0, tags[WIDTH], step):
            block = pixels[:, start : start + step]
            block[:] = np.cumsum(block, axis=1, dtype=pixels.dtype)
    return pixels, orientation


def _read_tags(path: str | os.PathLike) -> Tags | None:
    """Return the tags of the first page; None for what is no classic TIFF."""
    with open(path, "rb") as file:
        header = file.read(8)
        if header[:4] not in (b"II*\0", b"MM\0*"):
            return None
        tags = Tags(header)
        file.seek(tags.next or 0)
        tags.load(file)
    return tags


def _known(path: str | os.PathLike) -> Tags:
    """Return the tags, or refuse what they say."""
    tags = _read_tags(path)
    if tags is None or any(tag not in tags for tag in (WIDTH, HEIGHT, BITS, SAMPLES)):
        raise ValueError("no size and depth in its header")
    for tag in (WIDTH, HEIGHT, SAMPLES):
        if not isinstance(tags[tag], int) or tags[tag] < 1:
            raise ValueError(f"its header says {tags[tag]!r} for tag {tag}")
    if len(set(tags[BITS])) > 1 or tags[BITS][0] not in (8, 16, 32):
        raise ValueError(f"channels of {tags[BITS]} bits")
    if tags[SAMPLES] > _MAX_CHANNELS or tags.get(PREDICTOR, 1) not in (1, 2):
        raise ValueError(f"{tags[SAMPLES]} channels with predictor {tags.get(PREDICTOR, 1)}")
    return tags


def _grey(content: bytes, tags: Tags, wider: int, changed: dict) -> np.ndarray:
    """Decode a file's data as one grey picture that is so many times wider."""
    kept = (HEIGHT, COMPRESSION, STRIP_ROWS, TILE_HEIGHT, PREDICTOR)
    values = {tag: tags[tag] for tag in kept if tag in tags} | changed
    values |= {WIDTH: tags[WIDTH] * wider, PHOTOMETRIC: 1, SAMPLES: 1, PLANAR: 1}
    values |= {BITS: tags[BITS][0], FORMAT: tags.get(FORMAT, (1,))[0]}
    if TILE_WIDTH in tags:
        values[TILE_WIDTH] = tags[TILE_WIDTH] * wider
    start = len(content) + len(content) % 2
    order = "<" if content[:2] == b"II" else ">"
    head = content[:4] + struct.pack(f"{order}I", start)
    body = (head + content[8:]).ljust(start, b"\0") + _table(values, start, order)
    with Image.open(io.BytesIO(body)) as picture:
        pixels = np.array(picture)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _table(values: dict, start: int, order: str) -> bytes:
    """Return a table of tags, and behind it the values that it has no room for."""
    entries, extra = struct.pack(f"{order}H", len(values)), b""
    behind = start + 2 + 12 * len(values) + 4
    for tag, value in sorted(values.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        kind, letter = (_SHORT, "H") if tag in _SHORT_TAGS else (_LONG, "I")
        data = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(data) > 4:
            data, extra = struct.pack(f"{order}I", behind + len(extra)), extra + data
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + data.ljust(4, b"\0")
    return entries + bytes(4) + extra
