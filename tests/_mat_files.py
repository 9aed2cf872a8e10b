"""MATLAB files of version 5, written from its specification ("MAT-File Format", MathWorks)."""

import struct
import zlib

import numpy as np

_TYPES = {"int8": 1, "uint8": 2, "uint16": 4, "int32": 5, "float64": 9}
_CLASSES = {"uint8": 9, "uint16": 11, "float64": 6}


def element(kind, data, order="<"):
    """A tag and data, filled up to 8 bytes; up to 4 bytes stand in the tag itself."""
    if 0 < len(data) <= 4:
        return struct.pack(f"{order}I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name, values, order="<"):
    """A variable of numbers; values (h, w) are written column by column."""
    values = np.asarray(values)
    kind = values.dtype.name
    head = _head(name, _CLASSES[kind], values.shape, order)
    data = np.asfortranarray(values).astype(values.dtype.newbyteorder(order)).tobytes(order="F")
    return element(14, head + element(_TYPES[kind], data, order), order)


def record(name, fields, order="<"):
    """A struct of one element: names of 32 letters, then a variable without a name for each."""
    names = b"".join(field.encode().ljust(32, b"\0") for field in fields)
    length = element(5, struct.pack(f"{order}i", 32), order)
    body = length + element(1, names, order) + b"".join(fields.values())
    return element(14, _head(name, 2, (1, 1), order) + body, order)


def cells(name, count, order="<"):
    """A column of empty cells."""
    empty = element(14, _head("", 6, (0, 0), order) + element(9, b"", order), order)
    return element(14, _head(name, 1, (count, 1), order) + empty * count, order)


def content(*variables, order="<", compressed=True):
    """A file: 116 letters, 8 bytes of nothing, version 1.0, the order of bytes, variables."""
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100)
    body = variables
    if compressed:  # such elements are not filled up
        packed = [zlib.compress(variable) for variable in variables]
        body = [struct.pack(f"{order}II", 15, len(data)) + data for data in packed]
    return head + (b"IM" if order == "<" else b"MI") + b"".join(body)


def write(path, *variables, **options):
    """Write a file of variables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(*variables, **options))


def sbd_file(mask, **options):
    """A mask as SBD has it: a struct of boundaries, the mask, and the classes in it."""
    order = options.get("order", "<")
    fields = {
        "Boundaries": cells("", 20, order),
        "Segmentation": matrix("", np.asarray(mask, np.uint8), order),
        "CategoriesPresent": matrix("", np.array([[15.0]]), order),
    }
    return content(record("GTcls", fields, order), **options)


def write_sbd(path, mask, **options):
    """Write such a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sbd_file(mask, **options))


def _head(name, array_class, shape, order):
    flags = element(6, struct.pack(f"{order}II", array_class, 0), order)
    size = element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return flags + size + element(1, name.encode(), order)
