"""PSPNet: what its paper and the authors' prototxt files fix."""

import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.models.pspnet import pyramid_pooling

TINY = models.facts("pspnet").tiny


@pytest.fixture(scope="module")
def network():
    """Full depth at an eighth of the width, for the published 713 pixels."""
    options = {"encoder_options": {"width": 0.125}, "filters": 64, "auxiliary_head": True}
    return models.pspnet((713, 713, 3), **options)


@pytest.mark.long
def test_pyramid_has_the_bins_of_the_paper_and_each_a_quarter_of_the_channels(network):
    for side in (1, 2, 3, 6):
        assert network.get_layer(f"pyramid{side}_pool").output.shape == (None, side, side, 256)
        assert network.get_layer(f"pyramid{side}_bn").output.shape[-1] == 64
    # 713 = 8 * 89 + 1: the map has 90 pixels, and as many pooled channels as its own.
    assert network.get_layer("pyramid_concat").output.shape == (None, 90, 90, 512)


def test_bins_average_parts_of_the_map():
    image = keras.Input((6, 12, 8))
    model = keras.Model(image, pyramid_pooling(image, (1, 2, 3, 6)))
    pooled = keras.Model(image, [model.get_layer(f"pyramid{side}_pool").output for side in (1, 3)])
    x = np.random.default_rng(0).normal(size=(1, 6, 12, 8)).astype("float32")
    whole, thirds = (np.array(part) for part in pooled(x))
    np.testing.assert_allclose(whole[0, 0, 0], x.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(thirds[0, 1, 2], x[0, 2:4, 8:12].mean((0, 1)), atol=1e-6)


def test_last_stages_are_dilated_by_2_and_4(network):
    # The stride that is left out stood on the first 1x1 convolution, so all 3x3 kernels dilate.
    for stage, blocks, dilation in ((2, 3, 1), (3, 4, 1), (4, 23, 2), (5, 3, 4)):
        for number in range(1, blocks + 1):
            layer = network.get_layer(f"encoder_conv{stage}_block{number}_2_conv")
            assert layer.dilation_rate == (dilation, dilation)
    assert network.get_layer("encoder_conv5_block3_out").output.shape[1:3] == (90, 90)


def test_encoder_begins_with_three_convolutions(network):
    widths = [network.get_layer(f"encoder_conv1_{n}_conv").filters for n in (1, 2, 3)]
    assert widths == [64 // 8, 64 // 8, 128 // 8]


def test_auxiliary_head_reads_the_fourth_stage(network):
    # ResNet's fourth stage, after 3 + 4 + 23 blocks, has 1024 channels.
    assert network.get_layer("aux_stage4_head_conv").input.shape == (None, 90, 90, 1024 // 8)
    assert (
        network.get_layer("aux_stage4_head_conv").filters
        == network.get_layer("head_conv").filters // 2
    )
    assert network.output["aux_stage4"].shape == (None, 90, 90, 19)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bins": (1, 1, 2)}, r"needs bins to be different whole numbers.*\(1, 2, 3, 6\)"),
        ({"bins": ()}, r"needs bins to be different whole numbers.*bins=\(\)"),
        ({"filters": 0}, "needs filters to be a whole number of at least 1"),
        ({"dropout_rate": 1.0}, "needs dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.pspnet((64, 64, 3), 5, **{**TINY, **options})
