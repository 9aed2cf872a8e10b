"""Intersection over union from one confusion matrix over a whole set."""

import keras
import numpy as np
from keras import ops

from keras_seg import _check

CHUNK = 2**17  # Pixels that are counted at a time.


def confusion_matrix(labels, predictions, num_classes, ignore_class: int | None = 255):
    """Count pixels by true and predicted class.

    Args:
        labels: integer ids, any shape.
        predictions: integer ids 0..num_classes - 1, same shape.
        num_classes: classes, the ignored one not counted.
        ignore_class: pixels with this label are left out; None to count all.

    Returns:
        int64 array (num_classes, num_classes): rows are the truth, columns the prediction.

    Raises:
        ValueError: shapes differ, or an id is out of range.
        TypeError: an array does not hold whole numbers.

    >>> confusion_matrix(np.array([0, 1, 255]), np.array([0, 0, 1]), 2)
    array([[1, 0],
           [1, 0]])
    """
    labels, predictions = np.asarray(labels).ravel(), np.asarray(predictions).ravel()
    if labels.shape != predictions.shape:
        raise ValueError(
            "`confusion_matrix` needs labels and predictions of the same shape. "
            f"Received: {labels.size} labels and {predictions.size} predictions."
        )
    for ids, name in ((labels, "labels"), (predictions, "predictions")):
        if ids.dtype.kind not in "iub":
            raise TypeError(
                "`confusion_matrix` needs whole numbers. "
                f"Received: {name} of dtype {ids.dtype}. Take the argmax of logits."
            )
    if labels.dtype != np.uint8 or predictions.dtype != np.uint8 or num_classes > 256:
        kept = slice(None) if ignore_class is None else labels != ignore_class
        labels, predictions = labels[kept].astype(np.int64), predictions[kept].astype(np.int64)
        for ids in (labels, predictions):
            _check_ids(ids, num_classes, ignore_class)
        counts = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
        return counts.reshape(num_classes, num_classes)
    # Every pair of bytes is one number below 2**16: one pass counts all, and ignored and
    # impossible ids are cut off afterwards, in a table of 256 x 256. In parts, so that the
    # numbers, eight times as large as the pixels, stay in the processor's cache.
    table = np.zeros(256**2, np.int64)
    for start in range(0, labels.size, CHUNK):
        pairs = labels[start : start + CHUNK].astype(np.int64)
        pairs *= 256
        pairs += predictions[start : start + CHUNK]
        table += np.bincount(pairs, minlength=256**2)
    table = table.reshape(256, 256)
    if ignore_class is not None and 0 <= ignore_class < 256:
        table[ignore_class] = 0
    _check_ids(np.flatnonzero(table.sum(1) + table.sum(0)), num_classes, ignore_class)
    return table[:num_classes, :num_classes].copy()


def _check_ids(ids, num_classes, ignore_class):
    if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
        bad = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(
            f"`confusion_matrix` needs ids of 0..{num_classes - 1} (num_classes={num_classes}), "
            f"and ignore_class={ignore_class} in labels alone. Received: id {bad}. Map other "
            "labels to ignore_class."
        )


