"""The shares of several devices in one step: parts of a batch, of its loss and of its gradient.

For `tf.distribute`, where each device computes for itself; see `keras_seg.training.devices`.
"""

import functools

import keras
from keras import ops

from keras_seg.layers import replicas
from keras_seg.losses import WeightedSum
from keras_seg.training.accumulate import loss_weight


def parts_of(batches, count):
    """Divide each batch into `count` parts, one after the other.

    Args:
        batches: `tf.data.Dataset` of tensors (b, ...), or dicts of them, all of a known b.
        count: number of parts, which b is a multiple of.

    Returns:
        `tf.data.Dataset` with `count` times as many elements, of tensors (b / count, ...).

    >>> import tensorflow as tf
    >>> batches = tf.data.Dataset.from_tensors(tf.range(4))
    >>> [x.numpy().tolist() for x in parts_of(batches, 2)]
    [[0, 1], [2, 3]]
    """
    import tensorflow as tf

    def apart(*batch):
        return tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(lambda x: tf.stack(tf.split(x, count)), batch)
        )

    made = batches.flat_map(apart)
    return made.map(lambda *x: x[0]) if not isinstance(batches.element_spec, tuple) else made


class ShareOfLoss(keras.losses.Loss):
    """The share that a device's part of a batch has in the loss of the batch.

    The sum over the devices is the loss of the whole batch. A mean over pixels is divided by the
    weights of the pixels of all devices. Other losses (Dice, Lovasz, hard pixels, or Keras's) are
    computed from the logits of all devices, which are sent to each of them.

    Args:
        loss: the loss.

    Call arguments:
        y_true: labels of the part, integer (b, h, w).
        y_pred: logits of the part (b, h, w, num_classes).
        sample_weight: weights of the part's pixels, float (b, h, w), or None.

    Returns:
        float32 scalar.

    >>> import numpy as np
    >>> from keras_seg.losses import SparseCrossEntropy
    >>> labels, logits = np.array([[[0, 255]]]), np.zeros((1, 1, 2, 2), "float32")
    >>> round(float(ShareOfLoss(SparseCrossEntropy(2))(labels, logits)), 4)  # ln 2: one device
    0.6931
    """

    def __init__(self, loss):
        super().__init__(name=loss.name, reduction=None)
        self.inner = loss

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The share of a part."""
        if replicas.num_replicas() == 1:
            return self.inner(y_true, y_pred, sample_weight)
        weight = None if sample_weight is not None else loss_weight(self.inner, y_true, y_pred)
        if weight is None:
            given = (y_true, y_pred, *(() if sample_weight is None else (sample_weight,)))
            return self.inner(*map(replicas.gathered, given)) / replicas.num_replicas()
        whole = replicas.summed(weight)
        share = weight / ops.where(ops.greater(whole, 0.0), whole, 1.0)
        return self.inner(y_true, y_pred) * share

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)


def share_of_loss(loss):
    """The loss for a device's part of a batch.

    Args:
        loss: a Keras loss.

    Returns:
        a loss whose sum over the devices is that of the whole batch.

    >>> from keras_seg.losses import SparseCrossEntropy
    >>> share_of_loss(SparseCrossEntropy(num_classes=2)).name
    'cross_entropy'
    """
    if isinstance(loss, WeightedSum):
        return WeightedSum([(w, share_of_loss(part)) for w, part in loss.parts], loss.name)
    return ShareOfLoss(loss)


@functools.cache
def with_summed_gradients(kind):
    """A class of optimizers that sums the gradients of all devices before it changes them.

    Keras sums them afterwards, so that it would clip the gradient of each device by itself, and
    `with_l2` would add its penalty once per device.

    Args:
        kind: a class of `keras.optimizers.Optimizer`.

    Returns:
        a subclass.

    >>> with_summed_gradients(keras.optimizers.SGD).__name__
    'SGD'
    """

    def apply(self, grads, trainable_variables=None):
        present = [grad for grad in grads if grad is not None]
        given = iter(replicas.summed(present))
        grads = [None if grad is None else next(given) for grad in grads]
        return kind.apply(self, grads, trainable_variables)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return list(grads_and_vars)

    more = {"apply": apply, "_all_reduce_sum_gradients": _all_reduce_sum_gradients}
    return type(kind)(kind.__name__, (kind,), more)
