"""The Lovasz-softmax loss, a smooth extension of IoU."""

import keras
from keras import ops

from keras_seg.losses.region import RegionLoss


@keras.saving.register_keras_serializable("keras_seg")
class LovaszSoftmax(RegionLoss):
    """The Jaccard loss 1 - IoU of each class, extended to probabilities by Lovasz's hull.

    Berman, Triki, Blaschko: The Lovasz-Softmax loss, CVPR 2018, arXiv 1705.08790, equations 8,
    9 and 11 and algorithm 1, over the classes that are present in the labels. For certain
    predictions (probabilities 0 and 1) it is 1 - IoU exactly. The paper trains with it, or with
    it plus cross-entropy, from a network that cross-entropy has trained.

    It sorts all pixels once per class, so that it costs more time than the other losses.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        class_weights: one weight per class for the mean over classes, or None.
        per_picture: whether IoU is that of one picture or of the whole batch.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes), or smaller ones.

    Returns:
        float32 scalar in 0..1, a mean over the classes in the labels; 0 when every pixel is
        ignored.

    Raises:
        ValueError: there is not one weight per class.

    >>> import numpy as np
    >>> loss = LovaszSoftmax(num_classes=2)
    >>> logits = np.array([[[[50.0, 0.0], [50.0, 0.0]]]], "float32")  # both are called class 0
    >>> float(loss(np.array([[[0, 1]]]), logits))  # IoU 1/2 and 0: the mean of 1/2 and 1
    0.75
    """

    def __init__(
        self, num_classes, ignore_class=255, class_weights=None, per_picture=False, name="lovasz"
    ):
        super().__init__(num_classes, ignore_class, class_weights, per_picture, name)

    def class_losses(self, probability, truth):
        # An ignored pixel has error 0 and is sorted last, where it has no effect.
        error = ops.abs(truth - probability)
        order = ops.argsort(-ops.stop_gradient(error), axis=-1)
        truth = ops.take_along_axis(truth, order, axis=-1)
        error = ops.take_along_axis(error, order, axis=-1)
        return ops.sum(error * ops.stop_gradient(_jaccard_steps(truth)), axis=-1)


def _jaccard_steps(truth):
    """Return the increase of 1 - IoU for each further wrong pixel, in this order.

    Algorithm 1 takes differences of neighboring values of 1 - I / U, which in float32 lose most
    digits among a million pixels. A wrong pixel of the class takes 1 from I, any other one adds 1
    to U, and these two differences have a closed form.
    """
    total = ops.sum(truth, axis=-1, keepdims=True)
    intersection = total - ops.cumsum(truth, axis=-1)
    union = total + ops.cumsum(1 - truth, axis=-1)
    before = ops.maximum(union - 1, 1.0)
    return ops.where(ops.greater(truth, 0.0), 1 / union, intersection / (union * before))
