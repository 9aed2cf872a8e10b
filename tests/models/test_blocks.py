"""Blocks that several families share."""

import keras
import numpy as np
import pytest

from keras_seg.models.blocks import depthwise_bn, depthwise_he_normal, enlarging_conv


@pytest.mark.parametrize(
    ("kernel_size", "expected"),
    [(3, np.sqrt(2 / 9)), (5, np.sqrt(2 / 25)), ((1, 7), np.sqrt(2 / 7))],
)
def test_depthwise_kernels_begin_with_the_variance_of_he(kernel_size, expected):
    # Variance 2 / (inputs of a sum), and a depthwise kernel sums over its taps alone.
    sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    kernel = np.array(depthwise_he_normal(kernel_size)((*sides, 4096, 1)))
    # The estimate's own deviation: below 1 / sqrt(2 * 7 * 4096) = 0.4 %.
    assert kernel.std() == pytest.approx(expected, rel=0.02)
    assert abs(kernel.mean()) < 0.02 * expected


def test_depthwise_block_keeps_the_variance_of_its_maps():
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 576))
    model = keras.Model(image, depthwise_bn(image, "block", activation=None))
    kernel = np.array(model.get_layer("block_depthwise").kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 9), rel=0.05)
    again = keras.Model.from_config(model.get_config())
    assert again.get_layer("block_depthwise").depthwise_initializer.stddev == pytest.approx(
        np.sqrt(2 / 9) / 0.8796, rel=1e-4
    )


@pytest.mark.parametrize(("size", "expected"), [(4, [3, 25, 30, 50]), (3, [3, 25, 30])])
def test_enlarging_convolution_lies_where_that_of_pytorch_does(size, expected):
    image, reference = keras.Input((1, None, 1)), keras.Input((1, None, 1))
    model = keras.Model([image, reference], enlarging_conv(image, 1, reference, "up"))
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, :, 0, 0] = (2, 3, 5)
    model.set_weights([kernel, np.zeros(1)])
    x = np.array([1.0, 10.0]).reshape(1, 1, 2, 1)
    # ConvTranspose2d(kernel_size=3, stride=2, padding=1, output_padding=1): output o is the sum of
    # x[i] * kernel[o + 1 - 2 i]: 3 * 1; 5 * 1 + 2 * 10; 3 * 10; 5 * 10.
    assert np.array(model([x, np.zeros((1, 1, size, 1))])).ravel().tolist() == expected
