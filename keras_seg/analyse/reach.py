"""Reach of each layer along one axis: the pixels that each position of its output depends on.

A map along one axis is two arrays: for each position the first and the last pixel of the picture
that it depends on.
"""

import functools
from typing import NamedTuple

import numpy as np
from keras import layers

from keras_seg.layers import (
    AdaptiveAveragePooling2D,
    CropLike,
    DilatedPooling2D,
    LayerScale,
    LocalResponseNormalization,
    MaxPoolingIndices2D,
    MaxUnpooling2D,
    MirrorPadding2D,
    PadChannels,
    PositionAttention,
    RadialBasis,
    ResizeLike,
    SelectChannels,
)


class Reach(NamedTuple):
    """First and last pixel that each position depends on, float (n,); infinite for all of them."""

    first: np.ndarray
    last: np.ndarray


POINTWISE = (
    layers.Activation,
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.BatchNormalization,
    layers.Dense,
    layers.Dropout,
    layers.ELU,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.Normalization,
    layers.PReLU,
    layers.ReLU,
    layers.Rescaling,
    layers.Softmax,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.UnitNormalization,
    LayerScale,
    LocalResponseNormalization,
    PadChannels,
    RadialBasis,
    SelectChannels,
)
MERGING = (
    layers.Add,
    layers.Average,
    layers.Concatenate,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.Subtract,
)
POOLING = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
CONVOLUTION = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)
# One position that depends on the whole picture.
POOLED = (
    layers.Flatten,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)
# As many positions as before, each depending on the whole picture.
MIXED = (layers.GroupNormalization, PositionAttention)


@functools.singledispatch
def reach(layer, inputs, axis) -> Reach:
    """The reach of a layer's output; register a function for a custom layer class.

    Args:
        layer: the layer.
        inputs: list of `Reach`, one per input.
        axis: spatial axis, counted from 0.

    Returns:
        `Reach` of the output.

    Raises:
        TypeError: the layer's class is unknown.

    >>> pixels = Reach(np.arange(6.0), np.arange(6.0))
    >>> reach(layers.MaxPooling2D(2), [pixels], axis=0).last.tolist()
    [1.0, 3.0, 5.0]
    """
    kind = type(layer).__name__
    what, example = "layer", kind
    if not isinstance(layer, layers.Layer):
        what, example = "operation of keras.ops", f"type(model.get_layer({layer.name!r}))"
    raise TypeError(
        f"`receptive_field` does not support the {what} {kind}. Received: {what} "
        f"{layer.name!r}. Register a function for it: @keras_seg.analyse.reach.register({example})."
    )


def _register(classes):
    def decorate(function):
        for kind in classes:
            reach.register(kind, function)
        return function

    return decorate


@_register(POINTWISE)
def _pointwise(layer, inputs, axis):
    return inputs[0]


@_register((*MERGING, layers.Dot))
def _merging(layer, inputs, axis):
    return _merge(inputs)


def _merge(inputs):
    """The outer ends of all inputs; a single position is broadcast."""
    first, last = inputs[0]
    for other in inputs[1:]:
        first, last = np.minimum(first, other.first), np.maximum(last, other.last)
    return Reach(first, last)


@_register(POOLED)
def _pooled(layer, inputs, axis):
    return _everything(1)


@_register(MIXED)
def _mixed(layer, inputs, axis):
    return _everything(len(inputs[0].first))


def _everything(n):
    """As many positions, each depending on the whole picture."""
    return Reach(np.full(n, -np.inf), np.full(n, np.inf))


@_register(CONVOLUTION)
def _convolution(layer, inputs, axis):
    return _window(
        inputs[0],
        layer.kernel_size[axis],
        layer.strides[axis],
        layer.padding,
        layer.dilation_rate[axis],
    )


@_register(POOLING)
def _pooling(layer, inputs, axis):
    size, strides = (
        value if isinstance(value, int) else value[axis]
        for value in (layer.pool_size, layer.strides)
    )
    return _window(inputs[0], size, strides, layer.padding, 1)


