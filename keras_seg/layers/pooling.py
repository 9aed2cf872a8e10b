"""Pooling: averages that are the same on all backends, and dilated windows."""

import functools

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class AveragePooling2D(layers.AveragePooling2D):
    """`keras.layers.AveragePooling2D` that ignores padding, on torch as well.

    On torch, Keras 3.15 pads with repeated edge pixels and includes them in the average; the other
    backends average only the pixels inside the picture.

    Args:
        pool_size: side of the blocks in pixels.
        strides: pixels from one block to the next; None for blocks that do not overlap.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, ceil(h / strides), ceil(w / strides), c).

    >>> tuple(AveragePooling2D(4)(keras.ops.ones((1, 11, 13, 3))).shape)
    (1, 3, 4, 3)
    """

    def __init__(self, pool_size, strides=None, **kwargs):
        super().__init__(pool_size, strides, **{**kwargs, "padding": "same"})

    def call(self, inputs):
        if keras.backend.backend() != "torch":
            return super().call(inputs)
        sides = zip(inputs.shape[1:3], self.pool_size, self.strides, strict=True)
        missing = [max(0, (-(-side // s) - 1) * s + pool - side) for side, pool, s in sides]
        around = ((0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0))
        total, count = (
            ops.average_pool(ops.pad(x, around), self.pool_size, self.strides, "valid")
            for x in (inputs, ops.ones_like(inputs[:1, :, :, :1]))
        )
        return total / count


@keras.saving.register_keras_serializable("keras_seg")
class DilatedPooling2D(layers.Layer):
    """Dilated pooling with stride 1, for networks that keep their maps large.

    If a pooling layer's stride is replaced by 1, later layers must skip pixels, as dilated
    convolutions do. Keras has no such pooling.

    Args:
        pool_size: side of the window in taps.
        dilation: pixels from one tap to the next.
        mode: "max" or "average"; the mean is over the taps that lie within the map.
        padding: "same", or "valid" for windows that lie within the map.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor of the input's shape, for "valid" dilation * (pool_size - 1) pixels smaller. With
        "same" a window of 3 taps is centered on its pixel, one of 2 begins there.

    Raises:
        ValueError: the mode or the padding is neither of the two.

    >>> x = keras.ops.reshape(keras.ops.arange(5.0), (1, 1, 5, 1))
    >>> keras.ops.convert_to_numpy(DilatedPooling2D(2, 2)(x)).ravel().tolist()
    [2.0, 3.0, 4.0, 3.0, 4.0]
    """

    def __init__(self, pool_size, dilation, mode="max", padding="same", **kwargs):
        super().__init__(**kwargs)
        for name, value, known in (
            ("mode", mode, ("max", "average")),
            ("padding", padding, ("same", "valid")),
        ):
            if value not in known:
                raise ValueError(
                    f"`DilatedPooling2D` needs {name} {known[0]!r} or {known[1]!r}. "
                    f"Received: {name}={value!r}. Choose one of them."
                )
        self.pool_size, self.dilation, self.mode = pool_size, dilation, mode
        self.padding = padding

    def call(self, inputs):
        span = self.dilation * (self.pool_size - 1)
        before = self.dilation * ((self.pool_size - 1) // 2)
        if self.padding == "valid":
            span = before = 0
        after = span - before
        around = ((0, 0), (before, after), (before, after), (0, 0))
        # Lower than any value that 16 bits hold; infinity would not survive quantization.
        fill = -3e4 if self.mode == "max" else 0.0
        padded = ops.pad(inputs, around, constant_values=fill)
        places = [self.dilation * tap for tap in range(self.pool_size)]
        height, width = (side - places[-1] for side in ops.shape(padded)[1:3])
        taps = [padded[:, y : y + height, x : x + width] for y in places for x in places]
        if self.mode == "max":
            return functools.reduce(ops.maximum, taps)
        inside = ops.pad(ops.ones_like(inputs[:1, :, :, :1]), around)
        counts = [inside[:, y : y + height, x : x + width] for y in places for x in places]
        return sum(taps[1:], taps[0]) / sum(counts[1:], counts[0])

    def compute_output_shape(self, input_shape):
        lost = 0 if self.padding == "same" else self.dilation * (self.pool_size - 1)
        sides = (None if side is None else side - lost for side in input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        own = {key: getattr(self, key) for key in ("pool_size", "dilation", "mode", "padding")}
        return {**super().get_config(), **own}
