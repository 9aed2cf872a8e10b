"""A learned factor per channel."""

import keras
import numpy as np

from keras_seg.layers import LayerScale


def test_each_channel_has_its_factor_and_survives_saving(tmp_path):
    image = keras.Input((2, 2, 3))
    model = keras.Model(image, LayerScale(0.5, name="scale")(image))
    x = np.ones((1, 2, 2, 3), "float32")
    np.testing.assert_array_equal(model(x), 0.5 * x)
    model.get_layer("scale").set_weights([np.array([1.0, 2.0, 3.0])])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(again(x))[0, 0, 0], [1, 2, 3])
    assert again.get_layer("scale").initial == 0.5
