"""Fast-SCNN against the tables of its paper."""

import keras
import pytest
from _architectures import without_values

from keras_seg import models


@pytest.fixture(scope="module")
def network():
    with without_values():
        return models.fast_scnn((1024, 2048, 3), auxiliary_head=True)


def size(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_maps_have_the_sizes_of_table_1(network):
    expected = {
        "stem1_bn": (512, 1024, 32),
        "stem2_pointwise_bn": (256, 512, 48),
        "stem3_pointwise_bn": (128, 256, 64),
        "context1_3_add": (64, 128, 64),
        "context2_3_add": (32, 64, 96),
        "context3_3_add": (32, 64, 128),
        "pyramid_bn": (32, 64, 128),
        "fusion_add": (128, 256, 128),
        "classifier1_pointwise_bn": (128, 256, 128),
        "classifier2_pointwise_bn": (128, 256, 128),
        "logits_conv": (128, 256, 19),
        "logits": (1024, 2048, 19),
    }
    assert {layer: size(network, layer) for layer in expected} == expected


def test_bottlenecks_expand_six_times_and_add_their_input_where_the_shape_stays(network):
    added = {x.name for x in network.layers if x.name.startswith("context") and "_add" in x.name}
    # The first of each stage has another stride or other channels.
    assert added == {f"context{stage}_{repeat}_add" for stage in (1, 2, 3) for repeat in (2, 3)}
    assert size(network, "context1_1_expand_bn") == (128, 256, 6 * 64)
    assert size(network, "context3_1_expand_bn") == (32, 64, 6 * 96)


def test_pyramid_has_four_grids_of_a_quarter_of_the_channels_each(network):
    assert [size(network, f"pyramid{n}_bn") for n in (1, 2, 3, 6)] == [
        (n, n, 32) for n in (1, 2, 3, 6)
    ]
    assert size(network, "pyramid_concat") == (32, 64, 128 + 4 * 32)


def test_separable_convolutions_have_no_non_linearity_inside_and_all_others_are_relu(network):
    names = {layer.name for layer in network.layers}
    for name in ("stem2", "stem3", "classifier1", "classifier2"):
        assert f"{name}_pointwise_relu" in names
        assert f"{name}_depthwise_relu" not in names
    used = [x for x in network.layers if isinstance(x, keras.layers.Activation)]
    assert {x.activation for x in used} == {keras.activations.relu}


@pytest.mark.parametrize("dilation", [4, 1])
def test_fusion_filters_the_context_with_its_dilation(dilation):
    with without_values():
        model = models.fast_scnn((64, 64, 3), fusion_dilation=dilation)
    assert model.get_layer("fusion_depthwise").dilation_rate == (dilation, dilation)


def test_auxiliary_heads_look_at_the_stem_and_at_the_context(network):
    heads = {"aux_detail": (128, 256), "aux_context": (32, 64)}
    for name, inside in heads.items():
        assert network.output[name].shape == (None, 128, 256, 19)
        assert network.get_layer(f"{name}_conv").input.shape[1:3] == inside


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 0}, "`fast_scnn` needs width"),
        ({"expansion": 0}, "`fast_scnn` needs expansion"),
        ({"fusion_dilation": 0.5}, "`fast_scnn` needs fusion_dilation"),
        ({"dropout_rate": 1.0}, "`fast_scnn` needs dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.fast_scnn((64, 64, 3), **options)
