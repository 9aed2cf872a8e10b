"""Labels, validity and weighted means of pixels."""

from keras import ops


def labels_like(y_true, y_pred):
    """Labels at the size of the logits: the label under the center of each cell.

    Args:
        y_true: ids (b, h1, w1), or (b, d1, h1, w1) of volumes.
        y_pred: logits (b, h2, w2, num_classes), or (b, d2, h2, w2, num_classes).

    Returns:
        ids (b, h2, w2), or (b, d2, h2, w2); `y_true` itself where the sizes are equal.

    >>> from keras import ops
    >>> labels = ops.reshape(ops.arange(16), (1, 4, 4))
    >>> found = labels_like(labels, ops.zeros((1, 2, 2, 3)))
    >>> ops.convert_to_numpy(found).tolist()
    [[[5, 7], [13, 15]]]
    """
    y_true = ops.convert_to_tensor(y_true)
    for axis in range(1, len(y_true.shape)):
        # Static sizes where they are known, so that equal ones cost nothing.
        size, wanted = (x.shape[axis] or ops.shape(x)[axis] for x in (y_true, y_pred))
        if isinstance(size, int) and isinstance(wanted, int) and size == wanted:
            continue
        scale = ops.cast(size, "float32") / ops.cast(wanted, "float32")
        centers = (ops.cast(ops.arange(wanted), "float32") + 0.5) * scale
        y_true = ops.take(y_true, ops.cast(centers, "int32"), axis=axis)
    return y_true


def valid_pixels(y_true, ignore_class):
    """Return labels with ignored ones replaced by 0, and 1 for valid pixels, 0 for ignored ones.

    Args:
        y_true: ids (b, h, w), of any number type and any number of axes.
        ignore_class: label id to ignore, or None.

    Returns:
        int32 ids (b, h, w), 0 where ignored; float32 (b, h, w), 0 where ignored, else 1.

    >>> label, counts = valid_pixels([[3, 255]], 255)
    >>> [int(x) for x in label[0]], [float(x) for x in counts[0]]
    ([3, 0], [1.0, 0.0])
    """
    label = ops.cast(y_true, "int32")
    if ignore_class is None:
        return label, ops.ones_like(label, dtype="float32")
    counts = ops.not_equal(label, ignore_class)
    return ops.where(counts, label, 0), ops.cast(counts, "float32")


def weighted_mean(values, weights):
    """Sum of `values * weights` over sum of `weights`; 0 when no weight is left.

    Args:
        values: float32 (b, h, w), or of any other shape.
        weights: float32 of the same shape, 0 to ignore.

    Returns:
        float32 scalar, finite if the values of nonzero weight are.

    >>> from keras import ops
    >>> float(weighted_mean(ops.ones((1, 2)), ops.zeros((1, 2))))
    0.0
    """
    total = ops.sum(weights)
    # A masked value may be infinite, and infinity times zero is nan: choose before multiplying.
    kept = ops.where(ops.greater(weights, 0.0), values, 0.0)
    return ops.sum(kept * weights) / ops.where(ops.greater(total, 0.0), total, 1.0)
