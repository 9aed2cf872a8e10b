"""Compares an export with the Keras model on pictures."""

import contextlib
import dataclasses

import numpy as np

from keras_seg.export.refusals import reason_of, refusals
from keras_seg.inference.interpreter import labels_from_scores


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The result of a comparison; the fields are those of `ExportReport`."""

    pictures: str
    agreement: float
    max_difference: float | None
    keras_mean_iou: float | None
    mean_iou: float | None
    keras_own_size_mean_iou: float | None = None
    keras_accuracy: float | None = None
    accuracy: float | None = None


@contextlib.contextmanager
def _full_precision():
    """Disable TF32 on GPUs, whose 11-bit precision would distort the comparison."""
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def compare(reference, exported, batches, words, any_size=False):
    """Run the Keras model and the export on the same pictures.

    Args:
        reference: callable from uint8 (b, h, w, c) to float scores (b, h, w, num_classes).
        exported: callable from the same to (labels (b, h, w), scores (b, h, w, num_classes)), or
            None as scores where there are none.
        batches: at least one (image, label, own), as from `picture_batches.labeled_batches`; label
            and own are None for pictures without labels.
        words: description of the pictures, such as "noise pictures".
        any_size: whether the reference also takes pictures at their original size; it need not take
            all of them.

    Returns:
        Comparison; mean IoU, or of classifiers accuracy, over the labeled batches only.
    """
    return compare_each(reference, {"": exported}, batches, words, any_size)[""]


@_full_precision()
def compare_each(reference, exports, batches, words, any_size=False):
    """Run the Keras model and several exports on the same pictures, which are read once.

    Args:
        reference: as of `compare`.
        exports: {name: callable}, each as `exported` of `compare`.
        batches: as of `compare`.
        words: as of `compare`.
        any_size: as of `compare`.

    Returns:
        {name: Comparison}.
    """
    tallies = {name: _Tally() for name in exports}
    for image, label, own in batches:
        scores = _scores(reference, image)
        expected = labels_from_scores(scores)
        own_labels = None
        if any_size and label is not None and scores.ndim > 2:
            again = own[0].shape == image.shape
            own_labels = expected if again else _own_labels(reference, own[0])
            any_size = own_labels is not None  # A score of some of the pictures is none of all.
        for name, exported in exports.items():
            labels, exported_scores = exported(image)
            _require_shape(expected, labels)
            tally = tallies[name]
            tally.agree(scores, expected, labels, exported_scores)
            if label is None:
                continue
            if scores.ndim == 2:
                tally.hit(len(label), keras_accuracy=expected == label, accuracy=labels == label)
                continue
            tally.add(scores.shape[-1], keras_mean_iou=(label, expected), mean_iou=(label, labels))
            if own_labels is not None:
                tally.add(scores.shape[-1], keras_own_size_mean_iou=(own[1], own_labels))
                tally.differ |= own_labels is not expected
    return {name: tally.comparison(words, any_size) for name, tally in tallies.items()}


def _scores(reference, image):
    try:
        return np.asarray(reference(image))
    except refusals() as error:
        raise ValueError(
            "An export is compared with the Keras model, which must take the pictures. "
            f"Received: pictures of shape {image.shape[1:]}, for which Keras reports: "
            f"{reason_of(error)} "
            "If the model takes only some sizes, pass pictures of these, or build it for one size "
            "with keras.Input((h, w, c))."
        ) from error


def _own_labels(reference, image):
    """Labels of pictures at their own size; None if the model does not take that."""
    try:
        return labels_from_scores(np.asarray(reference(image)))
    except refusals():
        return None


def _require_shape(expected, labels):
    """Raise if an export gives labels of another size than the Keras model."""
    if np.shape(labels) != expected.shape:
        raise ValueError(
            f"An export must give labels of shape {expected.shape}, as the Keras model. Received: "
            f"shape={np.shape(labels)}. Nothing was written. Replace layers that compute with "
            "sizes in an unusual way, or export a SavedModel instead."
        )


class _Tally:
    """Counts of an export: pixels as in Keras, confusion matrices, pictures that are right."""

    def __init__(self):
        self.compared = self.same = self.pixels = 0
        self.largest: float | None = None  # difference of a score
        self.matrices = {}  # by the name of their mean IoU
        self.hits, self.pictures = {}, 0  # of classifiers
        self.differ = False  # whether the size of a picture differs from the export's

    def agree(self, scores, expected, labels, exported_scores):
        """Count the pixels with the labels of the Keras model."""
        self.compared += len(scores)
        self.pixels += expected.size
        self.same += np.count_nonzero(expected == labels)
        if exported_scores is not None:
            # A difference of nan counts as infinite.
            difference = np.nan_to_num(np.abs(scores - exported_scores), nan=np.inf)
            self.largest = max(self.largest or 0.0, float(difference.max()))

    def add(self, num_classes, **pairs):
        """Count (truth, found) for each name."""
        from keras_seg.metrics import confusion_matrix  # here, as it imports keras

        for name, (truth, found) in pairs.items():
            matrix = confusion_matrix(truth, found, num_classes)
            self.matrices[name] = self.matrices.get(name, 0) + matrix

    def hit(self, pictures, **right):
        """Count the correctly classified pictures, for each name."""
        self.pictures += pictures
        for name, found in right.items():
            self.hits[name] = self.hits.get(name, 0) + int(np.sum(found))

    def comparison(self, words, own_size=True):
        """What was found, as a `Comparison`."""
        from keras_seg.metrics import mean_iou

        means = {"keras_mean_iou": None, "mean_iou": None}
        means |= {name: hits / self.pictures for name, hits in self.hits.items()}
        means |= {name: mean_iou(matrix) for name, matrix in self.matrices.items()}
        if not (self.differ and own_size):
            means.pop("keras_own_size_mean_iou", None)
        agreement = self.same / self.pixels
        return Comparison(f"{self.compared} {words}", agreement, self.largest, **means)


def count_of(found):
    """The number of pictures of a comparison, with which their description begins.

    >>> count_of(Comparison("12 noise pictures", 1.0, 0.0, None, None))
    12
    """
    return int(found.pictures.split()[0])


def require(subject, path, found, min_agreement, max_iou_drop=None):
    """Raise unless an export agrees with the Keras model.

    Args:
        subject: name of the calling function.
        path: where the export would have been written.
        found: result of `compare`.
        min_agreement: least share of pixels with the same label, or None.
        max_iou_drop: largest loss of mean IoU, or of accuracy, 0..1, or None; needs labeled
            pictures.

    Raises:
        ValueError: if the export does not agree.
    """
    received = f"agreement={found.agreement:.5f}"
    rules = []
    if found.max_difference is not None and not np.isfinite(found.max_difference):
        rules.append("scores to be finite numbers")
        received += f", max_difference={found.max_difference}"
    if min_agreement is not None and found.agreement < min_agreement:
        rules.append(f"labels as in Keras on at least {min_agreement:.2%} of the pixels")
    if max_iou_drop is not None and found.keras_mean_iou is not None:
        if not found.keras_mean_iou - found.mean_iou <= max_iou_drop:
            rules.append(f"a loss of mean IoU of at most {max_iou_drop}")
            received += f", mean IoU={found.mean_iou:.4f} after {found.keras_mean_iou:.4f}"
    if max_iou_drop is not None and found.keras_accuracy is not None:
        # One picture more or less is no loss: of few pictures it is a large share.
        if not found.keras_accuracy - found.accuracy <= max(max_iou_drop, 1.5 / count_of(found)):
            rules.append(f"a loss of accuracy of at most {max_iou_drop}")
            received += f", accuracy={found.accuracy:.4f} after {found.keras_accuracy:.4f}"
    if rules:
        raise ValueError(
            f"`{subject}` compares an export with the Keras model before it keeps it, and needs "
            f"{' and '.join(rules)}. Received: {received} on {found.pictures}. Nothing was written "
            f"to {str(path)!r}. Check that the model is trained and, for int8, calibrated on "
            "training pictures; or accept the difference with `min_agreement`."
        )
