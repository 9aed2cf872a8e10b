"""Average pooling to a fixed grid, whatever the size of the map."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class AdaptiveAveragePooling2D(layers.Layer):
    """Averages a map of any size, known or not, to a grid of a fixed size.

    Row i of the grid is the mean of the rows from floor(i * h / size) to ceil((i + 1) * h / size).
    A map that is already as large as the grid stays as it is. `keras.layers` has such a layer for
    known sizes only.

    Args:
        size: height and width of the grid.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, size, size, c).

    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 1, 4, 1))
    >>> keras.ops.convert_to_numpy(AdaptiveAveragePooling2D(2)(x))[0, 0].ravel().tolist()
    [0.5, 2.5]
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs):
        height, width = ops.shape(inputs)[1:3]
        x = ops.einsum("ih,bhwc->biwc", self._means(height), inputs)
        return ops.einsum("jw,biwc->bijc", self._means(width), x)

    def _means(self, side):
        """Matrix (size, side) whose rows average the pixels of one row of the grid."""
        grid = ops.arange(self.size, dtype="int32")[:, None]
        pixel = ops.arange(side, dtype="int32")[None]
        begin, end = grid * side // self.size, ((grid + 1) * side + self.size - 1) // self.size
        inside = ops.logical_and(pixel >= begin, pixel < end)
        return ops.cast(inside, self.compute_dtype) / ops.cast(end - begin, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
