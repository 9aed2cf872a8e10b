"""Blocks that several families share."""

import keras
import numpy as np
import pytest

from keras_seg.models.blocks import depthwise_bn, depthwise_he_normal


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
