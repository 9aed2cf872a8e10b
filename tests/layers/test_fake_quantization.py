"""Rounding to 8 bits: values, ranges, gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_seg.layers import FakeQuantization, HalfSteps, QuantizedKernel
from keras_seg.layers.fake_quantization import rounded_kernel


def test_values_are_rounded_to_steps_and_limited_to_the_range():
    layer = FakeQuantization(-1.0, 254.0)  # a step of 1
    found = layer(np.array([-7.0, -0.6, 0.4, 100.6, 300.0], "float32"))
    np.testing.assert_allclose(found, [-1, -1, 0, 101, 254], atol=1e-4)


def test_training_moves_the_range_toward_that_of_the_batch():
    layer = FakeQuantization(-1.0, 1.0, momentum=0.75)
    x = np.array([-3.0, 5.0], "float32")
    layer(x, training=False)
    layer(x, training=True, measure=False)
    assert (float(layer.low), float(layer.high)) == (-1, 1)
    layer(x, training=True)
    # 0.75 * -1 + 0.25 * -3; 0.75 * 1 + 0.25 * 5
    assert (float(layer.low), float(layer.high)) == (-1.5, 2)


def test_maps_in_a_list_share_a_range_that_holds_0():
    layer = FakeQuantization(0.0, 0.0, momentum=0.0)
    layer([np.array([2.0], "float32"), np.array([5.0], "float32")], training=True)
    assert (float(layer.low), float(layer.high)) == (0, 5)


def test_a_fixed_range_stays():
    layer = FakeQuantization(0.0, 255.0, momentum=1)
    layer(np.array([999.0], "float32"), training=True)
    assert float(layer.high) == 255


def test_gradients_pass_within_the_range_only():
    layer = FakeQuantization(-1.0, 1.0)
    x = tf.constant([-2.0, 0.3, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x) * [5.0, 6.0, 7.0])
    assert tape.gradient(y, x).numpy().tolist() == [0, 6, 0]


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (layers.Conv2D(4, 3), (3, 3, 2, 4), 3),
        (layers.Dense(4), (2, 4), 1),
        (layers.Conv2DTranspose(4, 3), (3, 3, 4, 2), 2),
        (layers.DepthwiseConv2D(3), (3, 3, 4, 1), 2),
    ],
)
def test_each_output_channel_has_127_steps_on_both_sides_of_0(layer, shape, axis):
    kernel = np.random.default_rng(0).normal(size=shape).astype("float32")
    kernel *= 10.0 ** np.arange(4).reshape([4 if x == axis else 1 for x in range(len(shape))])
    others = tuple(x for x in range(len(shape)) if x != axis)
    step = np.abs(kernel).max(others, keepdims=True) / 127
    found = np.asarray(rounded_kernel(layer, kernel)) / step
    np.testing.assert_allclose(found, np.round(kernel / step), atol=2e-3)
    assert np.round(np.abs(found).max(others)).tolist() == [127] * 4


def test_the_gradient_reaches_the_kernel_and_the_bias():
    layer = QuantizedKernel(layers.Conv2D(2, 1))
    x = tf.ones((1, 2, 2, 3))
    layer(x)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(layer(x))
    kernel, bias = tape.gradient(y, layer.trainable_variables)
    # Four pixels of ones.
    assert np.asarray(kernel).ravel().tolist() == [4] * 6
    assert np.asarray(bias).tolist() == [4, 4]


def test_the_range_is_given_without_moving_it():
    layer = FakeQuantization(-0.9, 254.1, momentum=0.5)
    x = np.array([999.0], "float32")
    # 0 is one of the 256 values, so the range is moved by 0.1.
    np.testing.assert_allclose(layer(x, only_bounds=True, training=True), [-1, 254], rtol=1e-6)
    assert float(layer.high) == pytest.approx(254.1)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_the_bias_is_rounded_to_steps_of_the_input_times_those_of_the_kernel(kind):
    layer = QuantizedKernel(kind(2, 1))
    x, bounds = np.zeros((1, 1, 1, 3), "float32"), np.array([-10.0, 245.0], "float32")  # steps of 1
    layer(x)
    kernel = np.zeros((1, 1, 3, 2), "float32")
    kernel[0, 0, :, 0], kernel[0, 0, :, 1] = [127, -3, 0], [0, 2.54, 254]  # steps of 1 and of 2
    if kind is layers.Conv2DTranspose:
        kernel = kernel.swapaxes(2, 3)
    layer.layer.set_weights([kernel, np.array([4.3, 4.3], "float32")])
    np.testing.assert_allclose(np.ravel(layer(x, bounds=bounds)), [4, 4], atol=1e-5)
    layer.layer.set_weights([kernel, np.array([-5.4, -5.4], "float32")])
    np.testing.assert_allclose(np.ravel(layer(x, bounds=bounds)), [-5, -6], atol=1e-5)
    np.testing.assert_allclose(np.ravel(layer(x)), [-5.4, -5.4], atol=1e-5)


def test_the_gradient_reaches_a_rounded_bias():
    layer = QuantizedKernel(layers.Dense(2))
    x, bounds = tf.ones((3, 4)), tf.constant([0.0, 1.0])
    layer(x)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(layer(x, bounds=bounds))
    _, bias = tape.gradient(y, layer.trainable_variables)
    assert np.asarray(bias).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # Steps from the smallest value; the int8 values are 128 less than these.
        ("up", [1, 2, 128, 129]),
        ("away", [0, 1, 127, 129]),
        ("even", [0, 2, 128, 128]),
    ],
)
def test_values_half_way_are_rounded_by_the_rule(rule, expected):
    step, low = 0.1, -0.3
    x = tf.constant(low + step * np.array([0.5, 1.5, 127.5, 128.5]), "float32")
    bounds = tf.constant([low, low + 255 * step], "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        moved = HalfSteps(rule)(x, bounds=bounds)
    assert np.round((moved - low) / step).tolist() == expected
    np.testing.assert_allclose(moved, x, atol=step / 3000)
    assert tape.gradient(moved, x).numpy().tolist() == [1, 1, 1, 1]
    # Other values are rounded as without the layer.
    others = tf.constant(low + step * np.array([0.49, 1.51, 127.499, 200.0]), "float32")
    found = np.round((HalfSteps(rule)(others, bounds=bounds) - low) / step)
    assert found.tolist() == [0, 2, 127, 200]


def test_the_layers_are_saved_with_their_state(tmp_path):
    image = keras.Input((8, 8, 3))
    bounds = FakeQuantization(0.0, 1.0, momentum=1)(image, only_bounds=True)
    x = QuantizedKernel(layers.Conv2D(2, 1), name="conv")(image, bounds=bounds)
    x = HalfSteps("up")(x, bounds=bounds)
    model = keras.Model(image, FakeQuantization(name="range")(x))
    model.get_layer("range").set_weights([np.float32(-0.5), np.float32(2)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(again(x), model(x))
    assert float(again.get_layer("range").high) == 2
