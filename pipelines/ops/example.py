"""Shared code of ops: random numbers, resampling, padding, checks.

Pictures have the axes height and width, volumes depth, height and width; lists of sizes and of
starts have one entry for each, in this order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Example = dict[str, Any]
Op = Callable[[Example], Example]

IGNORE_CLASS = 255
# Mid gray: close to 0 after any usual normalization, which is also how convolutions pad.
PAD_COLOR = 128


def uniform(seed, count: int):
    """Return `count` numbers in 0..1 that depend on the seed alone."""
    return tf.random.stateless_uniform((count,), seed)


def fold_in(seed, number) -> Any:
    """Return a new seed, int32 (2,), for item number `number`."""
    return tf.random.fold_in(seed, number)


def dimensions_of(example: Example) -> int:
    """Return 2 for a picture, 3 for a volume."""
    return len(example["label"].shape)


def sizes_of(example: Example) -> list:
    """Return height and width, or depth, height and width, as int32 scalars."""
    return tf.unstack(tf.shape(example["label"]), num=dimensions_of(example))


def size_of(example: Example):
    """Return height and width in pixels as int32 scalars."""
    shape = tf.shape(example["label"])
    return shape[-2], shape[-1]


def require_picture(subject: str, example: Example, advice: str) -> None:
    """Raise for a volume, when the graph is built."""
    if dimensions_of(example) != 2:
        raise ValueError(
            f"`{subject}` is for pictures (h, w, c). Received: image of shape "
            f"{tuple(example['image'].shape)}, a volume. {advice}"
        )


def resample(example: Example, sizes) -> Example:
    """Resize the picture (linear) and its mask (nearest) on the same half-pixel grid."""
    image, label = example["image"], example["label"]
    if len(label.shape) == 2:
        size = tf.stack(sizes)
        image = tf.raw_ops.ResizeBilinear(images=image[None], size=size, half_pixel_centers=True)[0]
    else:
        for axis, size in enumerate(sizes):
            image = _stretch(image, axis, size)
    near = [nearest(old, new) for old, new in zip(sizes_of(example), sizes, strict=True)]
    for axis, positions in enumerate(near[:-1]):
        label = tf.gather(label, positions, axis=axis)
    # Whole rows are copied fast, single pixels are not: transpose the mask to select columns.
    turn = [len(near) - 1, *range(len(near) - 1)]
    back = [*range(1, len(near)), 0]
    label = tf.transpose(tf.gather(tf.transpose(label, turn), near[-1]), back)
    return {**example, "image": to_pixels(image), "label": label}


def _stretch(values, axis: int, new_size):
    """Resize one axis, linear between the centers of pixels; float32."""
    values = tf.cast(values, tf.float32)
    size = tf.shape(values)[axis]
    scale = tf.cast(size, tf.float32) / tf.cast(new_size, tf.float32)
    centers = (tf.cast(tf.range(new_size), tf.float32) + 0.5) * scale - 0.5
    centers = tf.clip_by_value(centers, 0.0, tf.cast(size - 1, tf.float32))
    first = tf.cast(centers, tf.int32)
    share = tf.reshape(centers - tf.cast(first, tf.float32), [-1] + [1] * (3 - axis))
    before = tf.gather(values, first, axis=axis)
    after = tf.gather(values, tf.minimum(first + 1, size - 1), axis=axis)
    return before + share * (after - before)


def to_pixels(values):
    """Round float32 to uint8, clipped to 0..255."""
    # A single pass over the picture; adding 0.5, clipping and casting are several.
    pixels = tf.raw_ops.QuantizeV2(
        input=values, min_range=0.0, max_range=255.0, T=tf.quint8, mode="MIN_FIRST"
    )[0]
    return tf.bitcast(pixels, tf.uint8)


def nearest(size, new_size):
    """Return for each new pixel the old pixel that lies under its center."""
    scale = tf.cast(size, tf.float32) / tf.cast(new_size, tf.float32)
    centers = (tf.cast(tf.range(new_size), tf.float32) + 0.5) * scale
    return tf.minimum(tf.cast(centers, tf.int32), size - 1)


def scaled(size, scale):
    """Return a size times a factor, in whole pixels and never 0."""
    return tf.maximum(tf.cast(tf.round(tf.cast(size, tf.float32) * scale), tf.int32), 1)


def window(example: Example, starts, sizes) -> Example:
    """Cut a window that lies inside the picture."""
    image = tf.slice(example["image"], [*starts, 0], [*sizes, -1])
    image = tf.ensure_shape(image, (*(None for _ in sizes), example["image"].shape[-1]))
    label = tf.slice(example["label"], [*starts], [*sizes])
    return {**example, "image": image, "label": label}


def place(example: Example, starts, sizes: Sequence[int]) -> Example:
    """Pad a picture with mid gray, and its mask with ignore."""
    rims = [
        (start, size - old - start)
        for start, size, old in zip(starts, sizes, sizes_of(example), strict=True)
    ]
    image = _surround(example["image"], rims, PAD_COLOR)
    label = _surround(example["label"], rims, IGNORE_CLASS)
    return with_size({**example, "image": image, "label": label}, *sizes)


def _surround(values, rims, fill: int):
    """Pad an array with `fill`; `tf.pad` takes twice the time."""
    color = tf.constant(fill, tf.uint8)
    for axis, pair in reversed(list(enumerate(rims))):
        shape = tf.shape(values)
        before, after = [
            tf.fill(tf.concat([shape[:axis], [size], shape[axis + 1 :]], 0), color) for size in pair
        ]
        values = tf.concat([before, values, after], axis)
    return values


def with_size(example: Example, *sizes: int | None) -> Example:
    """Set the size known in Python, so that batches have a static shape."""
    channels = example["image"].shape[-1]
    image = tf.ensure_shape(example["image"], (*sizes, channels))
    label = tf.ensure_shape(example["label"], sizes)
    return {**example, "image": image, "label": label}


def wanted_sizes(subject: str, example: Example, height: int, width: int, depth: int | None):
    """Return (height, width) for a picture, (depth, height, width) for a volume.

    Raises:
        ValueError: if a volume comes without a depth, or a picture with one.
    """
    if dimensions_of(example) == 2 and depth is None:
        return height, width
    if dimensions_of(example) == 3 and depth is not None:
        return depth, height, width
    raise ValueError(
        f"`{subject}` needs depth for volumes (d, h, w, c), and none for pictures (h, w, c). "
        f"Received: depth={depth!r} for an image of shape {tuple(example['image'].shape)}. "
        + ("Leave depth out." if depth is not None else "For example, pass depth=64.")
    )


def check_size(subject: str, height: int, width: int, depth: int | None = None) -> None:
    """Raise unless sizes are whole numbers above 0."""
    for value in (height, width, 1 if depth is None else depth):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            more = "" if depth is None else f", depth={depth!r}"
            raise ValueError(
                f"`{subject}` needs height and width as whole numbers of pixels from 1 up, and "
                f"depth for volumes. Received: height={height!r}, width={width!r}{more}. "
                "For example, pass height=360, width=480."
            )


def check_number(subject: str, name: str, value: float, low: float, high: float) -> None:
    """Raise unless the value is a number in low..high."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(
            f"`{subject}` needs {name} in {low}..{high}. Received: {name}={value!r}. "
            "Give a number in that range."
        )


def check_count(subject: str, name: str, value: int) -> None:
    """Raise unless the value is a whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{subject}` needs {name} as a whole number from 1 up. Received: {name}={value!r}. "
            f"For example, pass {name}=2."
        )


def check_scale(subject: str, low: float, high: float) -> None:
    """Raise for a range of scales that is empty or not positive."""
    if not 0 < low <= high:
        raise ValueError(
            f"`{subject}` needs 0 < low <= high, as factors of the picture's size. "
            f"Received: low={low!r}, high={high!r}. For example, pass low=0.5, high=2.0."
        )
