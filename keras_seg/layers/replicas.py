"""Values of all devices of a `tf.distribute` strategy, as code that runs on one of them sees them.

Each device runs the same step on its part of the batch. Keras on JAX needs nothing of this: there
the code sees the whole batch.
"""

from typing import Any

import keras


def num_replicas():
    """The number of devices that run this code together.

    Returns:
        int; 1 outside `strategy.run`, and on other backends than TensorFlow.

    >>> num_replicas()
    1
    """
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def summed(values):
    """The sum over the devices.

    Args:
        values: tensor of any shape, or a list of tensors.

    Returns:
        the same structure, equal on all devices; `values` itself where there is one device.

    >>> summed(2.0)
    2.0
    """
    if num_replicas() == 1:
        return values
    import tensorflow as tf

    return _context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gathered(value):
    """The values of all devices, one after the other along the first axis.

    Args:
        value: tensor (b, ...).

    Returns:
        tensor (devices * b, ...), equal on all devices; `value` itself where there is one device.

    >>> gathered([1.0, 2.0])
    [1.0, 2.0]
    """
    count = num_replicas()
    if count == 1:
        return value
    import tensorflow as tf

    value = tf.convert_to_tensor(value)
    size, *others = value.shape
    # TensorFlow leaves the shape open.
    shape = (None if size is None else size * count, *others)
    return tf.ensure_shape(_context().all_gather(value, axis=0), shape)


def moments(x, axes):
    """Mean and variance over the pixels of all devices.

    From the statistics of each device (Chan, Golub, LeVeque: Updating formulae and a pairwise
    algorithm for computing sample variances, 1979). A mean of squares less the square of the mean,
    which needs only sums, loses the digits of a variance that is small beside the mean.

    Args:
        x: float tensor (b, ..., c).
        axes: those to average over; one axis, that of the channels, is left.

    Returns:
        (mean, variance): tensors (c,).

    >>> import tensorflow as tf
    >>> [x.numpy().tolist() for x in moments(tf.constant([[1.0], [3.0]]), [0])]
    [[2.0], [1.0]]
    """
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, axes)
    count = tf.cast(tf.size(x) // tf.size(mean), mean.dtype)
    own = tf.stack([tf.fill(tf.shape(mean), count), mean, variance])
    counts, means, variances = tf.unstack(gathered(own[tf.newaxis]), axis=1)
    shares = counts / tf.reduce_sum(counts, axis=0)
    mean = tf.reduce_sum(shares * means, axis=0)
    return mean, tf.reduce_sum(shares * (variances + (means - mean) ** 2), axis=0)


def _context() -> Any:
    """What TensorFlow tells about the devices; None where the code sees all of them."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
