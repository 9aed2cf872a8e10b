"""ERFNet against table 1 of its paper."""

import keras
import pytest
from _architectures import without_values

from keras_seg import models


@pytest.fixture(scope="module")
def network():
    with without_values():
        return models.erfnet((512, 1024, 3))


def size(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_maps_have_the_sizes_of_table_1(network):
    expected = {
        "down1_bn": (256, 512, 16),
        "down2_bn": (128, 256, 64),
        "block2_5_add": (128, 256, 64),
        "down3_bn": (64, 128, 128),
        "block3_2_dilation16_add": (64, 128, 128),
        "up1_bn": (128, 256, 64),
        "up1_2_add": (128, 256, 64),
        "up2_bn": (256, 512, 16),
        "up2_2_add": (256, 512, 16),
        "logits": (512, 1024, 19),
    }
    assert {layer: size(network, layer) for layer in expected} == expected


def test_blocks_are_those_of_table_1_in_order(network):
    blocks = [x.name.removesuffix("_add") for x in network.layers if x.name.endswith("_add")]
    dilated = [f"block3_{n}_dilation{rate}" for n in (1, 2) for rate in (2, 4, 8, 16)]
    expected = [*(f"block2_{n}" for n in range(1, 6)), *dilated]
    assert blocks == [*expected, "up1_1", "up1_2", "up2_1", "up2_2"]


def test_kernels_are_factorized_and_the_second_pair_is_dilated(network):
    found = [
        (x.kernel_size, x.dilation_rate)
        for x in network.layers
        if x.name.startswith("block3_1_dilation8_") and isinstance(x, keras.layers.Conv2D)
    ]
    assert found == [
        ((3, 1), (1, 1)),
        ((1, 3), (1, 1)),
        ((3, 1), (8, 8)),
        ((1, 3), (8, 8)),
    ]


def test_dropout_is_weaker_at_a_quarter_of_the_size_and_not_in_the_decoder(network):
    rates = {x.name: x.rate for x in network.layers if isinstance(x, keras.layers.SpatialDropout2D)}
    assert {name[:6] for name in rates} == {"block2", "block3"}
    assert {rate for name, rate in rates.items() if name.startswith("block2")} == {0.03}
    assert {rate for name, rate in rates.items() if name.startswith("block3")} == {0.3}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 0}, "`erfnet` needs width"),
        ({"blocks": (5, 2, 0, 2)}, "`erfnet` needs blocks to be 4 whole numbers"),
        ({"dilations": ()}, "`erfnet` needs dilations to be 1 whole numbers"),
        ({"dilations": (2, 0)}, "`erfnet` needs dilations to be 2 whole numbers"),
        ({"dropout_rate": 2}, "`erfnet` needs dropout_rate from 0 below 1"),
        ({"first_dropout_rate": 1.0}, "`erfnet` needs first_dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.erfnet((64, 64, 3), **options)


def test_images_of_many_channels_keep_them_all():
    with without_values():
        model = models.erfnet((64, 96, 70))
    # Each downsampler adds a new channel at least: 71 and 72 in place of 16 and 64.
    sizes = {"down1_concat": (32, 48, 71), "down2_concat": (16, 24, 72)}
    sizes |= {"down3_concat": (8, 12, 128), "up2_bn": (32, 48, 16)}
    assert {layer: size(model, layer) for layer in sizes} == sizes
