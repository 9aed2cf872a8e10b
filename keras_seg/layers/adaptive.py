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
        enlarge: whether a map smaller than the grid is repeated to its size; otherwise the grid
            is no larger than the map.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, size, size, c); with `enlarge=False` (b, min(size, h), min(size, w), c).

    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 1, 4, 1))
    >>> keras.ops.convert_to_numpy(AdaptiveAveragePooling2D(2)(x))[0, 0].ravel().tolist()
    [0.5, 2.5]
    """

    def __init__(self, size, enlarge=True, **kwargs):
        super().__init__(**kwargs)
        self.size, self.enlarge = size, enlarge

    def call(self, inputs):
        return self._pooled(self._pooled(inputs, 1, "ih,bhwc->biwc"), 2, "jw,biwc->bijc")

    def _grid(self, side):
        """Cells along an axis of so many pixels, None for an unknown number."""
        return self.size if self.enlarge else side and min(self.size, side)

    def _pooled(self, x, axis, equation):
        """The map with one axis on the grid."""
        side = x.shape[axis]
        if side is None:
            return ops.einsum(equation, self._means(ops.shape(x)[axis]), x)
        grid, parts = self._grid(side), []
        if side == grid:
            return x
        for cell in range(grid):
            begin, end = cell * side // grid, -(-(cell + 1) * side // grid)
            part = x[(slice(None),) * axis + (slice(begin, end),)]
            parts.append(part if end - begin == 1 else self._mean(part, axis))
        return ops.concatenate(parts, axis) if len(parts) > 1 else parts[0]

    def _mean(self, part, axis):
        return ops.mean(part, axis, keepdims=True)

    def _means(self, side):
        """Matrix (grid, side) whose rows average the pixels of one row of the grid."""
        size = self.size if self.enlarge else ops.minimum(self.size, side)
        grid = ops.arange(size, dtype="int32")[:, None]
        pixel = ops.arange(side, dtype="int32")[None]
        begin, end = grid * side // size, ((grid + 1) * side + size - 1) // size
        inside = ops.logical_and(pixel >= begin, pixel < end)
        return ops.cast(inside, self.compute_dtype) / ops.cast(end - begin, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *map(self._grid, input_shape[1:3]), input_shape[-1])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "enlarge": self.enlarge}
