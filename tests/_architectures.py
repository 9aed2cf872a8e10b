"""Names of networks that the contract tests share, and networks without values."""

import contextlib
import inspect

import keras
import numpy as np
import pytest
from keras.src.backend.common import global_state

from keras_seg import models

# The families of which one network is tested by default; the others by `make test-long`.
BY_DEFAULT = ("contextnet", "fc_densenet", "resnet", "unet")

# Built of the blocks of another family, whose test covers them.
RELATIVES = {
    "all_cnn_imagenet": "all_cnn",
    "inception_v2": "inception_v3",
    "inception_v4": "inception_v3",
    "inception_resnet_v1": "inception_resnet_v2",
}


def structures():
    """One name for each structure: variants that `tiny` makes equal count once."""
    found = {}
    for name in models.names():
        facts = models.facts(name)
        parameters = inspect.signature(getattr(models, name)).parameters
        options = {x.name: x.default for x in parameters.values() if x.kind is x.KEYWORD_ONLY}
        key = (facts.family, facts.dimensions[0], str(sorted((options | facts.tiny).items())))
        found.setdefault(key, name)
    return sorted(found.values())


def sides(name, *pixels):
    """Heights and widths for a network that takes 32 pixels, larger for one that needs more."""
    more = max(0, models.facts(name).smallest - 32)
    return tuple(side + more for side in pixels)


def each(names):
    """Run a test for every name: the first one of each family is `long`, the others are `slow`."""
    families, params = {(family, 2) for family in RELATIVES}, []
    for name in names:
        facts = models.facts(name)
        family = (facts.family, facts.dimensions[0])
        first = pytest.mark.long if facts.family not in BY_DEFAULT else ()
        params.append(pytest.param(name, marks=pytest.mark.slow if family in families else first))
        families.add(family)
    return pytest.mark.parametrize("name", params)


def filled(model):
    """The model with drawn kernels where they start as zeros, which hide what is before them.

    Those are FCN's scores.
    """
    random = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 4 and not np.any(keras.ops.convert_to_numpy(weight)):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return model


@contextlib.contextmanager
def without_values():
    """Build networks whose variables have shapes but no values: a seventh of the time."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:  # Keras would give them values in the next scope.
        global_state.set_global_attribute("uninitialized_variables", [])
