"""ImageNet's weights from `keras.applications`, for networks that exist there."""

import os
import re
from pathlib import Path

import keras

from keras_seg.models.registry import facts
from keras_seg.models.weights.copy import Donor
from keras_seg.models.weights.units import units_of

# Trained on the channel order blue, green, red; ours is red, green, blue.
_BLUE_FIRST = ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152")


def imagenet_donor(name, options, top=True, source=None):
    """The weights that `keras.applications` has for a network.

    Args:
        name: one of `keras_seg.models.names("classification")`.
        options: the options that the network is built with; `width` chooses among the weights of
            the MobileNets.
        top: whether the classifier's own layers are needed; files without them are smaller.
        source: model of `keras.applications` to copy from; None to let it download the weights.

    Returns:
        `Donor`.

    Raises:
        ValueError: there are no such weights, or they cannot be downloaded.

    >>> source = keras.applications.VGG16(weights=None, include_top=False)
    >>> imagenet_donor("vgg16", {}, source=source).units[0].name
    'block1_conv1'
    """
    known = facts(name)
    if known.imagenet is None:
        raise ValueError(
            f"`{name}` has no ImageNet weights in `keras.applications`. Received: "
            "weights='imagenet'. Leave them out, pass encoder_weights='imagenet' to a segmentation "
            "network with an encoder, or pass the path of a file: .keras, or .safetensors or .pth "
            "from PyTorch."
        )
    source = source or _downloaded(name, options.get("width", 1.0), top)
    return Donor(
        f"keras.applications.{known.imagenet}",
        units_of(source),
        dict(known.imagenet_options),
        blue_first=known.imagenet in _BLUE_FIRST,
    )


def _downloaded(name, width, top):
    """The model of `keras.applications` with its weights."""
    theirs = facts(name).imagenet
    arguments = {"alpha": width} if width != 1.0 and theirs.startswith("MobileNet") else {}
    try:
        return getattr(keras.applications, theirs)(weights="imagenet", include_top=top, **arguments)
    except Exception as error:  # keras.utils.get_file raises nothing narrower.
        address = re.search(r"https?://\S+/(\S+?\.h5)", str(error))
        if address is None:
            raise
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        raise ValueError(
            f"ImageNet's weights of `{name}` cannot be downloaded. Received: {error}. Put the file "
            f"{address[0]} to '{home / 'models' / address[1]}'."
        ) from error