def share(part, whole):
    """Return part / whole as float64, and nan for 0 / 0.

    >>> share([1, 0], [2, 0])
    array([0.5, nan])
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(part, np.float64) / np.asarray(whole, np.float64)


def iou_from_confusion(confusion):
    """Intersection over union per class: TP / (TP + FP + FN).

    Args:
        confusion: (num_classes, num_classes), rows the truth, columns the prediction.

    Returns:
        float64 array (num_classes,), 0..1; nan for a class in neither labels nor predictions.

    >>> iou_from_confusion(np.array([[2, 1], [1, 0]]))
    array([0.5, 0. ])
    """
    confusion = np.asarray(confusion, "float64")
    intersection = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - intersection
    return np.divide(intersection, union, out=np.full_like(union, np.nan), where=union > 0)


def mean_iou(confusion):
    """Mean of the per-class IoU over the classes that occur.

    Args:
        confusion: (num_classes, num_classes), rows the truth, columns the prediction.

    Returns:
        float 0..1; nan when no class occurs.

    >>> mean_iou(np.array([[2, 1, 0], [1, 0, 0], [0, 0, 0]]))
    0.25
    """
    iou = iou_from_confusion(confusion)
    seen = ~np.isnan(iou)
    return float(iou[seen].mean()) if seen.any() else float("nan")


@keras.saving.register_keras_serializable("keras_seg")
class MeanIoU(keras.metrics.Metric):
    """Mean IoU over all batches since the last reset, for `model.compile(metrics=[...])`.

    Classes in neither labels nor predictions are left out of the mean; a perfect score is
    exactly 1. `keras_seg.fit` measures the same number with a faster confusion matrix.

    Args:
        num_classes: classes, the ignored one not counted.
        ignore_class: label id to ignore, or None.
        name: the metric's name.

    Call arguments:
        y_true: integer ids (b, h, w).
        y_pred: logits or probabilities (b, h, w, num_classes).

    Returns:
        float32 scalar 0..1.

    Raises:
        ValueError: an argument is out of range; the shapes of labels and logits do not match; or
            labels were neither of 0..num_classes - 1 nor `ignore_class`, which `result` reports.
            In compiled code, which cannot raise, the result is then nan.

    >>> metric = MeanIoU(num_classes=2)
    >>> metric.update_state([[0, 255]], [[[1.0, 0.0], [0.0, 1.0]]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, num_classes, ignore_class=255, name="mean_iou"):
        super().__init__(name=name)
        _check.positive_integer("MeanIoU", "num_classes", num_classes)
        _check.ignore_class("MeanIoU", ignore_class)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        # Whole numbers: float32 stops counting at 2**24, which a hundred pictures exceed.
        # JAX has no 64-bit integers unless asked for; 2**31 pixels per cell are enough there.
        dtype = "int32" if keras.backend.backend() == "jax" else "int64"
        self.confusion = self.add_variable(
            (num_classes, num_classes), initializer="zeros", dtype=dtype, name="confusion"
        )
        self.impossible = self.add_variable(
            (), initializer="zeros", dtype=dtype, name="impossible_labels"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add one batch; `sample_weight` is not used."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check_shapes(y_true, y_pred)
        label = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        predicted = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), (-1,))
        cells = self.num_classes**2
        # Two more cells for impossible and for ignored labels.
        possible = ops.logical_and(label >= 0, label < self.num_classes)
        cell = ops.where(possible, label * self.num_classes + predicted, cells)
        if self.ignore_class is not None:
            cell = ops.where(ops.equal(label, self.ignore_class), cells + 1, cell)
        # Not bincount, which JAX cannot compile.
        found = ops.segment_sum(ops.ones_like(cell), cell, num_segments=cells + 2)
        self.impossible.assign(self.impossible + ops.cast(found[cells], self.impossible.dtype))
        counts = ops.reshape(found[:cells], (self.num_classes, self.num_classes))
        self.confusion.assign(self.confusion + ops.cast(counts, self.confusion.dtype))

    def result(self):
        """The mean IoU so far."""
        self._check_labels()
        confusion = ops.cast(self.confusion, "float32")
        intersection = ops.diagonal(confusion)
        union = ops.sum(confusion, 0) + ops.sum(confusion, 1) - intersection
        occurs = ops.cast(union > 0, "float32")
        iou = intersection / ops.maximum(union, 1.0)
        mean = ops.sum(iou * occurs) / ops.maximum(ops.sum(occurs), 1.0)
        return ops.where(self.impossible > 0, float("nan"), mean)

    def _check_shapes(self, y_true, y_pred):
        """Raise unless there are scores of every class for each pixel of the labels."""
        *found, classes = y_pred.shape
        # The labels may have a last axis of 1, or no known number of axes (of TensorFlow's).
        labels = found if getattr(y_true.shape, "rank", 0) is None else [*y_true.shape]
        labels = labels[:-1] if len(labels) > len(found) and labels[-1] == 1 else labels
        same = len(labels) == len(found) and all(
            None in pair or pair[0] == pair[1] for pair in zip(labels, found, strict=True)
        )
        if classes not in (None, self.num_classes) or not same:
            raise ValueError(
                "`MeanIoU` needs integer labels (b, h, w) and logits (b, h, w, "
                f"{self.num_classes}) of the same size. Received: labels {tuple(y_true.shape)} and "
                f"logits {tuple(y_pred.shape)}. Enlarge smaller logits; num_classes does not count "
                "the ignored class."
            )

    def _check_labels(self):
        """Raise for invalid labels, if their number is known."""
        try:
            impossible = int(ops.convert_to_numpy(self.impossible))
        except (NotImplementedError, TypeError):  # Within a graph of TensorFlow, or JAX's.
            return
        if impossible:
            raise ValueError(
                f"`MeanIoU` needs labels of 0..{self.num_classes - 1} "
                f"(num_classes={self.num_classes}) or ignore_class={self.ignore_class}. Received: "
                f"{impossible} pixels with other labels. Map these to ignore_class."
            )

    def get_config(self):
        """The arguments, for saving."""
        return {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "name": self.name,
        }
