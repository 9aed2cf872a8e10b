"""TensorFlow's TensorProto as an array and back (tensorflow/core/framework/tensor.proto)."""

import math

import numpy as np

from keras_seg.serve import messages
from keras_seg.serve.refusals import InvalidError
from keras_seg.serve.tensor_types import NAMES, NUMBERS

_DTYPES = {number: name for name, number in NUMBERS.items()}
_LISTS = {"float32": "float_val", "int32": "int_val", "uint8": "int_val"}


def to_array(name, tensor, max_size):
    """The array of a tensor.

    Args:
        name: of the input, for errors.
        tensor: TensorProto.
        max_size: most elements. A tensor of equal numbers stores one of them for any shape.

    Returns:
        Array, or list of bytes for strings with one axis.

    Raises:
        InvalidError: another type, or a content that does not fill the shape.
    """
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        wrong = NAMES.get(tensor.dtype, tensor.dtype)
        raise InvalidError(f"Input {name!r} has an unsupported type. Received: {wrong}.")
    size = math.prod(shape)
    if any(side < 0 for side in shape) or size > max_size:
        raise InvalidError(
            f"Input {name!r} needs a shape of at most {max_size:,} elements. Received: {shape}."
        )
    if dtype == "bytes":
        return _files(name, tensor, shape)
    if tensor.tensor_content:
        values = tensor.tensor_content
        if len(values) == size * np.dtype(dtype).itemsize:
            return np.frombuffer(values, dtype).reshape(shape)
        raise _unfilled(name, shape, f"{len(values)} bytes")
    values = getattr(tensor, _LISTS[dtype])
    if not 0 < len(values) <= size:
        raise _unfilled(name, shape, f"{len(values)} values")
    found = np.asarray(values)
    if dtype == "uint8" and (found.min() < 0 or found.max() > 255):
        raise InvalidError(f"Input {name!r} needs whole numbers 0..255. Received: others.")
    # The last value stands for all that follow it.
    rest = np.broadcast_to(found[-1:], size - len(found))
    return np.concatenate([found, rest]).astype(dtype).reshape(shape)


def _files(name, tensor, shape):
    files = list(tensor.string_val)
    if shape != (len(files),):
        raise _unfilled(name, shape, f"{len(files)} strings")
    return files


def _unfilled(name, shape, content):
    return InvalidError(
        f"Input {name!r} needs a content that fills its shape. Received: {content} for {shape}."
    )


def to_proto(value):
    """The tensor of an array.

    Args:
        value: float32, int32 or uint8 array; or list of bytes.

    Returns:
        TensorProto.
    """
    is_files = isinstance(value, list)
    tensor = messages.TensorProto(dtype=NUMBERS["bytes" if is_files else value.dtype.name])
    for side in (len(value),) if is_files else value.shape:
        tensor.tensor_shape.dim.add(size=side)
    if is_files:
        tensor.string_val.extend(value)
    else:
        tensor.tensor_content = value.tobytes()
    return tensor
