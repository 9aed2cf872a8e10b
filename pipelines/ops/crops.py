"""Ops that cut a window out of a picture, or put it on a larger canvas."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.ops._example import (
    IGNORE_CLASS,
    Example,
    Op,
    check_number,
    check_scale,
    check_size,
    fold_in,
    place,
    resample,
    scaled,
    size_of,
    uniform,
    window,
)


def random_crop(height: int = 360, width: int = 480) -> Op:
    """Cut a random window; a picture that is too small lies at a random place in it.

    Args:
        height: pixels of the result.
        width: pixels of the result.

    Returns:
        op(example) -> example of (height, width); the rim is mid grey (128) in the picture
        and ignore (255) in the mask.

    Raises:
        ValueError: if a size is not a whole number from 1 up.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_crop(4, 12)(example)["image"].shape
    TensorShape([4, 12, 3])
    """
    check_size("random_crop", height, width)

    def op(example: Example) -> Example:
        return _crop(example, height, width, uniform(example["seed"], 2))

    return op


def center_crop(height: int = 360, width: int = 480) -> Op:
    """Cut the middle; a picture that is too small lies in the middle of the result.

    Args:
        height: pixels of the result.
        width: pixels of the result.

    Returns:
        op(example) -> example of (height, width); the rim is mid grey (128) in the picture
        and ignore (255) in the mask.

    Raises:
        ValueError: if a size is not a whole number from 1 up.

    >>> import numpy as np
    >>> image = np.arange(9, dtype="uint8").reshape(3, 3, 1)
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(center_crop(1, 1)(example)["label"][0, 0])
    4
    """
    check_size("center_crop", height, width)

    def op(example: Example) -> Example:
        return _crop(example, height, width, tf.constant([0.5, 0.5]))

    return op


def pad(height: int = 360, width: int = 480) -> Op:
    """Enlarge the canvas to (height, width), with the picture in its middle.

    Args:
        height: pixels of the result, at least the picture's.
        width: pixels of the result, at least the picture's.

    Returns:
        op(example) -> example of (height, width); the rim is mid grey (128) in the picture
        and ignore (255) in the mask. A larger picture raises.

    Raises:
        ValueError: if a size is not a whole number from 1 up.

    >>> import numpy as np
    >>> image = np.zeros((1, 1, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> pad(1, 3)(example)["label"].numpy().tolist()
    [[255, 0, 255]]
    """
    check_size("pad", height, width)

    def op(example: Example) -> Example:
        old_height, old_width = size_of(example)
        fits = tf.logical_and(old_height <= height, old_width <= width)
        message = (
            f"`pad` needs pictures of at most ({height}, {width}) pixels. "
            "Use random_crop or resize, or pad to the largest picture. Received: height, width ="
        )
        with tf.control_dependencies([tf.debugging.Assert(fits, [message, old_height, old_width])]):
            top, left = (height - old_height) // 2, (width - old_width) // 2
        return place(example, top, left, height, width)

    return op


def class_crop(
    height: int = 360,
    width: int = 480,
    classes: Sequence[int] | None = None,
    probability: float = 1.0,
) -> Op:
    """Cut a window around a random pixel of a random class, so that rare classes come up often.

    First a class is drawn from those that the mask shows, each with the same chance; then one of
    its pixels, which becomes the middle, as far as the picture reaches.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        classes: ids to draw from; None for all. Ignored pixels are never drawn.
        probability: share of such windows, 0..1. The others, and those of pictures that show
            none of the classes, are cut at random as by `random_crop`.

    Returns:
        op(example) -> example of (height, width); the rim of a picture that is too small is
        mid grey (128) in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a number is out of range.

    >>> import numpy as np
    >>> image = np.zeros((9, 9, 1), "uint8")
    >>> image[7, 1] = 3
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(class_crop(1, 1, classes=[3])(example)["label"][0, 0])
    3
    """
    check_size("class_crop", height, width)
    check_number("class_crop", "probability", probability, 0, 1)
    wanted = np.zeros(256, bool)
    for index in range(IGNORE_CLASS) if classes is None else classes:
        check_number("class_crop", "classes", index, 0, IGNORE_CLASS - 1)
        wanted[index] = True

    def op(example: Example) -> Example:
        draws = uniform(example["seed"], 4)
        scores = uniform(fold_in(example["seed"], 1), 256)
        label = tf.reshape(example["label"], [-1])
        shown = tf.math.bincount(tf.cast(label, tf.int32), minlength=256)
        scores = tf.where(tf.logical_and(shown > 0, wanted), scores, -1.0)
        pixels = tf.where(label == tf.cast(tf.argmax(scores), tf.uint8))[:, 0]
        number = _offset(tf.maximum(tf.size(pixels) - 1, 0), draws[2])
        pixel = tf.cast(tf.concat([pixels, [0]], axis=0)[number], tf.int32)
        old_height, old_width = size_of(example)
        random = tf.logical_or(draws[3] >= probability, tf.reduce_max(scores) < 0)
        row, column = tf.unstack(tf.unravel_index(pixel, size_of(example)))
        top = _towards(row, old_height, height, draws[0])
        left = _towards(column, old_width, width, draws[1])
        around = tf.where(random, draws[:2], tf.stack([top, left]))
        return _crop(example, height, width, around)

    return op


def random_scale_crop(
    height: int = 360, width: int = 480, low: float = 0.5, high: float = 2.0
) -> Op:
    """Scale by a random factor and cut a random window, in one resampling.

    The same as `random_scale(low, high)` and `random_crop(height, width)`, but only the pixels
    that the window keeps are resampled, which is several times faster. Window and picture have
    whole pixels, so the factor is rounded to the nearest one that fits, for each axis.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        low: smallest factor, above 0.
        high: largest factor; factors are uniform in low..high.

    Returns:
        op(example) -> example of (height, width); the rim of a picture that is too small is
        mid grey (128) in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a size is not a whole number from 1 up, or the range is empty.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_scale_crop(4, 12)(example)["image"].shape
    TensorShape([4, 12, 3])
    """
    check_size("random_scale_crop", height, width)
    check_scale("random_scale_crop", low, high)

    def op(example: Example) -> Example:
        draws = uniform(example["seed"], 5)
        scale = low + (high - low) * draws[0]
        old_height, old_width = size_of(example)
        # What the window shows of the picture, before and after scaling.
        source_height = tf.minimum(scaled(height, 1 / scale), old_height)
        source_width = tf.minimum(scaled(width, 1 / scale), old_width)
        new_height = tf.minimum(scaled(source_height, scale), height)
        new_width = tf.minimum(scaled(source_width, scale), width)
        new_height = tf.where(source_height < old_height, height, new_height)
        new_width = tf.where(source_width < old_width, width, new_width)
        top = _offset(old_height - source_height, draws[1])
        left = _offset(old_width - source_width, draws[2])
        example = window(example, top, left, source_height, source_width)
        example = resample(example, new_height, new_width)
        top, left = _offset(height - new_height, draws[3]), _offset(width - new_width, draws[4])
        return place(example, top, left, height, width)

    return op


def _crop(example: Example, height: int, width: int, draws) -> Example:
    """Cut or pad each axis to the wanted size; draws in 0..1 say where."""
    old_height, old_width = size_of(example)
    kept_height, kept_width = tf.minimum(old_height, height), tf.minimum(old_width, width)
    top = _offset(old_height - kept_height, draws[0])
    left = _offset(old_width - kept_width, draws[1])
    example = window(example, top, left, kept_height, kept_width)
    top, left = _offset(height - kept_height, draws[0]), _offset(width - kept_width, draws[1])
    return place(example, top, left, height, width)


def _towards(pixel, size, window_size: int, draw):
    """Return the draw that makes a pixel the middle of its window, as far as there is room."""
    room = tf.cast(size - window_size, tf.float32)
    start = tf.cast(pixel - window_size // 2, tf.float32)
    # Half a pixel more, against rounding.
    return tf.where(room > 0, tf.clip_by_value((start + 0.5) / (room + 0.999), 0.0, 1.0), draw)


def _offset(room, draw):
    """Return a whole number in 0..room from a draw in 0..1."""
    return tf.cast(draw * (tf.cast(room, tf.float32) + 0.999), tf.int32)
