"""Measures a classifier after each epoch."""

import keras
import numpy as np

from keras_seg import _check
from keras_seg.accuracy import TOP, mean_class_accuracy, ranks_of
from keras_seg.metrics import confusion_matrix
from keras_seg.training.bars import unobtrusive_bar


class ValidationAccuracy(keras.callbacks.Callback):
    """Measures accuracy on a whole validation set after each epoch.

    Adds `val_accuracy` (top-1), `val_top5_accuracy`, `val_class_accuracy` (the mean over classes)
    and one `accuracy/<class name>` per class to the logs.

    Args:
        logits: function from uint8 pictures (b, h, w, c) to logits (b, num_classes), which follows
            the model in training: `Classifier(model, freeze=False).logits`.
        batches: the validation pictures: an iterable of (image, class ids (b,)), read again
            each epoch.
        class_names: one name per class.
        every: epochs between two measurements; the last epoch is always measured.
        loss: a Keras loss, which is added to the logs as `val_loss`, the mean over batches by
            their pictures; None for no loss.

    Raises:
        ValueError: `every` is not a whole number above 0.

    >>> batches = [(np.zeros((2, 4, 4, 3), "uint8"), np.array([0, 1]))]
    >>> measure = ValidationAccuracy(lambda image: np.eye(2), batches, ["cat", "dog"])
    >>> logs = {}
    >>> measure.on_epoch_end(0, logs)
    >>> logs["val_accuracy"], logs["accuracy/cat"]
    (1.0, 1.0)
    """

    def __init__(self, logits, batches, class_names, every=1, loss=None):
        super().__init__()
        _check.positive_integer("ValidationAccuracy", "every", every)
        self.logits = logits
        self.batches = batches
        self.class_names = tuple(class_names)
        self.every = every
        self.loss = loss

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == (self.params or {}).get("epochs")
        if logs is None or ((epoch + 1) % self.every and not last):
            return
        confusion = np.zeros((len(self.class_names),) * 2, np.int64)
        hits, loss = 0, 0.0
        for image, label in unobtrusive_bar(self.batches, "Validation"):
            label, found = np.asarray(label), self.logits(np.asarray(image))
            confusion += confusion_matrix(label, found.argmax(axis=-1), len(confusion), None)
            hits += int(np.sum(ranks_of(label, found) <= TOP))
            if self.loss is not None:
                loss += len(label) * float(self.loss(label, found))
        count = confusion.sum()
        logs["val_accuracy"] = float(np.trace(confusion) / count)
        logs["val_top5_accuracy"] = float(hits / count)
        logs["val_class_accuracy"] = mean_class_accuracy(confusion)
        with np.errstate(invalid="ignore"):
            by_class = np.diag(confusion) / confusion.sum(axis=1)
        for name, accuracy in zip(self.class_names, by_class, strict=True):
            logs[f"accuracy/{name}"] = float(accuracy)
        if self.loss is not None:
            logs["val_loss"] = loss / float(count)
