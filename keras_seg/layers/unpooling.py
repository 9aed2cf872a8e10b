"""Max pooling with the indices of the maxima, and its reverse.

V. Badrinarayanan, A. Kendall, R. Cipolla: SegNet, arXiv 1511.00561, section 3. Both layers are made
of comparisons, slices and reshapes, which every backend and TFLite's builtin operations have.
"""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class MaxPoolingIndices2D(layers.Layer):
    """Finds where the maximum of each block of 2x2 pixels is, channel by channel.

    `keras.layers.MaxPooling2D(2, padding="same")` gives the maxima themselves. Of equal values the
    first one is used, row by row. Blocks at the lower right of odd sizes have fewer pixels.

    Args:
        **kwargs: name and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        int32 tensor (b, ceil(h / 2), ceil(w / 2), c): 0 upper left, 1 upper right, 2 lower left,
        3 lower right.

    >>> x = keras.ops.reshape(keras.ops.array([1.0, 4.0, 2.0, 3.0]), (1, 2, 2, 1))
    >>> int(MaxPoolingIndices2D()(x)[0, 0, 0, 0])
    1
    """

    def call(self, inputs):
        x = _even(_even(inputs, 1), 2)
        largest = ops.max_pool(x, 2, 2, "valid", data_format="channels_last")
        places = [ops.convert_to_tensor(place, "int32") for place in range(4)]
        indices = places[3]
        for place in (2, 1, 0):
            pixels = x[:, place // 2 :: 2, place % 2 :: 2]
            indices = ops.where(pixels >= largest, places[place], indices)
        return indices

    def compute_output_shape(self, input_shape):
        sides = (None if side is None else -(-side // 2) for side in input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3])

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype="int32")


@keras.saving.register_keras_serializable("keras_seg")
class MaxUnpooling2D(layers.Layer):
    """Puts each value where the maximum of its 2x2 block was, and zeros around it.

    Args:
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: list of three: values (b, h, w, c), indices of `MaxPoolingIndices2D` of the same
            shape, and a map of the target size (b, 2h or 2h - 1, 2w or 2w - 1, any).

    Returns:
        Tensor of the third input's height and width, with c channels.

    >>> x = keras.ops.reshape(keras.ops.array([1.0, 4.0, 2.0, 3.0]), (1, 2, 2, 1))
    >>> found = MaxUnpooling2D()([10 * x[:, :1, :1], MaxPoolingIndices2D()(x), x])
    >>> keras.ops.convert_to_numpy(found).ravel().tolist()
    [0.0, 10.0, 0.0, 0.0]
    """

    def call(self, inputs):
        x, indices, reference = inputs
        zero = ops.zeros((), x.dtype)
        parts = [ops.where(indices == place, x, zero) for place in range(4)]
        height, width = _sizes(reference)
        return _interleaved(parts)[:, :height, :width]

    def compute_output_shape(self, input_shape):
        x_shape, _, reference_shape = input_shape
        return (x_shape[0], *reference_shape[1:3], x_shape[3])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


def _sizes(x):
    """Height and width: numbers where they are known, tensors elsewhere."""
    return [known or size for known, size in zip(x.shape[1:3], ops.shape(x)[1:3], strict=True)]


def _even(x, axis):
    """An odd side is lengthened by its last row or column: a copy is never the first maximum."""
    known, size = x.shape[axis], ops.shape(x)[axis]
    if known is not None and known % 2 == 0:
        return x
    last = (slice(None),) * axis + (slice(size - size % 2, None),)
    return ops.concatenate([x, x[last]], axis)


def _interleaved(parts):
    """Upper left, upper right, lower left and lower right pixels of blocks, as one map."""
    (height, width), channels = _sizes(parts[0]), parts[0].shape[-1]
    # In memory, columns lie side by side as channels do, and rows as columns do.
    upper, lower = (
        ops.reshape(ops.concatenate(row, -1), (-1, height, 2 * width, channels))
        for row in (parts[:2], parts[2:])
    )
    full = ops.concatenate([upper, lower], 2)
    return ops.reshape(full, (-1, 2 * height, 2 * width, channels))
