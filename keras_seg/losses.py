"""Losses on logits that leave out ignored pixels in value and denominator."""

import keras
from keras import ops

from keras_seg import _check


@keras.saving.register_keras_serializable("keras_seg")
class SparseCrossEntropy(keras.losses.Loss):
    """Cross-entropy of integer labels, averaged over the pixels that count.

    Args:
        num_classes: classes, the ignored one not counted.
        ignore_class: label id that counts for nothing.
        label_smoothing: share of the target spread over all classes, 0..1.
        class_weights: one weight per class, or None. The mean is weighted too: it is divided by
            the sum of the weights of the pixels that count, so that the scale of the loss (and
            with it the learning rate) does not depend on the scale of the weights.
        name: the loss's name.

    Call arguments:
        y_true: integer ids (b, h, w).
        y_pred: logits (b, h, w, num_classes); or smaller ones, as auxiliary heads give, which are
            compared with the labels under the centres of their cells.

    Returns:
        float32 scalar, 0 when every pixel is ignored.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.

    >>> import numpy as np
    >>> loss = SparseCrossEntropy(num_classes=2)
    >>> labels = np.array([[[0, 255]]])
    >>> round(float(loss(labels, np.zeros((1, 1, 2, 2), "float32"))), 4)  # ln 2
    0.6931
    """

    def __init__(
        self,
        num_classes,
        ignore_class=255,
        label_smoothing=0.0,
        class_weights=None,
        name="cross_entropy",
    ):
        super().__init__(name=name, reduction=None)
        _check.positive_integer("SparseCrossEntropy", "num_classes", num_classes)
        _check.share("SparseCrossEntropy", "label_smoothing", label_smoothing)
        if class_weights is not None and len(class_weights) != num_classes:
            raise ValueError(
                f"`SparseCrossEntropy` needs one weight per class, {num_classes} in all. "
                f"Received: class_weights with {len(class_weights)} numbers."
            )
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        label, counts = valid_pixels(labels_like(y_true, logits), self.ignore_class)
        loss = ops.sparse_categorical_crossentropy(label, logits, from_logits=True)
        if self.label_smoothing:
            # Cross-entropy against the uniform distribution: -mean over classes of log softmax.
            uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * uniform
        if self.class_weights is not None:
            counts = counts * ops.take(ops.convert_to_tensor(self.class_weights, "float32"), label)
        return weighted_mean(loss, counts)

    def get_config(self):
        return {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
            "name": self.name,
        }


def labels_like(y_true, y_pred):
    """Labels at the size of the logits: the label under the centre of each cell.

    Args:
        y_true: ids (b, h1, w1).
        y_pred: logits (b, h2, w2, num_classes).

    Returns:
        ids (b, h2, w2); `y_true` itself where the sizes are equal.

    >>> labels = keras.ops.reshape(keras.ops.arange(16), (1, 4, 4))
    >>> found = labels_like(labels, keras.ops.zeros((1, 2, 2, 3)))
    >>> keras.ops.convert_to_numpy(found).tolist()
    [[[5, 7], [13, 15]]]
    """
    y_true = ops.convert_to_tensor(y_true)
    for axis in (1, 2):
        # Static sizes where they are known, so that equal ones cost nothing.
        size, wanted = (x.shape[axis] or ops.shape(x)[axis] for x in (y_true, y_pred))
        if isinstance(size, int) and isinstance(wanted, int) and size == wanted:
            continue
        scale = ops.cast(size, "float32") / ops.cast(wanted, "float32")
        centres = (ops.cast(ops.arange(wanted), "float32") + 0.5) * scale
        y_true = ops.take(y_true, ops.cast(centres, "int32"), axis=axis)
    return y_true


def valid_pixels(y_true, ignore_class):
    """Labels with the ignored ones made harmless, and 1 or 0 for whether each counts.

    Args:
        y_true: ids (b, h, w), of any number type.
        ignore_class: label id that counts for nothing, or None.

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
        values: float32 (b, h, w).
        weights: float32 (b, h, w), 0 for what does not count.

    Returns:
        float32 scalar, finite whenever the counted values are.

    >>> float(weighted_mean(keras.ops.ones((1, 2)), keras.ops.zeros((1, 2))))
    0.0
    """
    total = ops.sum(weights)
    # A masked value may be infinite, and infinity times zero is nan: choose before multiplying.
    kept = ops.where(ops.greater(weights, 0.0), values, 0.0)
    return ops.sum(kept * weights) / ops.where(ops.greater(total, 0.0), total, 1.0)
