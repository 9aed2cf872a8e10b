"""ImageNet's weights from `keras.applications`, for encoders and classifiers that have them there.

A family takes part by naming its layers as `keras.applications` does, and by the fact `imagenet`.
"""

import re

import keras
import numpy as np

from keras_seg.models.registry import facts

# Trained on blue, green, red; ours take red first.
_BLUE_FIRST = ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152")


def load_imagenet(model, name, prefix="", source=None):
    """Copy ImageNet's weights into the encoder `name` of a model.

    The classifier's last layers are copied where their shapes fit, 1000 classes that is. Models
    with other than three channels get the kernels of red, green and blue in turn, scaled to the
    same sum. Nothing is downloaded when a saved model is loaded.

    Args:
        model: `keras.Model` that contains the encoder's layers; changed in place.
        name: one of `keras_seg.models.encoders.names()`.
        prefix: what the names of the encoder's layers begin with, "encoder_" for `features`.
        source: model of `keras.applications` to copy from; None to let it download the weights.

    Returns:
        The model.

    Raises:
        ValueError: there are no such weights, they cannot be downloaded, or they do not fit.

    >>> from keras_seg import models
    >>> source = keras.applications.VGG16(weights=None, include_top=False)
    >>> model = models.vgg16((32, 32, 3), num_classes=5, dense_units=8)
    >>> load_imagenet(model, "vgg16", source=source).name
    'vgg16'
    """
    theirs = facts(name).imagenet
    if theirs is None:
        raise ValueError(
            f"`{name}` has no ImageNet weights in `keras.applications`. Received: name={name!r}. "
            "Train it, or load weights from a file with `model.load_weights`."
        )
    source = source or _downloaded(theirs, name)
    own = {x.name.removeprefix(prefix): x for x in model.layers if x.name.startswith(prefix)}
    given = [x for x in source.layers if x.weights and not isinstance(x, keras.layers.Dense)]
    if missing := [x.name for x in given if x.name not in own]:
        raise ValueError(
            f"Layers of ImageNet's `{name}` are not in the model. Received: prefix={prefix!r}, "
            f"missing {missing[:3]}. Pass the prefix that the encoder was built with."
        )
    biases = {}
    for number, layer in enumerate(given):
        values = [np.array(weight) for weight in layer.weights]
        target = own[layer.name]
        if number == 0:
            values[0] = _first_kernel(values[0], target.kernel.shape[2], theirs in _BLUE_FIRST)
        if isinstance(layer, keras.layers.Conv2D) and len(target.weights) < len(values):
            # A bias in front of normalization moves its mean, and nothing else.
            biases[layer.name.removesuffix("_conv")] = values.pop()
        if isinstance(layer, keras.layers.BatchNormalization):
            values[2] = values[2] - biases.pop(layer.name.removesuffix("_bn"), 0.0)
        _set(target, values, name)
    for layer in source.layers:
        target = own.get(layer.name)
        if target is not None and isinstance(layer, keras.layers.Dense):
            values = layer.get_weights()
            if [x.shape for x in values] == [tuple(x.shape) for x in target.weights]:
                target.set_weights(values)
    return model


def _set(target, values, name):
    """Set a layer's weights, or say which shape does not fit."""
    wanted = [tuple(weight.shape) for weight in target.weights]
    found = [value.shape for value in values]
    if wanted != found:
        raise ValueError(
            f"ImageNet's weights of `{name}` fit its default options only. Received: layer "
            f"'{target.name}' with weights of {wanted}, not {found}. Leave widths and depths as "
            "they are."
        )
    target.set_weights(values)


def _first_kernel(kernel, channels, blue_first):
    """The first kernel for red, green, blue, and for another number of channels."""
    kernel = kernel[:, :, ::-1] if blue_first else kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    if channels == 3:
        return kernel
    return kernel[:, :, np.arange(channels) % 3] * (3 / channels)


def _downloaded(theirs, name):
    """The model of `keras.applications` with its weights."""
    try:
        return getattr(keras.applications, theirs)(weights="imagenet")
    except Exception as error:  # keras.utils.get_file raises nothing narrower.
        address = re.search(r"https?://\S+?\.h5", str(error))
        file = address[0] if address else f"the weights of keras.applications.{theirs}"
        raise ValueError(
            f"ImageNet's weights of `{name}` cannot be downloaded. Received: {error}. Put {file} "
            "into the folder 'models' of Keras's home, '~/.keras/models' unless KERAS_HOME is set."
        ) from error
