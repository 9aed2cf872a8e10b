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
        if "variance" in kind or kind == "gamma":
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif "mean" in kind or kind in ("beta", "bias"):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return filled(model)


def pixels(name, height=40, width=40):
    """One picture, or volume of 32 slices, of a size that a network takes."""
    facts = models.facts(name)
    shape = ((32,) * (facts.dimensions[0] - 2)) + sides(name, height, width)
    return np.random.default_rng(0).integers(0, 256, (1, *shape, facts.channels)).astype("float32")
