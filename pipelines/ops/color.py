"""Ops that change colours and leave every pixel, and so the mask, in its place."""

import math

import numpy as np
import tensorflow as tf

from pipelines.ops._example import Example, Op, uniform

_MID_GREY = 128.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# A matrix product over 16 pixels at a time is twice as fast as over single pixels.
_PIXELS_PER_ROW = 16
# Turning about the grey axis by angle a (Rodrigues): cos a * I + (1 - cos a) * G + sin a * S.
_GREY_AXIS = np.full((3, 3), 1 / 3, np.float32)
_SIDEWAYS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32) / math.sqrt(3)


def color_jitter(
    hue: float = 0.02, saturation: float = 0.4, brightness: float = 0.3, contrast: float = 0.3
) -> Op:
    """Change hue, saturation, brightness and contrast by random amounts.

    All four are linear, so they are one 3x3 matrix and an offset per picture. A picture that
    has not three channels changes in brightness and contrast alone.

    Args:
        hue: largest turn about the grey axis, in whole turns (0.5 reaches the opposite colour).
        saturation: colours move from grey by a factor in 1-saturation..1+saturation.
        brightness: values are multiplied by a factor in 1-brightness..1+brightness.
        contrast: values move from mid grey (128) by a factor in 1-contrast..1+contrast.

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
        if not 0 <= value <= limits[key]:
            raise ValueError(
                f"`color_jitter` needs {key} in 0..{limits[key]}. Received: {key}={value!r}. "
                "0 leaves it as it is."
            )

    def op(example: Example) -> Example:
        image = example["image"]
        turn, color, light, spread = tf.unstack(uniform(example["seed"], 4) * 2 - 1)
        light, spread = 1 + brightness * light, 1 + contrast * spread
        offset = _MID_GREY * (1 - spread)
        if image.shape[-1] == 3:
            matrix = _color_matrix(2 * math.pi * hue * turn, 1 + saturation * color)
            image = _apply(image, matrix * light * spread, offset)
        else:
            image = _to_pixels(tf.cast(image, tf.float32) * (light * spread) + offset)
        return {**example, "image": image}

    return op


def _color_matrix(angle, saturation):
    """Return the (3, 3) matrix of a turn in hue followed by a change in saturation."""
    turn = tf.cos(angle) * np.eye(3, dtype=np.float32) + tf.sin(angle) * _SIDEWAYS
    turn += (1 - tf.cos(angle)) * _GREY_AXIS
    grey = np.tile(_LUMA, (3, 1))
    return tf.matmul(saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * grey, turn)


def _apply(image, matrix, offset):
    """Multiply every pixel of a picture (h, w, 3) by a matrix and add an offset."""
    values = tf.reshape(image, [-1])
    count = tf.size(values)
    row = 3 * _PIXELS_PER_ROW
    rows = tf.reshape(tf.pad(values, [[0, -count % row]]), [-1, row])
    diagonal = np.eye(_PIXELS_PER_ROW, dtype=np.float32)[:, None, :, None]
    blocks = tf.reshape(diagonal * tf.transpose(matrix)[None, :, None, :], [row, row])
    rows = _to_pixels(tf.matmul(tf.cast(rows, tf.float32), blocks) + offset)
    values = tf.reshape(rows, [-1])[:count]
    return tf.ensure_shape(tf.reshape(values, tf.shape(image)), image.shape)


def _to_pixels(values):
    """Round to uint8, clipped to 0..255."""
    return tf.cast(tf.clip_by_value(values, 0.0, 255.0) + 0.5, tf.uint8)
