"""The Open Inference Protocol, version 2, over gRPC, which KServe's and Triton's clients speak.

It has no signatures: a request has one of the inputs `image` and `image_bytes`, and names the
outputs that it wants.
"""

import math
import struct

import numpy as np

import keras_seg
from keras_seg.serve import messages, signatures
from keras_seg.serve.refusals import InvalidError
from keras_seg.serve.tensor_types import DATATYPES
from keras_seg.serve.versions import version_number

PLATFORM = "keras_seg_litert"
_CONTENTS = {"float32": "fp32_contents", "int32": "int_contents", "uint8": "uint_contents"}
_DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}


def server_metadata(versions, request):
    """Name and version of the server.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: ServerMetadataRequest.

    Returns:
        ServerMetadataResponse.
    """
    return messages.ServerMetadataResponse(name="keras_seg", version=keras_seg.__version__)


def model_ready(versions, request):
    """Whether a model is served.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: ModelReadyRequest.

    Returns:
        ModelReadyResponse.

    Raises:
        RefusedError: there is no such model or version.
    """
    versions.get(request.name, version_number(request.version))
    return messages.ModelReadyResponse(ready=True)


def model_metadata(versions, request):
    """The inputs and outputs of all signatures.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: ModelMetadataRequest.

    Returns:
        ModelMetadataResponse.

    Raises:
        RefusedError: there is no such model or version.
    """
    model = versions.get(request.name, version_number(request.version))
    response = messages.ModelMetadataResponse(
        name=model.name, versions=[str(model.version)], platform=PLATFORM
    )
    for part in ("inputs", "outputs"):
        tensors = {}
        for one in signatures.signatures(model).values():
            tensors |= getattr(one, part)
        for name, tensor in tensors.items():
            datatype = DATATYPES[tensor.dtype]
            getattr(response, part).add(name=name, datatype=datatype, shape=tensor.shape)
    return response


def model_infer(versions, request):
    """Compute outputs from an input; numbers come back as raw contents.

    Args:
        versions: `keras_seg.serve.versions.Versions`.
        request: ModelInferRequest.

    Returns:
        ModelInferResponse.

    Raises:
        RefusedError: there is no such model, version, input or output, or they do not belong
            together.
    """
    model = versions.get(request.model_name, version_number(request.model_version))
    inputs = _inputs(request, model.max_pixels * model.channels)
    asked = [output.name for output in request.outputs]
    found = {}
    for name in _signatures_of(model, inputs, asked):
        found |= signatures.call(model, name, inputs)
    response = messages.ModelInferResponse(
        model_name=model.name, model_version=str(model.version), id=request.id
    )
    for name in asked or found:
        value = found[name]
        files = isinstance(value, list)
        response.outputs.add(
            name=name,
            datatype=DATATYPES["bytes" if files else value.dtype.name],
            shape=(len(value),) if files else value.shape,
        )
        response.raw_output_contents.append(_packed(value) if files else value.tobytes())
    return response


def _signatures_of(model, inputs, asked):
    """The signatures that have these inputs and outputs."""
    offered = signatures.signatures(model)
    having = {name: one for name, one in offered.items() if set(one.inputs) == set(inputs)}
    outputs = {output: name for name, one in having.items() for output in one.outputs}
    if not having or not set(asked) <= set(outputs):
        known = {name: (sorted(one.inputs), sorted(one.outputs)) for name, one in offered.items()}
        raise InvalidError(
            f"A request needs the input and outputs of {known}. "
            f"Received: inputs={sorted(inputs)}, outputs={asked}."
        )
    return list(dict.fromkeys(outputs[name] for name in asked)) or list(having)[:1]


def _inputs(request, max_size):
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise InvalidError(
            "`raw_input_contents` needs an entry for each input. "
            f"Received: {len(raw)} entries for {len(request.inputs)} inputs."
        )
    raw = raw or [None] * len(request.inputs)
    pairs = zip(request.inputs, raw, strict=True)
    return {tensor.name: _value(tensor, content, max_size) for tensor, content in pairs}


def _value(tensor, raw, max_size):
    """The array of an input, or a list of bytes."""
    dtype, shape = _DTYPES.get(tensor.datatype), tuple(tensor.shape)
    if dtype is None or any(side < 0 for side in shape) or math.prod(shape) > max_size:
        raise InvalidError(
            f"Input {tensor.name!r} needs one of the types {sorted(_DTYPES)} and at most "
            f"{max_size:,} elements. Received: {tensor.datatype} {shape}."
        )
    if dtype == "bytes":
        found = list(tensor.contents.bytes_contents) if raw is None else _unpacked(tensor.name, raw)
        size = len(found)
    elif raw is None:
        values = getattr(tensor.contents, _CONTENTS[dtype])
        size, found = len(values), values
    else:
        size, found = len(raw) / np.dtype(dtype).itemsize, raw
    if size != math.prod(shape) or (dtype == "bytes" and len(shape) != 1):
        raise InvalidError(
            f"Input {tensor.name!r} needs a content that fills its shape. "
            f"Received: {size:g} elements for {shape}."
        )
    if dtype == "bytes":
        return found
    if raw is not None:
        return np.frombuffer(raw, dtype).reshape(shape)
    return _checked(tensor.name, np.asarray(found), dtype).reshape(shape)


def _checked(name, values, dtype):
    if dtype == "uint8" and values.size and values.max() > 255:
        raise InvalidError(f"Input {name!r} needs whole numbers 0..255. Received: {values.max()}.")
    return values.astype(dtype)


def _packed(files):
    """Files as raw contents: each after its length in 4 bytes, the lowest first."""
    return b"".join(struct.pack("<I", len(content)) + content for content in files)


def _unpacked(name, raw):
    """The files of raw contents."""
    files, place = [], 0
    while place < len(raw):
        end = place + 4
        end += struct.unpack("<I", raw[place:end])[0] if end <= len(raw) else 0
        if end > len(raw):
            raise InvalidError(
                f"Input {name!r} needs each file after its length in 4 bytes. "
                f"Received: {len(raw)} bytes that end within a file."
            )
        files.append(raw[place + 4 : end])
        place = end
    return files
