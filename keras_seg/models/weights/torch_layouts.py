"""State dicts of torchvision, timm and pytorchcv as units, and the options they require."""

import inspect
import re

from keras_seg import _check
from keras_seg.models.registry import builders
from keras_seg.models.weights.copy import Donor
from keras_seg.models.weights.state_dicts import arrays
from keras_seg.models.weights.torch_names import layout_of
from keras_seg.models.weights.torch_order import in_order_of_definition
from keras_seg.models.weights.torch_tables import LAYOUTS, OTHERS
from keras_seg.models.weights.units import Unit

PACKAGES = ("torchvision", "timm", "timm_tf", "pytorchcv", "segmentation_models_pytorch")

# What wraps a network: data parallelism, torch.compile, trainers such as Lightning's and HRNet's,
# and the scales of DeepLab-v2's port.
_WRAPPERS = re.compile(r"^((module|_orig_mod|model|net|network|base)\.)+")

# Layers are taken in the order of their definition. Those computed at another place are:
# shortcuts, which come before the block's other branches in our networks,
_BEFORE = re.compile(r"^(.*?)\.(downsample|identity_conv|shortcut)\b")
# normalizations of RepVGG's identity, which come after them,
_BEHIND = re.compile(r"^(.*)\.(identity|rbr_identity)$")
# Xception's shortcuts, which come after the block's other branch, as in Keras,
_SKIPS = re.compile(r"^(.*?)\.(skip|skipbn|identity_conv)\b")
# and heads and losses for training, which our networks do not have.
_AUXILIARY = re.compile(r"(^|\.)(aux\w*|AuxLogits)(\.|$)|^(loss|criterion)\.")

# Encoders of segmentation_models_pytorch whose maps are those of ours, its own and timm's.
_SAME = ("resnet", "resnext", "mobilenet_v2")
_SAME_OF_TIMM = ("resnet", "resnext", "mobilenet", "efficientnet", "repvgg")


def torch_donor(name, state_dict, package=None, about="the state dict", encoder=None):
    """Weights of PyTorch, and the options with which our network is the same function.

    Args:
        name: one of `keras_seg.models.names()`.
        state_dict: dict of arrays or tensors by name.
        package: one of `PACKAGES`; None to infer it from the names.
        about: description for messages.
        encoder: the network's encoder, if it is not its default.

    Returns:
        `Donor`.

    Raises:
        ValueError: it holds something else, or the package is not known.

    >>> import numpy as np
    >>> weights = {"fc.weight": np.zeros((2, 4)), "fc.bias": np.zeros(2)}
    >>> torch_donor("resnet18", weights).options
    {'input_range': 'torch', 'stride_on': '3x3', 'bn_epsilon': 1e-05}
    """
    if package is not None:
        _check.one_of("package", "package", package, PACKAGES)
    if not isinstance(state_dict, dict) or not all(
        hasattr(x, "shape") for x in state_dict.values()
    ):
        kind = type(state_dict).__name__
        if isinstance(state_dict, dict):
            key, value = next((k, x) for k, x in state_dict.items() if not hasattr(x, "shape"))
            kind += f" in which {key!r} is a {type(value).__name__}"
        raise ValueError(
            f"`{name}` takes PyTorch's weights as a dict of tensors or arrays by name. Received: "
            f"{about}, a {kind}. Pass `model.state_dict()`."
        )
    state = {_WRAPPERS.sub("", key): value for key, value in arrays(state_dict).items()}
    _require_same_network(name, state, encoder, about)
    units = units_of_state(state)
    if package is None and (layout := layout_of(name, units, LAYOUTS)):
        options, units = dict(layout.options), sorted(units, key=layout.place_of)
        return Donor(about, units, options, layout.blue_first, channels_first=True, layout=layout)
    units = _in_order(units_of_state(in_order_of_definition(state, about)), name)
    if package in (None, "segmentation_models_pytorch"):
        package = _package(state)  # that of the encoder
    options = _options(name, package, units, encoder)
    return Donor(about, units, options, channels_first=True)


def _require_same_network(name, state, encoder, about):
    """Raise for networks that share a name, or the shapes of all weights, with ours."""
    for ours, beginning, theirs, instead in OTHERS:
        if name == ours and any(key.startswith(beginning) for key in state):
            raise ValueError(f"`{name}` is not {theirs}. Received: {about}. {instead}")
    same = _SAME_OF_TIMM if _of_timm(state) else _SAME
    if name == "unet" and encoder is not None and not encoder.startswith(same):
        raise ValueError(
            "`unet` takes the state dicts of segmentation_models_pytorch with ResNet, ResNeXt and "
            'MobileNetV2 as encoder, and with timm\'s ("tu-...") that are one of these, another '
            "MobileNet, EfficientNet or RepVGG; its others differ from ours. Received: "
            f"encoder={encoder!r}, {about}. Choose one of these, or train the network."
        )


def _of_timm(state):
    """Whether a network of segmentation_models_pytorch has one of timm's as encoder."""
    return any(key.startswith("encoder.model.") for key in state)


