"""Region losses: overlap of predicted and true areas per class."""

import keras
from keras import ops

from keras_seg.losses.base import PixelLoss, check_at_least_0
from keras_seg.losses.pixels import weighted_mean


class RegionLoss(PixelLoss):
    """Base class: a mean over classes; subclasses implement `class_losses`.

    Only classes with pixels in the labels are included: for an absent class the loss is constant,
    and its false positives reduce the scores of other classes.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore, or None.
        class_weights: one weight per class for the mean over classes, or None.
        per_picture: whether areas are those of one picture or of the whole batch.
        name: the loss's name.
    """

    def __init__(
        self, num_classes, ignore_class=255, class_weights=None, per_picture=False, name=None
    ):
        super().__init__(num_classes, ignore_class, class_weights, name)
        self.per_picture = per_picture

    def class_losses(self, probability, truth):
        """Return the loss of each class.

        Args:
            probability: float32 (pictures, num_classes, pixels), 0 for ignored pixels.
            truth: float32 of the same shape, 1 for the pixel's own class, 0 for ignored pixels.

        Returns:
            float32 (pictures, num_classes); finite also for absent classes.
        """
        raise TypeError(
            f"`{type(self).__name__}` needs class_losses(probability, truth). Received: none. "
            "Define it."
        )

    def call(self, y_true, y_pred):
        logits, label, counts = self.read(y_true, y_pred)
        counts = ops.expand_dims(counts, -1)
        probability = ops.softmax(logits) * counts
        truth = ops.one_hot(label, self.num_classes, dtype="float32") * counts
        probability, truth = self._by_class(probability), self._by_class(truth)
        present = ops.cast(ops.greater(ops.sum(truth, axis=-1), 0.0), "float32")
        if self.class_weights is not None:
            present = present * ops.convert_to_tensor(self.class_weights, "float32")
        return weighted_mean(self.class_losses(probability, truth), present)

    def _by_class(self, x):
        """(b, ..., c) as (b, c, pixels), or as (1, c, pixels of all pictures)."""
        pictures = ops.shape(x)[0] if self.per_picture else 1
        # The number of pixels is left to reshape, and so is that of pictures where it is unknown.
        x = ops.reshape(x, (pictures, -1, self.num_classes))
        return ops.transpose(x, (0, 2, 1))

    def get_config(self):
        return super().get_config() | {"per_picture": self.per_picture}


@keras.saving.register_keras_serializable("keras_seg")
class TverskyLoss(RegionLoss):
    """1 - TP / (TP + alpha FP + beta FN) of each class: separate costs of FP and FN.

    Salehi, Erdogmus, Gholipour: Tversky loss function for image segmentation using 3D fully
    convolutional deep networks, 2017, arXiv 1706.05721, equation 2. TP, FP and FN are sums of
    softmax probabilities. No smoothing constant is needed, because absent classes are left out.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        alpha: cost of false positives, 0 or more; the paper's best is 0.3.
        beta: cost of false negatives, above 0; the paper's best is 0.7.
        class_weights: one weight per class for the mean over classes, or None.
        per_picture: whether TP, FP and FN are those of one picture or of the whole batch.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes), or smaller ones.

    Returns:
        float32 scalar in 0..1, a mean over the classes in the labels; 0 when every pixel is
        ignored.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.

    >>> import numpy as np
    >>> loss = TverskyLoss(num_classes=2)
    >>> labels = np.array([[[0, 255]]])  # TP 0.5, FP 0, FN 0.5: 1 - 0.5 / (0.5 + 0.7 * 0.5)
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)
    0.4118
    """

    def __init__(
        self,
        num_classes,
        ignore_class=255,
        alpha=0.3,
        beta=0.7,
        class_weights=None,
        per_picture=False,
        name="tversky",
    ):
        super().__init__(num_classes, ignore_class, class_weights, per_picture, name)
        check_at_least_0("TverskyLoss", alpha=alpha, beta=beta)
        if beta == 0:
            raise ValueError(
                "`TverskyLoss` needs beta above 0: otherwise missed pixels have no cost. "
                f"Received: beta={beta!r}. For example, pass 0.7."
            )
        self.alpha = alpha
        self.beta = beta

    def class_losses(self, probability, truth):
        return 1 - _tversky(probability, truth, self.alpha, self.beta)

    def get_config(self):
        return super().get_config() | {"alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("keras_seg")
class DiceLoss(RegionLoss):
    """1 - 2 TP / (2 TP + FP + FN) of each class, common in medical imaging.

    The form with plain sums, 1 - 2 sum(p g) / (sum(p) + sum(g)): Sudre et al.: Generalized Dice
    overlap as a deep learning loss function, 2017, arXiv 1707.03237, equation 2, for each class.
    (V-Net, where the loss began, squares p and g in the denominator.) It is the Tversky loss with
    alpha = beta = 0.5. No smoothing constant is needed, because absent classes are left out.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        class_weights: one weight per class for the mean over classes, or None. A weight of 0
            leaves a class out, as is usual for the background.
        per_picture: whether the areas are those of one picture or of the whole batch.
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
    >>> loss = DiceLoss(num_classes=2)
    >>> labels = np.array([[[0, 255]]])  # 1 - 2 * 0.5 / (0.5 + 1)
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)
    0.3333
    """

    def __init__(
        self, num_classes, ignore_class=255, class_weights=None, per_picture=False, name="dice"
    ):
        super().__init__(num_classes, ignore_class, class_weights, per_picture, name)

    def class_losses(self, probability, truth):
        return 1 - _tversky(probability, truth, 0.5, 0.5)


def _tversky(probability, truth, alpha, beta):
    """Tversky index of each class: (pictures, num_classes, pixels) to (pictures, num_classes)."""
    found = ops.sum(probability * truth, axis=-1)
    false = ops.sum(probability, axis=-1) - found
    missed = ops.sum(truth, axis=-1) - found
    area = found + alpha * false + beta * missed
    return found / ops.where(ops.greater(area, 0.0), area, 1.0)
