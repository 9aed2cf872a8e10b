"""Reach of operations of `keras.ops` in a functional model."""

import numpy as np
from keras import layers
from keras.src.ops import core, image, nn
from keras.src.ops import numpy as arrays

from keras_seg.analyse.reach import Reach, _everything, _gather, _merge, _resized, _spread, _window
from keras_seg.analyse.reach import _register as register

ELEMENTWISE = {
    core: "Cast StopGradient",
    nn: "Relu Relu6 Sigmoid Softplus Softsign Silu LogSigmoid LeakyRelu HardSigmoid HardSilu Elu "
    "Selu Gelu Celu Softmax LogSoftmax",
    arrays: "Absolute Add Clip Cos Divide DivideNoNan Equal Exp ExpandDims Expm1 FloorDivide "
    "Greater GreaterEqual Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum "
    "Mod Multiply NanToNum Negative NotEqual Power Reciprocal Round Sign Sin Sqrt Square Squeeze "
    "Subtract Tanh TrueDivide Where",
}
REDUCTIONS = {arrays: "All Amax Amin Any Max Mean Median Min Prod Std Sum Var"}
MIXING = {arrays: "Einsum Matmul", nn: "DotProductAttention"}
MULTIPLYING = (layers.Multiply, arrays.Multiply)


def _classes(names):
    """Classes by module and names; not all versions of Keras have all of them."""
    return [
        getattr(module, name)
        for module, listed in names.items()
        for name in listed.split()
        if hasattr(module, name)
    ]


def _shapes(operation):
    """Shapes of the first input and of the output of an operation's one call."""
    node = operation._inbound_nodes[0]
    return node.input_tensors[0].shape, node.output_tensors[0].shape


def _argument(operation, place, name):
    """An argument of an operation's one call."""
    arguments = operation._inbound_nodes[0].arguments
    return arguments.kwargs.get(name) if len(arguments.args) <= place else arguments.args[place]


def _at(value, axis):
    """One axis of a setting that may be given once for all axes."""
    return value if isinstance(value, int) else value[axis]


@register(_classes(ELEMENTWISE))
def _elementwise(operation, inputs, axis):
    return _merge(inputs)


@register([arrays.Concatenate])
def _concatenate(operation, inputs, axis):
    rank = len(_shapes(operation)[0])
    if operation.axis % rank == axis + 1 < rank - 1:
        return Reach(*(np.concatenate(ends) for ends in zip(*inputs, strict=True)))
    return _merge(inputs)


@register(_classes(REDUCTIONS))
def _reduction(operation, inputs, axis):
    axes, rank = operation.axis, len(_shapes(operation)[0])
    axes = range(rank) if axes is None else np.atleast_1d(axes) % rank
    return _everything(1) if axis + 1 in axes else inputs[0]


@register(_classes(MIXING))
def _mixing(operation, inputs, axis):
    return _everything(len(inputs[0].first))


@register([arrays.Reshape, layers.Reshape])
def _reshape(operation, inputs, axis):
    before, after = _shapes(operation)
    # The axes up to this one stay as they are: only the axes after them are rearranged.
    stays = axis + 2 < min(len(before), len(after)) and before[: axis + 2] == after[: axis + 2]
    return inputs[0] if stays or len(inputs[0].first) == 1 else _everything(1)


@register([arrays.Transpose])
def _transpose(operation, inputs, axis):
    axes = operation.axes
    stays = axes is not None and axes[axis + 1] == axis + 1
    return inputs[0] if stays else _everything(1)


@register([arrays.Pad])
def _pad(operation, inputs, axis):
    widths, n = operation.pad_width, len(inputs[0].first)
    before, after = widths[0] if len(widths) == 1 else widths[axis + 1]
    if operation.mode != "constant":
        source = np.pad(np.arange(n), (before, after), mode=operation.mode)[:, None]
        return _gather(inputs[0], source, np.ones(source.shape, bool))
    source = np.arange(-before, n + after)[:, None]
    return _gather(inputs[0], source, (source >= 0) & (source < n))


@register([arrays.GetItem])
def _get_item(operation, inputs, axis):
    key = _argument(operation, 1, "key")
    key = tuple(key) if isinstance(key, tuple | list) else (key,)
    if not all(isinstance(part, int | slice) for part in key):
        raise TypeError(
            "`receptive_field` supports slices of maps that list every axis up to the last sliced "
            f"one. Received: key={key!r}. For example, write x[:, 1:, 1:], or use a Cropping2D "
            "layer."
        )
    part = key[axis + 1] if axis + 1 < len(key) else slice(None)
    part = slice(part, part + 1 or None) if isinstance(part, int) else part
    return Reach(*(ends[part] for ends in inputs[0]))


@register([image.Resize])
def _resize(operation, inputs, axis):
    size = _shapes(operation)[0][axis + 1]
    known = operation.interpolation in ("nearest", "bilinear") and not operation.antialias
    if size is None or not known:
        raise TypeError(
            "`receptive_field` supports keras.ops.image.resize of maps of known size, nearest or "
            f"bilinear. Received: operation {operation.name!r} with interpolation="
            f"{operation.interpolation!r} on a map of size {size}. Build the model with a known "
            "input_shape, or use keras_seg.layers.ResizeLike."
        )
    made = max(1, round(len(inputs[0].first) * operation.size[axis] / size))
    return _resized(inputs[0], made, operation.interpolation)


@register([nn.MaxPool, nn.AveragePool])
def _pooling(operation, inputs, axis):
    size, strides = operation.pool_size, operation.strides
    strides = size if strides is None else strides
    return _window(inputs[0], _at(size, axis), _at(strides, axis), operation.padding, 1)


@register([nn.Conv, nn.DepthwiseConv, nn.SeparableConv])
def _convolution(operation, inputs, axis):
    name = "depthwise_kernel" if isinstance(operation, nn.SeparableConv) else "kernel"
    return _window(
        inputs[0],
        _argument(operation, 1, name).shape[axis],
        _at(operation.strides, axis),
        operation.padding,
        _at(operation.dilation_rate, axis),
    )


@register([nn.ConvTranspose])
def _transposed(operation, inputs, axis):
    return _spread(
        inputs[0],
        _argument(operation, 1, "kernel").shape[axis],
        _at(operation.strides, axis),
        operation.padding,
        _at(operation.dilation_rate, axis),
    )
