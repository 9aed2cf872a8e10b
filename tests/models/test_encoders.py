"""The contract that every encoder keeps, found by scan, on small networks of its structure."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from _architectures import each, sides, structures

from keras_seg import models
from keras_seg.models import encoders
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.strides import Strides

ENCODERS = [name for name in structures() if name in encoders.names()]

each_encoder = each(ENCODERS)
dilating = each([name for name in ENCODERS if models.has_option(name, "output_stride")])


def encoder(name, input_shape=(None, None, 3), **options):
    """A model of the feature maps, and their reductions."""
    image = keras.Input(input_shape)
    maps = encoders.features(name, image, **{**models.facts(name).tiny, **options})
    return keras.Model(image, list(maps.values())), list(maps)


def with_weights_of(model, other):
    model.set_weights(other.get_weights())
    return model


def with_constant_gates(model):
    """Make squeeze-and-excite independent of the map's mean, which has more pixels if dilated."""
    for layer in model.layers:
        if layer.name.endswith("_se_expand"):
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    return model


def scattered(model):
    """Weights of a size at which no activation saturates or dies, and statistics that matter."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    x = rng.integers(0, 256, (2, 96, 128, model.input_shape[-1])).astype("float32")
    model(x, training=True)
    return model


@each_encoder
@pytest.mark.parametrize("size", [(64, 96), (37, 51), (45, 61)])
def test_maps_have_their_reductions_at_every_size(name, size):
    size = sides(name, *size)
    model, reductions = encoder(name)
    assert tuple(reductions) == models.facts(name).features
    found = model(np.zeros((1, *size, 3), "float32"))
    for reduction, tensor in zip(reductions, found, strict=True):
        for have, side in zip(tensor.shape[1:3], size, strict=True):
            # Valid kernels at an encoder's beginning take a few pixels off.
            assert abs(have - side / reduction) <= 2, (reduction, tensor.shape)


@pytest.mark.long
@each_encoder
def test_a_known_size_gives_the_same_maps_as_an_unknown_one(name):
    free, _ = encoder(name)
    free = scattered(free)
    for size in (sides(name, 45, 61), sides(name, 64, 48)):
        x = np.random.default_rng(1).integers(0, 256, (1, *size, 3)).astype("float32")
        known = with_weights_of(encoder(name, (*size, 3))[0], free)
        for expected, found in zip(free(x), known(x), strict=True):
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, scale))


@dilating
@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilated_maps_hold_the_undilated_ones(name, output_stride):
    """Every `32 / output_stride`-th pixel of the larger map is a pixel of the smaller one."""
    # 193 pixels: 32 * 6 + 1, so that windows of both kinds lie on the same pixels. Xception's first
    # two kernels take 6 pixels off.
    more = 6 if name == "xception" else 0
    size = sides(name, 193 + more, 225 + more)
    plain, reductions = encoder(name, output_stride=32)
    plain = with_constant_gates(scattered(plain))
    large = with_weights_of(encoder(name, output_stride=output_stride)[0], plain)
    x = np.random.default_rng(2).integers(0, 256, (1, *size, 3)).astype("float32")
    for reduction, expected, found in zip(reductions, plain(x), large(x), strict=True):
        step = max(1, reduction // output_stride)
        expected, found = np.array(expected), np.array(found)
        if step > 1:
            assert found.shape[1] > 1.5 * expected.shape[1]
        # Zeros around a map begin elsewhere when it is larger: the middle is compared.
        middle = expected[:, 2:-2, 2:-2]
        best = min(
            np.abs(
                found[:, y::step, x::step][:, : expected.shape[1], : expected.shape[2]][
                    :, 2:-2, 2:-2
                ]
                - middle
            ).max()
            for y in range(step)
            for x in range(step)
            if found[:, y::step, x::step].shape[1] >= expected.shape[1]
            and found[:, y::step, x::step].shape[2] >= expected.shape[2]
        )
        assert best <= 1e-4 * np.abs(expected).max(), (reduction, best)


@each_encoder
def test_layers_are_flat_and_carry_the_prefix(name):
    model, _ = encoder(name, prefix="left_")
    inside = [x for x in model.layers if not isinstance(x, keras.layers.InputLayer)]
    assert inside
    assert all(layer.name.startswith("left_") for layer in inside)
    assert not any(getattr(layer, "layers", ()) for layer in inside)
    image = keras.Input((96, 96, 3))
    maps = [
        encoders.features(name, image, prefix=p, **models.facts(name).tiny) for p in ("a_", "b_")
    ]
    keras.Model(image, [list(m.values())[-1] for m in maps])  # No name is taken twice.


@each_encoder
def test_classifier_and_encoder_are_the_same_function(name):
    image = (96, 96, 3)
    classifier = models.build(name, image, 5, **models.facts(name).tiny)
    maps, _ = encoder(name, image, prefix="")
    known = {weight.path for weight in classifier.weights}
    assert {weight.path for weight in maps.weights} <= known


@each_encoder
def test_five_channels_are_taken(name):
    shape = (*sides(name, 40, 48), 5)
    model, _ = encoder(name, shape)
    for tensor in model(np.zeros((1, *shape), "float32")):
        assert np.isfinite(tensor).all()


@each_encoder
def test_gradient_of_one_step_reaches_the_first_kernel(name):
    model, _ = encoder(name)
    shape = (2, *sides(name, 64, 64), 3)
    x = np.random.default_rng(0).integers(0, 256, shape).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(x, training=True)[-1] ** 2)
    first = next(x for x in model.layers if getattr(x, "kernel", None) is not None)
    assert np.any(tape.gradient(loss, first.kernel.value))


def test_strides_become_dilations_in_order():
    # A network that halves five times, kept at an eighth: 1, 1/2, 1/4, 1/8, then dilation 2 and 4.
    strides = Strides(8)
    assert [strides.step() for _ in range(3)] == [(2, 1)] * 3
    assert (strides.step(), strides.dilation) == ((1, 1), 2)
    assert (strides.step(), strides.dilation) == ((1, 2), 4)


def test_output_strides_are_8_16_and_32():
    with pytest.raises(
        ValueError, match=r"needs an output stride of \(8, 16, 32\).*output_stride=4"
    ):
        Strides(4)


def test_names_by_reduction():
    assert set(encoders.names(reduction=4)) <= set(encoders.names())
    assert all(4 in models.facts(name).features for name in encoders.names(reduction=4))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "resnet51"}, r"Unknown encoder\. Did you mean 'resnet"),
        ({"name": "resnet50", "depth": 3}, r"Unknown option of `resnet50`.*option='depth'"),
    ],
    ids=str,
)
def test_unknown_encoders_and_options_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        encoders.features(**{"image": keras.Input((64, 64, 3)), **arguments})


def test_ranges_of_the_pixels():
    image = keras.Input((1, 1, 4))
    x = np.array([0.0, 255.0, 103.939, 0.0]).reshape(1, 1, 1, 4)
    for kind, expected in (
        ("unit", [0, 1, 103.939 / 255, 0]),
        ("symmetric", [-1, 1, 103.939 / 127.5 - 1, -1]),
        # ImageNet's means of red, green and blue, and red's again for the fourth channel.
        ("caffe", [-123.68, 255 - 116.779, 0, -123.68]),
        (
            "torch",
            [-0.485 / 0.229, (1 - 0.456) / 0.224, (103.939 / 255 - 0.406) / 0.225, -0.485 / 0.229],
        ),
    ):
        found = keras.Model(image, normalized(image, kind, ""))(x)
        np.testing.assert_allclose(np.array(found).ravel(), expected, atol=1e-4)


def test_options_of_encoders_are_those_of_their_classifiers():
    for name in encoders.names():
        parameters = inspect.signature(getattr(models, name)).parameters
        assert set(models.facts(name).tiny) <= set(parameters)


def test_last_convolution_of_mobilenet_v2_is_a_map_for_decoders_or_part_of_the_head():
    options = {"input_shape": (64, 64, 3), "num_classes": 5, "width": 0.125}
    within, head = (models.mobilenet_v2(**options, last_convolution=x) for x in (True, False))
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    assert [x.name for x in within.layers] == [x.name for x in head.layers]
    np.testing.assert_array_equal(with_weights_of(within, head)(image), head(image))
    # 320 * 0.125 channels, and never less than 1280 (MobileNetV2, section 6.1).
    for last, channels in ((False, 40), (True, 1280)):
        maps = encoders.features(
            "mobilenet_v2", keras.Input((64, 64, 3)), width=0.125, last_convolution=last
        )
        assert maps[32].shape == (None, 2, 2, channels)
