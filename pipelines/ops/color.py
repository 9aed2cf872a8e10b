"""Color ops; the mask is not changed."""

import math

import numpy as np
import tensorflow as tf

from pipelines.ops.example import (
    Example,
    Op,
    check_number,
    check_scale,
    dimensions_of,
    require_picture,
    to_pixels,
    uniform,
)

_MID_GRAY = 128.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# A matrix product over 16 pixels at a time is twice as fast as over single pixels.
_PIXELS_PER_ROW = 16
# Rotation about the gray axis by angle a (Rodrigues): cos a * I + (1 - cos a) * G + sin a * S.
_GRAY_AXIS = np.full((3, 3), 1 / 3, np.float32)
_SIDEWAYS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32) / math.sqrt(3)


def color_jitter(
    hue: float = 0.02, saturation: float = 0.4, brightness: float = 0.3, contrast: float = 0.3
) -> Op:
    """Change hue, saturation, brightness and contrast by random amounts.

    All four are linear, so they are one 3x3 matrix and an offset per picture. For volumes and
    pictures without three channels, only brightness and contrast change.

    Args:
        hue: largest rotation about the gray axis, in full turns (0.5 is the opposite color).
        saturation: colors move from gray by a factor in 1-saturation..1+saturation.
        brightness: values are multiplied by a factor in 1-brightness..1+brightness.
        contrast: values move from mid gray (128) by a factor in 1-contrast..1+contrast.

    Returns:
        op(example) -> example; the picture stays uint8 (rounded, clipped to 0..255).

    Raises:
        ValueError: if a strength is below 0, hue is above 0.5 or another one above 1.

    >>> import numpy as np
    >>> image = np.full((2, 2, 3), 100, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> color_jitter(0.1, 0.1, 0.0, 0.0)(example)["image"][0, 0].numpy().tolist()
    [100, 100, 100]
    """
    limits = {"hue": 0.5, "saturation": 1.0, "brightness": 1.0, "contrast": 1.0}
    strengths = {
        "hue": hue, "saturation": saturation, "brightness": brightness, "contrast": contrast
    }  # fmt: skip
    for key, value in strengths.items():
        check_number("color_jitter", key, value, 0, limits[key])

    def op(example: Example) -> Example:
        image = example["image"]
        turn, color, light, spread = tf.unstack(uniform(example["seed"], 4) * 2 - 1)
        light, spread = 1 + brightness * light, 1 + contrast * spread
        offset = _MID_GRAY * (1 - spread)
        if image.shape[-1] == 3 and dimensions_of(example) == 2:
            matrix = _color_matrix(2 * math.pi * hue * turn, 1 + saturation * color)
            image = _apply(image, matrix * light * spread, offset)
        else:
            image = to_pixels(tf.cast(image, tf.float32) * (light * spread) + offset)
        return {**example, "image": image}

    return op


def random_gamma(low: float = 0.7, high: float = 1.5) -> Op:
    """Change gamma: values become 255 * (value / 255) ** gamma.

    Args:
        low: smallest gamma, above 0; below 1 brightens.
        high: largest gamma; its logarithm is uniform, so that 1/2 is as likely as 2.

    Returns:
        op(example) -> example.

    Raises:
        ValueError: if the range is empty or not positive.

    >>> image = np.full((1, 1, 3), 51, "uint8")  # a fifth of 255
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_gamma(2.0, 2.0)(example)["image"][0, 0].numpy().tolist()
    [10, 10, 10]
    """
    check_scale("random_gamma", low, high)

    def op(example: Example) -> Example:
        draw = uniform(example["seed"], 1)[0]
        gamma = tf.exp(math.log(low) + (math.log(high) - math.log(low)) * draw)
        table = to_pixels(255 * tf.pow(np.linspace(0, 1, 256, dtype=np.float32), gamma))
        return {**example, "image": tf.gather(table, tf.cast(example["image"], tf.int32))}

    return op


def grayscale(probability: float = 0.1) -> Op:
    """Convert a share of the pictures to grayscale with three channels.

    Args:
        probability: share of gray pictures, 0..1. Pictures without three channels are not changed.

    Returns:
        op(example) -> example; gray is 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601).

    Raises:
        ValueError: if the probability is outside 0..1.

    >>> image = np.full((1, 1, 3), (255, 0, 0), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> grayscale(1.0)(example)["image"][0, 0].numpy().tolist()
    [76, 76, 76]
    """
    check_number("grayscale", "probability", probability, 0, 1)

    def op(example: Example) -> Example:
        require_picture("grayscale", example, "Remove it: channels of volumes are not colors.")
        image = tf.convert_to_tensor(example["image"])
        if image.shape[-1] != 3:
            return example
        chosen = uniform(example["seed"], 1)[0] < probability
        gray = tf.constant(np.tile(_LUMA, (3, 1)))
        image = tf.cond(chosen, lambda: _apply(image, gray, 0.0), lambda: tf.identity(image))
        return {**example, "image": image}

    return op


def _color_matrix(angle, saturation):
    """Return the (3, 3) matrix of a hue rotation followed by a change in saturation."""
    turn = tf.cos(angle) * np.eye(3, dtype=np.float32) + tf.sin(angle) * _SIDEWAYS
    turn += (1 - tf.cos(angle)) * _GRAY_AXIS
    gray = np.tile(_LUMA, (3, 1))
    return tf.matmul(saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * gray, turn)


def _apply(image, matrix, offset):
    """Multiply every pixel of a picture (h, w, 3) by a matrix and add an offset."""
    values = tf.reshape(image, [-1])
    count = tf.size(values)
    row = 3 * _PIXELS_PER_ROW
    rows = tf.reshape(tf.pad(values, [[0, -count % row]]), [-1, row])
    diagonal = np.eye(_PIXELS_PER_ROW, dtype=np.float32)[:, None, :, None]
    blocks = tf.reshape(diagonal * tf.transpose(matrix)[None, :, None, :], [row, row])
    rows = to_pixels(tf.matmul(tf.cast(rows, tf.float32), blocks) + offset)
    values = tf.reshape(rows, [-1])[:count]
    return tf.ensure_shape(tf.reshape(values, tf.shape(image)), image.shape)
