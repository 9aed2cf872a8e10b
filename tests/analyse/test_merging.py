"""The report on merged branches: parameters by arithmetic, differences by rounding alone."""

import keras
import numpy as np
import pytest

from keras_seg import analyse, models
from keras_seg.models.encoders import merge_branches

SMALL = {"blocks": (1, 2, 1, 1), "width": 0.125, "last_width": 0.125}


def pair():
    trained = models.repvgg_a0((32, 32, 3), 5, **SMALL)
    rng = np.random.default_rng(0)
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, x.shape) for x in layer.get_weights()])
    return trained, merge_branches(trained, models.repvgg_a0((32, 32, 3), 5, merged=True, **SMALL))


def test_parameters_and_differences_by_block():
    trained, merged = pair()
    table = analyse.merge_report(trained, merged)
    assert table.index[0] == "stem"
    assert len(table) == 1 + 5 + 1  # the stem, the blocks, the output
    # 3 to 8 channels: 9 * 3 * 8 and 3 * 8 weights, two normalizations of 4 * 8; merged, a bias.
    assert table.loc["stem", ["branches", "merged"]].tolist() == [216 + 24 + 64, 216 + 8]
    # 16 to 16 channels, with the identity's normalization.
    second = table.loc["stage2_block2", ["branches", "merged"]].tolist()
    assert second == [9 * 256 + 256 + 3 * 4 * 16, 9 * 256 + 16]
    assert table.loc["output", "branches"] == trained.count_params()
    assert (table["difference"] < 1e-5).all()


def test_a_wrong_kernel_is_seen_in_its_block():
    trained, merged = pair()
    layer = merged.get_layer("stage3_block1_merged")
    layer.set_weights([1.1 * value for value in layer.get_weights()])
    table = analyse.merge_report(trained, merged)
    assert table.loc["stage3_block1", "difference"] == pytest.approx(0.1, rel=1e-3)
    assert (table["difference"][:"stage2_block2"] < 1e-5).all()


def test_the_large_kernels_of_replknet_are_compared_at_their_sum():
    options = dict(models.facts("replknet31b").tiny)
    trained = models.build("replknet31b", (64, 64, 3), 5, **options)
    merged = models.build("replknet31b", (64, 64, 3), 5, merged=True, **options)
    table = analyse.merge_report(trained, merge_branches(trained, merged))
    assert len(table) == 5
    assert (table["difference"] < 1e-4).all()


def test_networks_that_are_not_a_pair_are_refused():
    trained, _ = pair()
    for other in (trained, models.resnet18((32, 32, 3), 5, width=0.125)):
        with pytest.raises(ValueError, match=r"same one with merged=True. Received: 'repvgg_a0'"):
            analyse.merge_report(trained, other)
