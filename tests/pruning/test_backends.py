"""The same filters are removed, and batch normalization is folded, on TensorFlow, JAX and torch."""

import numpy as np
import pytest
from _process import run_on

pytestmark = [pytest.mark.backends, pytest.mark.slow]

PRUNE = """
import os, sys
sys.path.insert(0, "tests")
import keras, keras_seg, numpy as np
from _pruning import assert_close, outputs, pixels, scattered, tiny, without
from keras import layers, ops
from keras_seg import export
from keras_seg.pruning.groups import find
from keras_seg.pruning.prune import chosen, rebuilt

folder, answers = sys.argv[1], {}


def own(name, width=8):
    '''Layers and functions that have code of their own on each backend.'''
    keras.utils.set_random_seed(0)
    image = keras.Input((40, 40, 3))
    x = layers.SeparableConv2D(width, 3, strides=2, padding="same")(image)
    x = layers.BatchNormalization()(ops.relu(x))
    x = layers.Conv2D(2 * width, 3, groups=2, padding="same")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(width, 2, strides=2)(x)
    a, b = ops.split(layers.BatchNormalization()(x), 2, axis=-1)
    x = ops.concatenate([layers.Conv2D(width, 1)(a), b], axis=-1)
    x = x * ops.sigmoid(ops.mean(x, axis=(1, 2), keepdims=True)) * 0.5
    return keras.Model(image, layers.Conv2D(5, 1, name="last")(x))


for name, build in (("own", own), ("contextnet_cn14", tiny)):
    model = build(name)
    path = f"{folder}/{name}.weights.h5"
    if keras.backend.backend() == "tensorflow":
        scattered(model).save_weights(path)
    else:
        model.load_weights(path)
    image = pixels("contextnet_cn14")
    expected = outputs(model, image)
    assert_close(outputs(keras_seg.prune(model, 0), image), expected, atol=0)
    found = find(model)
    # Torch cannot train a 3x3 convolution with one filter on a processor, whoever made it.
    stays = chosen(found, [max(2, len(group.units) // 2) for group in found.groups])
    pruned = rebuilt(model, found, stays)
    left = outputs(pruned, image)
    assert_close(left, without(model, found, stays, {"reads"}, image))
    assert_close(left, without(model, found, stays, {"makes", "follows"}, image))
    assert_close(outputs(export.fold(model), image), expected, atol=1e-4)
    answers[f"{name} folded"] = np.concatenate(
        [x.ravel() for x in export.fold(model).get_weights()]
    )
    for criterion in ("l1", "bn_scale", "geometric_median"):
        small = keras_seg.prune(model, 0.4, criterion=criterion, multiple=2)
        answers[f"{name} {criterion}"] = np.concatenate([x.ravel() for x in small.get_weights()])
    group = found.groups[0]
    narrow = keras_seg.prune(model, widths={group.name: group.makes[group.name]})
    answers[f"{name} widths"] = np.concatenate([x.ravel() for x in narrow.get_weights()])
    again = keras_seg.prune(model, to=pruned)
    for a, b in zip(again.get_weights(), pruned.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    pruned.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = pruned.get_weights()
    pruned.fit(image, np.ones((1, 40, 40)), verbose=0)
    assert any((a != b).any() for a, b in zip(before, pruned.get_weights(), strict=True))
    file = f"{folder}/{name}-{keras.backend.backend()}.keras"
    pruned.save(file)
    assert_close(outputs(keras.models.load_model(file), image), outputs(pruned, image), atol=0)
np.savez(f"{folder}/{keras.backend.backend()}.npz", **answers)
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    run_on("tensorflow", PRUNE, folder)
    return folder


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_pruned_and_folded_weights_are_those_of_tensorflow(backend, expected):
    run_on(backend, PRUNE, expected)
    with np.load(expected / "tensorflow.npz") as a, np.load(expected / f"{backend}.npz") as b:
        assert set(a) == set(b)
        for name in a:
            # Removed filters are the same ones: the weights that stay are copies.
            np.testing.assert_allclose(b[name], a[name], rtol=1e-6, atol=1e-7, err_msg=name)
