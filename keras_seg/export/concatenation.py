"""Concatenation in 8-bit networks: each feature map keeps its own range as long as possible.

In 8 bits, all maps of a concatenation share one scale. If some reach 300 and others 1, as in the
decoder of an FC-DenseNet, the small ones are rounded to nothing, and a batch normalization after
the concatenation cannot restore them. Therefore, channelwise operations are applied to each map
before the concatenation, and maps that are the direct input of a convolution are rescaled to
similar ranges, with the inverse scale in its kernel. The network computes the same function.
"""

import dataclasses
from collections import Counter

import keras
import numpy as np
from keras import layers

from keras_seg.export.folding import is_norm
from keras_seg.inference.one_picture import fast_batch
from keras_seg.layers.normalization import scale_and_shift
from keras_seg.models.cloning import called

# A channel's range is at least this share of the largest, so that an unused one is not 0.
_LEAST_RANGE = 1e-3


@dataclasses.dataclass
class _Parts:
    """Maps (b, h, w, c) that represent their concatenation."""

    maps: list
    plain: bool  # not yet normalized


def apart(model, pictures):
    """Rewrite a model without concatenations of maps whose ranges differ.

    Args:
        model: Functional or Sequential model of pictures (b, h, w, c) with one output.
        pictures: float32 (n, h, w, c), from which the ranges are measured.

    Returns:
        keras.Model; `model` itself if it concatenates nothing.

    >>> image = keras.Input((8, 8, 2))
    >>> both = layers.Concatenate()([image, layers.Conv2D(2, 1)(image)])
    >>> model = keras.Model(image, layers.Conv2D(3, 1)(both))
    >>> apart(model, np.ones((1, 8, 8, 2), "float32")).output_shape
    (None, 8, 8, 3)
    """
    if not any(isinstance(layer, layers.Concatenate) for layer in model.layers):
        return model
    image = keras.Input(batch_shape=model.inputs[0].shape, dtype="float32", name="image")
    # The last layer concatenates the remaining parts.
    last = layers.Identity(name="logits_together")(model.outputs[0])
    whole = keras.Model(model.inputs[0], last, name=model.name)
    names = _NamesOfCopies(whole)

    def call(layer, *args, **kwargs):
        given = args[0] if args else None
        if isinstance(layer, layers.Concatenate) and layer.axis in (-1, 3) and _are_maps(given):
            return _together(given)
        if isinstance(given, _Parts):
            if is_norm(layer):
                return _Parts(_normalized(layer, given.maps), plain=False)
            if isinstance(layer, layers.ReLU | layers.Dropout) or _is_relu(layer):
                return _Parts([layer(part) for part in given.maps], given.plain)
            if given.plain and type(layer) is layers.Conv2D and layer.groups == 1:
                ranges = _ranges(keras.Model(image, given.maps), pictures)
                return _convolved(layer, given.maps, ranges, names(layer))
        args, kwargs = keras.tree.map_structure(
            lambda value: _joined(value) if isinstance(value, _Parts) else value,
            (args, kwargs),
        )
        return layer(*args, **kwargs)

    return called(whole, call, image)


class _NamesOfCopies:
    """The layer's own name where the copy takes its place, another one where it is used again."""

    def __init__(self, model):
        nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
        self.uses = Counter(node.operation.name for node in nodes)
        self.copies = Counter()

    def __call__(self, layer):
        name = layer.name
        self.copies[name] += 1
        return name if self.uses[name] == 1 else f"{name}_use_{self.copies[name]}"


def _are_maps(values):
    """Whether these are (b, h, w, c), not vectors or tokens, which have no 1x1 kernels."""
    first = values[0]
    return len((first.maps[0] if isinstance(first, _Parts) else first).shape) == 4


def _together(values):
    """The parts of a concatenation of maps and parts; normalized parts stay together."""
    maps = []
    for value in values:
        if isinstance(value, _Parts) and value.plain:
            maps += value.maps
        else:
            maps.append(_joined(value))
    return _Parts(maps, plain=True)


def _joined(value):
    """A map, or the concatenation of its parts."""
    if not isinstance(value, _Parts):
        return value
    return value.maps[0] if len(value.maps) == 1 else layers.Concatenate()(value.maps)


def _is_relu(layer):
    return isinstance(layer, layers.Activation) and layer.activation is keras.activations.relu


def _normalized(layer, maps):
    """Batch normalization of each map, as a 1x1 kernel per channel, which 8 bits represent well."""
    return _scaled(maps, *scale_and_shift(layer))


def _convolved(layer, maps, ranges, name):
    """The convolution of maps that were scaled to a range of 1."""
    kernel, *bias = (np.array(value) for value in layer.get_weights())
    x = _joined(_Parts(_scaled(maps, 1 / ranges), plain=False))
    convolution = layers.Conv2D.from_config({**layer.get_config(), "name": name})
    x = convolution(x)
    convolution.set_weights([kernel * ranges[:, np.newaxis], *bias])
    return x


def _ranges(model, pictures):
    """The largest absolute value of each channel of all outputs of a model, float64 (c,)."""
    ranges = np.zeros(sum(output.shape[-1] for output in model.outputs))
    for picture in pictures:
        batch = fast_batch(model, picture[np.newaxis])
        maps = keras.tree.flatten(model(batch, training=False))
        found = [np.abs(np.array(values)).max((0, 1, 2)) for values in maps]
        ranges = np.maximum(ranges, np.concatenate(found))
    return np.maximum(ranges, max(_LEAST_RANGE * ranges.max(), 1e-12))


def _scaled(maps, scale, shift=None):
    """Each channel of the maps times a number, plus another."""
    scaled, first = [], 0
    for values in maps:
        layer = layers.DepthwiseConv2D(1, use_bias=shift is not None)
        scaled.append(layer(values))
        channels = slice(first, first + values.shape[-1])
        weights = [scale[np.newaxis, np.newaxis, channels, np.newaxis]]
        layer.set_weights(weights if shift is None else [*weights, shift[channels]])
        first = channels.stop
    return scaled
