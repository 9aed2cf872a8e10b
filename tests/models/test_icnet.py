"""ICNet: what its paper and the authors' prototxt file fix."""

import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.models.icnet import Options, halved, summed_pyramid

TINY = models.facts("icnet").tiny


@pytest.fixture(scope="module")
def network():
    """The published layers at an eighth of the width, for the published size."""
    return models.icnet((1025, 2049, 3), width=0.0625, auxiliary_head=True)


def shape(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_branches_have_the_sizes_of_the_prototxt_file(network):
    assert shape(network, "sub2_image") == (513, 1025, 3)
    assert shape(network, "conv1_3_relu") == (257, 513, 8)
    assert shape(network, "conv3_1_relu") == (65, 129, 32)
    # Its pyramid is for 33 x 65 pixels.
    assert shape(network, "conv3_1_half") == (33, 65, 32)
    assert shape(network, "pyramid_add") == (33, 65, 128)
    assert shape(network, "conv5_4_relu") == (33, 65, 32)
    assert shape(network, "conv3_sub1_relu") == (129, 257, 8)


def test_cascade_fuses_at_a_16th_and_an_eighth_and_ends_at_a_quarter(network):
    assert shape(network, "sub24_add") == (65, 129, 16)
    assert shape(network, "sub12_add") == (129, 257, 16)
    assert shape(network, "sub12_enlarge") == (257, 513, 16)
    for name in ("sub24", "sub12"):
        assert network.get_layer(f"{name}_coarse_conv").dilation_rate == (2, 2)
        assert network.get_layer(f"{name}_coarse_conv").kernel.shape[:2] == (3, 3)
        assert network.get_layer(f"{name}_fine_conv").kernel.shape[:2] == (1, 1)


def test_heads_of_the_cascade_read_the_enlarged_maps(network):
    assert network.output["logits"].shape == (None, 1025, 2049, 19)
    assert network.output["aux_sub4"].shape == (None, 65, 129, 19)
    assert network.output["aux_sub24"].shape == (None, 129, 257, 19)
    assert network.get_layer("aux_sub4").input is network.get_layer("conv5_4_enlarge").output
    assert network.get_layer("aux_sub24").input is network.get_layer("sub24_enlarge").output


def test_last_stages_are_dilated_and_strides_lie_on_the_first_convolution(network):
    for stage, dilation in ((2, 1), (3, 1), (4, 2), (5, 4)):
        assert network.get_layer(f"conv{stage}_1_middle_conv").dilation_rate == (dilation,) * 2
    assert shape(network, "conv3_1_reduce_conv")[:2] == (65, 129)


def test_halving_takes_every_second_pixel():
    image = keras.Input((None, None, 1))
    x = np.arange(15.0).reshape(1, 3, 5, 1)
    found = keras.Model(image, halved(image, "half"))(x)
    assert np.array(found).ravel().tolist() == [0, 2, 4, 10, 12, 14]


def test_pyramid_adds_the_averages_to_the_map():
    image = keras.Input((6, 6, 2))
    model = keras.Model(image, summed_pyramid(image, Options()))
    assert not model.weights
    # Of a constant map all four averages are the constant.
    assert np.array(model(np.full((1, 6, 6, 2), 3.0))).ravel() == pytest.approx([15] * 72)


@pytest.mark.long
def test_network_before_pruning_has_twice_the_channels():
    half, full = (models.icnet((64, 64, 3), width=width) for width in (0.5, 1))
    for name in ("conv1_1_conv", "conv5_3_increase_conv", "sub24_fine_conv", "conv3_sub1_conv"):
        assert full.get_layer(name).filters == 2 * half.get_layer(name).filters


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"blocks": (3, 4, 6)}, r"needs blocks to be 4 whole numbers.*pass \(3, 4, 6, 3\)"),
        ({"width": 0}, "needs width to be a finite number above 0"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.icnet((64, 64, 3), **{**TINY, **options})
