"""Callbacks for validation scores, the best weights and early stopping."""

import math

import keras
import numpy as np

from keras_seg import _check
from keras_seg.metrics import confusion_matrix, iou_from_confusion, mean_iou
from keras_seg.training.accumulate import loss_weight
from keras_seg.training.bars import unobtrusive_bar


class ValidationIoU(keras.callbacks.Callback):
    """Measures mean and per-class IoU on a whole validation set after each epoch.

    Adds `val_mean_iou`, `val_pixel_accuracy` and one `iou/<class name>` per class to the logs.
    All come from one confusion matrix over the set.

    Args:
        labels: function from uint8 pictures (b, h, w, c) to uint8 class ids (b, h, w), which
            follows the model in training: `Segmenter(model, engine="keras").labels`.
        batches: the validation pictures: an iterable of (image, label), read again each
            epoch, with numpy-like uint8 (b, h, w, c) and integer ids (b, h, w).
        class_names: one name per class.
        ignore_class: label id to ignore.
        every: epochs between two measurements; the last epoch is always measured.
        loss: a Keras loss, which is added to the logs as `val_loss`: the mean over all pixels with
            their weights, or over batches if the loss is not such a mean. `labels` must then return
            logits, float (b, h, w, num_classes). None for no loss.

    Raises:
        ValueError: `every` is not a whole number above 0, or all pixels are ignored.

    >>> images, labels = np.zeros((1, 4, 4, 3), "uint8"), np.zeros((1, 4, 4), "uint8")
    >>> measure = ValidationIoU(lambda image: image[..., 0], [(images, labels)], ["road", "sky"])
    >>> logs = {}
    >>> measure.on_epoch_end(0, logs)
    >>> logs["val_mean_iou"], logs["iou/road"]
    (1.0, 1.0)
    """

    def __init__(self, labels, batches, class_names, ignore_class=255, every=1, loss=None):
        super().__init__()
        _check.positive_integer("ValidationIoU", "every", every)
        self.labels = labels
        self.batches = batches
        self.class_names = tuple(class_names)
        self.ignore_class = ignore_class
        self.every = every
        self.loss = loss

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == (self.params or {}).get("epochs")
        if logs is None or ((epoch + 1) % self.every and not last):
            return
        confusion, losses = 0, []
        for image, label in unobtrusive_bar(self.batches, "Validation"):
            found = self.labels(np.asarray(image))
            if self.loss is not None:
                losses.append(_weighed(self.loss, np.asarray(label), found))
                found = np.argmax(found, axis=-1)
            confusion += confusion_matrix(label, found, len(self.class_names), self.ignore_class)
        if not np.any(confusion):
            raise ValueError(
                "`ValidationIoU` needs pixels with a class. Received: batches without one that is "
                f"not ignore_class={self.ignore_class}. Add labeled pictures to the validation set."
            )
        logs["val_mean_iou"] = mean_iou(confusion)
        logs["val_pixel_accuracy"] = float(np.trace(confusion) / np.sum(confusion))
        for name, iou in zip(self.class_names, iou_from_confusion(confusion), strict=True):
            logs[f"iou/{name}"] = float(iou)
        if self.loss is not None:
            values, weights = np.transpose(losses)
            logs["val_loss"] = float(np.sum(values * weights) / max(np.sum(weights), 1e-12))


def _weighed(loss, label, logits):
    """The loss of a batch, and its weight in the mean over all batches."""
    weight = loss_weight(loss, label, logits)
    return float(loss(label, logits)), float(len(label) if weight is None else weight)


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights with the best value of a measure so far, in a file.

    Args:
        save: function without arguments that saves the weights, called whenever the measure
            improves.
        monitor: the measure's name in the logs; larger is better.
        best: best value so far, if a training is resumed.

    >>> best = BestWeights(lambda: None)
    >>> best.on_epoch_end(0, {"val_mean_iou": 0.4})
    >>> best.best
    0.4
    """

    def __init__(self, save, monitor="val_mean_iou", best=-math.inf):
        super().__init__()
        self.save = save
        self.monitor = monitor
        self.best = best

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor, math.nan)
        if value > self.best:
            self.save()
            self.best = value


class EarlyStopping(keras.callbacks.Callback):
    """Stops when the mean IoU on the validation set has not improved for `patience` epochs.

    Args:
        patience: epochs to wait after the best one.
        monitor: the measure's name in the logs; larger is better.
        history: values of earlier epochs, if a training is resumed.

    Raises:
        ValueError: `patience` is not a whole number above 0.

    >>> EarlyStopping(patience=3, history=[0.2, 0.4, 0.3]).waited
    1
    """

    def __init__(self, patience, monitor="val_mean_iou", history=()):
        super().__init__()
        _check.positive_integer("EarlyStopping", "patience", patience)
        self.patience = patience
        self.monitor = monitor
        self.best, self.waited = -math.inf, 0
        for value in history:
            self._see(value)

    def _see(self, value):
        self.waited = 0 if value > self.best else self.waited + 1
        self.best = max(value, self.best)

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None or math.isnan(value):
            return
        self._see(value)
        if self.waited >= self.patience:
            self.model.stop_training = True
