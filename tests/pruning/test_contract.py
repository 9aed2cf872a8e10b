"""What pruning keeps of every network: all are found by scan, nothing is listed here."""

import functools

import keras
import numpy as np
import pytest
from _architectures import each, structures
from _pruning import pixels, scattered, tiny

import keras_seg
from keras_seg.pruning.groups import find
from keras_seg.pruning.prune import chosen, rebuilt


@functools.cache
def built(name):
    return scattered(tiny(name))


def outputs(model, image):
    found = keras.tree.flatten(model(image, training=False))
    return [np.array(keras.ops.convert_to_numpy(x), "float64") for x in found]


def assert_equal(model, other, image):
    for old, new in zip(outputs(model, image), outputs(other, image), strict=True):
        np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * max(1.0, np.abs(old).max()))


@functools.cache
def halved(name):
    """What is found of a network, which channels stay if every second one goes, and the rest."""
    found = find(built(name))
    stays = chosen(found, [max(1, len(group.units) // 2) for group in found.groups])
    return found, stays, rebuilt(built(name), found, stays)


def without(name, found, stays, roles):
    """A copy of the network with zeros for the channels that go, in some of its weights."""
    copy = keras.models.clone_model(built(name))
    copy.set_weights(built(name).get_weights())
    originals, copies = (
        [x for x in model._flatten_layers(include_self=False)] for model in (built(name), copy)
    )
    twins = dict(zip(map(id, originals), copies, strict=True))
    for layer, related in found.layers.values():
        for part in related.slices:
            if part.role in roles:
                weight = twins[id(layer)].weights[part.weight]
                values = np.array(keras.ops.convert_to_numpy(weight))
                places = np.flatnonzero(~stays[part.channels])
                np.moveaxis(values, part.axis, 0)[places] = 0
                weight.assign(values)
    return copy


@each(structures())
def test_a_ratio_of_0_changes_nothing(name):
    pruned = keras_seg.prune(built(name), 0)
    assert pruned is not built(name)
    for new, old in zip(pruned.get_weights(), built(name).get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    image = pixels(name)
    for new, old in zip(outputs(pruned, image), outputs(built(name), image), strict=True):
        np.testing.assert_array_equal(new, old)


@each(structures())
def test_masked_channels_are_the_same_as_removed_ones(name):
    found, stays, pruned = halved(name)
    masked = without(name, found, stays, {"reads"})  # No layer reads the channels that go.
    assert_equal(masked, pruned, pixels(name))


@each(structures())
def test_removing_filters_of_zeros_changes_nothing(name):
    found, stays, pruned = halved(name)
    zeroed = without(name, found, stays, {"makes", "follows"})
    assert_equal(zeroed, pruned, pixels(name))


@pytest.mark.long
@each(structures())
def test_the_pruned_network_is_smaller_and_an_ordinary_one(name, tmp_path):
    before = [np.array(x) for x in built(name).get_weights()]
    pruned = keras_seg.prune(built(name), 0.5)
    assert pruned.count_params() < 0.8 * built(name).count_params()
    assert [x.name for x in pruned.layers] == [x.name for x in built(name).layers]
    pruned.save(tmp_path / "pruned.keras")
    assert_equal(pruned, keras.models.load_model(tmp_path / "pruned.keras"), pixels(name))
    for new, old in zip(built(name).get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)
