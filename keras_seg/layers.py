"""Layers that need state or an unknown size; everything else is a function."""

import keras
from keras import layers, ops

from keras_seg._layers_dense import CropLike, PositionAttention
from keras_seg._layers_recompute import Recompute

__all__ = [
    "AveragePooling2D",
    "BatchNormalization",
    "BatchStatistics",
    "CropLike",
    "PositionAttention",
    "Recompute",
    "ResizeLike",
]


@keras.saving.register_keras_serializable("keras_seg")
class ResizeLike(layers.Layer):
    """Resizes the first input to the height and width of the second.

    Works while sizes are unknown, which `keras.layers.UpSampling2D("bilinear")` and
    `keras.ops.image.resize` do not in a TensorFlow graph of Keras 3.15. Pixel centres lie at
    half-integers, as in `tf.image.resize`. With known sizes the TFLite converter turns it into
    one RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR.

    Args:
        interpolation: "bilinear" or "nearest".
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: list of two: what to resize (b, h1, w1, c) and what gives the size (b, h2, w2, any).

    Returns:
        Tensor (b, h2, w2, c) in the layer's compute dtype.

    Raises:
        ValueError: `interpolation` is neither of the two.

    >>> small, large = keras.ops.ones((1, 2, 2, 5)), keras.ops.ones((1, 7, 9, 3))
    >>> tuple(ResizeLike()([small, large]).shape)
    (1, 7, 9, 5)
    """

    def __init__(self, interpolation="bilinear", **kwargs):
        super().__init__(**kwargs)
        if interpolation not in ("bilinear", "nearest"):
            raise ValueError(
                "`ResizeLike` needs interpolation 'bilinear' or 'nearest'. "
                f"Received: interpolation={interpolation!r}."
            )
        self.interpolation = interpolation

    def call(self, inputs):
        x, reference = inputs
        if keras.backend.backend() == "tensorflow":
            # The only resize that takes a size which is a tensor.
            import tensorflow as tf

            size = tf.shape(reference)[1:3]
            if None not in reference.shape[1:3]:
                size = reference.shape[1:3]
            resized = tf.image.resize(x, size, method=self.interpolation)
        else:
            size = tuple(ops.shape(reference))[1:3]
            resized = ops.image.resize(
                x, size, interpolation=self.interpolation, data_format="channels_last"
            )
        return ops.cast(resized, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        x_shape, reference_shape = input_shape
        return (x_shape[0], *reference_shape[1:3], x_shape[3])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "interpolation": self.interpolation}


@keras.saving.register_keras_serializable("keras_seg")
class AveragePooling2D(layers.AveragePooling2D):
    """`keras.layers.AveragePooling2D` whose padding counts for nothing, on torch as well.

    On torch, Keras 3.15 repeats the rim of the picture where a block reaches over it, and counts
    that; the other backends average the pixels that are there.

    Args:
        pool_size: side of the blocks in pixels, which do not overlap.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, ceil(h / pool_size), ceil(w / pool_size), c).

    >>> tuple(AveragePooling2D(4)(keras.ops.ones((1, 11, 13, 3))).shape)
    (1, 3, 4, 3)
    """

    def __init__(self, pool_size, **kwargs):
        super().__init__(pool_size, **{**kwargs, "padding": "same", "strides": None})

    def call(self, inputs):
        if keras.backend.backend() != "torch":
            return super().call(inputs)
        missing = [
            -side % pool for side, pool in zip(inputs.shape[1:3], self.pool_size, strict=True)
        ]
        around = ((0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0))
        total, count = (
            ops.average_pool(ops.pad(x, around), self.pool_size, padding="valid")
            for x in (inputs, ops.ones_like(inputs[:1, :, :, :1]))
        )
        return total / count


@keras.saving.register_keras_serializable("keras_seg")
class BatchNormalization(layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, trained with TensorFlow's fused kernel where there is one.

    The same layer with the same numbers. Keras 3.15 composes the training pass of many small
    ops; on a CPU the one fused kernel takes a quarter of their time, and batch normalisation is
    most of what a network of depthwise convolutions computes. Other backends, other ranks than
    (b, h, w, c), and inference take Keras's own way.

    Args:
        **kwargs: see `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: float (b, h, w, c).
        training: whether to normalise with the batch's own statistics, and learn from them.

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

    def _can_fuse(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.renorm
            and not self.synchronized
        )


@keras.saving.register_keras_serializable("keras_seg")
class BatchStatistics(BatchNormalization):
    """Batch normalisation with the statistics of the batch at hand, at inference too.

    FC-DenseNet's published scores come from such layers. An answer then depends on the other
    pictures of the batch. Moving statistics are learned all the same, so that weights fit both
    this layer and `BatchNormalization`.

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
        normalised = ops.batch_normalization(
            x, mean, variance, axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )
        return ops.cast(normalised, self.compute_dtype)
