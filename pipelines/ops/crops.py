"""Ops that crop or pad a picture or a volume."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.ops.example import (
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
    sizes_of,
    uniform,
    wanted_sizes,
    window,
)


def random_crop(height: int = 360, width: int = 480, depth: int | None = None) -> Op:
    """Crop a random window; a smaller picture is padded to it at a random position.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        depth: slices of the result, for volumes; None for pictures.

    Returns:
        op(example) -> example of (height, width) or (depth, height, width); padding is mid gray
        (128) in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a size is not a whole number from 1 up; and where the op runs, if it has a
            depth for a picture, or none for a volume.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_crop(4, 12)(example)["image"].shape
    TensorShape([4, 12, 3])
    """
    check_size("random_crop", height, width, depth)

    def op(example: Example) -> Example:
        sizes = wanted_sizes("random_crop", example, height, width, depth)
        return _crop(example, sizes, uniform(example["seed"], len(sizes)))

    return op


def center_crop(height: int = 360, width: int = 480, depth: int | None = None) -> Op:
    """Crop the center; a smaller picture is padded on all sides.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        depth: slices of the result, for volumes; None for pictures.

    Returns:
        op(example) -> example of (height, width) or (depth, height, width); padding is mid gray
        (128) in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a size is not a whole number from 1 up; and where the op runs, if it has a
            depth for a picture, or none for a volume.

    >>> import numpy as np
    >>> image = np.arange(9, dtype="uint8").reshape(3, 3, 1)
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(center_crop(1, 1)(example)["label"][0, 0])
    4
    """
    check_size("center_crop", height, width, depth)

    def op(example: Example) -> Example:
        sizes = wanted_sizes("center_crop", example, height, width, depth)
        return _crop(example, sizes, [0.5] * len(sizes))

    return op


def pad(height: int = 360, width: int = 480, depth: int | None = None) -> Op:
    """Pad a picture or volume on all sides to a size.

    Args:
        height: pixels of the result, at least the picture's.
        width: pixels of the result, at least the picture's.
        depth: slices of the result, at least the volume's; None for pictures.

    Returns:
        op(example) -> example of (height, width) or (depth, height, width); padding is mid gray
        (128) in the picture and ignore (255) in the mask. A larger picture raises.

    Raises:
        ValueError: if a size is not a whole number from 1 up; and where the op runs, if it has a
            depth for a picture, or none for a volume.

    >>> import numpy as np
    >>> image = np.zeros((1, 1, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> pad(1, 3)(example)["label"].numpy().tolist()
    [[255, 0, 255]]
    """
    check_size("pad", height, width, depth)

    def op(example: Example) -> Example:
        sizes, old = wanted_sizes("pad", example, height, width, depth), sizes_of(example)
        fits = tf.reduce_all(tf.stack(old) <= tf.constant(sizes))
        message = (
            f"`pad` needs pictures of at most {sizes} pixels. Use random_crop or resize, or pad "
            "to the largest picture. Received: sizes ="
        )
        with tf.control_dependencies([tf.debugging.Assert(fits, [message, *old])]):
            starts = [(size - was) // 2 for size, was in zip(sizes, old, strict=True)]
        return place(example, starts, sizes)

    return op


def class_crop(
    height: int = 360,
    width: int = 480,
    classes: Sequence[int] | None = None,
    probability: float = 1.0,
    depth: int | None = None,
) -> Op:
    """Crop a window around a random pixel of a random class, so that rare classes are seen often.

    First a class is drawn from those in the mask, all with equal probability; then one of its
    pixels, which becomes the center of the window, as far as the window stays inside the picture.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        classes: ids to draw from; None for all. Ignored pixels are never drawn.
        probability: share of such windows, 0..1. The others, and those of pictures without these
            classes, are cropped as by `random_crop`.
        depth: slices of the result, for volumes; None for pictures.

    Returns:
        op(example) -> example of (height, width) or (depth, height, width); padding of smaller
        pictures is mid gray (128) in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a number is out of range; and where the op runs, if it has a depth for a
            picture, or none for a volume.

    >>> import numpy as np
    >>> image = np.zeros((9, 9, 1), "uint8")
    >>> image[7, 1] = 3
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(class_crop(1, 1, classes=[3])(example)["label"][0, 0])
    3
    """
    check_size("class_crop", height, width, depth)
    check_number("class_crop", "probability", probability, 0, 1)
    wanted = np.zeros(256, bool)
    for index in range(IGNORE_CLASS) if classes is None else classes:
        check_number("class_crop", "classes", index, 0, IGNORE_CLASS - 1)
        wanted[index] = True

    def op(example: Example) -> Example:
        sizes, old = wanted_sizes("class_crop", example, height, width, depth), sizes_of(example)
        axes = len(sizes)
        draws = uniform(example["seed"], axes + 2)
        scores = uniform(fold_in(example["seed"], 1), 256)
        label = tf.reshape(example["label"], [-1])
        shown = tf.math.bincount(tf.cast(label, tf.int32), minlength=256)
        scores = tf.where(tf.logical_and(shown > 0, wanted), scores, -1.0)
        pixels = tf.where(label == tf.cast(tf.argmax(scores), tf.uint8))[:, 0]
        number = _offset(tf.maximum(tf.size(pixels) - 1, 0), draws[axes])
        pixel = tf.cast(tf.concat([pixels, [0]], axis=0)[number], tf.int32)
        random = tf.logical_or(draws[axes + 1] >= probability, tf.reduce_max(scores) < 0)
        places = tf.unstack(tf.unravel_index(pixel, old), num=axes)
        around = [
            _toward(place, was, size, draws[axis])
            for axis, (place, was, size) in enumerate(zip(places, old, sizes, strict=True))
        ]
        around = tf.where(random, draws[:axes], tf.stack(around))
        return _crop(example, sizes, around)

    return op


def random_scale_crop(
    height: int = 360,
    width: int = 480,
    low: float = 0.5,
    high: float = 2.0,
    depth: int | None = None,
) -> Op:
    """Scale by a random factor and crop a random window, in one resampling step.

    The same as `random_scale(low, high)` and `random_crop(height, width)`, but only the pixels
    inside the window are resampled, which is faster. Window and picture have whole pixels, so the
    factor is rounded to the nearest one that fits, for each axis.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        low: smallest factor, above 0.
        high: largest factor; factors are uniform in low..high.
        depth: slices of the result, for volumes; None for pictures.

    Returns:
        op(example) -> example of (height, width) or (depth, height, width); padding of smaller
        pictures is mid gray (128) in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a size is not a whole number from 1 up, or the range is empty; and where
            the op runs, if it has a depth for a picture, or none for a volume.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_scale_crop(4, 12)(example)["image"].shape
    TensorShape([4, 12, 3])
    """
    check_size("random_scale_crop", height, width, depth)
    check_scale("random_scale_crop", low, high)

    def op(example: Example) -> Example:
        sizes = wanted_sizes("random_scale_crop", example, height, width, depth)
        axes = len(sizes)
        draws = uniform(example["seed"], 1 + 2 * axes)
        scale = low + (high - low) * draws[0]
        starts, kept, new = [], [], []
        for axis, (size, old) in enumerate(zip(sizes, sizes_of(example), strict=True)):
            # The part of the picture inside the window, before and after scaling.
            source = tf.minimum(scaled(size, 1 / scale), old)
            made = tf.minimum(scaled(source, scale), size)
            starts.append(_offset(old - source, draws[1 + axis]))
            kept.append(source)
            new.append(tf.where(source < old, size, made))
        example = resample(window(example, starts, kept), new)
        starts = [
            _offset(size - made, draws[1 + axes + axis])
            for axis, (size, made) in enumerate(zip(sizes, new, strict=True))
        ]
        return place(example, starts, sizes)

    return op


def _crop(example: Example, sizes: Sequence[int], draws) -> Example:
    """Crop or pad each axis to the wanted size; draws in 0..1 are the positions."""
    old = sizes_of(example)
    kept = [tf.minimum(was, size) for was, size in zip(old, sizes, strict=True)]
    starts = [_offset(old[axis] - kept[axis], draws[axis]) for axis in range(len(sizes))]
    example = window(example, starts, kept)
    starts = [_offset(sizes[axis] - kept[axis], draws[axis]) for axis in range(len(sizes))]
    return place(example, starts, sizes)


def _toward(pixel, size, window_size: int, draw):
    """Return the draw that puts a pixel at the center of its window, as far as possible."""
    room = tf.cast(size - window_size, tf.float32)
    start = tf.cast(pixel - window_size // 2, tf.float32)
    # Half a pixel is added against rounding.
    return tf.where(room > 0, tf.clip_by_value((start + 0.5) / (room + 0.999), 0.0, 1.0), draw)


def _offset(room, draw):
    """Return a whole number in 0..room from a draw in 0..1."""
    return tf.cast(draw * (tf.cast(room, tf.float32) + 0.999), tf.int32)
