"""The relations of the layers of Keras and of this package, see `relations.py`."""

import numpy as np
from keras import layers

from keras_seg import layers as ours
from keras_seg.pruning.operations import OPERATIONS
from keras_seg.pruning.relations import (
    TABLE,
    Related,
    Slice,
    concatenates,
    fixes,
    is_last,
    mixes,
    passes,
    reshaped,
    sum_kept,
    ties,
    with_bias,
)


def depthwise(call, channels):
    """Each input channel becomes `depth_multiplier` output channels: kernel (..., in, m)."""
    layer, inputs = call.layer, call.inputs
    made = np.repeat(inputs[0], layer.depth_multiplier)
    slices = [Slice(0, -2, inputs[0], "follows")]
    return Related(made, with_bias(call, slices, made, channels))


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
    slices = with_bias(call, slices, made, channels)
    return Related(made, slices, lambda kept: {"filters": sum_kept(kept, made)})


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
        np.concatenate([inputs[0], zeros]), (), lambda kept: {"count": sum_kept(kept, zeros)}
    )


def flattens(call, channels):
    """Channels repeat for every pixel."""
    inputs, count = call.inputs, call.shape[-1]
    if count is None:  # Nothing with weights can read it.
        return fixes(call, channels)
    return Related(np.tile(inputs[0], count // len(inputs[0])))


def reshapes(call, channels):
    """Channels pass if they stay the last axis, and are kept otherwise."""
    return reshaped(call, channels, "target_shape")


def permutes(call, channels):
    """`Permute` passes channels that stay the last axis."""
    dims = call.layer.dims
    return (passes if dims[-1] == len(dims) else fixes)(call, channels)


def activates(call, channels):
    """An activation passes channels, unless it compares them, as softmax does."""
    return Related(call.inputs[0], with_bias(call, [], call.inputs[0], channels))


def slopes(call, channels):
    """`PReLU`: a slope per channel, or one that all channels share."""
    shared = is_last(call.layer.shared_axes or (), call.shape)
    return Related(call.inputs[0]) if shared else passes(call, channels)


def normalizes(call, channels):
    """Batch normalization, which moves channels of zeros if it is along another axis."""
    return (passes if is_last(call.layer.axis, call.shape) else fixes)(call, channels)


def drops(call, channels):
    """`Dropout`: the shape of its noise can have as many channels."""
    numbers, shape = call.inputs[0], getattr(call.layer, "noise_shape", None)
    if shape is None or shape[-1] in (None, 1):
        return Related(numbers)
    return Related(
        numbers, (), lambda kept: {"noise_shape": (*shape[:-1], sum_kept(kept, numbers))}
    )


def rescales(call, channels):
    """One number for all channels passes them; a list belongs to these channels."""
    layer = call.layer
    listed = np.ndim(layer.scale) or np.ndim(layer.offset)
    return (fixes if listed else passes)(call, channels)


def unpools(call, channels):
    """`MaxUnpooling2D`: values and indices of the same channels; the third input gives the size."""
    return ties(call._replace(inputs=call.inputs[:2]), channels)


# Rows of names from `keras.layers`; {n} is 1, 2 and 3.
_KERAS = {
    passes: (
        "ReLU LeakyReLU ELU Identity SpatialDropout{n}D GaussianNoise GaussianDropout "
        "ActivityRegularization MaxPooling{n}D AveragePooling{n}D GlobalMaxPooling{n}D "
        "GlobalAveragePooling{n}D AdaptiveAveragePooling{n}D AdaptiveMaxPooling{n}D "
        "ZeroPadding{n}D Cropping{n}D UpSampling{n}D RepeatVector Resizing CenterCrop RandomCrop "
        "RandomFlip RandomRotation RandomTranslation RandomZoom"
    ),
    normalizes: "BatchNormalization",
    slopes: "PReLU",
    drops: "Dropout AlphaDropout",
    ties: "Add Subtract Multiply Average Maximum Minimum",
    concatenates: "Concatenate",
    mixes: "Conv{n}D Conv{n}DTranspose Dense",
    depthwise: "DepthwiseConv{n}D",
    separable: "SeparableConv{n}D",
    fixes: (
        "LayerNormalization RMSNormalization GroupNormalization UnitNormalization Softmax "
        "Normalization RandomBrightness RandomColorJitter RandomContrast RandomErasing "
        "RandomGaussianBlur RandomGrayscale RandomHue RandomPerspective RandomSaturation "
        "RandomSharpness RandomShear"
    ),
    flattens: "Flatten",
    reshapes: "Reshape",
    permutes: "Permute",
    activates: "Activation",
    rescales: "Rescaling",
}
_OURS = {
    passes: (
        "AdaptiveAveragePooling2D AveragePooling2D CropLike DilatedPooling2D LayerScale "
        "MaxPoolingIndices2D MirrorPadding2D ResizeLike"
    ),
    normalizes: "BatchNormalization BatchStatistics",
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


TABLE.update({**dict(_table(layers, _KERAS)), **dict(_table(ours, _OURS)), **OPERATIONS})
