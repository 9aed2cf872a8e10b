"""Ops that rotate, shear and warp a picture and its mask."""

import math

import numpy as np
import tensorflow as tf

from pipelines.ops.example import (
    Example,
    Op,
    check_number,
    check_scale,
    require_picture,
    size_of,
    uniform,
)
from pipelines.ops.sampling import displace, project

_ADVICE = "Use random_affine, which transforms all slices of a volume alike."
_CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)


def random_rotation(degrees: float = 10.0) -> Op:
    """Rotate about the center by a random angle; all slices of a volume alike.

    Args:
        degrees: largest angle to either side, 0..180.

    Returns:
        op(example) -> example of the same size; pixels from outside of the input are mid gray (128)
        in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if the angle is out of range.

    >>> image = np.full((5, 5, 3), 9, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> int(random_rotation(45)(example)["label"][2, 2])
    9
    """
    check_number("random_rotation", "degrees", degrees, 0, 180)
    return random_affine(degrees, shear=0.0, translation=0.0, low=1.0, high=1.0)


def random_affine(
    degrees: float = 10.0,
    shear: float = 10.0,
    translation: float = 0.1,
    low: float = 0.8,
    high: float = 1.25,
) -> Op:
    """Rotate, shear, shift and scale about the center by random amounts, in one resampling step.

    All slices of a volume are transformed alike, within their plane.

    Args:
        degrees: largest angle to either side, 0..180.
        shear: largest angle of shear to either side, in degrees, 0..60.
        translation: largest shift to either side, as a share of height and width, 0..1.
        low: smallest scale, above 0.
        high: largest scale.

    Returns:
        op(example) -> example of the same size; pixels from outside of the input are mid gray (128)
        in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a number is out of range.

    >>> image = np.full((5, 5, 3), 9, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_affine()(example)["image"].shape
    TensorShape([5, 5, 3])
    """
    check_number("random_affine", "degrees", degrees, 0, 180)
    check_number("random_affine", "shear", shear, 0, 60)
    check_number("random_affine", "translation", translation, 0, 1)
    check_scale("random_affine", low, high)

    def op(example: Example) -> Example:
        draws = uniform(example["seed"], 5)
        angle, slope = tf.unstack((draws[:2] * 2 - 1) * (math.pi / 180) * [degrees, shear])
        scale = low + (high - low) * draws[4]
        height, width = (tf.cast(size, tf.float32) for size in size_of(example))
        down = (draws[2] * 2 - 1) * translation * height
        along = (draws[3] * 2 - 1) * translation * width
        cos, sin, tan = tf.cos(angle) / scale, tf.sin(angle) / scale, tf.tan(slope)
        # From the result to the input: inverse shift, rotation and shear.
        first = [cos - tan * sin, -sin - tan * cos, 0.0]
        second = [sin, cos, 0.0]
        linear = tf.stack([tf.stack(first), tf.stack(second), tf.constant([0.0, 0.0, 1.0])])
        back = tf.stack([[1.0, 0.0, -along], [0.0, 1.0, -down], [0.0, 0.0, 1.0]])
        return project(example, tf.matmul(linear, back))

    return op


def random_perspective(strength: float = 0.1) -> Op:
    """Apply a random perspective: each corner moves by a random amount.

    Args:
        strength: largest shift of a corner along each axis, as a share of height and width, 0..0.2.

    Returns:
        op(example) -> example of the same size; pixels from outside of the input are mid gray (128)
        in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if the strength is out of range.

    >>> image = np.full((5, 5, 3), 9, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> random_perspective()(example)["image"].shape
    TensorShape([5, 5, 3])
    """
    check_number("random_perspective", "strength", strength, 0, 0.2)

    def op(example: Example) -> Example:
        require_picture("random_perspective", example, _ADVICE)
        moves = tf.reshape(uniform(example["seed"], 8) * 2 - 1, [4, 2])
        matrix = _through_corners(_CORNERS + 2 * strength * moves)
        height, width = (tf.maximum(tf.cast(n - 1, tf.float32) / 2, 0.5) for n in size_of(example))
        halves = tf.stack([width, height, 1.0])
        return project(example, matrix * halves[:, None] / halves)

    return op


def elastic(strength: float = 8.0, smoothness: float = 48.0) -> Op:
    """Apply an elastic deformation.

    Simard, Steinkraus, Platt: Best practices for convolutional neural networks, 2003, with a
    bicubic field through random knots in place of a blurred field of random pixels.

    Args:
        strength: largest shift of a knot along each axis, in pixels, 0..1000.
        smoothness: pixels between two knots, 4..10000; at least twice the strength, or the
            picture would fold.

    Returns:
        op(example) -> example of the same size; pixels from outside of the input are mid gray (128)
        in the picture and ignore (255) in the mask.

    Raises:
        ValueError: if a number is out of range.

    >>> image = np.full((5, 5, 3), 9, "uint8")
    >>> example = {"image": image, "label": image[..., 0], "seed": (0, 1)}
    >>> elastic()(example)["image"].shape
    TensorShape([5, 5, 3])
    """
    check_number("elastic", "strength", strength, 0, 1000)
    check_number("elastic", "smoothness", smoothness, max(4, 2 * strength), 10000)

    def op(example: Example) -> Example:
        require_picture("elastic", example, _ADVICE)
        height, width = size_of(example)
        knots = [
            2 + tf.cast(tf.cast(n, tf.float32) / smoothness, tf.int32) for n in (height, width)
        ]
        moves = tf.random.stateless_uniform(
            tf.stack([*knots, 2]), example["seed"], -strength, strength
        )
        field = tf.raw_ops.ResizeBicubic(
            images=moves[None], size=tf.stack([height, width]), half_pixel_centers=True
        )[0]
        return displace(example, field[..., 0], field[..., 1])

    return op


def _through_corners(corners):
    """Return the matrix (3, 3) that takes the corners of -1..1 to others, (4, 2)."""
    ones, zeros = np.ones((4, 1), np.float32), np.zeros((4, 3), np.float32)
    known = np.concatenate([_CORNERS, ones], axis=1)
    # For each corner: x' (g x + h y + 1) = a x + b y + c, and the same for y'.
    upper = tf.concat([known, zeros, -_CORNERS * corners[:, :1]], axis=1)
    lower = tf.concat([zeros, known, -_CORNERS * corners[:, 1:]], axis=1)
    right = tf.reshape(tf.transpose(corners), [8, 1])
    numbers = tf.linalg.solve(tf.concat([upper, lower], axis=0), right)
    return tf.reshape(tf.concat([tf.reshape(numbers, [8]), [1.0]], axis=0), [3, 3])
