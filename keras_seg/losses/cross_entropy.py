"""Pixelwise losses: cross-entropy and focal loss."""

import keras
from keras import ops

from keras_seg import _check
from keras_seg.losses.base import PixelLoss, check_at_least_0, cross_entropy


@keras.saving.register_keras_serializable("keras_seg")
class SparseCrossEntropy(PixelLoss):
    """Cross-entropy of integer labels, averaged over the pixels that are not ignored.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        label_smoothing: share of the target spread over all classes, 0..1.
        class_weights: one weight per class, or None. The mean is weighted too: it is divided by
            the sum of the weights of the pixels that count, so that the scale of the loss (and
            with it the learning rate) does not depend on the scale of the weights.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes); or smaller ones, as auxiliary heads give, which are
            compared with the labels under the centers of their cells.

    Returns:
        float32 scalar, 0 when every pixel is ignored.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.

    >>> import numpy as np
    >>> loss = SparseCrossEntropy(num_classes=2)
    >>> labels = np.array([[[0, 255]]])
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)  # ln 2
    0.6931
    """

    def __init__(
        self,
        num_classes,
        ignore_class=255,
        label_smoothing=0.0,
        class_weights=None,
        name="cross_entropy",
    ):
        super().__init__(num_classes, ignore_class, class_weights, name)
        _check.share("SparseCrossEntropy", "label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred, sample_weight=None):
        logits, label, counts = self.read(y_true, y_pred)
        loss = cross_entropy(label, logits)
        if self.label_smoothing:
            # Cross-entropy against the uniform distribution: -mean over classes of log softmax.
            uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * uniform
        return self.mean_over_pixels(loss, label, counts, sample_weight)

    def pixel_weights(self, label, counts):
        return self.weigh(label, counts)

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("keras_seg")
class FocalLoss(PixelLoss):
    """Cross-entropy times `(1 - p) ** gamma`, which reduces the weight of well-classified pixels.

    Lin et al.: Focal Loss for Dense Object Detection, ICCV 2017, arXiv 1708.02002, equations 4
    and 5, with p the softmax probability of the pixel's own class where the paper has a sigmoid.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        gamma: focusing parameter, 0 or more; 0 is cross-entropy, the paper uses 2.
        class_weights: one weight per class (the paper's alpha), or None. As in
            `SparseCrossEntropy` the mean is divided by the weights.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes), or smaller ones.

    Returns:
        float32 scalar, 0 when every pixel is ignored.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.

    >>> import numpy as np
    >>> loss = FocalLoss(num_classes=2)
    >>> labels = np.array([[[0, 255]]])
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)  # 0.5 ** 2 * ln 2
    0.1733
    """

    def __init__(self, num_classes, ignore_class=255, gamma=2.0, class_weights=None, name="focal"):
        super().__init__(num_classes, ignore_class, class_weights, name)
        check_at_least_0("FocalLoss", gamma=gamma)
        self.gamma = gamma

    def call(self, y_true, y_pred, sample_weight=None):
        logits, label, counts = self.read(y_true, y_pred)
        loss = cross_entropy(label, logits)
        # expm1 keeps 1 - p exact near p = 1. Below 1, the slope of a power is infinite at 0.
        missing = ops.maximum(-ops.expm1(-loss), 1e-7)
        loss = ops.power(missing, self.gamma) * loss
        return self.mean_over_pixels(loss, label, counts, sample_weight)

    def pixel_weights(self, label, counts):
        return self.weigh(label, counts)

    def get_config(self):
        return super().get_config() | {"gamma": self.gamma}
