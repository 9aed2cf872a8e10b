"""The table of layers that lose in 8 bits."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.export import int8_layers


def network(factors):
    """Two convolutions; the channels of the first are enlarged, and reduced again by the second."""
    keras.utils.set_random_seed(0)
    image = keras.Input((24, 24, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(6, 3, padding="same", name="planted")(x)
    x = layers.ReLU(name="planted_relu")(x)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="next")(x)
    model = keras.Model(image, layers.Conv2D(4, 1, name="logits")(x))
    for name, axis in (("planted", 3), ("next", 2)):
        kernel, bias = model.get_layer(name).get_weights()
        if axis == 3:
            kernel, bias = kernel * factors, bias * factors
        else:
            kernel = kernel / factors[:, np.newaxis]
        model.get_layer(name).set_weights([kernel, bias])
    return model


def pictures(count=3):
    return np.random.default_rng(0).integers(0, 256, (count, 24, 24, 3)).astype("uint8")


def test_channels_of_unequal_ranges_are_the_worst():
    table = int8_layers(network(np.geomspace(1, 2000, 6)), pictures())
    # The kernel that undoes the factors is one step's fraction wide for the enlarged channels.
    names = list(zip(table["layer"], table["rounded"], strict=True))
    assert set(names[:2]) == {("planted_relu", "output"), ("next", "kernel")}
    assert table["changed_labels"][1] > 2 * table["changed_labels"][2]
    assert table["sqnr_db"].idxmin() in (0, 1)
    assert {("planted", "kernel"), ("next", "output"), ("logits", "kernel")} <= set(names)
    assert np.all(np.diff(table["changed_labels"]) <= 0)


def test_the_noise_of_pixels_is_none_and_that_of_rounding_is_a_twelfth_of_a_step():
    table = int8_layers(network(np.ones(6)), pictures()).set_index(["layer", "rounded"])
    # Pixels are whole numbers already.
    assert table["sqnr_db"]["image", "output"] == np.inf
    assert table["changed_labels"]["image", "output"] == 0
    # Logits x in steps of s have noise of s**2 / 12: the mean over channels of it over mean(x**2).
    model = network(np.ones(6))
    x = np.asarray(model(pictures().astype("float32")))
    step = (max(x.max(), 0) - min(x.min(), 0)) / 255
    share = np.mean(step**2 / 12 / np.mean(x**2, (0, 1, 2)))
    assert table["sqnr_db"]["logits", "output"] == pytest.approx(-10 * np.log10(share), abs=0.5)


def test_a_number_of_pictures_is_needed():
    with pytest.raises(ValueError, match="num_pictures"):
        int8_layers(network(np.ones(6)), pictures(), num_pictures=0)
