"""Networks with weights of PyTorch."""

import inspect
from pathlib import Path

from keras_seg import _check
from keras_seg.models.registry import builders
from keras_seg.models.weights.copy import fill
from keras_seg.models.weights.state_dicts import read_state_dict
from keras_seg.models.weights.torch_layouts import torch_donor
from keras_seg.models.weights.units import units_of


def port(name, weights, package=None, input_shape=None, **options):
    """Build a network with the weights of the same one in PyTorch.

    Reads the layouts of torchvision, timm, pytorchcv and segmentation_models_pytorch, and those of
    the code of some papers' authors; docs/weights.md lists what was compared.
    Where a package's network differs from the paper's, such as in the place of a stride, in padding
    or in the input's range, the options are chosen to be the package's. timm's `tf_` networks
    cannot be distinguished by names: pass package="timm_tf" for them.

    Args:
        name: one of `names()`.
        weights: state dict, tensors or arrays by name; or the path of a .safetensors file, which
            is read without torch, or of a .pth file.
        package: "torchvision", "timm", "timm_tf", "pytorchcv" or "segmentation_models_pytorch";
            None to infer it from the names, as is required for the code of authors.
        input_shape: (height, width, channels); None for any size and the weights' channels. For
            another number of channels, the slices of a first kernel of three are repeated in turn,
            scaled to the same sum.
        **options: the builder's options, in place of those that are chosen.

    Returns:
        `keras.Model`: pixels 0..255 to float32 logits of as many classes as the weights have.

    Raises:
        ValueError: the weights are of another network, or the file is damaged.
        ImportError: a .pth file needs torch, which is not installed.

    >>> import numpy as np
    >>> port("resnet18", {"fc.weight": np.zeros((10, 512)), "fc.bias": np.zeros(10)})
    Traceback (most recent call last):
    ValueError: ...
    """
    _check.one_of("architecture", "name", name, builders())
    about = "the state dict"
    if isinstance(weights, str | Path):
        weights, about = read_state_dict(weights), f"'{weights}'"
    donor = torch_donor(name, weights, package, about, options.get("encoder"))
    classes = _classes(donor)
    if classes is None:
        raise ValueError(
            f"`port` needs the weights of a whole network. Received: {about} without a convolution "
            "or a dense layer. Pass `model.state_dict()`."
        )
    shape = input_shape or _input_shape(name, donor)
    model = builders()[name](shape, classes, **donor.options_with(options))
    fill(units_of(model), donor)
    return model


def _input_shape(name, donor):
    """The builder's own sizes, with as many channels as the first kernel takes."""
    default = inspect.signature(builders()[name]).parameters["input_shape"].default
    first = next(unit for unit in donor.units if unit.kind == "kernel")
    return (*default[:-1], first.shape[2])


def _classes(donor):
    """The number of classes that the last layer's weights have; None without a layer."""
    kernels = [unit for unit in donor.units if unit.kind == "kernel"]
    if donor.layout is not None:
        heads = ("logits", "score32", "aspp1")
        names = {unit.name: donor.layout.name_of(unit.name) for unit in kernels}
        kernels = [unit for unit in kernels if names[unit.name].startswith(heads)] or kernels
    if not kernels:
        return None
    last = kernels[-1]
    return last.parts["bias"].size if "bias" in last.parts else last.shape[-1]
