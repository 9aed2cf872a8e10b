"""Our networks with the weights of the second implementations in tests/reference."""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg import models

FOLDER = Path(__file__).parent / "reference"
sys.path.insert(0, str(FOLDER))
from weights import case_names, read  # noqa: E402


def contextnet(shape, settings):
    """The network of a case's settings."""
    return models.contextnet_cn14(
        shape,
        settings["num_classes"],
        factor=settings["factors"][0],
        half_resolution=len(settings["factors"]) == 3,
        width=settings["width"],
        last_kernel_size=settings.get("last_kernel", 1),
        separable_fusion=settings.get("separable_fusion", False),
    )


def fc_densenet(shape, settings):
    """The network of a case's settings."""
    return models.fc_densenet103(
        shape,
        settings["num_classes"],
        layers_per_block=tuple(settings["layers"]),
        growth_rate=settings["growth_rate"],
        compression=settings.get("compression", 1.0),
    )


def classifier(shape, settings):
    """The network of a case's settings."""
    name, num_classes = settings["network"], settings["num_classes"]
    return models.build(name, shape, num_classes, **settings["options"])


# Patterns of the reference's names and what stands for them in ours.
CONTEXTNET = (
    (r"^context/stage(\d)/block(\d)/depthwise$", r"context\1_\2_depthwise"),
    (r"^context/stage(\d)/block(\d)/(\w+)$", r"context\1_\2_\3"),
    (r"^context/(\w+)$", r"context_\1"),
    (r"^detail_half/", "half/"),
    (r"^fusion_half/", "half_fusion/"),
    (r"^(\w*fusion)/depthwise$", r"\1_context_depthwise"),
    (r"^(detail|half)/(\d)/(\w+)$", r"\1\2_\3"),
    (r"^(detail|half)/(\d)$", r"\1\2"),
    (r"^classifier$", "logits"),
    (r"/", "_"),
)
FC_DENSENET = (
    (r"^classifier$", "logits"),
    (r"/layer", "_"),
    (r"^(up\d)/transition$", r"\1_transition_transposed"),
    (r"/", "_"),
)
NETWORKS = {
    "contextnet": (contextnet, CONTEXTNET),
    "fc_densenet": (fc_densenet, FC_DENSENET),
    "classifiers": (classifier, None),  # The names there are those of our variables.
}


def variable_of(model, name, patterns):
    """Our variable for the reference's name "place/kind"."""
    if patterns is None:
        return next(variable for variable in model.variables if variable.path == name)
    place, kind = name.rsplit("/", 1)
    for pattern, replacement in patterns:
        place = re.sub(pattern, replacement, place)
    if kind not in ("kernel", "bias"):
        return getattr(model.get_layer(f"{place}_bn"), kind)
    whole = place.endswith(("_depthwise", "_transposed"))
    return getattr(model.get_layer(place if whole else f"{place}_conv"), kind)


class BlocksFromTheFirstPixel(keras.layers.Layer):
    """The reference's way to make an image smaller; what is left is at the lower right.

    Ours leaves it on both sides, as TensorFlow places "same" windows. The paper does not say; for
    sizes that are multiples of the factor both are the same.
    """

    def __init__(self, factor, name):
        super().__init__(name=name)
        self.factor = factor

    def call(self, x):
        around = ((0, 0), *((0, -side % self.factor) for side in x.shape[1:3]), (0, 0))
        total, count = (
            ops.average_pool(ops.pad(y, around), self.factor) for y in (x, ops.ones_like(x))
        )
        return total / count


CASES = [(path.stem, case) for path in sorted(FOLDER.glob("*.npz")) for case in case_names(path)]


def computed(family, case):
    """Our logits and the reference's, for the image of a case or for its images."""
    build, patterns = NETWORKS[family]
    settings, image, logits, weights = read(FOLDER / f"{family}.npz", case)
    factors = settings.get("factors", [1])
    with pytest.MonkeyPatch.context() as patch:
        if any(side % factor for side in image.shape[-3:-1] for factor in factors):
            shrink = "keras_seg.models.contextnet.AveragePooling2D"
            patch.setattr(shrink, BlocksFromTheFirstPixel)
        model = build(image.shape[-3:], settings)
    waiting = {id(v) for layer in model.layers for v in layer.weights if "seed" not in v.path}
    for name, value in weights.items():
        variable = variable_of(model, name, patterns)
        variable.assign(value)
        waiting.remove(id(variable))  # Each exactly once,
    assert not waiting  # and none left out.
    images = image.reshape(-1, *image.shape[-3:]).astype("float32")
    return np.array(model(images)).reshape(logits.shape), logits
