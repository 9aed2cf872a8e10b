"""Branches that were trained apart give the same logits as the one convolution made of them."""

import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.models.encoders import features, merge_branches

NAMES = ("repvgg_a0", "repvgg_b1g2", "replknet31b")


def scattered(model):
    """Give every scale, offset, mean and variance a value of its own."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_merged_branches_give_the_same_logits(name):
    options = dict(models.facts(name).tiny)
    trained = scattered(models.build(name, (64, 64, 3), 5, **options))
    merged = merge_branches(trained, models.build(name, (64, 64, 3), 5, merged=True, **options))
    x = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    expected = np.array(trained(x))
    np.testing.assert_allclose(merged(x), expected, atol=1e-4 * np.abs(expected).max())
    assert merged.count_params() < trained.count_params()


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_branches_of_an_encoder_with_a_prefix_and_dilation_are_merged(name):
    image = keras.Input((None, None, 3))

    def network(**options):
        maps = features(name, image, 8, **models.facts(name).tiny, **options)
        return keras.Model(image, keras.layers.Conv2D(3, 1, name="logits")(maps[32]))

    trained = scattered(network())
    merged = merge_branches(trained, network(merged=True))
    x = np.random.default_rng(1).integers(0, 256, (1, 65, 49, 3)).astype("float32")
    expected = np.array(trained(x))
    np.testing.assert_allclose(merged(x), expected, atol=1e-4 * np.abs(expected).max())


def test_identity_kernels_of_groups_copy_their_channel():
    # Two groups of two channels: output 3 belongs to the second group and is its second input.
    name = {"width": 0.125, "last_width": 0.125, "blocks": (3, 1, 1, 1)}
    trained = models.repvgg_b1g2((32, 32, 3), 5, **name)
    kernel = trained.get_layer("stage1_block2_large").kernel
    assert kernel.shape == (3, 3, 4, 8)
    merged = merge_branches(trained, models.repvgg_b1g2((32, 32, 3), 5, merged=True, **name))
    # Fresh normalization scales by 1 / sqrt(1 + 1e-5): the sum minus both kernels is the identity.
    found = np.array(merged.get_layer("stage1_block2_merged").kernel) * np.sqrt(1 + 1e-5)
    found[1, 1] -= np.array(trained.get_layer("stage1_block2_small").kernel)[0, 0]
    identity = (found - np.array(kernel))[1, 1]
    np.testing.assert_allclose(identity, np.tile(np.eye(4), 2), atol=1e-5)


@pytest.mark.parametrize("other", ["resnet18", "repvgg_b0"])
def test_networks_that_differ_are_refused(other):
    trained = models.build("repvgg_a0", (32, 32, 3), 5, **models.facts("repvgg_a0").tiny)
    options = {"blocks": (2, 1, 1, 2), "width": 0.125}
    if other == "repvgg_b0":
        options |= {"merged": True, "last_width": 0.125}
    with pytest.raises(ValueError, match=r"`merge_branches` needs the same network.*counterpart"):
        merge_branches(trained, models.build(other, (32, 32, 3), 5, **options))
