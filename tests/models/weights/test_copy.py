"""Weights of one network in another one, on networks of two or three layers."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.layers import LayerScale
from keras_seg.models.weights.copy import Donor, fill
from keras_seg.models.weights.units import Unit, units_of


def network(*sequence, channels=3):
    image = keras.Input((6, 6, channels))
    x = image
    for layer in sequence:
        x = layer(x)
    return keras.Model(image, x)


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def copied(target, source, **facts):
    fill(units_of(target), Donor("the other", units_of(source), **facts), part=False)
    return target


def pixels(channels=3):
    return np.random.default_rng(1).normal(size=(2, 6, 6, channels)).astype("float32")


def test_a_bias_in_front_of_normalization_moves_its_mean():
    source = randomized(network(layers.Conv2D(4, 3), layers.BatchNormalization(epsilon=1e-3)))
    target = network(layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(epsilon=1e-3))
    copied(target, source)
    np.testing.assert_allclose(target(pixels()), source(pixels()), atol=1e-5)


def test_another_epsilon_moves_the_variance():
    source = randomized(network(layers.Conv2D(4, 3), layers.BatchNormalization(epsilon=0.1)))
    target = network(layers.Conv2D(4, 3), layers.BatchNormalization(epsilon=0.2))
    copied(target, source)
    # The variance itself: 0.1 less, so that the sum is the same.
    moved = np.array(source.layers[-1].moving_variance) - 0.1
    np.testing.assert_allclose(target.layers[-1].moving_variance, moved, atol=1e-6)
    np.testing.assert_allclose(target(pixels()), source(pixels()), atol=1e-5)


def test_normalization_without_a_scale_gives_ones():
    source = randomized(network(layers.BatchNormalization(scale=False), layers.Conv2D(2, 1)))
    target = copied(randomized(network(layers.BatchNormalization(), layers.Conv2D(2, 1))), source)
    np.testing.assert_array_equal(target.layers[1].gamma, np.ones(3))
    np.testing.assert_allclose(target(pixels()), source(pixels()), atol=1e-5)


def test_every_kind_of_layer_is_copied():
    def kinds():
        return network(
            layers.SeparableConv2D(4, 3),
            layers.LayerNormalization(),
            LayerScale(0.5),
            layers.PReLU(shared_axes=(1, 2)),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.Conv2DTranspose(2, 3, strides=2),
            layers.Flatten(),
            layers.Dense(3),
        )

    source, target = randomized(kinds()), kinds()
    copied(target, source)
    np.testing.assert_allclose(target(pixels()), source(pixels()), rtol=1e-5)


def test_a_separable_convolution_is_two():
    source = randomized(network(layers.SeparableConv2D(4, 3)))
    target = network(layers.DepthwiseConv2D(3, use_bias=False), layers.Conv2D(4, 1))
    copied(target, source)
    np.testing.assert_allclose(target(pixels()), source(pixels()), rtol=1e-5)


def test_branches_are_matched_by_what_joins_them_not_by_depth_or_name():
    def joined(deep_first):
        image = keras.Input((6, 6, 3))
        shallow, deep = layers.Conv2D(4, 1, name=None), layers.Conv2D(4, 1)
        if deep_first:
            y = layers.Conv2D(4, 1)(layers.ReLU()(deep(image)))
            x = shallow(image)
        else:
            x = shallow(image)
            y = layers.Conv2D(4, 1)(deep(image))
            return keras.Model(image, layers.Concatenate()([x, layers.ReLU()(y)]))
        return keras.Model(image, layers.Concatenate()([x, y]))

    for deep_first in (True, False):
        names = [unit.shape for unit in units_of(joined(deep_first))]
        assert names == [(1, 1, 3, 4), (1, 1, 3, 4), (1, 1, 4, 4)]
    source, target = randomized(joined(True)), joined(True)
    np.testing.assert_allclose(copied(target, source)(pixels()), source(pixels()), rtol=1e-5)


@pytest.mark.parametrize("blue_first", [False, True])
def test_other_numbers_of_channels_keep_the_sum_of_the_kernel(blue_first):
    source = randomized(network(layers.Conv2D(4, 3)))
    kernel = np.array(source.layers[-1].kernel)[:, :, :: -1 if blue_first else 1]
    for channels, expected in (
        (1, kernel.sum(2, keepdims=True)),
        (2, kernel[:, :, [0, 1]] * 3 / 2),
        (5, kernel[:, :, [0, 1, 2, 0, 1]] * 3 / 5),
    ):
        target = network(layers.Conv2D(4, 3), channels=channels)
        copied(target, source, blue_first=blue_first)
        np.testing.assert_allclose(target.layers[-1].kernel, expected, rtol=1e-6)


def test_a_classifier_of_other_classes_keeps_its_last_layer():
    source = randomized(network(layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(9)))
    target = network(layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2))
    before = np.array(target.layers[-1].kernel)
    copied(target, source)
    np.testing.assert_array_equal(target.layers[1].kernel, source.layers[1].kernel)
    np.testing.assert_array_equal(target.layers[-1].kernel, before)


def test_maps_flattened_channel_by_channel_are_reordered():
    # A map of 2x2 pixels and 3 channels; row c * 4 + y * 2 + x of theirs is y * 6 + x * 3 + c.
    target = network(layers.Conv2D(3, 5), layers.Flatten(), layers.Dense(1))
    rows = np.array([c * 4 + y * 2 + x for y in range(2) for x in range(2) for c in range(3)])
    theirs = [
        Unit("conv", "kernel", (5, 5, 3, 3), {"kernel": np.ones((5, 5, 3, 3))}),
        Unit("fc", "kernel", (1, 1, 12, 1), {"kernel": np.arange(12.0).reshape(1, 1, 12, 1)}),
    ]
    fill(units_of(target), Donor("a file", theirs, channels_first=True))
    np.testing.assert_array_equal(np.ravel(target.layers[-1].kernel), rows)


@pytest.mark.parametrize(
    ("target", "source", "words"),
    [
        ([layers.Conv2D(4, 3)], [layers.Conv2D(5, 3), layers.ReLU(), layers.Conv2D(4, 3)],
         r"2 convolutions and dense layers in the other for 1 in the network"),
        ([layers.Conv2D(4, 3)], [layers.Conv2D(4, 5)],
         r"same widths and kernel sizes.*shape \(5, 5, 3, 4\) for 'conv2d.*\(3, 3, 3, 4\)"),
        ([layers.Conv2D(4, 3, use_bias=False)], [layers.Conv2D(4, 3)],
         r"bias can only be left out.*'conv2d.*Build the network with it"),
        ([layers.BatchNormalization(epsilon=2.0), layers.Conv2D(1, 1)],
         [layers.BatchNormalization(epsilon=0.1), layers.Conv2D(1, 1)],
         r"epsilon=2\.0 in 'batch_norm.*0\.1 in the other.*bn_epsilon=0\.1"),
    ],
)  # fmt: skip
def test_networks_that_differ_are_refused(target, source, words):
    with pytest.raises(ValueError, match=words):
        copied(network(*target), randomized(network(*source)))


@pytest.mark.parametrize("missing", ["mean", "variance"])
def test_batch_normalization_without_statistics_is_refused(missing):
    units = units_of(network(layers.BatchNormalization(), layers.Conv2D(1, 1)))
    target = network(layers.BatchNormalization(), layers.Conv2D(1, 1))
    norm = units[0]
    units[0] = Unit(
        "bn", norm.kind, norm.shape, {k: v for k, v in norm.parts.items() if k != missing}
    )
    with pytest.raises(ValueError, match=rf"'bn' of the other without its {missing}\. Pass the"):
        fill(units_of(target), Donor("the other", units))


def test_layers_that_are_not_known_are_refused():
    model = keras.Sequential([keras.Input((6, 4)), layers.LSTM(2)])
    with pytest.raises(TypeError, match=r"Received: layer 'lstm\w*' of class LSTM.*set_weights"):
        units_of(model)


@pytest.mark.parametrize("channels_first", [False, True])
def test_a_dense_layer_over_a_map_can_become_a_convolution(channels_first):
    target = network(layers.Conv2D(5, 6, name="conv"))
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(6 * 6 * 3, 5)).astype("float32"), np.arange(5.0)
    unit = Unit("fc", "kernel", (1, 1, 6 * 6 * 3, 5), {"kernel": kernel, "bias": bias})
    fill(units_of(target), Donor("the other", [unit], channels_first=channels_first))
    x = pixels()
    flat = x.transpose(0, 3, 1, 2) if channels_first else x
    expected = flat.reshape(2, -1) @ kernel + bias
    np.testing.assert_allclose(np.array(target(x))[:, 0, 0], expected, rtol=1e-4, atol=1e-4)
