"""RefineNet: what its paper and the public port fix."""

import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.models.refinenet import chained_pooling, convolution_unit

TINY = models.facts("refinenet").tiny


@pytest.fixture(scope="module")
def network():
    return models.refinenet((128, 256, 3), 5, **{**TINY, "pooling_stages": 4})


def test_blocks_lie_at_a_32nd_to_a_quarter_and_the_first_has_twice_the_channels(network):
    for number, (height, channels) in enumerate(((4, 16), (8, 8), (16, 8), (32, 8)), start=1):
        found = network.get_layer(f"refine{number}_output3_add").output.shape
        assert found == (None, height, 2 * height, channels)


def test_every_block_but_the_first_adds_the_block_before(network):
    names = {layer.name for layer in network.layers}
    assert "refine1_add" not in names
    for number in (2, 3, 4):
        finer, coarser = network.get_layer(f"refine{number}_add").input
        assert finer is network.get_layer(f"refine{number}_fuse").output
        assert coarser is network.get_layer(f"refine{number}_enlarge").output


def test_two_units_stand_before_a_block_and_three_behind(network):
    for number in (1, 2, 3, 4):
        names = [x.name for x in network.layers if x.name.startswith(f"refine{number}_")]
        units = [n for n in names if n.endswith("_add") and ("adapt" in n or "output" in n)]
        assert [n.split("_")[1] for n in units] == [
            "adapt1",
            "adapt2",
            "output1",
            "output2",
            "output3",
        ]
        biases = [network.get_layer(f"refine{number}_adapt1_conv{n}").use_bias for n in (1, 2)]
        assert biases == [True, False]


def test_dropout_is_on_the_two_coarsest_maps_and_before_the_classifier(network):
    dropouts = [x for x in network.layers if isinstance(x, keras.layers.Dropout)]
    assert {(x.name, x.rate) for x in dropouts} == {
        ("refine1_dropout", 0.5),
        ("refine2_dropout", 0.5),
        ("logits_dropout", 0.5),
    }
    assert network.get_layer("logits_conv").kernel.shape == (3, 3, 8, 5)


def test_a_unit_adds_its_convolutions_of_positive_values():
    image = keras.Input((1, 1, 1))
    model = keras.Model(image, convolution_unit(image, "unit"))
    for layer in ("unit_conv1", "unit_conv2"):
        model.get_layer(layer).kernel.assign(np.full((3, 3, 1, 1), 2.0))
    model.get_layer("unit_conv1").bias.assign([-3.0])
    # 5 + 2 * (2 * 5 - 3) = 19; -5 becomes 0 in the unit: -5 + 2 * max(0, -3).
    assert float(model(np.full((1, 1, 1, 1), 5.0))[0, 0, 0, 0]) == 19
    assert float(model(np.full((1, 1, 1, 1), -5.0))[0, 0, 0, 0]) == -5


def test_pooling_is_chained_and_every_stage_is_added():
    image = keras.Input((1, 16, 1))
    model = keras.Model(image, chained_pooling(image, 2, "pool"))
    for layer in ("pool1_conv", "pool2_conv"):
        identity = np.zeros((3, 3, 1, 1))
        identity[1, 1] = 1
        model.get_layer(layer).kernel.assign(identity)
    x = np.zeros((1, 1, 16, 1), "float32")
    x[0, 0, 8] = 1
    # The pixel, its 5 neighbors after one pooling, and 9 after the second.
    found = np.array(model(x)).ravel().tolist()
    assert found == [0] * 4 + [1, 1, 2, 2, 3, 2, 2, 1, 1] + [0] * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"filters": 0}, "needs filters to be a whole number of at least 1"),
        ({"pooling_stages": 0}, "needs pooling_stages to be a whole number of at least 1"),
        ({"dropout_rate": 1}, "needs dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.refinenet((64, 64, 3), 5, **{**TINY, **options})
