"""Batch normalization merged into convolutions: fewer parameters and layers, the same outputs."""

from collections import Counter

import keras
import numpy as np
from keras import layers

from keras_seg.analyse.walk import walk
from keras_seg.layers import BatchNormalization
from keras_seg.layers.normalization import scale_and_shift
from keras_seg.models.cloning import clone, copied

# BatchStatistics is one of them, too, but normalizes with the statistics of each batch.
_NORMALIZATIONS = (layers.BatchNormalization, BatchNormalization)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_KERNELS = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
_KERNELS += (layers.SeparableConv1D, layers.SeparableConv2D, *_DEPTHWISE, *_TRANSPOSED)


def fold(model):
    """Merge the batch normalization of a model into the weights beside it, for inference.

    Behind a convolution or a dense layer it goes into kernel and bias. Elsewhere, as before the
    activations of a DenseNet, it becomes a 1x1 depthwise convolution: one factor and one bias per
    channel. It stays as it is where neither is possible: on vectors and volumes, and in layers
    that normalize with the statistics of the batch.

    Exports merge it on their own. Fold a model to count its parameters as papers print them, to
    run it faster with Keras, or to convert it with other tools.

    Args:
        model: Functional or built Sequential model with any outputs; it is not changed.

    Returns:
        keras.Model with the same inputs and outputs, and the same names of the layers that stay.
        The values are equal up to rounding.

    Raises:
        TypeError: the model has no graph of layers, as a subclassed one.

    >>> from keras_seg import models
    >>> model = models.contextnet_cn14((64, 64, 3), num_classes=19)
    >>> model.count_params(), fold(model).count_params()
    (878195, 846179)
    """
    graph = walk(model, "fold")
    batch = {id(step.layer) for step in graph.flat() if step.node.arguments.kwargs.get("training")}
    before = _norms_behind(graph, batch)
    merged = {id(norm) for norm in before.values()}

    def make(layer):
        if id(layer) in merged:
            return None
        if id(layer) in before:
            return copied(layer, use_bias=True)
        if is_norm(layer) and layer.input_spec.ndim == 4 and id(layer) not in batch:
            return layers.DepthwiseConv2D(1, name=layer.name, dtype=layer.dtype_policy)
        return copied(layer)

    folded, pairs = clone(model, make)
    for old, new in pairs:
        if id(old) in before:
            new.set_weights(_merged(old, before[id(old)]))
        elif type(old) is not type(new):
            new.set_weights(_depthwise(old))
        elif getattr(old, "weights", ()):
            new.set_weights(old.get_weights())
    return folded


def is_norm(layer):
    """Whether a layer normalizes the last axis with moving statistics.

    Args:
        layer: `keras.layers.Layer` that was built.

    Returns:
        bool.
    """
    return type(layer) in _NORMALIZATIONS and layer.axis in (-1, layer.input_spec.ndim - 1)


def _norms_behind(graph, batch):
    """The batch normalization that can be merged into a layer, by the layer's id.

    `batch` holds the ids of layers that always normalize with the statistics of the batch.
    """
    found, steps = {}, graph.flat()
    made = {number: step.layer for step in steps for number in step.outputs}
    read = Counter([*graph.outputs, *(number for step in steps for number in step.inputs)])
    calls = Counter(id(step.layer) for step in steps)
    for step in steps:
        before = made.get(step.inputs[0])
        # A subclass can compute something else with its kernel.
        if before is None or type(before) not in _KERNELS or not is_norm(step.layer):
            continue
        once = read[step.inputs[0]] == calls[id(step.layer)] == calls[id(before)] == 1
        if once and id(step.layer) not in batch and before.activation is keras.activations.linear:
            found[id(before)] = step.layer
    return found


def _merged(layer, norm):
    """Weights of a layer with the batch normalization behind it: kernels, then a bias."""
    scale, shift = scale_and_shift(norm)
    *kernels, bias = [*layer.get_weights(), *([] if layer.use_bias else [np.zeros(len(scale))])]
    kernel = np.array(kernels[-1], "float64")
    if isinstance(layer, _DEPTHWISE):
        kernel = kernel * scale.reshape(kernel.shape[-2:])
    elif isinstance(layer, _TRANSPOSED):
        kernel = kernel * scale[:, np.newaxis]
    else:
        kernel = kernel * scale
    return [*kernels[:-1], kernel, bias * scale + shift]


def _depthwise(norm):
    """Kernel and bias of a 1x1 depthwise convolution."""
    scale, shift = scale_and_shift(norm)
    return [scale[np.newaxis, np.newaxis, :, np.newaxis], shift]
