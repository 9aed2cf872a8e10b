"""LeNet-5 layer by layer, as in section II.B of its paper."""

import keras
import numpy as np
import pytest

from keras_seg import models

# Table I, by columns: the maps of S2 that each map of C3 reads.
TABLE_1 = "012 123 234 345 450 501 0123 1234 2345 3450 4501 5012 0134 1245 0235 012345"


def test_layers_have_the_sizes_and_parameters_of_the_paper():
    model = models.lenet5((32, 32, 1))
    sizes = {"c1": (28, 6), "s2": (14, 6), "c3": (10, 16), "s4": (5, 16), "c5": (1, 120)}
    for name, (side, channels) in sizes.items():
        assert model.get_layer(name).output.shape == (None, side, side, channels), name
    counts = {"c1": 156, "s2": 12, "s4": 32, "c5": 48_120, "f6": 10_164}
    for name, count in counts.items():
        assert model.get_layer(name).count_params() == count, name
    assert sum(x.count_params() for x in model.layers if x.name.startswith("c3")) == 1_516


def test_maps_of_c3_read_those_of_table_1():
    model = models.lenet5((32, 32, 1))
    part = keras.Model(model.get_layer("s2_amplitude").output, model.get_layer("c3").output)
    # Nothing, and one map at a time.
    x = np.zeros((7, 14, 14, 6), "float32")
    x[range(1, 7), :, :, range(6)] = 1
    found = np.array(part(x))
    changed = np.abs(found[1:] - found[0]).max((1, 2)) > 0
    for number, reads in enumerate(TABLE_1.split()):
        assert {str(i) for i in np.flatnonzero(changed[:, number])} == set(reads), number


def test_activation_is_1_at_1_and_subsampling_begins_as_a_mean():
    model = models.lenet5((32, 32, 1))
    # Appendix A: f(1) = 1 and f(-1) = -1.
    before = keras.Model(model.get_layer("f6").output, model.get_layer("f6_amplitude").output)
    found = before(np.tile([[1.0], [-1.0]], (1, 84)))
    np.testing.assert_allclose(found, np.tile([[1.0], [-1.0]], (1, 84)), atol=1e-4)
    s2 = keras.Model(model.get_layer("c1_amplitude").output, model.get_layer("s2").output)
    x = np.zeros((1, 28, 28, 6), "float32")
    x[0, 0, :2, 2] = 3.0, 5.0
    assert float(s2(x)[0, 0, 0, 2]) == pytest.approx(2.0)


def test_pixels_become_the_papers_values():
    model = models.lenet5((32, 32, 1))
    part = keras.Model(model.input, model.get_layer("normalize").output)
    x = np.zeros((1, 32, 32, 1))
    x[0, 0, 0] = 255
    found = np.array(part(x))[0, 0, :2, 0]
    np.testing.assert_allclose(found, [1.175, -0.1], atol=1e-6)


def test_28_pixels_with_padding_are_32():
    small = models.lenet5((28, 28, 1), padding=2)
    large = models.lenet5((32, 32, 1))
    large.set_weights(small.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1)).astype("float32")
    around = ((0, 0), (2, 2), (2, 2), (0, 0))
    np.testing.assert_allclose(small(x), large(np.pad(x, around)), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pooling": "mean"}, r"Unknown pooling of `lenet`.*pooling='mean'"),
        ({"activation": "tan"}, r"Unknown activation of `lenet`\. Did you mean 'tanh'"),
        ({"padding": -1}, r"`lenet` needs padding to be a whole number of at least 0"),
        ({"dense_units": (84,)}, r"`lenet` needs dense_units to be 2 whole.*\(120, 84\)"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.lenet5(**options)
