"""FCN: its deconvolutions, skips and encoders."""

import keras
import numpy as np
import pytest
from _architectures import without_values

from keras_seg import models
from keras_seg.losses import SparseCrossEntropy

TINY = models.facts("fcn8s").tiny
NAMES = ("fcn32s", "fcn16s", "fcn8s")


def deconvolutions(model):
    kind = keras.layers.Conv2DTranspose
    return {x.name: x for x in model.layers if isinstance(x, kind)}


def test_maps_have_the_sizes_and_channels_of_vgg16_as_convolutions():
    with without_values():
        model = models.fcn8s((96, 128, 3))
    expected = {
        "pool8": (12, 16, 256),
        "pool16": (6, 8, 512),
        "encoder_block5_pool": (3, 4, 512),
        "fc6": (3, 4, 4096),
        "fc7": (3, 4, 4096),
        "score32": (3, 4, 21),
        "enlarge16": (6, 8, 21),
        "enlarge8": (12, 16, 21),
        "enlarge": (96, 128, 21),
        "logits": (96, 128, 21),
    }
    assert {name: model.get_layer(name).output.shape[1:] for name in expected} == expected
    assert model.get_layer("fc6").kernel_size == (7, 7)
    # Behind the pooling of conv3_3 and conv4_3.
    assert model.get_layer("pool8").input is model.get_layer("encoder_block3_conv3_relu").output
    assert model.get_layer("pool16").input is model.get_layer("encoder_block4_conv3_relu").output


@pytest.mark.parametrize(
    ("name", "sides"),
    [("fcn32s", [64]), ("fcn16s", [4, 32]), ("fcn8s", [4, 4, 16])],
)
def test_deconvolutions_have_the_authors_kernels_and_begin_as_fixed_interpolation(name, sides):
    model = models.build(name, (64, 64, 3), 3, **TINY)
    found = deconvolutions(model)
    assert [x.kernel_size[0] for x in found.values()] == sides
    for layer in found.values():
        assert not layer.trainable_variables
        kernel, side = np.array(layer.kernel), layer.kernel_size[0]
        # Taps of linear interpolation between pixels that are side / 2 apart, at half-integers.
        taps = 1 - np.abs(np.arange(side) - (side - 1) / 2) / (side / 2)
        for out in range(3):
            for into in range(3):
                expected = np.outer(taps, taps) * (out == into)
                np.testing.assert_allclose(kernel[:, :, out, into], expected, atol=1e-6)
    learned = models.build(name, (64, 64, 3), 3, **TINY, learn_upsampling=True)
    assert all(x.trainable_variables for x in deconvolutions(learned).values())


def test_scores_lie_over_the_middle_of_their_own_pixels():
    model = models.build("fcn32s", (96, 96, 3), 1, **TINY)
    scores = np.zeros((1, 3, 3, 1), "float32")
    scores[0, 1, 1] = 1
    enlarged = np.array(model.get_layer("enlarge")(scores))[0, :, :, 0]
    rows = np.arange(96)
    # The middle of pixels 32 to 63.
    assert (enlarged.sum(1) * rows).sum() / enlarged.sum() == pytest.approx(47.5)
    assert (enlarged.sum(0) * rows).sum() / enlarged.sum() == pytest.approx(47.5)


@pytest.mark.parametrize("padding", ["maps", "image"])
def test_all_scores_begin_at_zero(padding):
    # Long et al., section 4.3: "We zero-initialize the class scoring layer".
    model = models.build("fcn8s", (64, 64, 3), 3, **TINY, padding=padding)
    for name in ("score32", "score16", "score8"):
        assert not np.any(np.array(model.get_layer(name).kernel))
    assert np.any(np.array(model.get_layer("fc7").kernel))


def test_scores_of_zeros_learn_and_pass_gradients_from_the_second_step_on():
    keras.utils.set_random_seed(0)
    model = models.build("fcn8s", (64, 64, 3), 3, **TINY)
    model.compile(keras.optimizers.SGD(0.01), SparseCrossEntropy(3))
    random = np.random.default_rng(0)
    batch = random.integers(0, 256, (2, 64, 64, 3)), random.integers(0, 3, (2, 64, 64))
    before = np.array(model.get_layer("fc7").kernel)
    for changed in (False, True):
        model.train_on_batch(*batch)
        assert np.any(np.array(model.get_layer("fc7").kernel) != before) == changed
    assert np.any(np.array(model.get_layer("score32").kernel))


