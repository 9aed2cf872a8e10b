"""Networks with weights of PyTorch."""

from pathlib import Path

from keras_seg import _check
from keras_seg.models.registry import builders
from keras_seg.models.weights.copy import fill
from keras_seg.models.weights.state_dicts import read_state_dict
from keras_seg.models.weights.torch_layouts import torch_donor
from keras_seg.models.weights.units import units_of


def port(name, weights, package=None, input_shape=None, **options):
    """Build a network with the weights of the same one in PyTorch.

    Reads the layouts of torchvision, timm and pytorchcv; docs/weights.md lists what was compared.
    Where a package's network differs from the paper's, such as in the place of a stride, in padding
    or in the input's range, the options are chosen to be the package's. timm's `tf_` networks
    cannot be distinguished by names: pass package="timm_tf" for them.

    Args:
        name: one of `names()`.
        weights: state dict, tensors or arrays by name; or the path of a .safetensors file, which
            is read without torch, or of a .pth file.
        package: "torchvision", "timm", "timm_tf" or "pytorchcv"; None to infer it from the names.
        input_shape: (height, width, channels); None for any size and three channels. For other
            numbers of channels the first kernel's slices are repeated in turn, scaled to the same
            sum.
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
    donor = torch_donor(name, weights, package, about)
    kernels = [unit for unit in donor.units if unit.kind == "kernel"]
    if not kernels:
        raise ValueError(
            f"`port` needs the weights of a whole network. Received: {about} without a convolution "
            "or a dense layer. Pass `model.state_dict()`."
        )
    shape = {} if input_shape is None else {"input_shape": input_shape}
    classes = kernels[-1].shape[-1]
    model = builders()[name](num_classes=classes, **shape, **{**donor.options, **options})
    fill(units_of(model), donor)
    return model
