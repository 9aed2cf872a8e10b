"""Distances from fixed codes."""

import keras
import numpy as np

from keras_seg.layers import RadialBasis


def test_outputs_are_squared_distances_from_codes_that_are_not_trained(tmp_path):
    vector = keras.Input((6,))
    model = keras.Model(vector, RadialBasis(3, name="output")(vector))
    assert not model.trainable_weights
    codes = np.array(model.get_layer("output").codes)
    assert codes.shape == (6, 3)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    x = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")
    expected = [
        [-sum((a - b) ** 2 for a, b in zip(row, code, strict=True)) for code in codes.T]
        for row in x
    ]
    np.testing.assert_allclose(model(x), expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), model(x))


def test_codes_of_classes_differ_and_do_not_depend_on_their_number():
    few, many = RadialBasis(10), RadialBasis(100)
    for layer in (few, many):
        layer.build((None, 84))
    codes = np.array(many.codes)
    np.testing.assert_array_equal(codes[:, :10], few.codes)
    assert len(np.unique(codes, axis=1).T) == 100
