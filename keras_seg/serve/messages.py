"""The messages of both gRPC protocols, made from the .proto files in `protocols`.

Classes that protoc generates are bound to versions of protobuf, and those of TensorFlow and
tensorflow-serving-api import TensorFlow. These have a pool of their own: they work with protobuf
5 to 7 and beside any other classes of the same names.
"""

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = re.compile(r"(repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+);")
_KINDS = descriptor_pb2.FieldDescriptorProto
_PLAIN = {
    name: getattr(_KINDS, f"TYPE_{name.upper()}")
    for name in "bool bytes double float int32 int64 string uint32 uint64".split()
}


def _file(path):
    """The descriptor of a .proto file that has flat messages of plain fields, messages and maps."""
    file = descriptor_pb2.FileDescriptorProto(name=path.name, syntax="proto3", package=path.stem)
    message: Any = None
    for line in map(str.strip, path.read_text("utf-8").splitlines()):
        field = _FIELD.fullmatch(line)
        if line.startswith("message "):
            message = file.message_type.add(name=line.split()[1])
        elif field:
            repeated, mapped, kind, name, number = field.groups()
            if mapped:
                kind = _map_entry(message, name, mapped, file.package)
            _add(message, (name, int(number), kind), repeated or mapped, file.package)
        elif not line.startswith(("//", "syntax", "package")) and line not in ("", "}"):
            raise ValueError(
                f"A .proto file of `serve` has one message or field per line. Received: {line!r} "
                f"in '{path}'. Write it as the others."
            )
    return file


def _map_entry(message, name, kind, package):
    """A map is a repeated message with key and value."""
    entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
    entry.options.map_entry = True
    _add(entry, ("key", 1, "string"), False, package)
    _add(entry, ("value", 2, kind), False, package)
    return f"{message.name}.{entry.name}"


def _add(message, field, repeated, package):
    name, number, kind = field
    label = _KINDS.LABEL_REPEATED if repeated else _KINDS.LABEL_OPTIONAL
    added = message.field.add(name=name, number=number, label=label)
    if kind in _PLAIN:
        added.type = _PLAIN[kind]
    else:
        added.type, added.type_name = _KINDS.TYPE_MESSAGE, f".{package}.{kind}"


def _classes():
    found, pool = {}, descriptor_pool.DescriptorPool()
    for path in sorted((Path(__file__).parent / "protocols").glob("*.proto")):
        file = _file(path)
        pool.Add(file)
        for message in file.message_type:
            descriptor = pool.FindMessageTypeByName(f"{file.package}.{message.name}")
            found[message.name] = message_factory.GetMessageClass(descriptor)
            found[message.name].__module__ = __name__  # where `pickle` finds it
    return found


_FOUND = _classes()


def serialized(message: Any) -> bytes:
    """The bytes of a message."""
    return message.SerializeToString()


def __getattr__(name: str) -> Any:
    if name in _FOUND:
        return _FOUND[name]
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}.")
