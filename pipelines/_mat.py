"""Masks in MATLAB files of version 5 to 7, as SBD and COCO-Stuff 10k have them.

A file is a row of elements, each with a tag that says its type and length. A variable is an
element of elements: flags, dimensions, name, and numbers column by column; a struct has the
names of its fields, and then a variable for each.
"""

import os
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from pipelines.faults import wrong_kind

# Where data sets keep their masks: SBD, COCO-Stuff 10k, PASCAL-Context, CrackForest.
_KNOWN = ("GTcls.Segmentation", "S", "LabelMap", "groundTruth.Segmentation")
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _NUMBERS = 2, range(6, 16)
_MOST_BYTES = 1 << 28
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip


def is_mat(path: str | os.PathLike) -> bool:
    """Say whether a file is MATLAB's, by its name."""
    return os.fspath(path).lower().endswith(".mat")


def read_mat(path: str | os.PathLike) -> np.ndarray:
    """Read the mask (h, w) of a MATLAB file.

    It is `GTcls.Segmentation`, `S`, `LabelMap` or `groundTruth.Segmentation`, or else the only
    matrix of the file.

    Raises:
        FileFault: a ValueError that names the file, if it is of version 7.3 or holds no mask.
        ValueError: if the bytes are damaged.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content.startswith(b"MATLAB 7.3"):
        raise wrong_kind(
            path, "MATLAB files must be of version 5 to 7.", "version 7.3, which is HDF5",
            "Save it with '-v7', or the mask as a PNG of class ids.",
        )  # fmt: skip
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no header of MATLAB")
    found = dict(_masks(memoryview(content)[128:], order))
    chosen = [name for name in _KNOWN if name in found] or list(found)
    if not chosen or (len(chosen) > 1 and chosen[0] not in _KNOWN):
        raise wrong_kind(
            path, f"MATLAB files must hold one matrix, or one of {', '.join(_KNOWN)}.",
            f"matrices {sorted(found)}", "Save the mask as a PNG of class ids.",
        )  # fmt: skip
    shape, kind, numbers = found[chosen[0]]
    return np.frombuffer(numbers, order + _TYPES[kind]).reshape(shape, order="F")


def _masks(content: memoryview, order: str, prefix: str = "") -> Iterator[tuple]:
    """Yield name and (shape, type, bytes) of each matrix of numbers, also in plain structs."""
    for kind, data in _elements(content, order):
        if kind != _MATRIX or not data:
            continue
        parts = list(_elements(data, order))
        flags, shape = (np.frombuffer(part, order + "u4") for _, part in parts[:2])
        name = prefix + bytes(parts[2][1]).decode("latin-1")
        array_class = int(flags[0]) & 255
        if array_class in _NUMBERS and len(shape) == 2 and shape.prod(dtype=float) > 1:
            kind, numbers = parts[3]
            yield name, (tuple(shape.tolist()), kind, numbers)
        elif array_class == _STRUCT and not prefix and shape.tolist() == [1, 1]:
            yield from _fields(parts[3:], name, order)


def _fields(parts: list, name: str, order: str) -> Iterator[tuple]:
    """Yield the matrices of a struct's fields; they have no names of their own."""
    length = int(np.frombuffer(parts[0][1], order + "i4")[0])
    text = bytes(parts[1][1]).decode("latin-1")
    names = [text[at : at + length].split("\0")[0] for at in range(0, len(text), length)]
    for field, (kind, data) in zip(names, parts[2:], strict=True):
        element = struct.pack(f"{order}II", kind, len(data)) + bytes(data)
        yield from _masks(memoryview(element), order, f"{name}.{field}")


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and bytes of each element."""
    at = 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        begin, start = at, at + 8
        if kind >> 16:  # up to four bytes stand in the tag itself
            size, kind, start = kind >> 16, kind & 0xFFFF, at + 4
        at = start + size
        if at > len(content):
            raise ValueError("the data end too early")
        data = content[start:at]
        if kind == _COMPRESSED:
            inflater = zlib.decompressobj()
            whole = inflater.decompress(data, _MOST_BYTES)
            if not inflater.eof:
                raise ValueError("compressed data that do not end")
            yield from _elements(memoryview(whole), order)
        else:
            yield kind, data
            at += -(at - begin) % 8
