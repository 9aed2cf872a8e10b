"""The architectures. To add one, add a file to this folder."""

import importlib
import inspect
import pkgutil

from keras_seg import _check
from keras_seg.models.registry import TASKS, Count, Facts, builders, facts
from keras_seg.models.weights import (
    donor_of,
    fill,
    known_settings,
    own_network,
    port,
    take_by_name,
    units_of,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
globals().update(builders())

__all__ = ["Count", "Facts", "build", "facts", "has_option", "names", "options", "port"]
__all__ += [*builders()]


def names(task=None):
    """The names of all networks.

    Args:
        task: "segmentation" or "classification" for the names of one task; None for all.

    Returns:
        Sorted list of str.

    Raises:
        ValueError: there is no such task.

    >>> "contextnet_cn14" in names("segmentation")
    True
    """
    if task is None:
        return sorted(builders())
    _check.one_of("task", "task", task, TASKS)
    return sorted(name for name in builders() if facts(name).task == task)


def build(name, input_shape=None, num_classes=None, weights=None, **options):
    """Build a network by its name.

    Args:
        name: one of `names()`.
        input_shape: (height, width, channels), or (depth, height, width, channels) for networks
            of volumes; sizes may be None (any size). None is any size and the network's own
            channels, 3 for most: (None, None, 3), or (None, None, None, 3) for volumes.
        num_classes: number of classes, not counting the ignored one. None is the network's
            default: 19 for segmentation, the paper's number for classifiers, such as 1000 or 10.
        weights: None for random ones; "imagenet" for those of `keras.applications`, for
            classifiers that it has; or the path of a .keras file, of a run's folder, or of a
            PyTorch file (.safetensors, .pth). Options in which the network of the weights
            differs from ours are set to its values. With other classes the last layer stays random;
            with another number of channels than three the first kernel's slices are repeated in
            order. Segmentation networks copy from a .keras file the layers with the same name and
            shape, from a classifier's file the encoder; the log names the layers that stay random.
            Their ImageNet weights are those of the
            encoder: pass encoder_weights="imagenet".
        **options: the builder's own keyword arguments, see `help(keras_seg.models.<name>)`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) in, float32 logits
        (b, h, w, num_classes) out, (b, num_classes) of classifiers. Normalization is part of the
        model.

    Raises:
        ValueError: the name or an argument is unknown or out of range, or the weights do
            not exist, cannot be downloaded, or do not fit.

    >>> build("contextnet_cn14", (64, 96, 3), num_classes=11).output_shape
    (None, 64, 96, 11)
    """
    _check.one_of("architecture", "name", name, builders())
    given = {"input_shape": input_shape, "num_classes": num_classes}
    given = {key: value for key, value in given.items() if value is not None}
    if weights is None:
        return builders()[name](**given, **options)
    if facts(name).task == "segmentation" and (own := own_network(weights)) is not None:
        model = builders()[name](**given, **_with_settings(name, options, own[0]))
        take_by_name(model, own[0], f"'{own[1]}'")
        return model
    donor = donor_of(name, weights, options)
    model = builders()[name](**given, **donor.options_with(options))
    fill(units_of(model), donor)
    return model


def _with_settings(name, options, network):
    """Options of a segmentation network, with the encoder settings of another network."""
    parameters = inspect.signature(builders()[name]).parameters
    if "encoder" not in parameters:
        return options
    encoder = options.get("encoder", parameters["encoder"].default)
    if encoder not in builders():  # None, or unknown: the builder raises an error.
        return options
    own = {**known_settings(encoder, network), **(options.get("encoder_options") or {})}
    return {**options, "encoder_options": own}


def has_option(name, option):
    """Whether a builder has a certain keyword argument.

    Args:
        name: one of `names()`.
        option: the argument's name.

    Returns:
        bool.

    >>> has_option("contextnet_cn14", "auxiliary_head")
    True
    """
    return option in options(name)


def options(name):
    """The keyword arguments of a builder and their defaults.

    Args:
        name: one of `names()`.

    Returns:
        dict of name to default, without `input_shape` and `num_classes`.

    Raises:
        ValueError: there is no network of that name.

    >>> options("contextnet_cn14")["width"]
    1.0
    """
    _check.one_of("architecture", "name", name, builders())
    _, _, *parameters = inspect.signature(builders()[name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}
