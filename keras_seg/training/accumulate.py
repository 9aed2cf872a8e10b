"""Gradient accumulation: several small batches with the gradient of one large batch."""

import keras
from keras import ops

from keras_seg.losses import WeightedSum
from keras_seg.losses.pixels import labels_like, valid_pixels


def small_batches(batches, count):
    """Split each batch into `count` smaller ones, each with the labels of the whole batch.

    Args:
        batches: `tf.data.Dataset` of (pictures (b, ...), labels (b, ...)).
        count: number of parts, which b is a multiple of.

    Returns:
        `tf.data.Dataset` of (pictures (b / count, ...), labels (b / count, ...), labels (b, ...)).

    >>> import tensorflow as tf
    >>> images, labels = tf.zeros((4, 8, 8, 3)), tf.zeros((4, 8, 8))
    >>> batches = tf.data.Dataset.from_tensors((images, labels))
    >>> [x.shape for x in next(iter(small_batches(batches, 2)))]
    [TensorShape([2, 8, 8, 3]), TensorShape([2, 8, 8]), TensorShape([4, 8, 8])]
    """
    import tensorflow as tf

    steps = batches.cardinality() * count

    def apart(image, label):
        # The size of a part must be known to Keras on JAX, which compiles for each shape.
        size = None if label.shape[0] is None else label.shape[0] // count
        parts = tf.data.Dataset.from_tensor_slices((image, label))
        parts = parts.batch(size or tf.shape(label, tf.int64)[0] // count, drop_remainder=True)
        return parts.map(lambda image, small: (image, small, label))

    return batches.flat_map(apart).apply(tf.data.experimental.assert_cardinality(steps))


class AccumulatedLoss(keras.losses.Loss):
    """A loss of part of a batch, scaled so that the mean over the parts is that of the whole.

    A mean over pixels divides by the number of pixels that are not ignored, which differs between
    parts: the mean of their means is not the mean of the batch. Losses that are not means over
    pixels (Dice, Lovasz, hard pixels) are computed for each part separately.

    Args:
        loss: the loss.
        count: number of parts.

    Call arguments:
        y_true: labels of the part, integer (b, h, w).
        y_pred: logits of the part (b, h, w, num_classes).
        sample_weight: labels of the whole batch, integer (count * b, h, w), as `small_batches`
            gives them; without, the loss is not scaled.

    Returns:
        float32 scalar.

    >>> import numpy as np
    >>> from keras_seg.losses import SparseCrossEntropy
    >>> loss = AccumulatedLoss(SparseCrossEntropy(num_classes=2), 2)
    >>> whole = np.array([[[0, 255]], [[0, 1]]])  # A third of its pixels is in the first part.
    >>> part = loss(whole[:1], np.zeros((1, 1, 2, 2), "float32"), whole)
    >>> round(float(part), 4)  # ln 2 * 2 * 1 / 3
    0.4621
    """

    def __init__(self, loss, count):
        super().__init__(name=loss.name, reduction=None)
        self.loss = loss
        self.count = count

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The scaled loss of a part."""
        value = self.loss(y_true, y_pred)
        if sample_weight is None:
            return value
        part, whole = (loss_weight(self.loss, x, y_pred) for x in (y_true, sample_weight))
        if part is None:
            return value
        return value * self.count * part / ops.where(ops.greater(whole, 0.0), whole, 1.0)

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)


def loss_weight(loss, labels, logits):
    """The sum that a mean over pixels divides by.

    Args:
        loss: a Keras loss.
        labels: integer (b, h, w).
        logits: float (b, h, w, num_classes).

    Returns:
        float32 scalar: the sum of the weights of all pixels that are not ignored; None if the loss
        is not such a mean.

    >>> import numpy as np
    >>> from keras_seg.losses import SparseCrossEntropy
    >>> logits = np.zeros((1, 1, 3, 2), "float32")
    >>> float(loss_weight(SparseCrossEntropy(2), np.array([[[0, 1, 255]]]), logits))
    2.0
    """
    if not hasattr(loss, "pixel_weights"):
        return None
    label, counts = valid_pixels(labels_like(labels, logits), loss.ignore_class)
    weights = loss.pixel_weights(label, counts)
    return None if weights is None else ops.sum(weights)


def accumulated(loss, count):
    """The loss for `count` parts of a batch.

    Args:
        loss: a Keras loss.
        count: number of parts.

    Returns:
        a loss that takes the labels of the whole as its `sample_weight`.

    >>> from keras_seg.losses import SparseCrossEntropy
    >>> accumulated(SparseCrossEntropy(num_classes=2), 4).count
    4
    """
    if isinstance(loss, WeightedSum):
        return WeightedSum([(w, accumulated(part, count)) for w, part in loss.parts], loss.name)
    return AccumulatedLoss(loss, count)


class RatePerUpdate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule by updates, for an optimizer that counts batches.

    Keras gives schedules the number of batches even where only every `count`-th makes an update.

    Args:
        schedule: learning rate by number of the update.
        count: batches per update.

    >>> from keras_seg.schedules import Poly
    >>> rate = RatePerUpdate(Poly(1.0, decay_steps=4, power=1.0), count=2)
    >>> [float(rate(batch)) for batch in range(4)]
    [1.0, 1.0, 0.75, 0.75]
    """

    def __init__(self, schedule, count):
        self.schedule = schedule
        self.count = count

    def __call__(self, step):
        """The learning rate at the batch with this number."""
        return self.schedule(ops.floor_divide(step, self.count))

    def get_config(self):
        """The arguments, for saving."""
        return {"schedule": self.schedule, "count": self.count}
