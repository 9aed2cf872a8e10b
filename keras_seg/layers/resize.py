"""Resizing and cropping of feature maps to the size of another one, also of unknown size."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class ResizeLike(layers.Layer):
    """Resizes the first input to the height and width of the second.

    Works while sizes are unknown, which `keras.layers.UpSampling2D("bilinear")` and
    `keras.ops.image.resize` do not in a TensorFlow graph of Keras 3.15. Pixel centers lie at
    half-integers, as in `tf.image.resize`, or corner pixels are aligned, as in Caffe. With known
    sizes the TFLite converter turns it into one RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR.

    Args:
        interpolation: "bilinear" or "nearest".
        align_corners: whether corner pixels are aligned; for "bilinear" only.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: list of two: the map to resize (b, h1, w1, c), and the map of the target size (b,
            h2, w2, any).

    Returns:
        Tensor (b, h2, w2, c) in the layer's compute dtype.

    Raises:
        ValueError: `interpolation` is neither of the two, or corners cannot be aligned.

    >>> small, large = keras.ops.ones((1, 2, 2, 5)), keras.ops.ones((1, 7, 9, 3))
    >>> tuple(ResizeLike()([small, large]).shape)
    (1, 7, 9, 5)
    """

    def __init__(self, interpolation="bilinear", align_corners=False, **kwargs):
        super().__init__(**kwargs)
        if interpolation not in ("bilinear", "nearest"):
            raise ValueError(
                "`ResizeLike` needs interpolation 'bilinear' or 'nearest'. "
                f"Received: interpolation={interpolation!r}."
            )
        if align_corners and interpolation != "bilinear":
            raise ValueError(
                "`ResizeLike` aligns corners for interpolation 'bilinear' only. Received: "
                f"interpolation={interpolation!r}, align_corners={align_corners!r}. Choose one of "
                "them."
            )
        self.interpolation, self.align_corners = interpolation, bool(align_corners)

    def call(self, inputs):
        x, reference = inputs
        if keras.backend.backend() == "tensorflow":
            # The only resize that takes a size which is a tensor.
            import tensorflow as tf

            size = tf.shape(reference)[1:3]
            if None not in reference.shape[1:3]:
                size = reference.shape[1:3]
            if self.align_corners:
                # `tf.image.resize` has no such option; this is the operation behind it.
                resized = tf.raw_ops.ResizeBilinear(images=x, size=size, align_corners=True)
            else:
                resized = tf.image.resize(x, size, method=self.interpolation)
        elif self.align_corners:
            (height, width), (rows, columns) = ops.shape(x)[1:3], ops.shape(reference)[1:3]
            resized = ops.einsum("ih,bhwc->biwc", self._aligned(height, rows), x)
            resized = ops.einsum("jw,biwc->bijc", self._aligned(width, columns), resized)
        else:
            size = tuple(ops.shape(reference))[1:3]
            resized = ops.image.resize(
                x, size, interpolation=self.interpolation, data_format="channels_last"
            )
        return ops.cast(resized, self.compute_dtype)

    def _aligned(self, side, made):
        """Matrix (made, side) whose rows interpolate between the pixels of one axis."""
        place = ops.arange(made, dtype="float32")[:, None] * ((side - 1) / max(made - 1, 1))
        distance = ops.abs(place - ops.arange(side, dtype="float32")[None])
        return ops.cast(ops.maximum(1.0 - distance, 0.0), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        x_shape, reference_shape = input_shape
        return (x_shape[0], *reference_shape[1:3], x_shape[3])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        own = {"interpolation": self.interpolation, "align_corners": self.align_corners}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("keras_seg")
class CropLike(layers.Layer):
    """Crops the first input to the spatial size of the second, at the lower right.

    A transposed convolution of stride 2 over n pixels gives 2n + 1; its skip connection has 2n or
    2n + 1, depending on whether its size is even. Cropping suits both, also for unknown sizes.

    Args:
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: list of two: the map to crop (b, ..., c), and the map of the target size (b,
            ..., any), which is as large or smaller. Two or three spatial dimensions.

    Returns:
        Tensor of the second input's spatial size, with the first one's channels.

    >>> large, small = keras.ops.ones((1, 7, 9, 5)), keras.ops.ones((1, 6, 9, 3))
    >>> tuple(CropLike()([large, small]).shape)
    (1, 6, 9, 5)
    """

    def call(self, inputs):
        x, reference = inputs
        if None not in x.shape[1:-1] and x.shape[1:-1] == reference.shape[1:-1]:
            return x
        sizes = [
            known or size
            for known, size in zip(reference.shape[1:-1], ops.shape(reference)[1:-1], strict=True)
        ]
        return x[(slice(None), *(slice(size) for size in sizes))]

    def compute_output_shape(self, input_shape):
        x_shape, reference_shape = input_shape
        return (x_shape[0], *reference_shape[1:-1], x_shape[-1])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
