"""Rows of a TIFF, decoded strip by strip or tile by tile.

Pillow decodes a TIFF as a whole. But every strip and every tile of one is compressed on its own,
so each becomes a small TIFF in memory, with the same entries but for its size, for Pillow to read.
"""

import io
import struct

import numpy as np
from PIL import TiffImagePlugin

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = 256, 257, 258, 259, 262, 274
OFFSETS, SAMPLES, ROWS, COUNTS, PLANAR = 273, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
# What else a piece needs to be decoded: predictor, kind of further channels, JPEG's tables, YCbCr's
# coefficients and subsampling, reference black and white. Types: 3 short, 5 ratio, 7 bytes.
COPIED = {317: 3, 338: 3, 347: 7, 529: 5, 530: 3, 532: 5}
LARGEST_PIECE = 32_000_000  # pixels


def open_tiff(path):
    """Open a TIFF of 8 bits per channel for reading by rows; BigTIFF is one, too.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        height, width and a function (top, bottom) that returns uint8 rows; or None for a kind
        that is better read as a whole (deeper than 8 bits, planes, palettes, turned, one large
        compressed piece, entries missing) or that Pillow does not know.
    """
    try:
        with path.open("rb") as file:  # Not Image.open, which refuses large pictures.
            image = TiffImagePlugin.TiffImageFile(file)
            tags, mode = dict(image.tag_v2), image.mode
    except (OSError, SyntaxError, KeyError):
        return None
    upright = tags.get(ORIENTATION, 1) == 1 and tags.get(PLANAR, 1) == 1
    if mode not in ("L", "RGB", "RGBA") or set(tags.get(BITS, (1,))) != {8} or not upright:
        return None
    width, height = tags[WIDTH], tags[HEIGHT]
    try:
        pieces = _tiles(tags) if TILE_OFFSETS in tags else _strips(tags)
    except KeyError:
        return None
    if max(piece_width * piece_height for *_, piece_width, piece_height in pieces) > LARGEST_PIECE:
        return None

    def read(top, bottom):
        rows = np.zeros((bottom - top, width, len(mode)), np.uint8)
        with path.open("rb") as file:
            for y, x, offset, count, piece_width, piece_height in pieces:
                if count and y < bottom and y + piece_height > top:  # Count 0: all zeros.
                    file.seek(offset)
                    try:
                        found = _decode(file.read(count), piece_width, piece_height, tags)
                    except (OSError, ValueError) as error:
                        raise ValueError(
                            "A picture must be complete. Received: "
                            f"'{path}', damaged at row {y} ({error}). Copy or write it again."
                        ) from None
                    first, last = max(y, top), min(y + piece_height, bottom)
                    rows[first - top : last - top, x : x + piece_width] = found[
                        first - y : last - y, : width - x
                    ]
        return rows

    return height, width, read


def _tiles(tags):
    """Row, column, offset, bytes, width and height of each tile."""
    width, height = tags[TILE_WIDTH], tags[TILE_HEIGHT]
    across = -(-tags[WIDTH] // width)
    return [
        (index // across * height, index % across * width, offset, count, width, height)
        for index, (offset, count) in enumerate(
            zip(tags[TILE_OFFSETS], tags[TILE_COUNTS], strict=True)
        )
    ]


def _strips(tags):
    """The same for strips; one that is not compressed is cut into shorter ones."""
    width, height = tags[WIDTH], tags[HEIGHT]
    rows = min(tags.get(ROWS, height), height)
    tops, line = range(0, height, rows), width * tags.get(SAMPLES, 1)
    plain = tags.get(COMPRESSION, 1) == 1
    # Old files do not say how long plain strips are.
    counts = tags.get(COUNTS, (rows * line,) * len(tops)) if plain else tags[COUNTS]
    strips = [
        (y, 0, offset, count, width, min(rows, height - y))
        for y, offset, count in zip(tops, tags[OFFSETS], counts, strict=False)
    ]
    if not plain:
        return strips
    return [
        (y + row, 0, offset + row * line, count and number * line, width, number)
        for y, _, offset, count, _, strip_rows in strips
        for row in range(0, strip_rows, 16)
        for number in [min(16, strip_rows - row)]
    ]


def _decode(data, width, height, tags):
    """Return the pixels (height, width, channels) of one piece."""
    samples = tags.get(SAMPLES, 1)
    entries = {
        WIDTH: (4, [width]),
        HEIGHT: (4, [height]),
        BITS: (3, [8] * samples),
        COMPRESSION: (3, [tags.get(COMPRESSION, 1)]),
        PHOTOMETRIC: (3, [tags[PHOTOMETRIC]]),
        OFFSETS: (4, [8]),
        SAMPLES: (3, [samples]),
        ROWS: (4, [height]),
        COUNTS: (4, [len(data)]),
    }
    for tag, kind in COPIED.items():
        if tag in tags:
            values = tags[tag]
            entries[tag] = (kind, values if isinstance(values, bytes | tuple) else (values,))
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(_small_tiff(data, entries)))
    return np.asarray(image).reshape(height, width, -1)


def _small_tiff(data, entries):
    """Return a TIFF: header, the piece at byte 8, the directory, values longer than four bytes."""
    data += b"\0" * (len(data) % 2)
    after = 8 + len(data) + 2 + 12 * len(entries) + 4
    directory, values = struct.pack("<H", len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        packed = _packed(kind, numbers)
        count = len(numbers)
        if len(packed) > 4:
            directory += struct.pack("<HHII", tag, kind, count, after + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        else:
            directory += struct.pack("<HHI4s", tag, kind, count, packed)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return header + data + directory + b"\0" * 4 + values


def _packed(kind, numbers):
    if kind == 7:
        return bytes(numbers)
    if kind == 5:  # Numerator and denominator.
        ratios = [(one.numerator, one.denominator) for one in numbers]
        return b"".join(struct.pack("<II", *ratio) for ratio in ratios)
    return struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
