"""Geometric ops for a picture and its mask: scale, resize, mirror, rotate by right angles."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from pipelines.ops.example import (
    Example,
    Op,
    check_number,
    check_scale,
    check_size,
    dimensions_of,
    resample,
    scaled,
    sizes_of,
    uniform,
    wanted_sizes,
    with_size,
)

AXES = ("depth", "height", "width")


def random_scale(low: float = 0.5, high: float = 2.0) -> Op:
    """Resize by one random factor for all axes.

    Args:
        low: smallest factor, above 0.
        high: largest factor; factors are uniform in low..high.

    Returns:
        op(example) -> example, of unknown static size.

    Raises:
        ValueError: if the range is empty or not positive.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_scale(2.0, 2.0)(example)["label"].shape
    TensorShape([16, 16])
    """
    check_scale("random_scale", low, high)

    def op(example: Example) -> Example:
        scale = low + (high - low) * uniform(example["seed"], 1)[0]
        return resample(example, [scaled(size, scale) for size in sizes_of(example)])

    return op


def resize(height: int = 360, width: int = 480, depth: int | None = None) -> Op:
    """Resize to a size: the picture linear along each axis, the mask nearest.

    Args:
        height: pixels of the result.
        width: pixels of the result.
        depth: slices of the result, for volumes; None for pictures.

    Returns:
        op(example) -> example of (height, width) or (depth, height, width).

    Raises:
        ValueError: if a size is not a whole number from 1 up; and where the op runs, if it has a
            depth for a picture, or none for a volume.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> resize(4, 6)(example)["image"].shape
    TensorShape([4, 6, 3])
    """
    check_size("resize", height, width, depth)

    def op(example: Example) -> Example:
        sizes = wanted_sizes("resize", example, height, width, depth)
        return with_size(resample(example, sizes), *sizes)

    return op


def random_flip(probability: float = 0.5, axes: Sequence[str] = ("width",)) -> Op:
    """Mirror a random part of the examples left and right, or along other axes.

    Args:
        probability: share of mirrored examples, 0..1, independently for each axis.
        axes: which axes to mirror: "width" (left and right), "height", and for volumes "depth".

    Returns:
        op(example) -> example of the same size.

    Raises:
        ValueError: if the probability is outside 0..1 or there is no such axis; and where the op
            runs, if a picture has no depth to mirror.

    >>> import numpy as np
    >>> image = np.arange(3, dtype="uint8").reshape(1, 3, 1)
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_flip(1.0)(example)["label"].numpy().tolist()
    [[2, 1, 0]]
    """
    check_number("random_flip", "probability", probability, 0, 1)
    axes = (axes,) if isinstance(axes, str) else tuple(axes)
    if not axes or len(set(axes)) < len(axes) or not set(axes) <= set(AXES):
        raise ValueError(
            f"`random_flip` needs axes out of {AXES}, each once. Received: axes={axes!r}. "
            "Leave them out for left and right."
        )
    return functools.partial(_flip, subject="random_flip", axes=axes, probability=probability)


def random_vertical_flip(probability: float = 0.5) -> Op:
    """Mirror a random part of the examples top and bottom, for aerial and medical pictures.

    Args:
        probability: share of mirrored examples, 0..1.

    Returns:
        op(example) -> example of the same size.

    Raises:
        ValueError: if the probability is outside 0..1.

    >>> import numpy as np
    >>> image = np.arange(3, dtype="uint8").reshape(3, 1, 1)
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_vertical_flip(1.0)(example)["label"].numpy().tolist()
    [[2], [1], [0]]
    """
    check_number("random_vertical_flip", "probability", probability, 0, 1)
    return functools.partial(
        _flip, subject="random_vertical_flip", axes=("height",), probability=probability
    )


def random_turn() -> Op:
    """Rotate by 0, 90, 180 or 270 degrees at random, for aerial and medical pictures.

    Returns:
        op(example) -> example; a picture of (h, w) becomes (w, h) in half of the cases, so a crop
        should follow unless pictures are square. All slices of a volume are rotated alike.

    >>> import numpy as np
    >>> image = np.arange(6, dtype="uint8").reshape(2, 3, 1)
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> sorted(random_turn()(example)["label"].shape.as_list())
    [2, 3]
    """

    def op(example: Example) -> Example:
        image = tf.convert_to_tensor(example["image"])
        label = tf.convert_to_tensor(example["label"])
        turns = tf.cast(uniform(example["seed"], 1)[0] * 4, tf.int32)
        *depth, height, width = label.shape
        size = (*depth, height, width) if height == width else (*depth, None, None)
        # Of four axes, the first one counts pictures, or slices.
        turned = {
            "image": tf.image.rot90(image, turns),
            "label": tf.image.rot90(tf.expand_dims(label, -1), turns)[..., 0],
        }
        turned["image"] = tf.ensure_shape(turned["image"], (*size, image.shape[-1]))
        return with_size({**example, **turned}, *size)

    return op


def _flip(example: Example, subject: str, axes: Sequence[str], probability: float) -> Example:
    dimensions = dimensions_of(example)
    if dimensions == 2 and "depth" in axes:
        raise ValueError(
            f"`{subject}` mirrors pictures (h, w, c) along height and width. Received: "
            f"axes={axes!r} for an image of shape {tuple(example['image'].shape)}. Leave out depth."
        )
    draws = uniform(example["seed"], len(axes)) < probability
    image, label = example["image"], example["label"]
    for chosen, name in zip(tf.unstack(draws, num=len(axes)), axes, strict=True):
        axis = dimensions - len(AXES) + AXES.index(name)
        image, label = _mirrored(image, axis, chosen), _mirrored(label, axis, chosen)
    return {**example, "image": image, "label": label}


def _mirrored(values, axis: int, chosen):
    return tf.cond(chosen, lambda: tf.reverse(values, [axis]), lambda: tf.identity(values))
