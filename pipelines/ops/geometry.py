"""Ops that move every pixel of a picture, and of its mask: scale, stretch, mirror, turn."""

import functools

import tensorflow as tf

from pipelines.ops._example import (
    Example,
    Op,
    check_number,
    check_scale,
    check_size,
    resample,
    scaled,
    size_of,
    uniform,
    with_size,
)


def random_scale(low: float = 0.5, high: float = 2.0) -> Op:
    """Resize by one random factor for height and width.

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
        height, width = size_of(example)
        return resample(example, scaled(height, scale), scaled(width, scale))

    return op


def resize(height: int = 360, width: int = 480) -> Op:
    """Stretch to (height, width): the picture bilinear, the mask nearest.

    Args:
        height: pixels of the result.
        width: pixels of the result.

    Returns:
        op(example) -> example of (height, width).

    Raises:
        ValueError: if a size is not a whole number from 1 up.

    >>> import numpy as np
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> resize(4, 6)(example)["image"].shape
    TensorShape([4, 6, 3])
    """
    check_size("resize", height, width)

    def op(example: Example) -> Example:
        return with_size(resample(example, height, width), height, width)

    return op


def random_flip(probability: float = 0.5) -> Op:
    """Mirror left and right in a part of the examples.

    Args:
        probability: share of mirrored examples, 0..1.

    Returns:
        op(example) -> example of the same size.

    Raises:
        ValueError: if the probability is outside 0..1.

    >>> import numpy as np
    >>> image = np.arange(3, dtype="uint8").reshape(1, 3, 1)
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_flip(1.0)(example)["label"].numpy().tolist()
    [[2, 1, 0]]
    """
    check_number("random_flip", "probability", probability, 0, 1)
    return functools.partial(_flip, axis=1, probability=probability)


def random_vertical_flip(probability: float = 0.5) -> Op:
    """Mirror top and bottom in a part of the examples, as suits aerial and medical pictures.

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
    return functools.partial(_flip, axis=0, probability=probability)


def random_turn() -> Op:
    """Turn by 0, 90, 180 or 270 degrees, each as often, as suits aerial and medical pictures.

    Returns:
        op(example) -> example; a picture of (h, w) becomes (w, h) in half of the cases, so a
        crop should follow unless pictures are square.

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
        height, width = label.shape
        size = (height, width) if height == width else (None, None)
        turned = {
            "image": tf.image.rot90(image, turns),
            "label": tf.image.rot90(tf.expand_dims(label, -1), turns)[..., 0],
        }
        turned["image"] = tf.ensure_shape(turned["image"], (*size, image.shape[-1]))
        return with_size({**example, **turned}, *size)

    return op


def _flip(example: Example, axis: int, probability: float) -> Example:
    chosen = uniform(example["seed"], 1)[0] < probability
    image, label = example["image"], example["label"]
    image = tf.cond(chosen, lambda: tf.reverse(image, [axis]), lambda: tf.identity(image))
    label = tf.cond(chosen, lambda: tf.reverse(label, [axis]), lambda: tf.identity(label))
    return {**example, "image": image, "label": label}
