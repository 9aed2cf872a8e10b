"""Receptive fields through operations of `keras.ops`: each as the layer that does the same."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.ops import nn

from keras_seg import analyse, models


def last(function, axis="height", shape=(None, None, 4), **options):
    """Field and stride after a 3x3 convolution and `function`."""
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, padding="same")(image)
    row = analyse.receptive_field(keras.Model(image, function(x)), **options).iloc[-1]
    return [row[axis], row["stride"]]


KERNEL = np.ones((5, 5, 4, 4), "float32")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: ops.relu(x) * 2 + 1, [3, 1]),
        (lambda x: 1 - ops.sigmoid(ops.cast(x, "float32")), [3, 1]),
        (lambda x: ops.concatenate([x, layers.Conv2D(2, 3, padding="same")(x)], -1), [5, 1]),
        (lambda x: ops.maximum(x, layers.Conv2D(4, 5, padding="same")(x)), [7, 1]),
        (lambda x: ops.max_pool(x, 2), [4, 2]),  # 3 + 1
        (lambda x: ops.average_pool(x, 3, 2, "same"), [5, 2]),
        (lambda x: ops.conv(x, KERNEL, 2, "same"), [7, 2]),  # 3 + 4
        (lambda x: ops.depthwise_conv(x, KERNEL[..., :1], 1, "same", dilation_rate=2), [11, 1]),
        (lambda x: ops.conv_transpose(ops.max_pool(x, 2), KERNEL[:3, :3], 2), [6, 1]),
        (lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), [3, 1]),
        (lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect"), [3, 1]),
        (lambda x: x[:, 1:, 1:], [3, 1]),
        (lambda x: x[:, ::2, ::2], [3, 2]),
        (lambda x: ops.mean(x, -1, keepdims=True), [3, 1]),
        (lambda x: ops.mean(x, (1, 2), keepdims=True), [np.inf, 1152]),
        (lambda x: ops.transpose(x, (0, 1, 2, 3)), [3, 1]),
        (lambda x: ops.stop_gradient(x), [3, 1]),
    ],
)
def test_operations_see_as_far_as_layers(function, expected):
    assert last(function) == expected


def test_resizing_and_reshaping_maps_of_known_size():
    shape = (32, 32, 4)
    # Two cells of 2 pixels, and the 3x3 around them.
    enlarged = last(lambda x: ops.image.resize(ops.max_pool(x, 2), (32, 32)), shape=shape)
    assert enlarged == [6, 1]
    assert last(lambda x: ops.reshape(x, (-1, 32, 32, 2, 2)), shape=shape) == [3, 1]
    assert last(lambda x: ops.reshape(x, (-1, 1024, 4)), shape=shape)[0] == np.inf
    assert last(lambda x: layers.Reshape((32, 32, 2, 2))(x), shape=shape) == [3, 1]


def test_stride_of_three_times_smaller_and_larger_maps():
    assert last(lambda x: layers.UpSampling2D(3)(layers.MaxPooling2D(3)(x))) == [5, 1]
    assert last(lambda x: layers.MaxPooling2D(3)(layers.MaxPooling2D(2)(x))) == [8, 6]


def squeeze_excite(x):
    gate = ops.mean(x, (1, 2), keepdims=True)
    return x * ops.sigmoid(layers.Conv2D(4, 1)(gate))


def test_gates_that_see_everything_are_left_out_or_counted():
    def gated(x):
        return layers.Conv2D(4, 3, padding="same")(squeeze_excite(x))

    assert last(gated) == [5, 1]
    assert last(gated, global_gates="count")[0] == np.inf
    with pytest.raises(ValueError, match=r"treatment of gates.*global_gates='drop'"):
        last(gated, global_gates="drop")


def test_squeeze_and_excite_network_has_the_fields_of_the_plain_one():
    def fields(name):
        model = models.build(name, (None, None, 3), 5, **models.facts(name).tiny)
        found = analyse.receptive_field(model)
        return found, found["height"][np.isfinite(found["height"])].max()

    (plain, largest), (gated, found) = fields("resnet50"), fields("se_resnet50")
    assert found == largest
    assert not plain.attrs["global_gates"]
    assert gated.attrs["global_gates"]
    assert all(name.endswith("_se_excite") for name in gated.attrs["global_gates"])


def test_costs_are_known_of_operations_too():
    image = keras.Input((8, 8, 4))
    table = analyse.summary(keras.Model(image, squeeze_excite(image)))
    assert table.loc["total", "parameters"] == 4 * 4 + 4
    assert table.loc["total", "macs"] == 4 * 4


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: ops.cumsum(x, 1), r"support the operation of keras.ops Cumsum"),
        (lambda x: x[..., :2], r"slices of maps that list every axis"),
        (lambda x: ops.image.resize(x, (32, 32)), r"maps of known size.*a map of size None"),
    ],
)
def test_operations_that_are_not_known_are_refused(function, words):
    with pytest.raises(TypeError, match=words):
        last(function)


def test_operations_can_be_registered():
    analyse.reach.register(nn.OneHot, lambda operation, inputs, axis: inputs[0])
    assert last(lambda x: ops.one_hot(x[:, :, :, 0], 3)) == [3, 1]
