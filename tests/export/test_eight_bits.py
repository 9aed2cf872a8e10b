"""Layers that are composed of other operations before a conversion to 8 bits, and refusals."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_seg.export import LiteRTClassifier, eight_bits, flatbuffer, tflite

pytestmark = pytest.mark.export


def classifier(middle):
    """A convolution, something in the middle, pooling and a dense layer."""
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, 2, name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(middle(x))
    return keras.Model(image, layers.Dense(3, name="dense")(x), name="small")


def pictures(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype("uint8")


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_layer_normalization_stays_the_same_function(options):
    model = classifier(layers.LayerNormalization(epsilon=1e-3, name="norm", **options))
    random = np.random.default_rng(1)
    model.get_layer("norm").set_weights(
        [random.normal(size=8) for _ in model.get_layer("norm").weights]
    )
    rewritten = eight_bits.computable(model)
    assert "norm" not in [layer.name for layer in rewritten.layers]
    x = pictures().astype("float32")
    np.testing.assert_allclose(rewritten(x), model(x), rtol=1e-4, atol=1e-5)


def test_other_models_and_other_axes_stay_as_they_are():
    for middle in (layers.ReLU(), layers.LayerNormalization(axis=(1, 2))):
        model = classifier(middle)
        assert eight_bits.computable(model) is model


@pytest.mark.long
def test_layer_normalization_is_computed_in_8_bits(tmp_path):
    model = classifier(layers.LayerNormalization(name="norm"))
    path = tmp_path / "model.tflite"
    tflite(model, path, "int8", calibration=pictures(), min_agreement=0.0)
    assert not flatbuffer.float_operations(path)
    expected = np.array(model(pictures().astype("float32")))
    found = LiteRTClassifier(path).scores(pictures())
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.long
def test_an_operation_that_stays_in_floating_point_is_named(tmp_path):
    model = classifier(ops.cos)
    with pytest.raises(
        ValueError, match=r"every operation LiteRT has in 8 bits.*COS of 'small[^']*'.*mode='fp16'"
    ):
        tflite(model, tmp_path / "model.tflite", "int8", calibration=pictures())
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_map_that_is_0_in_calibration_is_named(tmp_path):
    # Both LiteRT and its XNNPACK refuse to scale by the quotient of a usual and an empty range.
    dead = layers.Conv2D(4, 1, activation="relu", bias_initializer="ones", name="dead")
    model = classifier(dead)
    dead.set_weights([np.zeros((1, 1, 8, 4)), -np.ones(4)])
    with pytest.raises(ValueError, match=r"maps that are 0 for all calibration.*dead.*Train the"):
        tflite(model, tmp_path / "model.tflite", "int8", calibration=pictures())
