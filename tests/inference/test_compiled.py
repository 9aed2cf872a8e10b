"""One function for all picture sizes, and functions of their own for sizes that repeat."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.inference import compiled
from keras_seg.inference.compiled import MAX_COMPILED, REPEATS, CompiledFunctions
from keras_seg.inference.segmenter import Segmenter


def network(upsampling=None):
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    if upsampling:
        x = layers.UpSampling2D(2, interpolation=upsampling)(layers.AveragePooling2D(2)(x))
    return keras.Model(image, x)


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), "uint8")


@pytest.fixture
def shapes(monkeypatch):
    """The shapes that were compiled, in their order."""
    seen, original = [], compiled.compiled

    def noted(network, head, shape, freeze):
        seen.append(shape)
        return original(network, head, shape, freeze)

    monkeypatch.setattr(compiled, "compiled", noted)
    return seen


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_pictures_of_many_sizes_share_one_function(shapes, engine):
    model = network()
    segmenter = Segmenter(model, engine=engine)
    for width in [*range(33, 63), *range(33, 63)]:  # two epochs of thirty sizes
        image = picture(40, width)
        expected = np.argmax(model(image.astype("float32")), axis=-1)
        np.testing.assert_array_equal(segmenter.labels(image), expected)
    assert shapes == [(None, None, None, 3)]


def test_a_size_that_repeats_gets_a_function_of_its_own(shapes):
    functions = CompiledFunctions(network(), freeze=True)
    found = [functions("logits", picture(40, 48)) for _ in range(REPEATS + 2)]
    assert shapes == [(None, None, None, 3), (1, 40, 48, 3)]
    # float32 of numbers up to some hundreds: the last digits may differ between the two.
    np.testing.assert_allclose(found[0], found[-1], atol=1e-3)


def test_two_sizes_in_turn_share_one_function(shapes):
    functions = CompiledFunctions(network(), freeze=True)
    for _ in range(REPEATS + 2):
        functions("labels", picture(40, 48))
        functions("labels", picture(48, 40))
    assert shapes == [(None, None, None, 3)]


def test_a_network_that_needs_known_sizes_gets_a_function_for_each(shapes):
    # Keras's bilinear UpSampling2D cannot be traced for an unknown size on TensorFlow.
    model = network("bilinear")
    functions = CompiledFunctions(model, freeze=True)
    for width in (40, 48, 40):
        image = picture(40, width)
        expected = np.asarray(model(image.astype("float32")))
        np.testing.assert_allclose(functions("logits", image), expected, atol=1e-3)
    assert shapes == [(None, None, None, 3), (1, 40, 40, 3), (1, 40, 48, 3)]


def test_only_the_last_functions_are_kept():
    functions = CompiledFunctions(network("bilinear"), freeze=True)
    for width in range(32, 32 + 2 * MAX_COMPILED, 2):
        functions("labels", picture(32, width))
    functions("labels", picture(32, 32))  # Used again: no longer the oldest.
    functions("labels", picture(32, 100))
    widths = {shape[2] for _, shape in functions.exact}
    assert widths == {32, 100, *range(36, 32 + 2 * MAX_COMPILED, 2)}
