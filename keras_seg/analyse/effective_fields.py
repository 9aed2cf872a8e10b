"""Effective receptive fields: the gradient of a value to the pixels."""

from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from keras_seg import _check
from keras_seg.analyse.receptive_fields import AXES, receptive_field


class EffectiveField(NamedTuple):
    """The effective receptive field of an output.

    Attributes:
        influence: mean of the absolute gradient of the center of the layer's output to each pixel,
            float (h, w), with a largest value of 1.
        side: square root of the number of pixels whose influence is above 4.55 % of the largest,
            in pixels: the side of a square as large (cube root for volumes).
        support: extent of the pixels with any influence, per axis, in pixels.
    """

    influence: np.ndarray
    side: float
    support: tuple


def effective_receptive_field(model, size=256, layer=None, images=None, num_images=4):
    """Measure by gradients how much the center of the output depends on each pixel.

    W. Luo, Y. Li, R. Urtasun, R. Zemel: Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks, NeurIPS 2016, arXiv 1701.04128. It depends on the weights, and is
    far smaller than the theoretical field before training.

    Args:
        model: functional model.
        size: side of the pictures in pixels, where `images` are not given.
        layer: name of the layer, or of the operation of `keras.ops`, whose output is measured; the
            model's own output if None.
        images: pixels 0..255 (b, h, w, c) to take the gradient at; noise if None.
        num_images: number of noise pictures.

    Returns:
        `EffectiveField`.

    Raises:
        ValueError: `size` or `num_images` is out of range, `images` is not a batch of pictures,
            or there is no such layer.

    >>> x = keras.Input((None, None, 3))
    >>> model = keras.Model(x, keras.layers.Conv2D(4, 3, padding="same")(x))
    >>> effective_receptive_field(model, size=9).support
    (3, 3)
    """
    _check.positive_integer("effective_receptive_field", "size", size)
    _check.positive_integer("effective_receptive_field", "num_images", num_images)
    part = model if layer is None else keras.Model(model.inputs[0], _output(model, layer))
    *sizes, channels = model.inputs[0].shape[1:]
    if images is None:
        shape = (num_images, *(known or size for known in sizes), channels)
        images = np.random.default_rng(0).integers(0, 256, shape)
    given = np.shape(images)
    if len(given) != len(sizes) + 2 or given[-1] != channels or not given[0]:
        raise ValueError(
            f"`effective_receptive_field` needs pictures in a batch, with {channels} channels. "
            f"Received: images of shape={given}. Pass image[np.newaxis] for one."
        )

    def middle(image):
        output = part(image, training=False)
        output = output["logits"] if isinstance(output, dict) else output
        # Squares, because the sum of a normalized or softmax output is a constant.
        where = (slice(None), *(slice(n // 2, n // 2 + 1) for n in output.shape[1:-1]))
        return keras.ops.sum(keras.ops.square(keras.ops.cast(output[where], "float32")))

    gradients = [_gradient(middle, np.asarray(image, "float32")[None]) for image in images]
    influence = np.mean([np.abs(g[0]).sum(axis=-1) for g in gradients], axis=0)
    influence = influence / max(influence.max(), np.finfo("float32").tiny)
    used = [np.flatnonzero(influence.any(axis=_others(influence, a))) for a in _axes(influence)]
    support = tuple(int(np.ptp(places)) + 1 if len(places) else 0 for places in used)
    side = float(np.sum(influence > 1 - 0.9545) ** (1 / influence.ndim))
    return EffectiveField(influence, side, support)


def effective_receptive_fields(model, layers=None, size=256, images=None, num_images=4):
    """Measure the effective receptive field of each layer, and list the theoretical one.

    Args:
        model: functional model.
        layers: names of layers; all convolutions if None.
        size: side of the pictures in pixels, where `images` are not given.
        images: pixels 0..255 (b, h, w, c) to take the gradient at; noise if None.
        num_images: number of noise pictures.

    Returns:
        `pandas.DataFrame` with a row per layer: `side` of the effective field in pixels; extent of
        the pixels with any influence and of the theoretical field, both per axis, such as
        `support_height` and `field_height`; and `share`, the effective side as a share of the
        theoretical one.

    Raises:
        ValueError: an argument is out of range, or there is no such layer.

    >>> x = keras.Input((None, None, 3))
    >>> y = keras.layers.Conv2D(4, 5, padding="same", name="conv")(x)
    >>> table = effective_receptive_fields(keras.Model(x, y), size=9)
    >>> table.loc["conv", ["support_height", "field_height"]].tolist()
    [5.0, 5.0]
    """
    theory = receptive_field(model)
    axes = AXES[len(model.inputs[0].shape) - 2]
    known = {operation.name for operation in model.operations}
    names = layers or [x.name for x in model.layers if x.weights and _strides(x)]
    rows = {}
    for name in names:
        _check.one_of("layer", "layer", name, known)
        found = effective_receptive_field(model, size, name, images, num_images)
        fields = theory.loc[name, list(axes)]
        rows[name] = {
            "side": found.side,
            **{f"support_{axis}": n for axis, n in zip(axes, found.support, strict=True)},
            **{f"field_{axis}": fields[axis] for axis in axes},
            "share": found.side / float(np.prod(fields) ** (1 / len(axes))),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("layer")


def _strides(layer):
    """Whether a layer is a convolution, which has strides."""
    return hasattr(layer, "strides")


def _output(model, name):
    """The output of a layer or an operation of `keras.ops`."""
    known = {operation.name: operation for operation in model.operations}
    _check.one_of("layer", "layer", name, known)
    return known[name].output


def _axes(array):
    return range(array.ndim)


def _others(array, axis):
    return tuple(other for other in _axes(array) if other != axis)


def _gradient(function, image):
    """Gradient of a scalar function at an image, on each backend."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        pixels = tf.constant(image)
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            value = function(pixels)
        return np.asarray(tape.gradient(value, pixels))
    if keras.backend.backend() == "jax":
        import jax  # pyright: ignore[reportMissingImports]

        return np.asarray(jax.grad(function)(image))
    pixels = keras.ops.convert_to_tensor(image).requires_grad_(True)
    function(pixels).backward()
    return pixels.grad.cpu().numpy()
