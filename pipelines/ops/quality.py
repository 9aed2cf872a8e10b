"""Ops that degrade picture quality; the mask is not changed."""

import math

import tensorflow as tf

from pipelines.ops.example import Example, Op, check_number, require_picture, to_pixels, uniform


def gaussian_blur(low: float = 0.1, high: float = 2.0, probability: float = 0.5) -> Op:
    """Blur a random part of the pictures with a Gaussian of random width.

    Args:
        low: smallest standard deviation in pixels, 0.05..20.
        high: largest standard deviation in pixels, up to 20.
        probability: share of blurred pictures, 0..1.

    Returns:
        op(example) -> example; at borders the edge pixels are repeated.

    Raises:
        ValueError: if a number is out of range.

    >>> import numpy as np
    >>> image = np.full((4, 4, 3), 77, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(gaussian_blur(1.0, 1.0, 1.0)(example)["image"][0, 0, 0])
    77
    """
    check_number("gaussian_blur", "low", low, 0.05, 20)
    check_number("gaussian_blur", "high", high, low, 20)
    check_number("gaussian_blur", "probability", probability, 0, 1)
    radius = math.ceil(3 * high)

    def op(example: Example) -> Example:
        draws = uniform(example["seed"], 2)
        image = tf.convert_to_tensor(example["image"])
        width = low + (high - low) * draws[1]
        offsets = tf.range(-radius, radius + 1, dtype=tf.float32)
        weights = tf.exp(-0.5 * (offsets / width) ** 2)
        weights /= tf.reduce_sum(weights)
        image = tf.cond(
            draws[0] < probability, lambda: _blur(image, weights), lambda: tf.identity(image)
        )
        return {**example, "image": image}

    return op


def gaussian_noise(strength: float = 12.0) -> Op:
    """Add Gaussian noise of a random strength, independent for each pixel and channel.

    Args:
        strength: largest standard deviation, in steps of 0..255, at most 128.

    Returns:
        op(example) -> example.

    Raises:
        ValueError: if the strength is outside 0..128.

    >>> import numpy as np
    >>> image = np.full((4, 4, 3), 77, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(gaussian_noise(0.0)(example)["image"][0, 0, 0])
    77
    """
    check_number("gaussian_noise", "strength", strength, 0, 128)

    def op(example: Example) -> Example:
        image = example["image"]
        deviation = strength * uniform(example["seed"], 1)[0]
        noise = tf.random.stateless_normal(tf.shape(image), example["seed"])
        return {**example, "image": to_pixels(tf.cast(image, tf.float32) + deviation * noise)}

    return op


def jpeg_artifacts(low: int = 30, high: int = 95, probability: float = 0.5) -> Op:
    """Compress a random part of the pictures as JPEG of random quality, and decode them.

    Args:
        low: lowest quality, 1..100.
        high: highest quality, 1..100.
        probability: share of such pictures, 0..1.

    Returns:
        op(example) -> example; pictures that are not RGB are compressed channel by channel.

    Raises:
        ValueError: if a number is out of range.

    >>> import numpy as np
    >>> image = np.full((4, 4, 3), 77, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> jpeg_artifacts()(example)["image"].shape
    TensorShape([4, 4, 3])
    """
    check_number("jpeg_artifacts", "low", low, 1, 100)
    check_number("jpeg_artifacts", "high", high, low, 100)
    check_number("jpeg_artifacts", "probability", probability, 0, 1)

    def op(example: Example) -> Example:
        require_picture("jpeg_artifacts", example, "Leave it out, or use gaussian_noise.")
        draws = uniform(example["seed"], 2)
        image = tf.convert_to_tensor(example["image"])
        quality = low + tf.cast(draws[1] * (high - low + 0.999), tf.int32)
        image = tf.cond(
            draws[0] < probability,
            lambda: _through_jpeg(image, quality),
            lambda: tf.identity(image),
        )
        return {**example, "image": image}

    return op


def _blur(image, weights):
    """Blur a picture (h, w, c) along rows and columns, a volume (d, h, w, c) also along depth."""
    radius = weights.shape[0] // 2
    shape, axes = tf.shape(image), len(image.shape) - 1
    for axis in range(axes):
        pixels = tf.clip_by_value(tf.range(-radius, shape[axis] + radius), 0, shape[axis] - 1)
        image = tf.gather(image, pixels, axis=axis)
    values = tf.transpose(tf.cast(image, tf.float32), [axes, *range(axes)])
    padded = shape[:-1] + 2 * radius
    # Each channel, and each slice, is a picture of its own.
    values = tf.reshape(values, tf.concat([[-1], padded[-2:], [1]], 0))
    values = tf.nn.conv2d(values, tf.reshape(weights, [1, -1, 1, 1]), 1, "VALID")
    values = tf.nn.conv2d(values, tf.reshape(weights, [-1, 1, 1, 1]), 1, "VALID")
    if axes == 3:
        values = tf.reshape(values, tf.stack([shape[-1], padded[0], -1, 1]))
        values = tf.nn.conv2d(values, tf.reshape(weights, [-1, 1, 1, 1]), 1, "VALID")
    values = tf.reshape(values, tf.concat([shape[-1:], shape[:-1]], 0))
    return to_pixels(tf.transpose(values, [*range(1, axes + 1), 0]))


def _through_jpeg(image, quality):
    channels = image.shape[-1]
    parts = [image] if channels == 3 else tf.split(image, channels, axis=-1)
    stored = [tf.raw_ops.EncodeJpegVariableQuality(images=part, quality=quality) for part in parts]
    read = [tf.io.decode_jpeg(part, channels=3 if channels == 3 else 1) for part in stored]
    return tf.ensure_shape(tf.concat(read, axis=-1), image.shape)
