"""Small networks with weights as of a training, for the tests of folding and pruning."""

import keras
import numpy as np
from _architectures import filled, sides

from keras_seg import models


def tiny(name, num_classes=5, **options):
    """A small network of a family, for pictures of any size where it takes any."""
    facts = models.facts(name)
    keras.utils.set_random_seed(0)
    shape = None
    if facts.task == "classification":
        shape = (*sides(name, 40, 40), facts.channels)
    return models.build(name, shape, num_classes, **{**facts.tiny, **options})


def scattered(model):
    """The model with statistics and biases that are not those of a new layer."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        kind = weight.name
        if "int" in weight.dtype:
            continue  # Seeds.
        if "variance" in kind or kind == "gamma":
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif "mean" in kind or kind in ("beta", "bias"):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return filled(model)


def outputs(model, inputs):
    """All outputs as a list of float64 arrays."""
    found = keras.tree.flatten(model(inputs, training=False))
    return [np.array(keras.ops.convert_to_numpy(x), "float64") for x in found]


def assert_close(found, expected, atol=1e-5):
    for new, old in zip(found, expected, strict=True):
        np.testing.assert_allclose(new, old, rtol=0, atol=atol * max(1.0, np.abs(old).max()))


def without(model, found, stays, roles, inputs):
    """The outputs of a model with zeros for the channels that go, in some of its weights."""
    before = model.get_weights()
    for layer, related in found.layers.values():
        for part in related.slices:
            if part.role in roles:
                weight = layer.weights[part.weight]
                values = np.array(keras.ops.convert_to_numpy(weight))
                np.moveaxis(values, part.axis, 0)[~stays[part.channels]] = 0
                weight.assign(values)
    made = outputs(model, inputs)
    model.set_weights(before)
    return made


def pixels(name, height=40, width=40):
    """One picture, or volume of 32 slices, of a size that a network takes."""
    facts = models.facts(name)
    shape = ((32,) * (facts.dimensions[0] - 2)) + sides(name, height, width)
    return np.random.default_rng(0).integers(0, 256, (1, *shape, facts.channels)).astype("float32")