@reach.register
def _dilated_pooling(layer: DilatedPooling2D, inputs, axis):
    n, span = len(inputs[0].first), layer.dilation * (layer.pool_size - 1)
    same = layer.padding == "same"
    made, before = (n, layer.dilation * ((layer.pool_size - 1) // 2)) if same else (n - span, 0)
    source = np.arange(made)[:, None] - before + layer.dilation * np.arange(layer.pool_size)
    return _gather(inputs[0], source, (source >= 0) & (source < n))


@reach.register
def _adaptive_pooling(layer: AdaptiveAveragePooling2D, inputs, axis):
    return _everything(layer.size)


@_register(TRANSPOSED)
def _transposed(layer, inputs, axis):
    return _spread(
        inputs[0],
        layer.kernel_size[axis],
        layer.strides[axis],
        layer.padding,
        layer.dilation_rate[axis],
    )


@_register((layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D))
def _padding(layer, inputs, axis):
    before, after = _pair(layer.padding, axis)
    source = np.arange(-before, len(inputs[0].first) + after)[:, None]
    return _gather(inputs[0], source, (source >= 0) & (source < len(inputs[0].first)))


@_register((layers.Cropping1D, layers.Cropping2D, layers.Cropping3D))
def _cropping(layer, inputs, axis):
    before, after = _pair(layer.cropping, axis)
    return Reach(*(ends[before : len(ends) - after] for ends in inputs[0]))


@reach.register
def _mirror_padding(layer: MirrorPadding2D, inputs, axis):
    n = len(inputs[0].first)
    place = (np.arange(layer.padded(n)) - layer.margin) % max(2 * (n - 1), 1)
    source = (n - 1 - abs(n - 1 - place))[:, None]
    return _gather(inputs[0], source, np.ones(source.shape, bool))


@reach.register
def _max_pooling_indices(layer: MaxPoolingIndices2D, inputs, axis):
    return _window(inputs[0], 2, 2, "same", 1)


@reach.register
def _max_unpooling(layer: MaxUnpooling2D, inputs, axis):
    source = np.arange(len(inputs[2].first))[:, None] // 2
    return _gather(_merge(inputs[:2]), source, np.ones(source.shape, bool))


@reach.register
def _crop_like(layer: CropLike, inputs, axis):
    return Reach(*(ends[: len(inputs[1].first)] for ends in inputs[0]))


@reach.register
def _resize_like(layer: ResizeLike, inputs, axis):
    made, aligned = len(inputs[1].first), layer.align_corners
    return _resized(inputs[0], made, layer.interpolation, aligned)


@_register((layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D))
def _up_sampling(layer, inputs, axis):
    factor = layer.size if isinstance(layer.size, int) else layer.size[axis]
    interpolation = getattr(layer, "interpolation", "nearest")
    return _resized(inputs[0], factor * len(inputs[0].first), interpolation)


def _window(given, size, stride, padding, dilation):
    """A window of `size` taps that moves by `stride`."""
    n, full = len(given.first), (size - 1) * dilation + 1
    if padding == "same":
        made = -(-n // stride)
        before = max((made - 1) * stride + full - n, 0) // 2
    else:
        made, before = (n - full) // stride + 1, full - 1 if padding == "causal" else 0
        made = -(-n // stride) if padding == "causal" else made
    source = stride * np.arange(made)[:, None] - before + dilation * np.arange(size)
    return _gather(given, source, (source >= 0) & (source < n))


def _spread(given, size, stride, padding, dilation):
    """A transposed window: each position of the input spreads over `size` taps."""
    n, full = len(given.first), (size - 1) * dilation + 1
    made, before = n * stride + max(full - stride, 0), 0
    if padding == "same":
        made, before = n * stride, max(full - stride, 0) // 2
    source = np.arange(made)[:, None] + before - dilation * np.arange(size)
    inside = (source % stride == 0) & (source >= 0) & (source < n * stride)
    return _gather(given, source // stride, inside)


def _resized(given, made, interpolation, aligned=False):
    """Bilinear or nearest, pixel centers at half-integers or aligned corner pixels."""
    n = len(given.first)
    center = (np.arange(made) + 0.5) * n / made - 0.5
    if aligned:
        center = np.arange(made) * (n - 1) / max(made - 1, 1)
    if interpolation == "nearest":
        source = np.floor(center + 0.5)[:, None]
    else:
        source = np.stack([np.floor(center), np.ceil(center)], axis=1)
    source = np.clip(source, 0, n - 1).astype(int)
    return _gather(given, source, np.ones(source.shape, bool))


def _gather(given, source, inside):
    """First and last pixel of all sources (positions, taps) of each position."""
    source = np.where(inside, source, 0)
    first = np.where(inside, given.first[source], np.inf).min(axis=1)
    last = np.where(inside, given.last[source], -np.inf).max(axis=1)
    return Reach(first, last)


def _pair(value, axis):
    """The two sides of an axis, of a setting that may be given for one axis or for all."""
    value = tuple(value)
    return value[axis] if isinstance(value[0], tuple | list) else value
