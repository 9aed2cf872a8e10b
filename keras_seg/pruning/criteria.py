"""How important a channel is: three criteria; the channels with the lowest values are removed."""

import keras
import numpy as np
from keras import layers

from keras_seg import _check


def scores(found, criterion="l1"):
    """The importance of every channel that filters make.

    Where several layers make a channel, their values are divided by the mean of each layer, so that
    large weights of one do not decide alone, and added.

    Args:
        found: `keras_seg.pruning.groups.Found`.
        criterion: one of `CRITERIA`, see `keras_seg.prune`.

    Returns:
        float64 (n,): for the lowest number of each set of tied channels; 0 elsewhere.

    Raises:
        ValueError: the criterion is not known, or the model has no batch normalization to take
            scales from.
    """
    _check.one_of("criterion of `prune`", "criterion", criterion, CRITERIA)
    total = np.zeros(len(found.roots))
    scaled = np.zeros(len(found.roots), bool)
    filters, scales = [], []
    for layer, related in found.layers.values():
        for part in related.slices:
            weight = layer.weights[part.weight]
            if part.role == "makes":
                kernel = np.moveaxis(_values(weight), part.axis, 0)
                filters.append((part, kernel.reshape(len(kernel), -1)))
            elif _is_scale(layer, weight):
                scales.append((part, np.abs(_values(weight))))
                scaled[found.roots[part.channels]] = True
    if criterion == "bn_scale" and not scales:
        raise ValueError(
            "The criterion 'bn_scale' needs batch normalization with scales. "
            "Received: a model without. Use criterion='l1'."
        )
    measure = _medians if criterion == "geometric_median" else _sums
    rows = [(part, measure(kernel)) for part, kernel in filters]
    if criterion == "bn_scale":
        # Channels that no normalization scales are compared by their filters.
        rows = [(p, np.where(scaled[found.roots[p.channels]], 0, v)) for p, v in rows] + scales
    for part, values in rows:
        share = values / (values.mean() or 1.0)
        np.add.at(total, found.roots[part.channels], share)
    return total


def _sums(kernel):
    """L1 norms of filters (n, weights)."""
    return np.abs(kernel).sum(1)


def _medians(kernel):
    """Sums of the distances from each filter to all filters of the layer."""
    squares = np.square(kernel).sum(1)
    distances = squares[:, np.newaxis] + squares - 2 * kernel @ kernel.T
    return np.sqrt(np.maximum(distances, 0)).sum(1)


def _is_scale(layer, weight):
    return isinstance(layer, layers.BatchNormalization) and weight is layer.gamma


def _values(weight):
    return np.array(keras.ops.convert_to_numpy(weight), "float64")


CRITERIA = ("l1", "bn_scale", "geometric_median")
