"""HRNetV2: what its papers and the authors' code fix."""

import pytest

from keras_seg import models

TINY = models.facts("hrnet_v2_w18").tiny


@pytest.fixture(scope="module")
def network():
    """The small network for 1024 x 2048 pixels."""
    return models.hrnet_v2_w18((1024, 2048, 3), **{**TINY, "modules": (1, 2, 1)})


def shape(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_branches_lie_at_a_quarter_to_a_32nd_and_double_their_channels(network):
    assert shape(network, "stem2_relu") == (256, 512, 8)
    for stage in (2, 3, 4):
        for branch in range(1, stage + 1):
            height, channels = 512 // 2**branch, 4 * 2 ** (branch - 1)
            name = f"stage{stage}_module1_branch{branch}_block1_relu"
            assert shape(network, name) == (height, 2 * height, channels)


def test_all_branches_are_exchanged_in_every_module(network):
    for stage, modules in ((2, 1), (3, 2), (4, 1)):
        for number in range(1, modules + 1):
            for branch in range(1, stage + 1):
                layer = network.get_layer(f"stage{stage}_module{number}_fuse{branch}")
                assert len(layer.input) == stage
                assert len({x.shape for x in layer.input}) == 1


def test_a_map_eight_times_smaller_passes_three_convolutions_with_stride_2(network):
    layers = [network.get_layer(f"stage4_module1_1to4_{n}_conv") for n in (1, 2, 3)]
    assert [layer.strides for layer in layers] == [(2, 2)] * 3
    # Only the last one changes the channels, and has no ReLU.
    assert [layer.filters for layer in layers] == [4, 4, 32]
    names = {layer.name for layer in network.layers}
    assert {f"stage4_module1_1to4_{n}_relu" for n in (1, 2, 3)} & names == {
        "stage4_module1_1to4_1_relu",
        "stage4_module1_1to4_2_relu",
    }


def test_smaller_maps_are_narrowed_before_they_are_enlarged(network):
    assert network.get_layer("stage4_module1_4to1_conv").kernel.shape == (1, 1, 32, 4)
    assert network.get_layer("stage4_module1_4to1_enlarge").output.shape[1:] == (256, 512, 4)


def test_head_concatenates_all_branches_at_a_quarter(network):
    # Widths 1 + 2 + 4 + 8 = 15 times the first one.
    assert shape(network, "head_concat") == (256, 512, 15 * 4)
    head = network.get_layer("head_conv")
    assert head.use_bias
    assert head.kernel.shape == (1, 1, 60, 60)
    assert network.get_layer("logits_conv").kernel.shape == (1, 1, 60, 19)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modules": (1, 4)}, r"needs modules to be 3 whole numbers.*pass \(1, 4, 3\)"),
        ({"width": 0}, "needs width to be a whole number of at least 1"),
        ({"blocks": 0}, "needs blocks to be a whole number of at least 1"),
        ({"dropout_rate": 1.0}, "needs dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.hrnet_v2_w18((64, 64, 3), **{**TINY, **options})
