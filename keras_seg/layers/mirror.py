"""Mirror padding, for networks of convolutions without padding."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class MirrorPadding2D(layers.Layer):
    """Pads a map with its mirror image, to a size that a network accepts.

    The border's own pixels are not repeated. Margins may be larger than the map, which is then
    mirrored repeatedly.

    O. Ronneberger, P. Fischer, T. Brox: U-Net, arXiv 1505.04597, section 2.

    Args:
        margin: pixels above and left; below and right are as many or more.
        multiple: sizes are multiples of this number of pixels and the offset.
        offset: see `multiple`.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, h', w', c) of the smallest sizes multiple * n + offset that are at least
        h + 2 * margin and w + 2 * margin.

    >>> x = keras.ops.reshape(keras.ops.arange(3.0), (1, 1, 3, 1))
    >>> found = MirrorPadding2D(margin=3, multiple=4, offset=2)(x)
    >>> keras.ops.convert_to_numpy(found)[0, 0].ravel().tolist()  # 4 * 2 + 2 is 3 + 2 * 3 or more
    [1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0]
    """

    def __init__(self, margin=0, multiple=1, offset=0, **kwargs):
        super().__init__(**kwargs)
        self.margin, self.multiple, self.offset = margin, multiple, offset

    def padded(self, size):
        """Size of an axis after padding."""
        least = size + 2 * self.margin - self.offset
        # Positive numbers only: ONNX rounds quotients of negative ones toward zero.
        return (least + self.multiple - 1) // self.multiple * self.multiple + self.offset

    def call(self, inputs):
        x = inputs
        for axis in (1, 2):
            size = x.shape[axis] or ops.shape(x)[axis]
            if self.margin or not isinstance(size, int) or self.padded(size) != size:
                x = ops.take(x, self._sources(size), axis)
        return x

    def _sources(self, size):
        """The pixel that each pixel along an axis shows: a triangle wave over the map."""
        place = ops.arange(self.padded(size), dtype="int32") - self.margin
        # A map of one pixel has no neighbor to mirror: all are that pixel.
        last = ops.convert_to_tensor(size, "int32") - 1
        period = ops.maximum(2 * last, 1)
        # Positive numbers again: ONNX Runtime's remainder has the sign of its first number.
        place = (place + self.margin * period) % period
        return last - ops.abs(last - place)

    def compute_output_shape(self, input_shape):
        sides = (None if side is None else self.padded(side) for side in input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        own = {key: getattr(self, key) for key in ("margin", "multiple", "offset")}
        return {**super().get_config(), **own}
