"""U-Net against figure 1 of its paper, and on other encoders."""

import keras
import numpy as np
import pytest
from _architectures import sides, without_values

from keras_seg import models
from keras_seg.models import encoders

SMALL = {"filters": (2, 4, 4), "dropout_rate": 0.0}


@pytest.fixture(scope="module")
def network():
    with without_values():
        return models.unet((388, 388, 1))


def size(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_maps_have_the_sizes_of_figure_1(network):
    expected = {
        "mirror": (572, 572, 1),
        "down1_conv1": (570, 570, 64),
        "down1_conv2": (568, 568, 64),
        "down2_conv2": (280, 280, 128),
        "down3_conv2": (136, 136, 256),
        "down4_conv2": (64, 64, 512),
        "bottom_conv1": (30, 30, 1024),
        "bottom_conv2": (28, 28, 1024),
        "up4_transposed": (56, 56, 512),
        "up4_conv2": (52, 52, 512),
        "up3_transposed": (104, 104, 256),
        "up3_conv2": (100, 100, 256),
        "up2_transposed": (200, 200, 128),
        "up2_conv2": (196, 196, 128),
        "up1_transposed": (392, 392, 64),
        "up1_concat": (392, 392, 128),
        "up1_conv2": (388, 388, 64),
        "logits_conv": (388, 388, 2),
        "logits": (388, 388, 2),
    }
    assert {layer: size(network, layer) for layer in expected} == expected
    kernels = [x for x in network.layers if hasattr(x, "kernel")]
    assert len(kernels) == 23  # "In total the network has 23 convolutional layers."


def test_a_size_between_those_that_fit_is_enlarged_and_cut():
    with without_values():
        model = models.unet((389, 100, 1))
    # The next sizes of 16 n + 60 that hold 389 + 184 and 100 + 184 pixels: n = 33 and 14.
    assert size(model, "mirror") == (588, 284, 1)
    assert size(model, "logits_conv") == (404, 100, 2)
    assert size(model, "logits") == (389, 100, 2)


def test_the_border_of_an_image_is_computed_from_its_mirror_image():
    model = models.unet(num_classes=3, **SMALL)
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 36, 1)).astype("float32")
    # Two poolings: 6 * 4 - 4 = 20 pixels of margin, a multiple of 4, so that poolings stay in step.
    wide = np.pad(x, [(0, 0), (20, 20), (20, 20), (0, 0)], "reflect")
    found, expected = np.array(model(x)), np.array(model(wide))[:, 20:-20, 20:-20]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("options", [{}, {"padding": "same", "normalization": True}], ids=str)
def test_logits_of_a_tile_are_those_of_the_whole_image_where_it_has_all_around_it(options):
    model = models.unet(num_classes=3, **SMALL, **options)
    x = np.random.default_rng(0).integers(0, 256, (1, 80, 96, 1)).astype("float32")
    whole = np.array(model(x))
    tile = np.array(model(x[:, 8:64, 12:80]))
    atol = 1e-5 * np.abs(whole).max()
    np.testing.assert_allclose(tile[:, 24:-24, 24:-24], whole[:, 32:40, 36:56], atol=atol)


def test_normalization_takes_the_place_of_biases():
    with without_values():
        model = models.unet((64, 64, 3), padding="same", normalization=True)
    assert size(model, "bottom_conv2") == (4, 4, 1024)
    assert not model.get_layer("down1_conv1").use_bias
    assert model.get_layer("logits_conv").use_bias
    names = {layer.name for layer in model.layers}
    assert {"down1_conv1_bn", "up1_conv2_bn", "bottom_dropout"} <= names


def test_on_resnet34_it_has_the_parameters_of_segmentation_models():
    with without_values():
        model = models.unet((64, 64, 3), 1, encoder="resnet34")
    # smp.Unet("resnet34", classes=1): 21,284,672 of the encoder, 3,151,697 of the decoder.
    assert sum(int(np.prod(x.shape)) for x in model.trainable_variables) == 24_436_369


def on_encoder(name, shape, **options):
    tiny = dict(models.facts(name).tiny)
    return models.unet(
        shape, 3, encoder=name, encoder_options=tiny, decoder_filters=(4,) * 5, **options
    )


def check_encoder(name):
    height, width = sides(name, 37, 51)
    model = on_encoder(name, (None, None, 3))
    x = np.random.default_rng(0).integers(0, 256, (1, height, width, 3)).astype("float32")
    logits = np.array(model(x))
    assert logits.shape == (1, height, width, 3)
    known = on_encoder(name, (height, width, 3))
    known.set_weights(model.get_weights())
    np.testing.assert_allclose(known(x), logits, atol=1e-5 * max(1, np.abs(logits).max()))


# Maps at 1/2 to 1/32; none at 1/2; maps at 1, 1/2 and 1/4 alone.
@pytest.mark.long
@pytest.mark.parametrize("name", ["mobilenet_v2", "convnext_tiny", "lenet5"])
def test_encoders_with_other_maps_serve_as_well(name):
    check_encoder(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", encoders.names())
def test_every_encoder_serves(name):
    check_encoder(name)


def test_encoders_maps_may_stay_larger():
    model = on_encoder("resnet18", (64, 64, 3), output_stride=8)
    assert size(model, "up16_enlarge")[:2] == size(model, "up8_enlarge")[:2] == (8, 8)
    assert model.output_shape == (None, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding": "valid"}, "padding of `unet`"),
        ({"dropout_rate": 1.0}, "`unet` needs dropout_rate from 0 below 1"),
        ({"filters": (64,)}, "`unet` needs filters to be 2 whole numbers"),
        ({"filters": 64}, "`unet` needs filters to be 5 whole numbers"),
        ({"decoder_filters": (64, 32)}, "`unet` needs decoder_filters to be 5 whole numbers"),
        ({"encoder": "resnet19"}, r"encoder of `unet`.*Did you mean 'resnet1"),
        ({"encoder": "alexnet"}, r"`unet` needs images of 39 pixels or more.*alexnet.*32x64"),
        ({"encoder": "lenet5", "output_stride": 8}, "supports output stride 32 only"),
        ({"encoder": "resnet18", "encoder_options": {"depth": 3}}, "option of `resnet18`"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.unet((32, 64, 3), **options)


def test_all_kernels_begin_with_the_variance_of_the_paper():
    # Section 3: a standard deviation of sqrt(2 / N), e.g. N = 9 * 64 for a 3x3 kernel of 64
    # channels; an output pixel of a 2x2 transposed convolution with stride 2 has one tap.
    keras.utils.set_random_seed(0)
    model = models.build("unet", (64, 64, 3), 40, filters=(48, 96, 128))
    incoming = {"down2_conv1": 9 * 48, "up2_transposed": 128, "up1_transposed": 96}
    incoming |= {"up2_conv1": 9 * 2 * 96, "logits_conv": 48}
    for name, count in incoming.items():
        deviation = np.array(model.get_layer(name).kernel).std()
        # 1,920 values or more: its own error is 1.6 % or less.
        assert deviation == pytest.approx((2 / count) ** 0.5, rel=0.06), name
