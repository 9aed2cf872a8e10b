"""Normalization in 8 bits keeps the levels of pixels."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.export import rescaling, tflite

pytestmark = pytest.mark.export


def network(scale=1 / 127.5, offset=-1.0, channels=3):
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, channels))
    x = layers.Rescaling(scale, offset, name="normalize")(image)
    x = layers.AveragePooling2D(2)(x)
    return keras.Model(image, layers.Conv2D(2, 3, padding="same")(x))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("by_channel", [False, True])
def test_the_function_stays_the_same(channels, by_channel):
    scale = np.linspace(0.01, 0.02, channels).tolist() if by_channel else 1 / 127.5
    model = network(scale, np.linspace(-2, -1, channels).tolist() if by_channel else -1, channels)
    image = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, channels)).astype("float32")
    rewritten = rescaling.convolved(model)
    assert not any(isinstance(layer, layers.Rescaling) for layer in rewritten.layers)
    np.testing.assert_allclose(rewritten(image), model(image), atol=1e-5)


def test_other_models_stay_as_they_are():
    image = keras.Input((32, 32, 3))
    for model in (network(offset=0.0), keras.Model(image, layers.Conv2D(2, 1)(image))):
        assert rescaling.convolved(model) is model
    x = layers.Rescaling(2.0, offset=1.0)(layers.Conv2D(2, 1)(image))
    later = rescaling.convolved(keras.Model(image, x))
    assert isinstance(later.layers[-1], layers.Rescaling)


@pytest.mark.long
def test_int8_files_keep_all_levels_of_the_pixels(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    pixels = np.arange(256, dtype="uint8").repeat(12).reshape(1, 32, 32, 3)
    calibration = np.concatenate([pixels, pixels[:, ::-1]])
    path = tmp_path / "model.tflite"
    tflite(network(), path, "int8", calibration=calibration, min_agreement=0)
    with pytest.warns(UserWarning, match="debugging purposes"):
        interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    found = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tuple(tensor["shape"]) == (1, 32, 32, 3)
    ]
    normalized = [values for values in found if values.dtype == "int8" and values.size == 3072]
    # 0..255 scaled to -1..1 in steps of 2/255, of which one is cut off at the end.
    assert [len(np.unique(values)) >= 255 for values in normalized] == [True, True]
