"""Average pooling that is the same on all backends."""

import keras
from keras import layers, ops


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
