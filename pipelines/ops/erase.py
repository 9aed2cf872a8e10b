"""Ops that mask out parts of a picture."""

import tensorflow as tf

from pipelines.ops.example import (
    IGNORE_CLASS,
    PAD_COLOR,
    Example,
    Op,
    check_count,
    check_number,
    sizes_of,
)


def cutout(holes: int = 1, size: float = 0.3) -> Op:
    """Hide rectangles of the picture; the mask is not changed.

    DeVries, Taylor: Improved regularization with cutout, arXiv 1708.04552.

    Args:
        holes: number of rectangles.
        size: longest side of a rectangle, as a share of the picture's, 0..1.

    Returns:
        op(example) -> example, mid gray (128) in the holes.

    Raises:
        ValueError: if a number is out of range.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(cutout()(example)["label"].max())
    0
    """
    check_count("cutout", "holes", holes)
    check_number("cutout", "size", size, 0, 1)

    def op(example: Example) -> Example:
        hidden = _rectangles(example, holes, size)
        image = tf.where(hidden[..., None], tf.constant(PAD_COLOR, tf.uint8), example["image"])
        return {**example, "image": image}

    return op


def coarse_dropout(holes: int = 8, size: float = 0.15) -> Op:
    """Hide rectangles of the picture, and ignore them in the mask.

    Args:
        holes: number of rectangles.
        size: longest side of a rectangle, as a share of the picture's, 0..1.

    Returns:
        op(example) -> example; the holes are mid gray (128) in the picture and ignore (255) in
        the mask.

    Raises:
        ValueError: if a number is out of range.

    >>> import numpy as np
    >>> image = np.zeros((64, 64, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> np.unique(coarse_dropout()(example)["label"]).tolist()
    [0, 255]
    """
    check_count("coarse_dropout", "holes", holes)
    check_number("coarse_dropout", "size", size, 0, 1)

    def op(example: Example) -> Example:
        hidden = _rectangles(example, holes, size)
        image = tf.where(hidden[..., None], tf.constant(PAD_COLOR, tf.uint8), example["image"])
        label = tf.where(hidden, tf.constant(IGNORE_CLASS, tf.uint8), example["label"])
        return {**example, "image": image, "label": label}

    return op


def _rectangles(example: Example, count: int, size: float):
    """Return bool (h, w), or (d, h, w): inside any of `count` boxes with centers in the picture."""
    all_pixels = sizes_of(example)
    axes = len(all_pixels)
    draws = tf.unstack(tf.random.stateless_uniform((2 * axes, count, 1), example["seed"]))
    hidden = tf.ones([count] + [1] * axes, tf.bool)
    for axis, pixels in enumerate(all_pixels):
        center, length = draws[axis], draws[axes + axis]
        pixels = tf.cast(pixels, tf.float32)
        # Pixel i covers i..i+1; it is hidden if its middle is.
        middles = tf.range(pixels) + 0.5
        side = tf.abs(middles - center * pixels) < length * (size / 2) * pixels
        side = tf.reshape(side, [count] + [1] * axis + [-1] + [1] * (axes - 1 - axis))
        hidden = tf.logical_and(hidden, side)
    return tf.reduce_any(hidden, axis=0)
