"""Average pooling to a fixed grid."""

import keras
import numpy as np

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
