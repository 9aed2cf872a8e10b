"""SegNet against its paper and the authors' Caffe files."""

import keras
import numpy as np
import pytest
from _architectures import sides, without_values

from keras_seg import models


@pytest.fixture(scope="module")
def network():
    with without_values():
        return models.segnet((360, 480, 3))


def size(network, layer):
    return network.get_layer(layer).output.shape[1:]


def test_poolings_round_up_as_in_the_authors_files(network):
    found = [size(network, f"encoder{n}_pool")[:2] for n in range(1, 6)]
    assert found == [(180, 240), (90, 120), (45, 60), (23, 30), (12, 15)]
    assert [size(network, f"decoder{n}_unpool")[:2] for n in range(5, 0, -1)] == [
        (23, 30), (45, 60), (90, 120), (180, 240), (360, 480),
    ]  # fmt: skip


def test_decoder_mirrors_the_13_convolutions_of_the_encoder(network):
    widths = {"encoder": [], "decoder": []}
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name[:7] in widths:
            widths[layer.name[:7]].append(layer.filters)
    assert widths["encoder"] == [64, 64, 128, 128, 256, 256, 256, *[512] * 6]
    assert widths["decoder"] == [*[512] * 5, 256, 256, 256, 128, 128, 64, 64]
    # The thirteenth is the classifier, without normalization and ReLU.
    assert network.layers[-1].name == "logits"
    assert network.get_layer("logits").kernel_size == (3, 3)
    assert network.get_layer("logits").input is network.get_layer("decoder1_conv1_relu").output


def test_basic_has_four_7x7_convolutions_and_a_decoder_without_relu():
    with without_values():
        model = models.segnet_basic((360, 480, 3))
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert [(x.filters, x.kernel_size[0]) for x in convolutions] == [*[(64, 7)] * 8, (11, 1)]
    names = {x.name for x in model.layers}
    assert {f"encoder{n}_conv1_relu" for n in range(1, 5)} <= names
    assert not [name for name in names if name.startswith("decoder") and name.endswith("relu")]


def test_decoder_puts_values_where_the_encoder_found_its_maxima():
    tiny = models.facts("segnet").tiny
    model = models.build("segnet", (37, 51, 3), 3, **tiny)
    x = np.random.default_rng(0).integers(0, 256, (1, 37, 51, 3)).astype("float32")
    outputs = [model.get_layer(name).output for name in ("encoder1_conv2_relu", "decoder1_unpool")]
    pooled, sparse = (np.array(y) for y in keras.Model(model.input, outputs)(x))
    assert sparse.shape == (1, 37, 51, 8)
    assert np.any(sparse)
    # No pixel of its 2x2 block is larger; blocks at the lower right are smaller.
    padded = np.pad(pooled, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=-1)
    blocks = padded.reshape(1, 19, 2, 26, 2, 8)
    maxima = (blocks == blocks.max((2, 4), keepdims=True)).reshape(padded.shape)[:, :37, :51]
    assert not np.any(sparse[~maxima])
    assert np.count_nonzero(sparse, (1, 2)).max() <= 19 * 26


def test_bayesian_form_drops_values_behind_all_levels_but_two():
    with without_values():
        bayesian, plain = models.segnet(dropout_rate=0.5), models.segnet()
    rates = {x.name: x.rate for x in bayesian.layers if isinstance(x, keras.layers.Dropout)}
    levels = [f"{part}{n}_dropout" for part in ("encoder", "decoder") for n in (3, 4, 5)]
    assert rates == dict.fromkeys(levels, 0.5)
    assert bayesian.count_params() == plain.count_params()
    assert not [x for x in plain.layers if isinstance(x, keras.layers.Dropout)]


TINY_VGG = {"width": 0.125, "blocks": (1, 1, 1, 1, 1)}


def test_on_vgg_it_unpools_to_the_maxima_of_the_encoders_poolings():
    model = models.segnet((32, 32, 3), 2, encoder="vgg16", encoder_options=TINY_VGG)
    parts = {name: model.get_layer(name) for name in ("decoder2_indices", "decoder2_unpool")}
    # The second block is pooled from 16x16 to 8x8 pixels; its maxima's places are those used.
    assert parts["decoder2_indices"].input is model.get_layer("encoder_block2_conv1_relu").output
    assert parts["decoder2_unpool"].output.shape == (None, 16, 16, 16)
    probe = keras.Model(model.input, [x.output for x in parts.values()])
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype("float32")
    indices, unpooled = (np.array(x) for x in probe(image))
    assert indices.shape == (1, 8, 8, 16)
    assert np.any(unpooled)
    # One pixel of each block at most.
    assert (np.count_nonzero(unpooled.reshape(1, 8, 2, 8, 2, 16), axis=(2, 4)) <= 1).all()


@pytest.mark.long
@pytest.mark.parametrize("encoder", ["resnet50", "convnext_tiny", "inception_v3"])
def test_other_encoders_and_odd_sizes(encoder):
    tiny = dict(models.facts(encoder).tiny)
    model = models.segnet((None, None, 3), 3, encoder=encoder, encoder_options=tiny)
    height, width = sides(encoder, 37, 51)
    assert model(np.zeros((1, height, width, 3), "float32")).shape == (1, height, width, 3)


def test_encoders_maps_may_stay_larger():
    tiny = dict(models.facts("resnet18").tiny)
    model = models.segnet((64, 64, 3), 3, encoder="resnet18", encoder_options=tiny, output_stride=8)
    names = [x.name for x in model.layers if x.name.endswith("_unpool")]
    assert names == ["decoder4_unpool", "decoder2_unpool"]
    assert model.output_shape == (None, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "resnet19"}, r"encoder of `segnet`.*Did you mean 'resnet1"),
        ({"kernel_size": 4}, r"needs kernel_size to be 1, 3, 5 or 7\. Received: kernel_size=4"),
        ({"dropout_rate": 1.0}, "`segnet` needs dropout_rate from 0 below 1"),
        ({"blocks": 3}, "`segnet` needs blocks to be 5 whole numbers"),
        ({"blocks": (1, 1)}, "`segnet` needs filters to be 2 whole numbers"),
        ({"input_range": "bytes"}, "range of pixels"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.segnet((64, 64, 3), **options)


def test_the_error_names_the_variant():
    with pytest.raises(ValueError, match="`segnet_basic` needs filters to be 4 whole numbers"):
        models.build("segnet_basic", num_classes=2, filters=(8, 12, 16))


@pytest.mark.parametrize(("name", "incoming"), [("segnet", 9 * 64), ("segnet_basic", 64)])
def test_the_last_kernel_begins_as_all_others_do(name, incoming):
    # He et al., arXiv 1502.01852: a standard deviation of sqrt(2 / N) for N incoming values.
    keras.utils.set_random_seed(0)
    model = models.build(name, (32, 32, 3), 60, blocks=(1, 1), filters=(64, 4))
    kernel = np.array(model.get_layer("logits").kernel)
    # 3,840 values or more: its own error is 1.1 % or less.
    assert kernel.std() == pytest.approx((2 / incoming) ** 0.5, rel=0.05)
