"""Batch normalization: with a fused kernel for training, and with the statistics of the batch."""

import keras
import numpy as np
from keras import layers, ops

from keras_seg.layers.replicas import moments, num_replicas


@keras.saving.register_keras_serializable("keras_seg")
class BatchNormalization(layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, trained with TensorFlow's fused kernel where there is one.

    The same layer with the same numbers. Keras 3.15 composes the training pass of many small ops;
    the fused kernel is faster on CPUs, where batch normalization is most of what a network of
    depthwise convolutions computes. Other backends, other ranks than (b, h, w, c), and inference
    use Keras's implementation. On several devices of a `tf.distribute` strategy, the statistics are
    those of the whole batch.

    Args:
        **kwargs: see `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: float (b, h, w, c).
        training: whether to normalize with the batch's own statistics, and learn from them.

    Returns:
        Tensor of the input's shape, in the layer's compute dtype.

    >>> tuple(BatchNormalization()(keras.ops.ones((2, 4, 4, 3)), training=True).shape)
    (2, 4, 4, 3)
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None and self._can_fuse(inputs)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        x = ops.cast(inputs, "float32")
        # A momentum of 0 for the kernel: it then returns the batch's statistics.
        fused = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel returns the unbiased variance; Keras keeps the biased one.
        count = tf.cast(tf.size(x) // tf.shape(x)[-1], "float32")
        variance = fused.batch_variance * ((count - 1) / count)
        for moving, batch in (
            (self.moving_mean, fused.batch_mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return ops.cast(fused.y, self.compute_dtype)

    def _moments(self, inputs, mask):
        if num_replicas() == 1 or mask is not None:
            return super()._moments(inputs, mask)
        return moments(inputs, self._reduction_axes)

    def _can_fuse(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and num_replicas() == 1
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.renorm
            and not self.synchronized
        )


@keras.saving.register_keras_serializable("keras_seg")
class BatchStatistics(BatchNormalization):
    """Batch normalization with the statistics of the current batch, also at inference.

    FC-DenseNet's published scores come from such layers. A prediction then depends on the
    other pictures of the batch. Moving statistics are learned all the same, so that weights fit
    both this layer and `BatchNormalization`.

    Args:
        **kwargs: see `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: float (b, ..., c).
        training: whether to learn moving statistics.

    Returns:
        Tensor of the input's shape, in the layer's compute dtype.

    >>> x = keras.ops.reshape(keras.ops.arange(8.0), (1, 4, 2, 1))
    >>> round(abs(float(keras.ops.mean(BatchStatistics()(x)))), 4)
    0.0
    """

    def call(self, inputs, training=None, mask=None):
        if training and self.trainable:
            return super().call(inputs, training=training, mask=mask)
        x = ops.cast(inputs, "float32")
        axis = self.axis % len(x.shape)
        mean, variance = ops.moments(x, [a for a in range(len(x.shape)) if a != axis])
        normalized = ops.batch_normalization(
            x, mean, variance, axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )
        return ops.cast(normalized, self.compute_dtype)


def scale_and_shift(layer):
    """What batch normalization with moving statistics does to each channel: x * scale + shift.

    Args:
        layer: a built `keras.layers.BatchNormalization`, or ours.

    Returns:
        (scale, shift): float64 arrays (c,).

    >>> layer = BatchNormalization(epsilon=0.0)
    >>> layer.build((None, 4, 4, 1))
    >>> gamma_beta_mean_variance = [np.array([value]) for value in (3.0, 1.0, 2.0, 4.0)]
    >>> layer.set_weights(gamma_beta_mean_variance)
    >>> [float(x[0]) for x in scale_and_shift(layer)]  # 3 / 2, and 1 - 2 * 3 / 2
    [1.5, -2.0]
    """

    def values(variable):
        return np.array(ops.convert_to_numpy(variable), "float64")

    scale = 1 / np.sqrt(values(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * values(layer.gamma)
    shift = -values(layer.moving_mean) * scale
    if layer.center:
        shift = shift + values(layer.beta)
    return scale, shift
