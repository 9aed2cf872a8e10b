"""Kernels that initialize transposed convolutions as bilinear interpolation."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("keras_seg")
class Bilinear(keras.initializers.Initializer):
    """Initializes a transposed convolution as bilinear interpolation of each channel.

    J. Long, E. Shelhamer, T. Darrell: Fully Convolutional Networks, arXiv 1411.4038, section 3.3.
    For a stride s, kernels of 2s - s % 2 pixels interpolate.

    >>> kernel = keras.ops.convert_to_numpy(Bilinear()((4, 4, 2, 2)))
    >>> kernel[0, :, 0, 0].tolist(), float(abs(kernel[:, :, 0, 1]).max())  # 1/4 of 1/4, 3/4, ...
    ([0.0625, 0.1875, 0.1875, 0.0625], 0.0)
    """

    def __call__(self, shape, dtype=None):
        """A kernel.

        Args:
            shape: (height, width, channels out, channels in).
            dtype: its data type.

        Returns:
            Tensor of the shape: zero between different channels.
        """
        rows, columns = (1 - abs(np.arange(n) - (n - 1) / 2) / -(-n // 2) for n in shape[:2])
        kernel = np.outer(rows, columns)[:, :, None, None] * np.eye(*shape[2:])
        return ops.convert_to_tensor(kernel, dtype or keras.config.floatx())
