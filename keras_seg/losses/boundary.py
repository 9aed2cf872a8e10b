"""Cross-entropy with larger weights near borders between classes."""

import functools
import math

import keras
from keras import ops

from keras_seg.losses.base import PixelLoss, check_at_least_0, cross_entropy

FAR = 1e9  # Squared distance without a border within reach; its exp(-...) is exactly 0.


@keras.saving.register_keras_serializable("keras_seg")
class BoundaryCrossEntropy(PixelLoss):
    """Cross-entropy with U-Net's weights `w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2))`.

    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, arXiv 1505.04597, equation 2, with its w0 = 10
    and sigma = 5. There d1 and d2 are the distances to the borders of the two nearest cells, and
    the data name every cell. A label map names classes only, so the regions are those of the
    classes, and the two nearest ones share their border: d1 = d2 = the Euclidean distance, in
    pixels, from the pixel's center to the nearest midpoint between two neighbors of different
    classes (1/2 for a pixel at the border). Two cells that touch without a pixel of another
    class between them are one region.

    The distance is exact as far as 2 sigma, where the second term is below 0.0004 w0, and the term
    is 0 beyond. It is computed from the labels inside the loss; ignored pixels and the picture's
    edge are not borders. With smaller logits, distances are in their pixels. Weights by the paper's
    d1 and d2, of single cells, come from `pipelines.touching_weights`.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        border_weight: w0, additional weight of a pixel at a border, 0 or more.
        sigma: width of the border in pixels, above 0.
        class_weights: w_c, one weight per class, or None for 1. The mean is divided by the
            weights.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes), or smaller ones.

    Returns:
        float32 scalar, 0 when every pixel is ignored.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.

    >>> import numpy as np
    >>> loss = BoundaryCrossEntropy(num_classes=2)
    >>> labels = np.array([[[0, 255]]])
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)  # ln 2
    0.6931
    """

    def __init__(
        self,
        num_classes,
        ignore_class=255,
        border_weight=10.0,
        sigma=5.0,
        class_weights=None,
        name="boundary",
    ):
        super().__init__(num_classes, ignore_class, class_weights, name)
        check_at_least_0("BoundaryCrossEntropy", border_weight=border_weight, sigma=sigma)
        if sigma == 0:
            raise ValueError(
                "`BoundaryCrossEntropy` needs sigma above 0 pixels. Received: "
                f"sigma={sigma!r}. For example, pass 5."
            )
        self.border_weight = border_weight
        self.sigma = sigma

    def call(self, y_true, y_pred, sample_weight=None):
        logits, label, counts = self.read(y_true, y_pred)
        return self.mean_over_pixels(cross_entropy(label, logits), label, counts, sample_weight)

    def pixel_weights(self, label, counts):
        squared = border_distance(label, counts, reach=math.ceil(2 * self.sigma))
        # (d1 + d2)^2 = (2 d)^2.
        near = self.border_weight * ops.exp(-4 * squared / (2 * self.sigma**2))
        return self.weigh(label, counts) + counts * near

    def get_config(self):
        return super().get_config() | {"border_weight": self.border_weight, "sigma": self.sigma}


def border_distance(label, counts, reach):
    """Squared Euclidean distance from each pixel to the nearest border between two classes.

    The squared distance is a sum over axes, so that one axis after the other is searched.

    Args:
        label: int32 ids (b, h, w), or (b, d, h, w).
        counts: float32 of the same shape, 0 where a pixel is ignored.
        reach: how many pixels to look in either direction of every axis.

    Returns:
        float32 of the same shape, in pixels squared; `FAR` or more where no border is in reach.

    >>> label = ops.convert_to_tensor([[[0, 0, 1]]])
    >>> ops.convert_to_numpy(border_distance(label, ops.ones((1, 1, 3)), 2)).tolist()
    [[[2.25, 0.25, 0.25]]]
    """
    axes = range(1, len(label.shape))
    whole = range(-reach, reach + 1)
    halves = [step + 0.5 for step in range(-reach, reach)]
    found = []
    for across in axes:
        one, other = _part(label, across, 0, -1), _part(label, across, 1, None)
        counted = _part(counts, across, 0, -1) * _part(counts, across, 1, None)
        border = ops.logical_and(ops.not_equal(one, other), ops.greater(counted, 0.0))
        squared = ops.where(border, 0.0, FAR)
        for axis in axes:
            squared = _nearest(squared, axis, halves if axis == across else whole)
        found.append(squared)
    return functools.reduce(ops.minimum, found)


def _nearest(squared, axis, distances):
    """Least sum of a neighbor's value and its squared distance, along one axis."""
    reach, last = len(distances) // 2, len(distances) - 1
    margins = [(reach, reach) if k == axis else (0, 0) for k in range(len(squared.shape))]
    squared = ops.pad(squared, margins, constant_values=FAR)
    found = (
        _part(squared, axis, i, i - last or None) + distance**2
        for i, distance in enumerate(distances)
    )
    return functools.reduce(ops.minimum, found)


def _part(x, axis, start, stop):
    return x[(slice(None),) * axis + (slice(start, stop),)]