def _package(state):
    """Infer the package from the names."""
    if _of_timm(state):
        return "timm"
    keys = [f".{key}" for key in state]  # The network may be a part of another one.
    if any(".features.init_block." in key for key in keys):
        return "pytorchcv"
    return "timm" if any(key.endswith(".conv_stem.weight") for key in keys) else "torchvision"


def units_of_state(state):
    """The units of a state dict in its own order.

    Args:
        state: dict of arrays by name. Heads for training are left out.

    Returns:
        list of `Unit`.

    >>> import numpy as np
    >>> units_of_state({"fc.weight": np.zeros((2, 4))})[0].shape
    (1, 1, 4, 2)
    """
    groups = {}
    for key, value in state.items():
        place, _, part = key.rpartition(".")
        if part != "num_batches_tracked" and not _AUXILIARY.search(key):
            groups.setdefault(place, {})[part] = value
    found = []
    for place, parts in groups.items():
        weight, bias = parts.get("weight"), parts.get("bias")
        others = set(parts) - {"weight", "bias", "running_mean", "running_var"}
        found += [_vector(f"{place}.{x}", "factors", gamma=parts[x]) for x in sorted(others)]
        if "running_mean" in parts or "running_var" in parts:
            values = {"mean": parts.get("running_mean"), "variance": parts.get("running_var")}
            found.append(_vector(place, "batch_norm", gamma=weight, beta=bias, **values))
        elif weight is not None and weight.ndim == 1:
            kind = {"slopes": weight} if bias is None else {"gamma": weight, "beta": bias}
            found.append(_vector(place, "slopes" if bias is None else "layer_norm", **kind))
        elif weight is not None:
            kernel = weight.reshape(weight.shape + (1,) * (4 - weight.ndim))
            kernel = kernel.transpose(*range(2, kernel.ndim), 1, 0)
            values = {"kernel": kernel, "bias": bias}
            values = {key: value for key, value in values.items() if value is not None}
            found.append(Unit(place, "kernel", kernel.shape, values))
    return found


def _vector(name, kind, **parts):
    parts = {key: value for key, value in parts.items() if value is not None}
    return Unit(name, kind, (next(iter(parts.values())).size,), parts)


def _in_order(units, name):
    """The units in the order in which ours compute."""
    patterns = ((_BEFORE, False), (_BEHIND, True))
    for pattern, behind in ((_SKIPS, True),) if name == "xception" else patterns:
        for unit in units[:: -1 if behind else 1]:
            match = pattern.match(unit.name)
            if not match:
                continue
            units.remove(unit)
            block = [i for i, x in enumerate(units) if x.name.startswith(f"{match[1]}.")]
            others = [i for i in block if not pattern.match(units[i].name)]
            place = (others[-1] + 1 if behind else others[0]) if others else len(units)
            units.insert(place, unit)
    return units


def _options(name, package, units, encoder=None):
    """The options of `name` with which it is the package's network."""
    network, name = name, encoder or name
    normalized = any(unit.kind == "batch_norm" for unit in units)
    tensorflow = package == "timm_tf"
    small = name.startswith(("mobilenet", "efficientnet", "xception"))
    epsilon = 1e-3 if tensorflow or _large_epsilon(name, package) else 1e-5
    caffe = package == "pytorchcv" and name.startswith(("resnet", "se_resnet"))
    # torchvision and timm have these networks' weights from TensorFlow.
    ported = package != "pytorchcv" and name.startswith(("googlenet", "inception", "xception"))
    wanted = {
        "input_range": "symmetric" if ported else "torch",
        "stride_on": "1x1" if caffe else "3x3",
        "normalization": normalized,
        "merged": not normalized,
        "bn_epsilon": epsilon,
        "count_padding": True,
        # torchvision's MobileNetV2 as the encoder of segmentation_models_pytorch; timm's lacks it.
        "last_convolution": any(unit.name == "encoder.features.18.0" for unit in units),
        **({"wide_kernel": 3, "last_pool": 2} if package == "torchvision" else {}),
        **({"padding": "same" if tensorflow else "symmetric"} if small else {}),
    }
    return _taken(network, wanted, encoder)


def _taken(name, wanted, encoder):
    """Those of the wanted options that a network takes; those of its encoder as one option."""
    known = inspect.signature(builders()[name]).parameters
    encoder = encoder or (known["encoder"].default if "encoder" in known else None)
    inside = inspect.signature(builders()[encoder]).parameters if encoder in builders() else {}
    # A network's own padding has the name of its encoder's.
    found = {key: x for key, x in wanted.items() if key in known and key not in inside}
    if inside:
        found["encoder_options"] = {key: x for key, x in wanted.items() if key in inside}
    return found


def _large_epsilon(name, package):
    """Whether a package's network adds 0.001 to variances, as TensorFlow does."""
    if package == "torchvision" and name.endswith(("_b5", "_b6", "_b7", "googlenet")):
        return True
    if name.startswith(("inception_v3", "inception_v4", "inception_resnet")):
        return True
    return package == "torchvision" and name.startswith("mobilenet_v3")
