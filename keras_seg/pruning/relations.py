"""How each kind of layer relates the channels that go in to those that come out: a table.

A relation is a function `f(call, channels)` of a `Call` of a layer and of `Channels`, which ties
the channels to each other. It returns `Related`. `register` adds a kind of layer to the table.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from keras_seg import layers as ours


class Call(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: the `keras.Layer`.
        inputs: for each input, the numbers of its channels, int arrays.
        shape: the output's shape with the batch; None for unknown sizes.
    """

    layer: keras.Layer
    inputs: list
    shape: tuple


class Slice(NamedTuple):
    """An axis of a weight whose entries are channels.

    Attributes:
        weight: number of the weight in `layer.weights`.
        axis: the axis, from the last one: -1, -2, ...
        channels: number of the channel of each entry.
        role: "makes" for the outputs of a kernel, "reads" for its inputs, "follows" for a value per
            channel, such as a bias or the scale of a normalization.
    """

    weight: int
    axis: int
    channels: np.ndarray
    role: str


class Related(NamedTuple):
    """What a relation returns.

    Attributes:
        outputs: numbers of the channels that come out; a list of arrays for several outputs.
        slices: `Slice`s of the layer's weights.
        changes: function that returns the changed fields of the layer's configuration. It is given
            a function from numbers of channels to whether each is kept, bool (n,).
    """

    outputs: np.ndarray | list
    slices: tuple = ()
    changes: Callable = lambda kept: {}


def passes(call, channels):
    """Output channel i is input channel i of the first input; others only give their size."""
    layer, inputs = call.layer, call.inputs
    count = len(inputs[0])
    wrong = [weight.path for weight in layer.weights if weight.shape[-1] != count]
    if wrong:
        raise ValueError(
            f"Layer '{layer.name}' is registered as one that passes its {count} channels, with "
            f"weights (..., {count}). Received: weights of other shapes: {', '.join(wrong)}. "
            "Register a function for it, see keras_seg.pruning.register."
        )
    slices = (Slice(i, -1, inputs[0], "follows") for i in range(len(layer.weights)))
    return Related(inputs[0], tuple(slices))


def ties(call, channels):
    """Output channel i is computed from the channels i of all inputs, as in additions."""
    inputs = call.inputs
    count = max(map(len, inputs))
    wide = [numbers for numbers in inputs if len(numbers) == count]
    for numbers in inputs:
        if len(numbers) == count:
            channels.tie(wide[0], numbers)
        else:  # One channel, which all others are multiplied by.
            channels.fix(numbers)
    return Related(wide[0])


def concatenates(call, channels):
    """The output channels are those of all inputs in a row."""
    layer, inputs = call.layer, call.inputs
    if layer.axis not in (-1, len(call.shape) - 1):
        return ties(call, channels)
    return Related(np.concatenate(inputs))


def fixes(call, channels):
    """The output changes with the number of channels, which therefore stays as it is."""
    inputs = call.inputs
    for numbers in inputs:
        channels.fix(numbers)
    count = call.shape[-1]
    if len(inputs[0]) == count:
        return Related(inputs[0])
    made = channels.new(count)
    channels.fix(made)
    return Related(made)


def mixes(call, channels):
    """Each output channel is a sum over all input channels: kernel (..., in, out) and bias."""
    layer, inputs = call.layer, call.inputs
    field = "filters" if hasattr(layer, "filters") else "units"
    groups = getattr(layer, "groups", 1)
    if groups > 1 and groups == len(inputs[0]):
        return _one_channel_groups(layer, inputs)
    read, made = inputs[0], channels.new(getattr(layer, field))
    if groups > 1:
        # The same places of all groups go together, so that these stay of one size.
        for numbers in (read, made):
            parts = numbers.reshape(groups, -1)
            for part in parts[1:]:
                channels.tie(parts[0], part)
        read = read.reshape(groups, -1)[0]
    if getattr(layer, "activation", None) in _ACROSS_CHANNELS:
        channels.fix(made)
    into, out = (-1, -2) if isinstance(layer, _TRANSPOSED) else (-2, -1)
    slices = [Slice(0, into, read, "reads"), Slice(0, out, made, "makes")]
    return Related(made, _with_bias(layer, slices, made), lambda kept: {field: _sum(kept, made)})


