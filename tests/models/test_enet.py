"""ENet against table 1 of its paper, and its unpooling."""

import keras
import numpy as np
import pytest
from _architectures import without_values

from keras_seg import models


@pytest.fixture(scope="module")
def network():
    with without_values():
        return models.enet((512, 512, 3))


def size(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_maps_have_the_sizes_of_table_1(network):
    expected = {
        "initial_concat": (256, 256, 16),
        **{f"bottleneck1_{n}_add": (128, 128, 64) for n in range(5)},
        "bottleneck2_0_add": (64, 64, 128),
        **{f"bottleneck{s}_{n}_add": (64, 64, 128) for s in (2, 3) for n in range(1, 9)},
        **{f"up1_{n}_add": (128, 128, 64) for n in range(3)},
        **{f"up2_{n}_add": (256, 256, 16) for n in range(2)},
        "logits": (512, 512, 19),
    }
    assert {layer: size(network, layer) for layer in expected} == expected
    # Table 1 has no other bottlenecks.
    assert {x.name for x in network.layers if x.name.endswith("_add")} <= set(expected)


@pytest.mark.parametrize("section", [2, 3])
def test_sections_mix_dilated_and_asymmetric_kernels_as_in_table_1(network, section):
    middles = [
        x
        for x in network.layers
        if x.name.startswith(f"bottleneck{section}_") and "_middle_" in x.name
    ]
    found = [
        (x.kernel_size, x.dilation_rate[0]) for x in middles if isinstance(x, keras.layers.Conv2D)
    ]
    square, asymmetric = (3, 3), [((1, 5), 1), ((5, 1), 1)]
    first = [(square, 1)] if section == 2 else []  # That of the downsampling.
    assert found == [
        *first,
        *[(square, 1), (square, 2), *asymmetric, (square, 4)],
        *[(square, 1), (square, 8), *asymmetric, (square, 16)],
    ]


def test_dropout_is_of_channels_weaker_at_first_and_not_in_the_decoder(network):
    rates = {
        x.name.removesuffix("_dropout"): x.rate
        for x in network.layers
        if isinstance(x, keras.layers.SpatialDropout2D)
    }
    assert rates == {
        **{f"bottleneck1_{n}": 0.01 for n in range(5)},
        **{f"bottleneck2_{n}": 0.1 for n in range(9)},
        **{f"bottleneck3_{n}": 0.1 for n in range(1, 9)},
    }


def test_encoder_has_a_slope_per_channel_and_the_decoder_relu():
    model = models.enet((64, 64, 3), 2, width=0.5, blocks=(1, 1, 1, 1))
    slopes = {x.name: x.alpha for x in model.layers if isinstance(x, keras.layers.PReLU)}
    assert slopes["bottleneck1_0_prelu"].shape == (1, 1, 32)
    assert all(np.all(np.array(alpha) == 0.25) for alpha in slopes.values())
    assert not [name for name in slopes if name.startswith("up")]


@pytest.mark.long
def test_decoder_puts_values_where_the_encoder_found_its_maxima():
    model = models.enet((64, 64, 3), 2, width=0.5, blocks=(1, 1, 1, 1))
    layers = {"up2_0_unpool": "initial_prelu", "up1_0_unpool": "bottleneck1_1_prelu"}
    x = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype("float32")
    for unpool, before in layers.items():
        outputs = [model.get_layer(name).output for name in (before, unpool)]
        pooled, sparse = (np.array(y) for y in keras.Model(model.input, outputs)(x))
        _, height, width, channels = pooled.shape
        assert sparse.shape == pooled.shape
        blocks = (1, height // 2, 2, width // 2, 2, channels)
        largest = pooled.reshape(blocks).max((2, 4), keepdims=True)
        maxima = (pooled.reshape(blocks) == largest).reshape(pooled.shape)
        assert np.any(sparse)
        assert not np.any(sparse[~maxima])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": -1}, "`enet` needs width"),
        ({"blocks": (4, 2, 2)}, "`enet` needs blocks to be 4 whole numbers"),
        ({"dropout_rate": 1.0}, "`enet` needs dropout_rate from 0 below 1"),
        ({"first_dropout_rate": -0.1}, "`enet` needs first_dropout_rate from 0 below 1"),
        ({"input_range": "bytes"}, "range of pixels"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.enet((64, 64, 3), **options)


def test_images_of_many_channels_keep_them_all():
    with without_values():
        model = models.enet((64, 96, 70))
    # 70 pooled channels and one new one; neither 16 nor 64 of the paper's channels hold them.
    sizes = {"initial_concat": (32, 48, 71), "bottleneck1_0_add": (16, 24, 71)}
    sizes |= {"bottleneck2_0_add": (8, 12, 128), "up2_0_add": (32, 48, 71)}
    assert {x: model.get_layer(x).output.shape[1:] for x in sizes} == sizes
