"""A choice of channels, and normalization by neighboring channels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg.layers import LocalResponseNormalization, SelectChannels


@pytest.mark.parametrize("depth", [3, 5])
def test_normalization_by_neighbors_is_that_of_tensorflow(depth):
    x = 30 * np.random.default_rng(0).normal(size=(2, 3, 4, 7)).astype("float32")
    layer = LocalResponseNormalization(depth, bias=2.0, alpha=1e-2, beta=0.75)
    expected = tf.nn.local_response_normalization(x, depth // 2, 2.0, 1e-2, 0.75)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)


def test_normalization_by_neighbors_survives_large_values_of_16_bits():
    x = np.full((1, 1, 1, 5), 1000.0, "float16")
    found = np.array(LocalResponseNormalization(dtype="float16")(x))[0, 0, 0]
    # Three, four or five squares of a million: 1000 / (2 + 1e-4 * n * 1e6) ** 0.75.
    expected = [1000 / (2 + 100 * n) ** 0.75 for n in (3, 4, 5, 4, 3)]
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_both_survive_saving(tmp_path):
    image = keras.Input((2, 2, 3))
    x = SelectChannels((2, 0, 2, 1), name="select")(image)
    model = keras.Model(image, LocalResponseNormalization(3, 1.0, 0.5, 0.6, name="norm")(x))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).normal(size=(1, 2, 2, 3)).astype("float32")
    np.testing.assert_array_equal(model(pixels), again(pixels))
    assert again.output_shape == (None, 2, 2, 4)
    norm = again.get_layer("norm")
    assert (norm.depth, norm.bias, norm.alpha, norm.beta) == (3, 1.0, 0.5, 0.6)
