"""Rounding to 8 bits: values, ranges, gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_seg.layers import FakeQuantization, HalfSteps, QuantizedKernel, QuantizedOperation
from keras_seg.layers.fake_quantization import step_of, whole_steps
from keras_seg.layers.quantized_kernel import rounded_kernel


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


def test_all_values_of_a_range_are_whole_numbers_of_steps_in_float32():
    for low, high in np.random.default_rng(0).normal(0, 10, (200, 2)):
        bounds = np.array(whole_steps(*np.float32(sorted((min(low, 0), max(high, 0))))))
        step = np.asarray(step_of(bounds))
        numbers = np.arange(256) + np.round(bounds[0] / step)
        values = (numbers * step).astype("float32")
        assert values[[0, -1]].tolist() == bounds.tolist()
        assert 0 in values
        np.testing.assert_array_equal(values / step, numbers)


@pytest.mark.parametrize("trainable", [True, False])
def test_sums_of_whole_numbers_are_rounded_to_steps_of_the_result(trainable):
    layer = QuantizedKernel(layers.Dense(1, trainable=trainable))
    x = np.array([[3.0, 2.0]], "float32")
    layer(x)
    # Steps of the kernel: 2; 3 * 127 + 2 * 1 + 7 = 390 units of 2, or 78 steps of 10.
    layer.layer.set_weights([np.float32([[254.0], [2.4]]), np.float32([14.3])])
    bounds, result = np.float32([0, 255]), np.float32([0, 2550])
    assert layer(x, bounds=bounds, result=result).numpy().tolist() == [[780]]
    # 3 * 127 + 2 * 1 + 14 = 397 units of 2, or 79.4 steps of 10.
    layer.layer.set_weights([np.float32([[254.0], [1.0001]]), np.float32([28.0])])
    assert layer(x, bounds=bounds, result=result).numpy().tolist() == [[790]]
    # In training only kernel and bias are rounded: 397 units of 2.
    found = layer(x, bounds=bounds, result=result, training=True)
    np.testing.assert_allclose(found, [[794]], rtol=1e-6)


BYTES = np.float32([-128, 127])


@pytest.mark.parametrize(
    ("layer", "inputs", "bounds", "expected"),
    [
        # 5 / 2 and -5 / 2: halves go up.
        (layers.Add(), [[3.0, -3.0], [2.0, -2.0]], [BYTES, BYTES], [3, -2]),
        (layers.Subtract(), [[3.0, -3.0], [-2.0, 2.0]], [BYTES, BYTES], [3, -2]),
        # 5 / 2 and 7 / 2: halves go to even numbers.
        (layers.Multiply(), [[5.0, 7.0], [1.0, 1.0]], [BYTES, BYTES], [2, 4]),
        # round(256 / 2) = 128; round(256 * 0.3 / 2) = 38: 100 * 128 / 256; -100 * 38 / 256 = -14.8.
        (layers.LeakyReLU(0.3), [[100.0, -100.0]], [BYTES], [50, -15]),
        # 0.01 / 2 is 1.28 / 256, and 1 / 256 in the file: -128 + 128 is 0 of 256.
        (layers.LeakyReLU(0.01), [[4.0, -128.0]], [BYTES], [2, 0]),
    ],
)
def test_operations_compute_with_whole_numbers(layer, inputs, bounds, expected):
    maps = [tf.constant([x]) for x in inputs]
    given = maps if len(maps) > 1 else maps[0]
    quantized, result = QuantizedOperation(layer), 2 * BYTES
    with tf.GradientTape() as tape:
        tape.watch(maps)
        found = quantized(given, bounds=bounds, result=result)
    assert (found.numpy()[0] / 2).tolist() == expected
    with tf.GradientTape() as plain:
        plain.watch(maps)
        exact = layer(given)
    for one, other in zip(tape.gradient(found, maps), plain.gradient(exact, maps), strict=True):
        np.testing.assert_allclose(one, other)
    in_training = quantized(given, bounds=bounds, result=result, training=True)
    np.testing.assert_allclose(in_training, exact)


def test_other_operations_are_refused():
    with pytest.raises(
        ValueError, match=r"needs Add, .* bilinear resize. Received: layer 'odd' of"
    ):
        QuantizedOperation(layers.ReLU(name="odd"))


def test_enlargements_weigh_neighbors_by_whole_numbers():
    x = tf.constant([0.0, 3.0], shape=(1, 1, 2, 1))
    layer = QuantizedOperation(layers.UpSampling2D((1, 3), interpolation="bilinear"))
    # Centers at -1/3, 0, 1/3, ... of the way: 683 / 2048 of 3 is 1.0005, 1365 / 2048 1.9995.
    found = layer(x, bounds=[BYTES], result=BYTES)
    assert np.ravel(found).tolist() == [0, 0, 1, 2, 3, 3]
    # A half goes up, also below 0.
    layer = QuantizedOperation(layers.UpSampling2D((1, 2), interpolation="bilinear"))
    found = layer(tf.constant([-2.0, 0.0], shape=(1, 1, 2, 1)), bounds=[BYTES], result=BYTES)
    assert np.ravel(found).tolist() == [-2, -1, 0, 0]  # -2, -1.5, -0.5, 0


def test_the_layers_are_saved_with_their_state(tmp_path):
    image = keras.Input((8, 8, 3))
    bounds = FakeQuantization(0.0, 1.0, momentum=1)(image, only_bounds=True)
    x = QuantizedKernel(layers.Conv2D(2, 1), name="conv")(image, bounds=bounds)
    x = HalfSteps("even")(x, bounds=bounds)
    x = QuantizedOperation(layers.LeakyReLU(), name="leaky")(x, bounds=[bounds], result=bounds)
    model = keras.Model(image, FakeQuantization(name="range")(x))
    model.get_layer("range").set_weights([np.float32(-0.5), np.float32(2)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(again(x), model(x))
    assert float(again.get_layer("range").high) == 2
