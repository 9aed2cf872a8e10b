"""The base class of losses: checks, ignored pixels, class weights, saving."""

from numbers import Real  # numpy's, too

import keras
from keras import ops

from keras_seg import _check
from keras_seg.losses.pixels import labels_like, valid_pixels, weighted_mean


class PixelLoss(keras.losses.Loss):
    """Base class of losses of integer label maps and logits; subclasses implement `call`.

    Args:
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore, or None.
        class_weights: one weight per class, 0 or more, or None.
        name: the loss's name.

    Raises:
        ValueError: an argument is out of range, or there is not one weight per class.
        TypeError: the weights are not a list of numbers.
    """

    def __init__(self, num_classes, ignore_class=255, class_weights=None, name=None):
        super().__init__(name=name, reduction=None)
        subject = type(self).__name__
        _check.positive_integer(subject, "num_classes", num_classes)
        _check.ignore_class(subject, ignore_class)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.class_weights = _weights(subject, class_weights, num_classes)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss of a batch: labels (b, h, w) and logits (b, h, w, num_classes) in.

        Losses that are means over pixels also take `sample_weight`, a weight for each of them,
        float (b, h, w).
        """
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        if type(self).pixel_weights is PixelLoss.pixel_weights:
            raise ValueError(
                f"`{type(self).__name__}` has no weights of single pixels or pictures. Received: "
                "sample_weight. Mark pixels to ignore with ignore_class="
                f"{self.ignore_class}, or weigh classes with class_weights=[...]."
            )
        if tuple(sample_weight.shape[1:]) != tuple(y_true.shape[1:]):
            raise ValueError(
                f"`{type(self).__name__}` needs one weight for each pixel of the labels. Received: "
                f"sample_weight {tuple(sample_weight.shape)} for labels {tuple(y_true.shape)}. Of "
                "pictures, repeat their weights over height and width."
            )
        return self.call(y_true, y_pred, sample_weight)

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def read(self, y_true, y_pred):
        """Check and convert the arguments of `call`.

        Args:
            y_true: integer ids (b, h, w), or (b, d, h, w) of volumes.
            y_pred: logits (b, h, w, num_classes); may be smaller than the labels.

        Returns:
            (float32 logits, 0 where ignored, nan where the label is no class; int32 labels of the
            logits' size; float32 0 where ignored, else 1).

        Raises:
            ValueError: the shapes do not match.
        """
        axes, classes = len(y_pred.shape), y_pred.shape[-1]
        if len(y_true.shape) != axes - 1 or classes not in (None, self.num_classes):
            raise ValueError(
                f"`{type(self).__name__}` needs integer labels (b, h, w) and logits "
                f"(b, h, w, {self.num_classes}), or both with a depth. Received: "
                f"labels {tuple(y_true.shape)} and logits {tuple(y_pred.shape)}. "
                "Labels have no last axis, and num_classes does not count the ignored class."
            )
        logits = ops.cast(y_pred, "float32")
        label, counts = valid_pixels(labels_like(y_true, logits), self.ignore_class)
        # Chosen before anything is computed: nan times zero is nan, in a gradient too. Labels that
        # are no class make the loss nan, where the backend does not refuse them.
        possible = ops.logical_and(label >= 0, label < self.num_classes)
        kept = ops.logical_and(possible, counts > 0)
        others = ops.where(possible, 0.0, float("nan"))
        logits = ops.where(ops.expand_dims(kept, -1), logits, ops.expand_dims(others, -1))
        return logits, label, counts

    def weigh(self, label, counts):
        """`counts` times the weight of each pixel's class."""
        if self.class_weights is None:
            return counts
        return counts * ops.take(ops.convert_to_tensor(self.class_weights, "float32"), label)

    def mean_over_pixels(self, values, label, counts, sample_weight=None):
        """Mean of one value per pixel, weighted by class and pixel.

        Args:
            values: float32 (b, h, w).
            label: int32 ids (b, h, w), as `read` gives them.
            counts: float32 (b, h, w), 0 where ignored, else 1.
            sample_weight: float (b, h1, w1), a weight for each pixel of the labels, or None.

        Returns:
            float32 scalar, 0 when every pixel is ignored.
        """
        weights = self.pixel_weights(label, counts)
        if sample_weight is not None:
            weights = weights * ops.cast(labels_like(sample_weight, values), "float32")
        return weighted_mean(values, weights)

    def pixel_weights(self, label, counts):
        """Return the weight of each pixel, for losses that are means over pixels.

        Args:
            label: int32 ids (b, h, w), as `read` gives them.
            counts: float32 (b, h, w), 0 where ignored, else 1.

        Returns:
            float32 (b, h, w); or None for other losses, such as Dice.
        """
        return None

    def get_config(self):
        """The arguments, for saving."""
        return {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "class_weights": self.class_weights,
            "name": self.name,
        }


def _weights(subject, weights, num_classes):
    """One float per class, or None."""
    if weights is None:
        return None
    if isinstance(weights, str | dict) or not hasattr(weights, "__len__"):
        raise TypeError(
            f"`{subject}` needs class_weights as a list of numbers, in the order of the classes. "
            f"Received: class_weights={weights!r}. Of a dict, pass [weights[i] for i in range(n)]; "
            "the recipe of a training also computes them: class_weights={'method': 'enet'}."
        )
    if len(weights) != num_classes:
        raise ValueError(
            f"`{subject}` needs one weight per class, {num_classes} in all. "
            f"Received: class_weights with {len(weights)} numbers."
        )
    numbers = all(isinstance(weight, Real) for weight in weights)
    if not numbers or not all(0 <= weight < float("inf") for weight in weights):
        raise ValueError(
            f"`{subject}` needs finite class weights of at least 0. "
            f"Received: class_weights={list(weights)}."
        )
    return [float(weight) for weight in weights]


def cross_entropy(label, logits):
    """-log softmax of each pixel's own class.

    Args:
        label: int32 ids (b, h, w).
        logits: float32 (b, h, w, num_classes).

    Returns:
        float32 (b, h, w).

    >>> round(float(cross_entropy(ops.zeros((1,), "int32"), ops.zeros((1, 4)))[0]), 4)  # ln 4
    1.3863
    """
    return ops.sparse_categorical_crossentropy(label, logits, from_logits=True)


def check_at_least_0(subject, **numbers):
    """Raise unless every number is finite and at least 0.

    Args:
        subject: name for the error, such as "FocalLoss".
        **numbers: the numbers by their names.

    Raises:
        ValueError: one is not.

    >>> check_at_least_0("FocalLoss", gamma=2.0)
    """
    for name, value in numbers.items():
        if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
            raise ValueError(
                f"`{subject}` needs {name} to be a finite number of at least 0. "
                f"Received: {name}={value!r}."
            )