def _one_channel_groups(layer, inputs):
    """A convolution whose groups have one input channel each: depthwise."""
    made = np.repeat(inputs[0], layer.filters // len(inputs[0]))

    def changes(kept):
        return {"filters": _sum(kept, made), "groups": _sum(kept, inputs[0])}

    return Related(made, _with_bias(layer, [Slice(0, -1, made, "follows")], made), changes)


def depthwise(call, channels):
    """Each input channel becomes `depth_multiplier` output channels: kernel (..., in, m)."""
    layer, inputs = call.layer, call.inputs
    made = np.repeat(inputs[0], layer.depth_multiplier)
    return Related(made, _with_bias(layer, [Slice(0, -2, inputs[0], "follows")], made))


def separable(call, channels):
    """A depthwise kernel (..., in, m), and one that mixes (..., in * m, out)."""
    layer, inputs = call.layer, call.inputs
    made = channels.new(layer.filters)
    between = np.repeat(inputs[0], layer.depth_multiplier)
    slices = [
        Slice(0, -2, inputs[0], "follows"),
        Slice(1, -2, between, "reads"),
        Slice(1, -1, made, "makes"),
    ]
    return Related(
        made, _with_bias(layer, slices, made), lambda kept: {"filters": _sum(kept, made)}
    )


def attends(call, channels):
    """`PositionAttention`: queries and keys stay, values are tied to the input of the sum."""
    layer, inputs = call.layer, call.inputs
    read = inputs[0]
    made = {layer.query: None, layer.key: None, layer.value: read}
    slices, places = [], {id(weight): i for i, weight in enumerate(layer.weights)}
    for dense, out in made.items():
        kernel, bias = places[id(dense.kernel)], places[id(dense.bias)]
        slices.append(Slice(kernel, -2, read, "reads"))
        if out is not None:
            slices += [Slice(kernel, -1, out, "makes"), Slice(bias, -1, out, "follows")]
    queries = layer.query.units
    return Related(read, tuple(slices), lambda kept: {"query_channels": queries})


def selects(call, channels):
    """`SelectChannels`: the numbers of those that stay change."""
    layer, inputs = call.layer, call.inputs

    def changes(kept):
        stays = kept(inputs[0])
        places = np.cumsum(stays) - 1
        return {"channels": [int(places[c]) for c in layer.channels if stays[c]]}

    return Related(inputs[0][layer.channels], (), changes)


def pads(call, channels):
    """`PadChannels`: channels of zeros behind those that pass."""
    layer, inputs = call.layer, call.inputs
    zeros = channels.new(layer.count)
    return Related(
        np.concatenate([inputs[0], zeros]), (), lambda kept: {"count": _sum(kept, zeros)}
    )


def flattens(call, channels):
    """Channels repeat for every pixel."""
    inputs = call.inputs
    return Related(np.tile(inputs[0], call.shape[-1] // len(inputs[0])))


def reshapes(call, channels):
    """Channels pass if they stay the last axis, and are kept otherwise."""
    layer, inputs = call.layer, call.inputs
    if call.shape[-1] != len(inputs[0]):
        return fixes(call, channels)
    first = tuple(layer.target_shape[:-1])
    return Related(inputs[0], (), lambda kept: {"target_shape": (*first, _sum(kept, inputs[0]))})


def activates(call, channels):
    """An activation passes channels, unless it compares them, as softmax does."""
    across = call.layer.activation in _ACROSS_CHANNELS
    return (fixes if across else passes)(call, channels)


def rescales(call, channels):
    """One number for all channels passes them; a list belongs to these channels."""
    layer = call.layer
    listed = np.ndim(layer.scale) or np.ndim(layer.offset)
    return (fixes if listed else passes)(call, channels)


def unpools(call, channels):
    """`MaxUnpooling2D`: values and indices of the same channels; the third input gives the size."""
    return ties(call._replace(inputs=call.inputs[:2]), channels)


def _with_bias(layer, slices, made):
    bias = [Slice(len(layer.weights) - 1, -1, made, "follows")] if layer.use_bias else []
    return (*slices, *bias)


def _sum(kept, numbers):
    return int(kept(numbers).sum())


_ACROSS_CHANNELS = (keras.activations.softmax, keras.activations.log_softmax)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)

# Rows of names from `keras.layers`; {n} is 1, 2 and 3.
_KERAS = {
    passes: (
        "BatchNormalization PReLU ReLU LeakyReLU ELU Identity Dropout SpatialDropout{n}D "
        "GaussianNoise GaussianDropout MaxPooling{n}D AveragePooling{n}D GlobalMaxPooling{n}D "
        "GlobalAveragePooling{n}D AdaptiveAveragePooling{n}D AdaptiveMaxPooling{n}D "
        "ZeroPadding{n}D Cropping{n}D UpSampling{n}D Resizing"
    ),
    ties: "Add Subtract Multiply Average Maximum Minimum",
    concatenates: "Concatenate",
    mixes: "Conv{n}D Conv{n}DTranspose Dense",
    depthwise: "DepthwiseConv{n}D",
    separable: "SeparableConv{n}D",
    fixes: "LayerNormalization GroupNormalization UnitNormalization Softmax Normalization",
    flattens: "Flatten",
    reshapes: "Reshape",
    activates: "Activation",
    rescales: "Rescaling",
}
_OURS = {
    passes: (
        "AdaptiveAveragePooling2D AveragePooling2D BatchNormalization BatchStatistics CropLike "
        "DilatedPooling2D LayerScale MaxPoolingIndices2D MirrorPadding2D ResizeLike"
    ),
    # A channel of zeros between two others is not the same as none; a code belongs to each input.
    fixes: "LocalResponseNormalization RadialBasis",
    attends: "PositionAttention",
    selects: "SelectChannels",
    pads: "PadChannels",
    unpools: "MaxUnpooling2D",
}


def _table(package, rows):
    for relation, text in rows.items():
        for name in text.split():
            for dimensions in (1, 2, 3) if "{n}" in name else (0,):
                kind = getattr(package, name.format(n=dimensions), None)
                if kind is not None:
                    yield kind, relation


TABLE: dict[type, Callable] = {**dict(_table(layers, _KERAS)), **dict(_table(ours, _OURS))}
NAMED = {f.__name__: f for f in (passes, ties, concatenates, mixes, fixes)}
