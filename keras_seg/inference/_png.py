"""Rows of a PNG, decoded a few at a time.

OpenCV and Pillow decode a PNG as a whole. Here zlib unpacks some rows; they become a small PNG in
memory, below the last row that is known already, and Pillow undoes the filters.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from keras_seg.inference.writers import chunk

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type
PALETTE, GREY_ALPHA = 3, 4
PIECE = 1 << 20  # bytes


def open_png(path):
    """Open a PNG of 8 bits per channel for reading by rows, from top to bottom.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        height, width and a function (top, bottom) that returns uint8 rows; or None for a kind
        that is better read as a whole (interlaced, of another depth, turned) or no PNG.
    """
    with path.open("rb") as file:
        parts = _chunks(file)
        kind, header = next(parts, (b"", b""))
        if kind != b"IHDR" or len(header) != 13:
            return None
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
        colours = np.zeros((256, 3), np.uint8)
        for kind, data in parts:
            if kind == b"eXIf":
                return None
            if kind == b"PLTE":
                colours.reshape(-1)[: len(data)] = np.frombuffer(data, np.uint8)
            if kind == b"IDAT":
                break
    if depth != 8 or interlaced or colour not in CHANNELS:
        return None
    rows = _Rows(path, width, height, colour)

    def read(top, bottom):
        found = rows.read(top, bottom)
        if colour == PALETTE:
            return colours[found[..., 0]]
        return found[..., :1] if colour == GREY_ALPHA else found

    return height, width, read


class _Rows:
    """The rows of a file, kept from the last `top` on, since the next band begins further down."""

    def __init__(self, path, width, height, colour):
        self.path, self.width, self.height = path, width, height
        self.channels = CHANNELS[colour]
        self.colour = 0 if colour == PALETTE else colour
        self._start()

    def _start(self):
        self.bytes = _unpacked(self.path)
        self.buffer = bytearray()
        self.top = 0
        self.kept = np.zeros((0, self.width, self.channels), np.uint8)
        self.last = bytes(self.width * self.channels)

    def read(self, top, bottom):
        if top < self.top:
            self._start()
        while self.top + len(self.kept) < bottom:
            next_row = self.top + len(self.kept)
            number = min(64, bottom - next_row)
            found = self._decode(number)
            self.kept = np.concatenate([self.kept, found]) if next_row >= top else found
            self.top = self.top if next_row >= top else next_row
        self.kept, self.top = self.kept[top - self.top :], top
        return self.kept[: bottom - top]

    def _decode(self, number):
        length = number * (1 + self.width * self.channels)
        while len(self.buffer) < length:
            try:
                self.buffer += next(self.bytes)
            except (StopIteration, zlib.error):
                raise ValueError(
                    "A picture must be complete. Received: "
                    f"'{self.path}', which ends early or is damaged. Copy or write it again."
                ) from None
        raw = b"\0" + self.last + bytes(self.buffer[:length])
        del self.buffer[:length]
        size = (self.width, number + 1, 8, self.colour, 0, 0, 0)
        small = b"".join(
            (
                b"\x89PNG\r\n\x1a\n",
                chunk(b"IHDR", struct.pack(">IIBBBBB", *size)),
                chunk(b"IDAT", zlib.compress(raw, 0)),
                chunk(b"IEND", b""),
            )
        )
        found = np.asarray(Image.open(io.BytesIO(small)))
        found = found.reshape(number + 1, self.width, self.channels)[1:]
        self.last = found[-1].tobytes()
        return found


def _chunks(file):
    """Kind and data of each part of a PNG; a long part comes in pieces."""
    if file.read(8) != b"\x89PNG\r\n\x1a\n":
        return
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        while length and (data := file.read(min(length, PIECE))):
            length -= len(data)
            yield kind, data
        file.seek(4, io.SEEK_CUR)  # The checksum, which zlib's own makes up for.


def _unpacked(path):
    """The rows with their filters, in pieces of at most a megabyte."""
    unpacker = zlib.decompressobj()
    with path.open("rb") as file:
        for kind, data in _chunks(file):
            while kind == b"IDAT" and data:
                yield unpacker.decompress(data, PIECE)
                data = unpacker.unconsumed_tail
