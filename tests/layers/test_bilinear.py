"""Kernels of bilinear interpolation."""

import keras
import numpy as np

from keras_seg.layers import Bilinear


def test_kernel_of_stride_3_by_hand():
    # 2 * 3 - 3 % 2 = 5 taps: a third, two thirds, all, two thirds, a third.
    taps = np.array([1, 2, 3, 2, 1]) / 3
    kernel = np.array(Bilinear()((5, 5, 2, 2)))
    for out in range(2):
        for into in range(2):
            expected = np.outer(taps, taps) * (out == into)
            np.testing.assert_allclose(kernel[:, :, out, into], expected, rtol=1e-6, atol=1e-7)


def test_a_transposed_convolution_begins_as_bilinear_interpolation():
    layer = keras.layers.Conv2DTranspose(
        1, 4, 2, padding="same", use_bias=False, kernel_initializer=Bilinear()
    )
    x = np.array([0.0, 4, 8, 4]).reshape(1, 1, 4, 1).repeat(4, axis=1).astype("float32")
    # Three quarters of one pixel and a quarter of its neighbor; the rim is left out.
    assert np.array(layer(x))[0, 3, 1:-1, 0].tolist() == [1, 3, 5, 7, 7, 5]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again.kernel_initializer, Bilinear)
