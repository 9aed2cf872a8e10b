"""Sample a picture and its mask at fractional positions."""

import tensorflow as tf

from pipelines.ops.example import IGNORE_CLASS, PAD_COLOR, Example, size_of, to_pixels, with_size


def project(example: Example, matrix) -> Example:
    """Apply a projective transform, bilinear for the picture and nearest for the mask.

    Args:
        example: the example; all slices of a volume are transformed alike.
        matrix: float32 (3, 3), from (column, row, 1) of the result to (column, row, 1) times any
            number of the input, in pixels from the center of the picture.

    Returns:
        example of the same size; pixels from outside of the input are mid gray (128) in the picture
        and ignore (255) in the mask.
    """
    image, label = example["image"], example["label"]
    size = tf.stack(size_of(example))
    transform = _from_corner(matrix, size)
    picture = len(label.shape) == 2

    def sample(values, interpolation, fill_mode):
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=values[None] if picture else values,
            transforms=transform[None],
            output_shape=size,
            fill_value=0.0,
            interpolation=interpolation,
            fill_mode=fill_mode,
        )
        return moved[0] if picture else moved

    # A second channel of ones becomes 0 outside of the picture.
    moved = sample(tf.stack([label, tf.ones_like(label)], axis=-1), "NEAREST", "CONSTANT")
    pixels = to_pixels(sample(tf.cast(image, tf.float32), "BILINEAR", "NEAREST"))
    return _fill(example, pixels, moved[..., 0], moved[..., 1] > 0)


def displace(example: Example, rows, columns) -> Example:
    """Replace every pixel by the one `rows` below and `columns` to the right of it.

    Args:
        example: the example.
        rows: float32 (h, w) in pixels.
        columns: float32 (h, w) in pixels.

    Returns:
        example of the same size, filled as by `project`.
    """
    height, width = size_of(example)
    rows += tf.cast(tf.range(height), tf.float32)[:, None]
    columns += tf.cast(tf.range(width), tf.float32)
    near_rows, inside_rows = _nearest(rows, height)
    near_columns, inside_columns = _nearest(columns, width)
    label = tf.gather(tf.reshape(example["label"], [-1]), near_rows * width + near_columns)
    pixels = _bilinear(example["image"], rows, columns)
    return _fill(example, pixels, label, tf.logical_and(inside_rows, inside_columns))


def _from_corner(matrix, size):
    """Convert a transform about the center to 8 numbers for pixels counted from the corner."""
    middle = (tf.cast(size, tf.float32) - 1) / 2
    zero, one = tf.zeros(()), tf.ones(())
    shift = tf.reshape(
        tf.stack([one, zero, middle[1], zero, one, middle[0], zero, zero, one]), [3, 3]
    )
    back = tf.reshape(
        tf.stack([one, zero, -middle[1], zero, one, -middle[0], zero, zero, one]), [3, 3]
    )
    whole = tf.matmul(shift, tf.matmul(matrix, back))
    return (tf.reshape(whole, [9]) / whole[2, 2])[:8]


def _nearest(positions, size):
    """Return the pixels nearest to positions, and whether they are in the picture."""
    near = tf.cast(tf.round(positions), tf.int32)
    inside = tf.logical_and(near >= 0, near < size)
    return tf.clip_by_value(near, 0, size - 1), inside


def _bilinear(image, rows, columns):
    """Sample a picture (h, w, c) at positions; outside of it the edge pixels are repeated."""
    shape = tf.shape(image)
    pixels = tf.reshape(image, [-1, image.shape[-1]])
    rows = tf.clip_by_value(rows, 0.0, tf.cast(shape[0] - 1, tf.float32))
    columns = tf.clip_by_value(columns, 0.0, tf.cast(shape[1] - 1, tf.float32))
    top, left = tf.cast(rows, tf.int32), tf.cast(columns, tf.int32)
    bottom, right = tf.minimum(top + 1, shape[0] - 1), tf.minimum(left + 1, shape[1] - 1)
    down = tf.expand_dims(rows - tf.cast(top, tf.float32), -1)
    along = tf.expand_dims(columns - tf.cast(left, tf.float32), -1)

    def at(row, column):
        return tf.cast(tf.gather(pixels, row * shape[1] + column), tf.float32)

    upper = at(top, left) * (1 - along) + at(top, right) * along
    lower = at(bottom, left) * (1 - along) + at(bottom, right) * along
    return to_pixels(upper * (1 - down) + lower * down)


def _fill(example: Example, image, label, inside) -> Example:
    sizes = example["label"].shape
    image = tf.where(inside[..., None], image, tf.constant(PAD_COLOR, tf.uint8))
    image = tf.ensure_shape(image, (*(None for _ in sizes), example["image"].shape[-1]))
    label = tf.where(inside, label, tf.constant(IGNORE_CLASS, tf.uint8))
    return with_size({**example, "image": image, "label": label}, *sizes)
