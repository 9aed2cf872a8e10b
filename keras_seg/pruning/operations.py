"""How the functions of `keras.ops` in a graph relate channels; `table.py` has the layers."""

from collections.abc import Callable

import keras
import numpy as np
from keras.src.activations import activations
from keras.src.ops import core, image, nn
from keras.src.ops import numpy as arrays

from keras_seg.pruning.relations import Related, fixes, is_last, passes, reshaped, ties


def combines(call, channels):
    """Elementwise on several tensors; channels stay where a constant has a value for each."""
    given = keras.tree.flatten((call.node.arguments.args, call.node.arguments.kwargs))
    constants = (tuple(np.shape(x)) for x in given if not isinstance(x, keras.KerasTensor))
    listed = any(shape and shape[-1] > 1 for shape in constants)
    return (fixes if listed else ties)(call, channels)


def clips(call, channels):
    """`clip`: channels stay where a bound has a value for each."""
    bounds = np.broadcast_shapes(np.shape(call.layer.x_min), np.shape(call.layer.x_max))
    return (fixes if bounds[-1:] not in ((), (1,)) else passes)(call, channels)


def joins(call, channels):
    """`concatenate`: along the last axis, the channels of all tensors in a row."""
    if not is_last(call.layer.axis, _read(call)):
        return ties(call, channels)
    constants = len(call.node.arguments.args[0]) > len(call.inputs)
    return fixes(call, channels) if constants else Related(np.concatenate(call.inputs))


def stacks(call, channels):
    """`stack`: a new axis, behind the channels or before them."""
    behind = is_last(call.layer.axis, call.shape)
    return (fixes if behind else ties)(call, channels)


def expands(call, channels):
    """`expand_dims`: a new axis, behind the channels or before them."""
    behind = is_last(call.layer.axis, call.shape)
    return (fixes if behind else passes)(call, channels)


def along(call, channels):
    """Along one axis, some, or by default all of them: channels pass if theirs is none of these."""
    return (fixes if is_last(call.layer.axis, _read(call)) else passes)(call, channels)


def moves(call, channels):
    """Axes change places: channels pass if theirs keeps its own."""
    layer, axes = call.layer, range(len(call.shape))
    if hasattr(layer, "axes"):
        last = (axes[::-1] if layer.axes is None else layer.axes)[-1]
        return (passes if last in (-1, axes[-1]) else fixes)(call, channels)
    names = ("axis1", "axis2") if hasattr(layer, "axis1") else ("source", "destination")
    moved = np.concatenate([np.atleast_1d(getattr(layer, name)) for name in names])
    return (fixes if is_last(moved, _read(call)) else passes)(call, channels)


def pads(call, channels):
    """`pad`: channels pass if none are put beside them."""
    beside = np.broadcast_to(call.layer.pad_width, (len(call.shape), 2))[-1]
    return (fixes if beside.any() else passes)(call, channels)


def splits(call, channels):
    """`split` and `unstack`: equal parts of the channels keep equal sizes."""
    layer, inputs = call.layer, call.inputs
    if not is_last(layer.axis, _read(call)):
        return passes(call, channels)
    count = getattr(layer, "indices_or_sections", None)
    if not isinstance(count, int):
        return fixes(call, channels)
    parts = np.split(inputs[0], count)  # Keras has refused others.
    for part in parts[1:]:
        channels.tie(parts[0], part)
    return Related(parts)


def takes(call, channels):
    """`x[...]`: channels pass if they are all taken, in their order."""
    key = (*call.node.arguments.args, *call.node.arguments.kwargs.values())[1]
    key = tuple(key) if isinstance(key, tuple | list) else (key,)
    rank = len(_read(call))
    used = sum(part is not None and part is not Ellipsis for part in key)
    if Ellipsis not in key and used < rank:
        key = (*key, Ellipsis)
    every = key[-1] is Ellipsis or (key[-1] == slice(None) and used)
    return (passes if every else fixes)(call, channels)


def reshapes(call, channels):
    """`reshape`: channels pass if they stay the last axis."""
    return reshaped(call, channels, "newshape")


def _read(call):
    """Shape of the first input."""
    return call.node.input_tensors[0].shape


_OPERATIONS = {
    passes: (
        (activations, "ReLU"),
        (
            nn,
            "Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu "
            "Squareplus LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Celu TanhShrink "
            "HardTanh HardShrink Threshold MaxPool AveragePool AdaptiveMaxPool AdaptiveAveragePool",
        ),
        (
            arrays,
            "Abs Absolute Ceil Cos Exp Expm1 Floor Log Log1p LogicalNot Negative OnesLike "
            "Reciprocal Round Sign Sin Sqrt Square Tanh ZerosLike",
        ),
        (core, "Cast StopGradient"),
        (image, "Resize"),
    ),
    combines: (
        (
            arrays,
            "Add Subtract Multiply Divide DivideNoNan TrueDivide Maximum Minimum Power Where Equal "
            "NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr",
        ),
    ),
    clips: ((arrays, "Clip"),),
    joins: ((arrays, "Concatenate"),),
    stacks: ((arrays, "Stack"),),
    expands: ((arrays, "ExpandDims"),),
    along: (
        (arrays, "Mean Sum Max Min Amax Amin Prod Std Var Any All Flip Roll Squeeze"),
        (nn, "Softmax LogSoftmax Sparsemax Normalize"),
    ),
    moves: ((arrays, "Transpose Swapaxes Moveaxis"),),
    pads: ((arrays, "Pad"),),
    splits: ((arrays, "Split"), (core, "Unstack")),
    takes: ((arrays, "GetItem"),),
    reshapes: ((arrays, "Reshape"),),
}

OPERATIONS: dict[type, Callable] = {
    getattr(package, name): relation
    for relation, rows in _OPERATIONS.items()
    for package, text in rows
    for name in text.split()
    if hasattr(package, name)  # Others came or went with versions of Keras.
}
