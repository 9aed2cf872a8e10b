"""The metadata of a .tflite file that MediaPipe and Android's tools read, as FlatBuffers tables.

The schemas are MediaPipe's metadata_schema.fbs and image_segmenter_metadata_schema.fbs. Both are
small, so the tables are written with the numbers of their fields and `flatbuffers` alone.
"""

from typing import NamedTuple

import numpy as np

NAME = "TFLITE_METADATA"  # of the entry in the file's list of metadata
LABELS = "labels.txt"
_PARSER_VERSION = "1.0.0"
_RGB, _GRAYSCALE = 1, 2  # ColorSpaceType
_AXIS_LABELS = 2  # AssociatedFileType.TENSOR_AXIS_LABELS
_IMAGE_PROPERTIES = 2  # of the union ContentProperties
_NORMALIZATION = 1  # of the union ProcessUnitOptions
_SOFTMAX = 2  # Activation


class _Byte(NamedTuple):
    """A number of one byte: an enumeration, or the type of a union."""

    value: int


def segmenter_metadata(outputs, channels, float_input, has_labels, is_map=True):
    """The metadata of a file with one picture in, logits or labels out.

    Args:
        outputs: names of the outputs of the first signature: maps of "logits" get softmax as
            activation.
        channels: channels of the picture.
        float_input: whether the input is float32; it is then pixels 0..255 that need no scaling.
        has_labels: whether the file contains `labels.txt`.
        is_map: whether the outputs are maps, not those of a classifier.

    Returns:
        bytes of a ModelMetadata, ident M001.
    """
    color = {1: _GRAYSCALE, 3: _RGB}.get(channels, 0)
    picture = {
        0: "image",
        1: "Pixels 0..255; normalization is part of the network.",
        3: _content(color),
        5: {0: np.array([255], np.float32), 1: np.array([0], np.float32)},  # Stats: max, min
    }
    if float_input:
        options = {0: np.array([0], np.float32), 1: np.array([1], np.float32)}  # mean, std
        picture[4] = [{0: _Byte(_NORMALIZATION), 1: options}]
    found = [_output(name, has_labels) for name in outputs]
    subgraph = {2: [picture], 3: found}
    if is_map and "logits" in outputs:
        activation = _packed({0: _Byte(_SOFTMAX), 1: _PARSER_VERSION}, b"V001")
        subgraph[9] = [{0: "SEGMENTER_METADATA", 1: activation}]
    model = {
        0: "keras_seg",
        1: "Class of each pixel, or of each picture.",
        3: [subgraph],
        7: _PARSER_VERSION,
    }
    return _packed(model, b"M001")


def _output(name, has_labels):
    words = "Score of each class." if name == "logits" else "Class ids."
    output = {0: name, 1: words, 3: _content(_GRAYSCALE)}
    if has_labels:
        file = {0: LABELS, 1: "Names in the order of class ids.", 2: _Byte(_AXIS_LABELS)}
        output[6] = [file]
    return output


def _content(color_space):
    return {0: _Byte(_IMAGE_PROPERTIES), 1: {0: _Byte(color_space)}}


def _packed(table, identifier):
    """The bytes of a table with its identifier."""
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(_table(builder, table), identifier)
    return bytes(builder.Output())


def _table(builder, fields):
    """Write a table {number of the field: value}; its parts come first, as FlatBuffers needs it."""
    parts = {
        number: value if isinstance(value, _Byte) else _part(builder, value)
        for number, value in fields.items()
    }
    builder.StartObject(max(fields) + 1)
    for number, part in parts.items():
        if isinstance(part, _Byte):
            builder.PrependInt8Slot(number, part.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(number, part, 0)
    return builder.EndObject()


def _part(builder, value):
    """Write a string, bytes, numbers, a table or a list of tables."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        builder.StartVector(1, len(value), 16)  # force_align of CustomMetadata.data
        for byte in reversed(value):
            builder.PrependByte(byte)
        return builder.EndVector()
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, dict):
        return _table(builder, value)
    tables = [_table(builder, entry) for entry in value]
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()
