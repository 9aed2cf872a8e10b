"""Layers that the converter leaves in floating point, composed of operations that have 8 bits."""

from keras import layers, ops

from keras_seg.models.cloning import called


def computable(model):
    """Rewrite a model's layer normalizations so that they are computed in 8 bits.

    Keras subtracts the mean as a sum with its negative, and LiteRT has no negation in 8 bits. The
    network computes the same function.

    Args:
        model: Functional or Sequential model of pictures (b, h, w, c) with one output.

    Returns:
        keras.Model; `model` itself if it has no such layer.

    >>> import keras
    >>> image = keras.Input((8, 8, 4))
    >>> model = keras.Model(image, layers.LayerNormalization(name="norm")(image))
    >>> [layer.name for layer in computable(model).layers if "norm" in layer.name]
    []
    """
    if not any(_is_rewritten(layer) for layer in model.layers):
        return model

    def call(layer, *args, **kwargs):
        return _normalized(layer, *args) if _is_rewritten(layer) else layer(*args, **kwargs)

    return called(model, call)


def _is_rewritten(layer):
    """Whether it normalizes the channels of each pixel, or the values of a vector."""
    found = isinstance(layer, layers.LayerNormalization)
    return found and list(layer.axis) == [-1] and not layer.rms_scaling


def _normalized(layer, x):
    x = x - ops.mean(x, axis=-1, keepdims=True)
    x = x * ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + layer.epsilon)
    if layer.scale:
        x = x * ops.convert_to_tensor(layer.gamma)
    return x + ops.convert_to_tensor(layer.beta) if layer.center else x
