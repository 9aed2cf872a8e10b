"""What every op shares: the example, its random numbers, resampling and padding."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Example = dict[str, Any]
Op = Callable[[Example], Example]

IGNORE_CLASS = 255
# Mid grey: close to 0 after any usual normalisation, which is also how convolutions pad.
PAD_COLOR = 128


def uniform(seed, count: int):
    """Return `count` numbers in 0..1 that depend on the seed alone."""
    return tf.random.stateless_uniform((count,), seed)


def fold_in(seed, number) -> Any:
    """Return a new seed, int32 (2,), for item `number` of what has a seed."""
    return tf.random.fold_in(seed, number)


def size_of(example: Example):
    """Return height and width in pixels as int32 scalars."""
    shape = tf.shape(example["label"])
    return shape[0], shape[1]


def resample(example: Example, height, width) -> Example:
    """Resize the picture (bilinear) and its mask (nearest) on the same half-pixel grid."""
    image, label = example["image"], example["label"]
    size = tf.stack([height, width])
    pixels = tf.raw_ops.ResizeBilinear(images=image[None], size=size, half_pixel_centers=True)[0]
    rows = nearest(tf.shape(label)[0], height)
    columns = nearest(tf.shape(label)[1], width)
    # Whole rows are copied fast, single pixels are not: turn the mask to pick its columns.
    label = tf.gather(tf.transpose(tf.gather(tf.transpose(label), columns)), rows)
    return {**example, "image": to_pixels(pixels), "label": label}


def to_pixels(values):
    """Round float32 to uint8, clipped to 0..255."""
    # One pass over the picture, where adding 0.5, clipping and casting are four.
    pixels = tf.raw_ops.QuantizeV2(
        input=values, min_range=0.0, max_range=255.0, T=tf.quint8, mode="MIN_FIRST"
    )[0]
    return tf.bitcast(pixels, tf.uint8)


def nearest(size, new_size):
    """Return for each new pixel the old pixel that lies under its centre."""
    scale = tf.cast(size, tf.float32) / tf.cast(new_size, tf.float32)
    centres = (tf.cast(tf.range(new_size), tf.float32) + 0.5) * scale
    return tf.minimum(tf.cast(centres, tf.int32), size - 1)


def scaled(size, scale):
    """Return a size times a factor, in whole pixels and never 0."""
    return tf.maximum(tf.cast(tf.round(tf.cast(size, tf.float32) * scale), tf.int32), 1)


def window(example: Example, top, left, height, width) -> Example:
    """Cut a window that lies inside the picture."""
    image = tf.slice(example["image"], [top, left, 0], [height, width, -1])
    image = tf.ensure_shape(image, (None, None, example["image"].shape[-1]))
    label = tf.slice(example["label"], [top, left], [height, width])
    return {**example, "image": image, "label": label}


def place(example: Example, top, left, height: int, width: int) -> Example:
    """Put a picture on a larger canvas: mid grey around the picture, ignore around the mask."""
    old_height, old_width = size_of(example)
    rows = [top, height - old_height - top]
    columns = [left, width - old_width - left]
    image = _surround(example["image"], rows, columns, PAD_COLOR)
    label = _surround(example["label"], rows, columns, IGNORE_CLASS)
    return with_size({**example, "image": image, "label": label}, height, width)


def _surround(values, rows, columns, fill: int):
    """Put `fill` around an array; `tf.pad` does the same to a picture in twice the time."""
    color = tf.constant(fill, tf.uint8)
    for axis, (before, after) in ((1, columns), (0, rows)):
        shape = tf.shape(values)
        rims = [
            tf.fill(tf.concat([shape[:axis], [size], shape[axis + 1 :]], 0), color)
            for size in (before, after)
        ]
        values = tf.concat([rims[0], values, rims[1]], axis)
    return values


def with_size(example: Example, height: int | None, width: int | None) -> Example:
    """State the size that Python knows, so that batches have a static shape."""
    channels = example["image"].shape[-1]
    image = tf.ensure_shape(example["image"], (height, width, channels))
    label = tf.ensure_shape(example["label"], (height, width))
    return {**example, "image": image, "label": label}


def check_size(subject: str, height: int, width: int) -> None:
    """Refuse a size that is not two whole numbers of pixels from 1 up."""
    for value in (height, width):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"`{subject}` needs height and width as whole numbers of pixels from 1 up. "
                f"Received: height={height!r}, width={width!r}. "
                "Give for example height=360, width=480."
            )


def check_number(subject: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse what is no number in low..high."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(
            f"`{subject}` needs {name} in {low}..{high}. Received: {name}={value!r}. "
            "Give a number in that range."
        )


def check_count(subject: str, name: str, value: int) -> None:
    """Refuse what is no whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{subject}` needs {name} as a whole number from 1 up. Received: {name}={value!r}. "
            f"Give for example {name}=2."
        )


def check_scale(subject: str, low: float, high: float) -> None:
    """Refuse a range of scales that is empty or not positive."""
    if not 0 < low <= high:
        raise ValueError(
            f"`{subject}` needs 0 < low <= high, as factors of the picture's size. "
            f"Received: low={low!r}, high={high!r}. Give for example low=0.5, high=2.0."
        )
