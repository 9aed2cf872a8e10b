"""Rows of a PNG, decoded a few at a time.

OpenCV and Pillow decode a PNG as a whole. Here zlib decompresses some rows. They are put into a
small PNG in memory, after the last decoded row, and OpenCV reverses the filters.
"""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipelines.read.row_source import Rows, damaged

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each color type
PALETTE, GRAY_ALPHA = 3, 4
PIECE = 1 << 20  # bytes
MOST_UNPACKED = 1032  # bytes from one byte of zlib's: deflate's limit
ROWS_AT_ONCE = 64
WIDEST = 1_000_000  # pixels, about OpenCV's limit


def open_png(path: Path) -> Rows | None:
    """Open a PNG of 8 or 16 bits per channel for reading by rows, from top to bottom.

    Args:
        path: the file.

    Returns:
        its rows; None for a kind that is read as a whole (interlaced, fewer bits, turned, very
        wide), or if the file is no PNG.

    Raises:
        ValueError: the file has fewer bytes than its size needs.
    """
    with path.open("rb") as file:
        parts = _chunks(file)
        kind, header = next(parts, (b"", b""))
        if kind != b"IHDR" or len(header) != 13:
            return None
        width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
        colors = np.zeros((256, 3), np.uint8)
        for kind, data in parts:
            if kind == b"eXIf":
                return None
            if kind == b"PLTE" and len(data) <= colors.size:
                colors.reshape(-1)[: len(data)] = np.frombuffer(data, np.uint8)
            if kind == b"IDAT":
                break
    usual = depth in (8, 16) and color in CHANNELS and (depth, color) != (16, PALETTE)
    if not usual or interlaced or not height or not 0 < width <= WIDEST:
        return None
    rows = _Rows(path, width, depth, color)
    if height * (1 + rows.line) > MOST_UNPACKED * path.stat().st_size:
        raise damaged(path, f"too short for its {height} x {width} pixels")

    def read(top, bottom):
        found = rows.read(top, bottom)
        if color == PALETTE:
            return colors[found[..., 0]]
        return found[..., :1] if color == GRAY_ALPHA else found

    channels = {PALETTE: 3, GRAY_ALPHA: 1}.get(color, rows.channels)
    return Rows(height, width, channels, rows.dtype, read)


class _Rows:
    """The rows of a file, kept from the last `top` on, since the next band begins further down."""

    def __init__(self, path, width, depth, color):
        self.path, self.width, self.depth = path, width, depth
        self.channels = CHANNELS[color]
        self.color = 0 if color == PALETTE else color
        self.dtype = np.dtype(np.uint8 if depth == 8 else np.uint16)
        self.line = width * self.channels * self.dtype.itemsize
        self._start()

    def _start(self):
        self.bytes = _unpacked(self.path)
        self.buffer = bytearray()
        self.top = 0
        self.kept = np.zeros((0, self.width, self.channels), self.dtype)
        self.last = bytes(self.line)

    def read(self, top, bottom) -> Any:
        if top < self.top:
            self._start()
        while self.top + len(self.kept) < bottom:
            next_row = self.top + len(self.kept)
            found = self._decode(min(ROWS_AT_ONCE, bottom - next_row))
            self.kept = np.concatenate([self.kept, found]) if next_row >= top else found
            self.top = self.top if next_row >= top else next_row
        self.kept, self.top = self.kept[top - self.top :], top
        return self.kept[: bottom - top]

    def _decode(self, number):
        length = number * (1 + self.line)
        while len(self.buffer) < length:
            try:
                self.buffer += next(self.bytes)
            except (StopIteration, zlib.error) as error:
                reason = str(error) or "it ends early"
                raise damaged(self.path, reason) from error
        raw = b"\0" + self.last + bytes(self.buffer[:length])
        del self.buffer[:length]
        size = (self.width, number + 1, self.depth, self.color, 0, 0, 0)
        small = b"".join(
            (
                b"\x89PNG\r\n\x1a\n",
                chunk(b"IHDR", struct.pack(">IIBBBBB", *size)),
                chunk(b"IDAT", zlib.compress(raw, 0)),
                chunk(b"IEND", b""),
            )
        )
        found = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise damaged(self.path, "a row has an unknown filter")
        found = self._in_order(found.reshape(number + 1, self.width, -1))[1:]
        self.last = found[-1].astype(self.dtype.newbyteorder(">")).tobytes()
        return found

    def _in_order(self, pixels):
        """OpenCV gives blue, green, red, alpha, also for gray with alpha."""
        if self.color == GRAY_ALPHA:
            return pixels[..., [0, -1]]
        return pixels[..., [2, 1, 0, 3][: self.channels]] if self.channels > 1 else pixels


def chunk(kind, data):
    """Return one part of a PNG: length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(file):
    """Yield kind and data of each chunk of a PNG; long chunks in parts."""
    if file.read(8) != b"\x89PNG\r\n\x1a\n":
        return
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        while length and (data := file.read(min(length, PIECE))):
            length -= len(data)
            yield kind, data
        file.seek(4, 1)  # The checksum, which zlib's own makes up for.


def _unpacked(path):
    """The rows with their filters, in pieces of at most a megabyte."""
    unpacker = zlib.decompressobj()
    with path.open("rb") as file:
        for kind, data in _chunks(file):
            while kind == b"IDAT" and data:
                yield unpacker.decompress(data, PIECE)
                data = unpacker.unconsumed_tail