@pytest.mark.parametrize("padding", ["maps", "image"])
def test_dense_layers_of_vgg_are_taken_as_convolutions(padding, tmp_path):
    small = {"width": 0.125, "blocks": (1, 1, 1, 1, 1)}
    classifier = models.vgg16((224, 224, 3), 10, dense_units=12, **small)
    classifier.save(tmp_path / "vgg.keras")
    # The paper's figure 2: a classifier whose dense layers are convolutions gives its own values
    # where the 7x7 kernel covers the map of 224x224 pixels, here at the middle of the maps.
    model = models.fcn8s(
        (224, 224, 3),
        3,
        encoder_options=small,
        encoder_weights=tmp_path / "vgg.keras",
        dense_units=12,
        padding=padding,
    )
    taken = [np.array(model.get_layer(x).kernel) for x in ("fc6", "fc7")]
    np.testing.assert_array_equal(
        taken[0], np.reshape(classifier.get_layer("fc1").kernel, (7, 7, 64, 12))
    )
    np.testing.assert_array_equal(taken[1][0, 0], classifier.get_layer("fc2").kernel)
    if padding == "image":
        return  # There, no window of fc6 covers the same pixels.
    x = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype("float32")
    outputs = (
        keras.Model(y.input, y.get_layer(z).output)
        for y, z in ((model, "fc7"), (classifier, "fc2"))
    )
    found, expected = (np.array(y(x)) for y in outputs)
    assert expected.any()
    np.testing.assert_allclose(found[:, 3, 3], expected, atol=1e-4 * expected.max())


def test_dense_layers_of_another_size_stay_random(tmp_path):
    small = {"width": 0.125, "blocks": (1, 1, 1, 1, 1)}
    models.vgg16((64, 64, 3), 10, dense_units=12, **small).save(tmp_path / "vgg.keras")
    known = {"encoder_options": small, "encoder_weights": tmp_path / "vgg.keras"}
    model = models.fcn32s((64, 64, 3), 3, dense_units=16, **known)
    assert model.get_layer("fc6").kernel.shape == (7, 7, 64, 16)


def test_training_at_once_scales_the_finer_maps():
    model = models.build("fcn8s", (64, 64, 3), 3, **TINY, at_once=True)
    assert model.get_layer("scale16").scale == 0.01
    assert model.get_layer("scale8").scale == 0.0001
    assert model.get_layer("score16").input is model.get_layer("scale16").output


@pytest.mark.parametrize("name", NAMES)
def test_a_size_that_32_does_not_divide_is_mirrored_and_cut(name):
    model = models.build(name, (70, 33, 3), 3, **TINY)
    assert model.get_layer("pad").output.shape == (None, 96, 64, 3)
    assert model.output_shape == (None, 70, 33, 3)


@pytest.mark.parametrize("output_stride", [32, 16, 8])
@pytest.mark.parametrize("encoder", ["resnet18", "vgg16"])
def test_other_encoders_and_output_strides(encoder, output_stride):
    options = {"encoder_options": models.facts(encoder).tiny, "output_stride": output_stride}
    options["encoder_options"] = {
        key: value for key, value in options["encoder_options"].items() if key != "dense_units"
    }
    model = models.build("fcn8s", (64, 96, 3), 3, encoder=encoder, dense_units=8, **options)
    assert model.get_layer("score32").output.shape[1] == 64 // output_stride
    assert model.get_layer("score16").output.shape[1] == 64 // min(16, output_stride)
    assert model.get_layer("score8").output.shape[1] == 8
    assert ("fc6" in {x.name for x in model.layers}) == (encoder == "vgg16")
    strides = [x.strides[0] for x in deconvolutions(model).values()]
    assert np.prod(strides) == output_stride


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dense_units": 0}, "`fcn` needs dense_units"),
        ({"dropout_rate": 1.0}, "`fcn` needs dropout_rate from 0 below 1"),
        ({"finest": 4}, r"`fcn` needs finest to be 32, 16 or 8.* Received: finest=4"),
        (
            {"encoder": "squeezenet1_0"},
            r"`fcn8s` needs feature maps of 1/32, 1/16, 1/8 .* none of 1/32\. Encoders that .*re",
        ),
        ({"encoder": "no_such"}, "encoder of `fcn8s`"),
        ({"padding": "zeros"}, r"padding of `fcn`.*padding='zeros'"),
        (
            {"padding": "image", "encoder": "resnet18"},
            r"`fcn` needs VGG with output stride 32 for padding='image'.*encoder='resnet18'",
        ),
        ({"padding": "image", "output_stride": 16}, r"needs VGG .*output_stride=16.*at 'maps'"),
        ({"encoder": "resnet18", "output_stride": 4}, "needs an output stride"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.fcn8s((64, 64, 3), **{**TINY, "encoder_options": None, **options})
