"""Normalization of pixels in 8-bit networks without loss of pixel levels."""

import keras
import numpy as np
from keras import layers

from keras_seg.models.cloning import called


def convolved(model):
    """Rewrite the normalization of a model's pixels as a depthwise convolution of 1x1.

    The converter makes a multiplication and an addition of it, and gives both one range: for
    pixels scaled to -1..1, the product has the range -1..2 in 8 bits, in which 170 of the 256 pixel
    levels are left. A convolution multiplies and adds in 32 bits. It computes the same function.

    Args:
        model: Functional or Sequential model of pictures (b, h, w, c) with one output.

    Returns:
        keras.Model; `model` itself if its first layer is no `Rescaling` with an offset.

    >>> image = keras.Input((8, 8, 3))
    >>> x = layers.Rescaling(1 / 127.5, offset=-1, name="normalize")(image)
    >>> [layer.name for layer in convolved(keras.Model(image, x)).layers][1]
    'normalize'
    >>> type(convolved(keras.Model(image, x)).layers[1]).__name__
    'DepthwiseConv2D'
    """
    if not any(_shifts(layer) for layer in model.layers):
        return model
    image = keras.Input(batch_shape=model.inputs[0].shape, dtype="float32", name="image")

    def call(layer, *args, **kwargs):
        if _shifts(layer) and args[0] is image:
            return _convolution(layer, image)
        return layer(*args, **kwargs)

    return called(model, call, image)


def _shifts(layer):
    return isinstance(layer, layers.Rescaling) and np.any(np.asarray(layer.offset) != 0)


def _convolution(layer, image):
    channels = image.shape[-1]
    scale, offset = (
        np.broadcast_to(np.asarray(values, "float32"), channels)
        for values in (layer.scale, layer.offset)
    )
    convolution = layers.DepthwiseConv2D(1, name=layer.name)
    found = convolution(image)
    convolution.set_weights([scale.reshape(1, 1, channels, 1), offset])
    return found
