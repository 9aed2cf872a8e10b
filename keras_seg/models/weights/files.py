"""Which weights `weights=` means: ImageNet's, or those of a file."""

import inspect
from pathlib import Path

import keras
import numpy as np

from keras_seg.models.pixel_ranges import range_of
from keras_seg.models.registry import ENCODER_PREFIX, builders
from keras_seg.models.weights.copy import Donor
from keras_seg.models.weights.imagenet import imagenet_donor
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
    return torch_donor(name, read_state_dict(path), about=f"'{path}'")


def _keras_donor(name, path):
    """The encoder of a segmentation network, or a whole classifier."""
    model = read_network(path)
    prefix = ENCODER_PREFIX if units_of(model, ENCODER_PREFIX) else ""
    known = inspect.signature(builders()[name]).parameters
    options = {
        key: value
        for key, value in _options(model, prefix).items()
        # AlexNet's `padding` is a number of pixels.
        if key in known and isinstance(value, type(known[key].default))
    }
    return Donor(f"'{path}'", units_of(model, prefix), options)


def _options(model, prefix):
    """The options with which a network of ours was built that its weights do not tell."""
    found = {x.name.removeprefix(prefix): x for x in model.layers if x.name.startswith(prefix)}
    options: dict = {"padding": "symmetric" if "conv1_conv_pad" in found else "same"}
    if (first := found.get("normalize")) is not None:
        options["input_range"] = range_of(np.ravel(first.scale), np.ravel(first.offset))
    norms = [x for x in found.values() if isinstance(x, keras.layers.BatchNormalization)]
    if norms:
        options["bn_epsilon"] = norms[0].epsilon
    if (strided := found.get("conv3_block1_1_conv")) is not None:
        options["stride_on"] = "1x1" if strided.strides[0] > 1 else "3x3"
    return options
