"""Average pooling to a fixed grid."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg.layers import AdaptiveAveragePooling2D


def test_windows_overlap_where_the_grid_does_not_divide_the_map():
    # 5 pixels on 3 places: floor(5i/3) to ceil(5(i+1)/3) are 0..2, 1..4, 3..5 (ends excluded).
    x = np.array([1.0, 2, 4, 8, 16]).reshape(1, 1, 5, 1)
    found = np.array(AdaptiveAveragePooling2D(3)(x))[0, 0].ravel()
    np.testing.assert_allclose(found, [1.5, 14 / 3, 12])


def test_a_map_as_large_as_the_grid_stays_and_a_smaller_one_is_repeated():
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 3)).astype("float32")
    np.testing.assert_array_equal(AdaptiveAveragePooling2D(7)(x), x)
    found = AdaptiveAveragePooling2D(7)(x[:, :1, :1])
    np.testing.assert_array_equal(found, np.broadcast_to(x[:, :1, :1], x.shape))


def test_sizes_may_be_unknown_and_the_layer_is_saved(tmp_path):
    image = keras.Input((None, None, 2))
    model = keras.Model(image, AdaptiveAveragePooling2D(3, name="grid")(image))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 8, 5, 2)).astype("float32")
    np.testing.assert_array_equal(model(x), again(x))
    assert model.output_shape == (None, 3, 3, 2)


def test_a_grid_may_be_kept_as_small_as_the_map():
    x = np.random.default_rng(0).normal(size=(1, 2, 9, 3)).astype("float32")
    layer = AdaptiveAveragePooling2D(6, enlarge=False)
    # Both rows stay; 9 columns on 6 places: floor(9i / 6) to ceil(9(i + 1) / 6), ends excluded.
    ends = [(0, 2), (1, 3), (3, 5), (4, 6), (6, 8), (7, 9)]
    expected = np.stack([x[:, :, a:b].mean(2) for a, b in ends], axis=2)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    function = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    np.testing.assert_allclose(function(x), expected, atol=1e-6)
    assert layer(keras.Input((None, 4, 3))).shape == (None, None, 4, 3)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_known_and_unknown_sizes_give_the_same_means(size):
    x = np.random.default_rng(0).normal(size=(2, 5, 11, 3)).astype("float32")
    layer = AdaptiveAveragePooling2D(size)
    function = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    np.testing.assert_allclose(layer(x), function(x), atol=1e-6)
