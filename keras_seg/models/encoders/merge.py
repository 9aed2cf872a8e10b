"""Merge trained branches into the one convolution that equals their sum.

X. Ding et al.: RepVGG, arXiv 2101.03697, section 3.3; X. Ding et al.: RepLKNet, arXiv 2203.06717,
section 3.
"""

import keras
import numpy as np

from keras_seg.layers.normalization import scale_and_shift

BRANCHES = ("large", "small", "identity")


def merge_branches(model, merged):
    """Give a network with merged branches the weights of one that was trained with them.

    Convolutions become their kernel times scale / deviation of the batch normalization after them;
    smaller kernels are laid in the middle of the largest, and the identity is a kernel of one 1.
    All sums are computed in float64.

    Args:
        model: trained `keras.Model` with branches, such as of `build("repvgg_a0", ...)`, or a
            segmentation network with such an encoder.
        merged: the same network, built with `merged=True`. Its weights are set.

    Returns:
        `merged`.

    Raises:
        ValueError: the two networks differ.

    >>> from keras_seg import models
    >>> trained = models.repvgg_a0((32, 32, 3), 10)
    >>> merged = merge_branches(trained, models.repvgg_a0((32, 32, 3), 10, merged=True))
    >>> merged.count_params() < trained.count_params()
    True
    """
    known = {layer.name: layer for layer in model.layers}
    for layer in merged.layers:
        if not layer.weights:
            continue
        if layer.name.endswith("_merged"):
            values = _sum(layer, known)
        else:
            values = known[layer.name].get_weights() if layer.name in known else None
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if values is None or [value.shape for value in values] != shapes:
            raise ValueError(
                "`merge_branches` needs the same network twice, with branches and with "
                f"merged=True. Received: '{model.name}' and '{merged.name}', whose layer "
                f"'{layer.name}' has no counterpart. Build both with the same options."
            )
        layer.set_weights(values)
    return merged


def _sum(layer, known):
    """Kernel and bias of the sum of a block's branches; None if it has none."""
    base = layer.name.removesuffix("_merged")
    kernel = np.zeros(layer.kernel.shape)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    bias = np.zeros(layer.bias.shape)
    found = False
    for branch in BRANCHES:
        norm = known.get(f"{base}_{branch}_bn")
        if norm is None:
            continue
        found = True
        convolution = known.get(f"{base}_{branch}")
        own = (
            np.array(convolution.kernel, "float64")
            if convolution is not None
            else _identity(kernel.shape, depthwise)
        )
        scale, shift = scale_and_shift(norm)
        bias += shift
        own = own * (scale[:, None] if depthwise else scale)
        before = (kernel.shape[0] - own.shape[0]) // 2
        inside = slice(before, before + own.shape[0])
        if own.shape[2:] != kernel.shape[2:]:
            return None
        kernel[inside, inside] += own
    return [kernel, bias] if found else None


def _identity(shape, depthwise):
    """A 1x1 kernel that gives its input; of a grouped convolution, within each group."""
    kernel = np.zeros((1, 1, *shape[2:]))
    if depthwise:
        kernel[:] = 1
    else:
        channels = np.arange(shape[3])
        kernel[0, 0, channels % shape[2], channels] = 1
    return kernel
