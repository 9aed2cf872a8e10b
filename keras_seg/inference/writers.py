"""Writing a label map row by row, so that it never lies in memory as a whole."""

import contextlib
import struct
import uuid
import zlib
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def label_writer(path, size, palette=None):
    """Open a file for a label map; it has its name only once it is complete. Folders are made.

    Args:
        path: a .npy file, or a .png whose pixels are the class ids.
        size: (height, width) in pixels; (depth, height, width) for a .npy file alone.
        palette: colours of the classes for a png; shades of grey if None.

    Yields:
        function that takes the next rows, uint8 (h, width), or slices (d, height, width).

    Raises:
        ValueError: the ending is another one or does not suit volumes, or the file exists.

    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "labels.npy"
    >>> with label_writer(name, (2, 3)) as write:
    ...     write(np.ones((2, 3), "uint8"))
    >>> np.load(name).shape
    (2, 3)
    """
    path = Path(path)
    writers = {".npy": _npy, ".png": _png}
    if path.suffix.lower() not in writers:
        raise ValueError(
            "`tiles` writes label maps as .npy or .png. "
            f"Received: out='{path}'. Give the file one of these endings."
        )
    if path.suffix.lower() == ".png" and len(size) == 3:
        raise ValueError(
            "`tiles` writes label maps of volumes as .npy. "
            f"Received: out='{path}'. Give the file this ending."
        )
    if path.exists():
        raise ValueError(
            f"`tiles` replaces no files. Received: out='{path}', which exists. "
            "Choose another name, or delete it first."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two that write the same file do not mix.
    draft = path.with_name(f".part_{uuid.uuid4().hex[:8]}_{path.name}")
    try:
        with draft.open("wb") as file, writers[path.suffix.lower()](file, size, palette) as write:
            yield write
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _npy(file, size, palette):
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(size)}
    np.lib.format.write_array_header_1_0(file, header)

    def write(rows):
        file.write(np.ascontiguousarray(rows, np.uint8))

    yield write


@contextlib.contextmanager
def _png(file, size, palette):
    """The parts of a PNG in their order, W3C PNG (Third Edition), section 5.6."""
    height, width = size
    colours = [(shade, shade, shade) for shade in range(256)] if palette is None else palette
    file.write(b"\x89PNG\r\n\x1a\n")
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)))
    padded = [*colours, *[(0, 0, 0)] * (256 - len(colours))]
    file.write(chunk(b"PLTE", np.asarray(padded, np.uint8).tobytes()))
    packer = zlib.compressobj(6)

    def write(rows):
        plain = np.zeros((len(rows), 1 + width), np.uint8)  # First of each row: filter 0, none.
        plain[:, 1:] = rows
        file.write(chunk(b"IDAT", packer.compress(plain.tobytes())))

    yield write
    file.write(chunk(b"IDAT", packer.flush()))
    file.write(chunk(b"IEND", b""))


def chunk(kind, data):
    """Return one part of a PNG: length, kind, data and checksum.

    Args:
        kind: four bytes.
        data: bytes.

    Returns:
        bytes.

    >>> len(chunk(b"IEND", b""))
    12
    """
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
