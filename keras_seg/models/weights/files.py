"""Find the weights given as `weights=`: ImageNet's, or those of a file."""

import inspect
from pathlib import Path

from keras_seg.models.registry import builders
from keras_seg.models.weights.copy import Donor
from keras_seg.models.weights.imagenet import imagenet_donor
from keras_seg.models.weights.own import has_encoder_settings, prefix_of, settings_of
from keras_seg.models.weights.state_dicts import read_state_dict
from keras_seg.models.weights.torch_layouts import torch_donor
from keras_seg.models.weights.units import units_of
from keras_seg.run_files import read_network


def donor_of(name, weights, options, top=True):
    """The weights for a network.

    Args:
        name: one of `keras_seg.models.names()`.
        weights: "imagenet"; or the path of a .keras file, of a run's folder, or of PyTorch's
            .safetensors, .pth or .pt.
        options: the options that the network is built with.
        top: whether the classifier's own layers are needed.

    Returns:
        `Donor`.

    Raises:
        ValueError: there are no such weights.
        ImportError: the file needs torch, which is not installed.

    >>> donor_of("resnet18", "resnet18.txt", {})
    Traceback (most recent call last):
    ValueError: ...
    """
    if isinstance(weights, str) and weights == "imagenet":
        return imagenet_donor(name, options, top)
    path = Path(weights)
    if path.is_dir():
        path = path / "model.keras"
    if path.suffix not in (".keras", ".safetensors", ".pth", ".pt") or not path.is_file():
        raise ValueError(
            "Weights are 'imagenet', a file that exists of type .keras, .safetensors, .pth or .pt, "
            f"or a run's folder. Received: weights={str(weights)!r}. Check the path."
        )
    if path.suffix == ".keras":
        return _keras_donor(name, path)
    state, about = read_state_dict(path), f"'{path}'"
    return torch_donor(name, state, about=about, encoder=options.get("encoder"))


def own_network(weights):
    """The network in a .keras file.

    Args:
        weights: the argument of `build`: the path of a .keras file or of a run's folder, or others.

    Returns:
        (`keras.Model`, path of its file); None for weights of another kind.

    >>> own_network("imagenet") is None
    True
    """
    path = Path(weights)
    path = path / "model.keras" if path.is_dir() else path
    return (read_network(path), path) if path.suffix == ".keras" and path.is_file() else None


def known_settings(name, model):
    """The settings of a network's encoder, or of a classifier, that are options of a builder.

    Args:
        name: name of the builder of the classifier.
        model: `keras.Model` of ours.

    Returns:
        dict of options; empty for a segmentation network without an encoder.
    """
    if not has_encoder_settings(model):
        return {}
    known = inspect.signature(builders()[name]).parameters
    return {
        key: value
        for key, value in settings_of(model).items()
        # AlexNet's `padding` is a number of pixels.
        if key in known and isinstance(value, type(known[key].default))
    }


def _keras_donor(name, path):
    """The encoder of a segmentation network, or a whole classifier."""
    model = read_network(path)
    return Donor(f"'{path}'", units_of(model, prefix_of(model)), known_settings(name, model))
