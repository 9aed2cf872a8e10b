"""Cross-entropy of hard pixels."""

import math

import keras
from keras import ops

from keras_seg import _check
from keras_seg.losses.base import PixelLoss, cross_entropy
from keras_seg.losses.pixels import weighted_mean


@keras.saving.register_keras_serializable("keras_seg")
class OhemCrossEntropy(PixelLoss):
    """Cross-entropy averaged over the hard pixels of a batch only (online hard example mining).

    A pixel is hard if it is among the `share` of the batch with the lowest probability of the
    true class, or if that probability is below `threshold`. Both published forms are special cases:

    - top-k share: `threshold=0`. DeepLab's `top_k_percent_pixels`; Yang et al.: DeeperLab, 2019,
      arXiv 1902.05093, with a share of 0.15.
    - threshold: a `threshold` of 0.7 with a small `share` that is always kept. Wu, Shen, van den
      Hengel: Bridging Category-level and Instance-level Semantic Image Segmentation, 2016, arXiv
      1605.06885 (online bootstrapping); HRNet's `OhemCrossEntropy` (0.7 by default, 0.9 for
      Cityscapes), which keeps a fixed number of pixels where we keep a share.

    Ignored pixels are not counted. Pixels exactly as hard as the last one of the share are kept
    too, so that the result does not depend on an order among equals. Class weights do not change
    which pixels are hard.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        share: part of the counted pixels that is always kept, above 0 up to 1; rounded up to
            whole pixels.
        threshold: pixels whose true class has a probability below this are kept too, 0..1.
        class_weights: one weight per class, or None; the mean is divided by the weights.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
        y_pred: logits (b, h, w, num_classes), or smaller ones.

    Returns:
        float32 scalar, 0 when every pixel is ignored.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.

    >>> import numpy as np
    >>> loss = OhemCrossEntropy(num_classes=2, share=0.5)
    >>> logits = np.array([[[[0.0, 0.0], [9.0, 0.0]]]], "float32")
    >>> round(float(loss(np.array([[[0, 0]]]), logits)), 4)  # ln 2: the second pixel is easy
    0.6931
    """

    def __init__(
        self,
        num_classes,
        ignore_class=255,
        share=0.15,
        threshold=0.0,
        class_weights=None,
        name="ohem",
    ):
        super().__init__(num_classes, ignore_class, class_weights, name)
        _check.share("OhemCrossEntropy", "share", share, below_one=False)
        _check.share("OhemCrossEntropy", "threshold", threshold, below_one=False)
        if share == 0:
            raise ValueError(
                "`OhemCrossEntropy` needs a share above 0, else a batch without hard pixels has "
                f"no gradient. Received: share={share!r}. For example, pass 0.05."
            )
        self.share = share
        self.threshold = threshold

    def call(self, y_true, y_pred):
        logits, label, counts = self.read(y_true, y_pred)
        loss = cross_entropy(label, logits)
        # Sorted and cut at an index, not selected: the number of counted pixels has no fixed size.
        ranked = ops.sort(ops.reshape(ops.where(ops.greater(counts, 0.0), loss, -1.0), (-1,)))
        # Slightly less, because 0.15 * 20 is above 3 in float32.
        wanted = ops.ceil(self.share * ops.sum(counts) - 1e-3)
        size = ops.shape(ranked)[0]
        place = ops.minimum(size - ops.cast(wanted, "int32"), size - 1)
        limit = ops.take(ranked, place)
        if self.threshold > 0:
            limit = ops.minimum(limit, -math.log(self.threshold))
        # "Not less" instead of "greater or equal", so that nan is kept.
        hard = ops.logical_not(ops.less(loss, ops.stop_gradient(limit)))
        return weighted_mean(loss, self.weigh(label, counts * ops.cast(hard, "float32")))

    def get_config(self):
        return super().get_config() | {"share": self.share, "threshold": self.threshold}
