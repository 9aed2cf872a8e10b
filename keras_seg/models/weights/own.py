"""Weights of our own networks, matched by the names of layers."""

import logging

import keras
import numpy as np

from keras_seg.models.pixel_ranges import range_of
from keras_seg.models.registry import ENCODER_PREFIX

log = logging.getLogger("keras_seg")


def take_by_name(network, given, about):
    """Copy the matching weights of another network.

    Between networks with the same shapes in the same order all weights are taken. Otherwise a
    weight is taken if layer name, weight name and shape are the same; a classifier of other classes
    and a first layer of other channels are not. The layers of an encoder are named `encoder_` and
    their name in the classifier; they match in both directions. Layers without a match keep their
    initial values and are named in the log.

    Args:
        network: `keras.Model`, changed in place.
        given: `keras.Model` to copy from.
        about: description for messages.

    Returns:
        names of the layers with a weight that was not copied.

    Raises:
        ValueError: no weight fits.

    >>> image = keras.Input((8, 8, 3))
    >>> one, other = (
    ...     keras.Model(image, keras.layers.Conv2D(2, 1, name="conv")(image)) for _ in range(2)
    ... )
    >>> take_by_name(one, other, "the other")
    []
    """
    new, old = network.weights, given.weights
    if [tuple(w.shape) for w in old] == [tuple(w.shape) for w in new]:
        pairs = list(zip(new, old, strict=True))
    else:
        found = {(_place(w), tuple(w.shape)): w for w in old}
        keys = [(_place(w), tuple(w.shape)) for w in new]
        pairs = [(w, found[key]) for w, key in zip(new, keys, strict=True) if key in found]
    if not pairs:
        raise ValueError(
            "Weights of another network are taken by the names of layers and by shape. Received: "
            f"{about}, none of which match '{network.name}'. Use a run of the same network."
        )
    for weight, value in pairs:
        weight.assign(value)
    taken = {id(weight) for weight, _ in pairs}
    left = dict.fromkeys(w.path.rpartition("/")[0] for w in new if id(w) not in taken)
    more = f" New weights in: {', '.join(left)}." if left else ""
    log.warning("Took %d of %d weights from %s.%s", len(pairs), len(new), about, more)
    _warn_of_settings(network, given, about)
    return list(left)


def settings_of(model):
    """Builder options of a network that cannot be inferred from its weights.

    Args:
        model: `keras.Model`; of a segmentation network with an encoder, those of the encoder.

    Returns:
        dict: padding, and input_range, bn_epsilon and stride_on where the network has such layers.

    >>> from keras_seg import models
    >>> model = models.resnet18((64, 64, 3), 5, width=0.125, input_range="torch")
    >>> settings_of(model)["input_range"]
    'torch'
    """
    prefix = prefix_of(model)
    found = {x.name.removeprefix(prefix): x for x in model.layers if x.name.startswith(prefix)}
    settings: dict = {"padding": "symmetric" if "conv1_conv_pad" in found else "same"}
    if (first := found.get("normalize")) is not None:
        settings["input_range"] = range_of(np.ravel(first.scale), np.ravel(first.offset))
    norms = [x for x in found.values() if isinstance(x, keras.layers.BatchNormalization)]
    if norms:
        settings["bn_epsilon"] = norms[0].epsilon
    if (strided := found.get("conv3_block1_1_conv")) is not None:
        settings["stride_on"] = "1x1" if strided.strides[0] > 1 else "3x3"
    return settings


def prefix_of(model):
    """The prefix of the names of an encoder's layers; empty for networks without an encoder.

    Args:
        model: `keras.Model`.

    Returns:
        str.

    >>> prefix_of(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
    ''
    """
    inside = any(x.name.startswith(ENCODER_PREFIX) and x.weights for x in model.layers)
    return ENCODER_PREFIX if inside else ""


def has_encoder_settings(model):
    """Whether `settings_of` a network are those of an encoder: its own, or a classifier's.

    Args:
        model: `keras.Model` of ours.

    Returns:
        bool.

    >>> has_encoder_settings(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
    True
    """
    return bool(prefix_of(model)) or len(model.outputs[0].shape) == 2


def _warn_of_settings(network, given, about):
    """Warn of settings with which the same weights give another result."""
    ours, theirs = settings_of(network), settings_of(given)
    known = {name: x for name, x in theirs.items() if name in ours and x is not None}
    differ = {name: x for name, x in known.items() if x != ours[name]}
    if differ and (has_encoder_settings(given) or not prefix_of(network)):
        option = "encoder_options=" if prefix_of(network) else "options "
        log.warning("%s has %s: build '%s' with %s%s.", about, differ, network.name, option, differ)


def _place(weight):
    """The name of a weight's layer and its own, the same in a classifier and as an encoder."""
    return weight.path.removeprefix(ENCODER_PREFIX)
