"""Batch normalization merged into the layers beside it: the same function, fewer parameters."""

import keras
import numpy as np
import pytest
from _architectures import each, structures
from _pruning import pixels, scattered, tiny
from keras import layers

import keras_seg
from keras_seg import models
from keras_seg.export import fold
from keras_seg.layers import BatchNormalization, BatchStatistics


def assert_equal(model, other, image):
    before, after = (keras.tree.flatten(x(image, training=False)) for x in (model, other))
    for old, new in zip(before, after, strict=True):
        old, new = map(keras.ops.convert_to_numpy, (old, new))
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-4 * np.abs(old).max())


@each(structures())
def test_the_folded_network_is_the_same_function(name):
    model = scattered(tiny(name))
    before = [np.array(x) for x in model.get_weights()]
    folded = fold(model)
    assert_equal(model, folded, pixels(name))
    assert folded.count_params() <= model.count_params()
    for x, y in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)
    if len(model.output_shape) == 4:  # Networks of pictures; on volumes and vectors it may stay.
        assert not any(isinstance(x, layers.BatchNormalization) for x in folded.layers)


def _folded_counts():
    for name in models.names():
        for number, count in enumerate(models.facts(name).counts):
            if count.folded is not None:
                marks = () if name == "contextnet_cn14_160" and not number else pytest.mark.long
                yield pytest.param(name, count, marks=marks, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "count"), list(_folded_counts()))
def test_parameters_are_the_published_ones(name, count):
    model = models.build(name, None, count.num_classes, **count.options)
    assert fold(model).count_params() == count.folded


def _behind(*kinds, shape=(8, 9, 4)):
    """A model of layers in a row, all weights and statistics drawn."""
    image = keras.Input(shape)
    x = image
    for kind in kinds:
        x = kind(x)
    return scattered(keras.Model(image, x))


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (layers.Conv2D(6, 3, strides=2), 9 * 4 * 6 + 6),
        (layers.Conv2D(6, 3, groups=2, use_bias=False), 9 * 2 * 6 + 6),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 9 * 4 * 2 + 8),
        (layers.SeparableConv2D(6, 3, use_bias=False), 9 * 4 + 4 * 6 + 6),
        (layers.Conv2DTranspose(6, 3, strides=2), 9 * 4 * 6 + 6),
        (layers.Dense(6, use_bias=False), 4 * 6 + 6),
    ],
)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_it_goes_into_kernel_and_bias(layer, parameters, options):
    model = _behind(layer.from_config(layer.get_config()), BatchNormalization(**options))
    folded = fold(model)
    assert folded.count_params() == parameters
    assert len(folded.layers) == 2
    assert_equal(model, folded, np.random.default_rng(0).normal(size=(2, 8, 9, 4)))


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        # An activation between the two: the normalization is a factor and a bias per channel.
        ((layers.Conv2D(6, 3, activation="relu"), BatchNormalization()), layers.DepthwiseConv2D),
        # The statistics of the batch are not known before.
        ((layers.Conv2D(6, 3), BatchStatistics()), BatchStatistics),
        ((layers.Flatten(), BatchNormalization()), BatchNormalization),
    ],
)
def test_what_it_becomes_elsewhere(kinds, left):
    model = _behind(*(kind.from_config(kind.get_config()) for kind in kinds))
    folded = fold(model)
    assert type(folded.layers[-1]) is left
    assert_equal(model, folded, np.random.default_rng(0).normal(size=(2, 8, 9, 4)))


def test_a_convolution_that_is_read_twice_keeps_its_kernel():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="shared")(image)
    x = layers.Add()([layers.BatchNormalization()(x), x])
    model = scattered(keras.Model(image, x))
    folded = fold(model)
    np.testing.assert_array_equal(
        folded.get_layer("shared").get_weights()[0], model.get_layer("shared").get_weights()[0]
    )
    assert_equal(model, folded, np.ones((1, 8, 8, 3)))


@pytest.mark.parametrize("options", [{"recompute": True}, {"auxiliary_head": True}])
def test_blocks_and_heads_are_folded_as_well(options):
    name = "fc_densenet_mobile" if "recompute" in options else "contextnet_cn14"
    model = scattered(tiny(name, **options))
    folded = fold(model)
    assert not any(isinstance(x, layers.BatchNormalization) for x in folded._flatten_layers())
    assert_equal(model, folded, pixels(name))
    assert type(folded.output) is type(model.output)


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(TypeError, match="`fold` needs a model whose layers form a graph"):
        fold(Own())


@keras.saving.register_keras_serializable("tests")
class Rectified(layers.Conv2D):
    def call(self, inputs):
        return keras.ops.relu(super().call(inputs))


def test_a_subclass_of_a_convolution_keeps_its_kernel():
    model = _behind(Rectified(5, 3), BatchNormalization())
    folded = fold(model)
    assert type(folded.layers[-1]) is layers.DepthwiseConv2D
    assert_equal(model, folded, np.random.default_rng(0).normal(size=(2, 8, 9, 4)))


def test_statistics_of_the_batch_stay():
    image = keras.Input((8, 9, 4))
    x = layers.BatchNormalization(name="bn")(layers.Conv2D(5, 3)(image), training=True)
    model = scattered(keras.Model(image, x))
    folded = fold(model)
    assert type(folded.get_layer("bn")) is layers.BatchNormalization
    pixels = np.random.default_rng(0).normal(size=(2, 8, 9, 4))
    np.testing.assert_allclose(folded(pixels), model(pixels), rtol=1e-5, atol=1e-5)


def test_layers_called_by_the_names_of_their_inputs_are_folded():
    image = keras.Input((8, 9, 4))
    x = layers.BatchNormalization()(inputs=layers.Conv2D(5, 3)(inputs=image))
    inside = keras.Input((6, 7, 5))
    nested = keras.Model(inside, layers.BatchNormalization()(inside))
    model = scattered(keras.Model(image, nested(inputs=x)))
    folded = fold(model)
    assert not any(isinstance(x, layers.BatchNormalization) for x in folded._flatten_layers())
    assert_equal(model, folded, np.random.default_rng(0).normal(size=(2, 8, 9, 4)))


def test_layers_stay_shared_between_a_model_and_one_inside_it():
    image, inside = keras.Input((8, 8, 3)), keras.Input((8, 8, 8))
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    nested = keras.Model(inside, layers.ReLU()(shared(inside)))
    x = layers.Conv2D(8, 1)(image)
    model = scattered(keras.Model(image, layers.Add()([shared(x), nested(x)])))
    # 3 * 8 + 8 of the first one and 9 * 8 * 8 + 8 of the shared one.
    assert fold(model).count_params() == keras_seg.prune(model, 0.0).count_params() == 616
    assert_equal(model, fold(model), np.ones((1, 8, 8, 3)))
