"""Callbacks for segmentation; plain Keras callbacks that also work with `model.fit`."""

import math
import time
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from keras_seg import _check
from keras_seg.metrics import confusion_matrix, iou_from_confusion, mean_iou
from keras_seg.statistics import ReestimateStatistics as ReestimateStatistics


class ValidationIoU(keras.callbacks.Callback):
    """Measures mean and per-class IoU on a whole validation set after each epoch.

    Adds `val_mean_iou`, `val_pixel_accuracy` and one `iou/<class name>` per class to the logs.
    All come from one confusion matrix over the set.

    Args:
        labels: function from uint8 pictures (b, h, w, c) to uint8 class ids (b, h, w), which
            follows the model in training: `Segmenter(model, freeze=False).labels`.
        batches: the validation pictures: an iterable of (image, label), gone through anew each
            epoch, with numpy-like uint8 (b, h, w, c) and integer ids (b, h, w).
        class_names: one name per class.
        ignore_class: label id that counts for nothing.
        every: measure every so many epochs, and nothing in between.

    Raises:
        ValueError: `every` is no whole number of at least 1, or no pixel has a label that counts.

    >>> images, labels = np.zeros((1, 4, 4, 3), "uint8"), np.zeros((1, 4, 4), "uint8")
    >>> measure = ValidationIoU(lambda image: image[..., 0], [(images, labels)], ["road", "sky"])
    >>> logs = {}
    >>> measure.on_epoch_end(0, logs)
    >>> logs["val_mean_iou"], logs["iou/road"]
    (1.0, 1.0)
    """

    def __init__(self, labels, batches, class_names, ignore_class=255, every=1):
        super().__init__()
        _check.positive_integer("ValidationIoU", "every", every)
        self.labels = labels
        self.batches = batches
        self.class_names = tuple(class_names)
        self.ignore_class = ignore_class
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        if logs is None or (epoch + 1) % self.every:
            return
        confusion = sum(
            confusion_matrix(
                label, self.labels(np.asarray(image)), len(self.class_names), self.ignore_class
            )
            for image, label in self.batches
        )
        if not np.any(confusion):
            raise ValueError(
                "`ValidationIoU` needs pixels with a class. Received: batches without one that is "
                f"not ignore_class={self.ignore_class}. Give the validation set labelled pictures."
            )
        logs["val_mean_iou"] = mean_iou(confusion)
        logs["val_pixel_accuracy"] = float(np.trace(confusion) / np.sum(confusion))
        for name, iou in zip(self.class_names, iou_from_confusion(confusion), strict=True):
            logs[f"iou/{name}"] = float(iou)


class AveragedWeights(keras.callbacks.Callback):
    """Puts the moving average of the weights into the model between epochs.

    For an optimizer with `use_ema=True`. What follows in the list of callbacks (validation, best
    weights) sees the averaged weights; training goes on from the raw ones. After the last epoch
    the averaged weights stay.

    >>> AveragedWeights().raw is None
    True
    """

    def __init__(self):
        super().__init__()
        self.raw = None

    def on_epoch_end(self, epoch, logs=None):
        # Copies: on torch an array shares its memory with the variable.
        self.raw = [
            np.array(keras.ops.convert_to_numpy(variable))
            for variable in self.model.trainable_variables
        ]
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def on_epoch_begin(self, epoch, logs=None):
        if self.raw is not None:
            for variable, value in zip(self.model.trainable_variables, self.raw, strict=True):
                variable.assign(value)
            self.raw = None


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights with the best value of a measure so far, in a file.

    Args:
        save: function that is called without arguments whenever the measure is better than
            before; it writes what should be kept.
        monitor: the measure's name in the logs; larger is better.
        best: best value so far, for a training that goes on.

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
    """Stops when the mean IoU on the validation set has not improved for so many epochs.

    Args:
        patience: epochs to wait after the best one.
        monitor: the measure's name in the logs; larger is better.
        history: values of earlier epochs, for a training that goes on.

    Raises:
        ValueError: `patience` is no whole number of at least 1.

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


class ExponentialDecay(keras.callbacks.Callback):
    """Multiplies the learning rate by `rate` after each epoch, as FC-DenseNet trains.

    The rate of epoch e is `initial * rate ** e`, whatever epoch a training goes on from. For an
    optimizer whose learning rate is a number; `keras_seg.schedules.Exponential` is the same as a
    schedule.

    Args:
        rate: factor per epoch, above 0 and up to 1.
        warmup_epochs: epochs of linear rise before.
        initial_learning_rate: rate of the first epoch; the optimizer's own when the training
            starts, if None.

    Raises:
        ValueError: `rate` is out of range, or the optimizer follows a schedule already.

    >>> decay = ExponentialDecay(0.995, initial_learning_rate=1e-3)
    >>> round(decay.learning_rate(138), 6)  # 1e-3 * 0.995 ** 138
    0.000501
    """

    def __init__(self, rate=0.995, warmup_epochs=0, initial_learning_rate=None):
        super().__init__()
        if not 0 < rate <= 1:
            raise ValueError(
                f"`ExponentialDecay` needs a rate above 0 and up to 1. Received: rate={rate!r}."
            )
        self.rate = rate
        self.warmup_epochs = warmup_epochs
        self.initial_learning_rate = initial_learning_rate

    def learning_rate(self, epoch):
        """The learning rate of an epoch, counted from 0."""
        if epoch < self.warmup_epochs:
            return self.initial_learning_rate * (epoch + 1) / (self.warmup_epochs + 1)
        return self.initial_learning_rate * self.rate ** (epoch - self.warmup_epochs)

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        if isinstance(
            getattr(optimizer, "_learning_rate", None),
            keras.optimizers.schedules.LearningRateSchedule,
        ):
            raise ValueError(
                "`ExponentialDecay` needs an optimizer whose learning rate is a number. Received: "
                "an optimizer with a schedule. Use `keras_seg.schedules.Exponential` as its "
                "schedule and leave this callback out."
            )
        if self.initial_learning_rate is None:
            self.initial_learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.learning_rate(epoch)


class StopOnBadLoss(keras.callbacks.Callback):
    """Stops at the first loss that is not finite, before it is saved anywhere.

    Args:
        kept: words on where the last good weights are, for the message.

    Raises:
        FloatingPointError: the loss is nan or infinite; says in which epoch and step.

    >>> StopOnBadLoss().on_train_batch_end(0, {"loss": 0.7})
    """

    def __init__(self, kept="The weights from before are not kept."):
        super().__init__()
        self.kept = kept
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"Training needs a finite loss. Received: loss={loss} in epoch {self.epoch + 1}, "
                f"step {batch + 1}. {self.kept} Lower the learning rate, lengthen the warm-up, or "
                "give the optimizer `global_clipnorm=1.0`."
            )


class Overlays(keras.callbacks.Callback):
    """Writes a figure with the model's answers on the same few pictures, every few epochs.

    Args:
        draw: function without arguments that returns a matplotlib figure of the model's answers.
        folder: where `epoch_0010.png` and so on are written.
        every: draw every so many epochs.

    Raises:
        ValueError: `every` is no whole number of at least 1.

    >>> Overlays(draw=None, folder="figures", every=10).path(9).name
    'epoch_0010.png'
    """

    def __init__(self, draw, folder, every=10):
        super().__init__()
        _check.positive_integer("Overlays", "every", every)
        self.draw = draw
        self.folder = Path(folder)
        self.every = every

    def path(self, epoch):
        """The file for an epoch, counted from 0."""
        return self.folder / f"epoch_{epoch + 1:04d}.png"

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.draw().savefig(self.path(epoch), dpi=80)


class ProgressBar(keras.callbacks.Callback):
    """One bar per epoch with the loss, and one line with the epoch's scores.

    Args:
        epochs: number of the last epoch.
        steps_per_epoch: steps of one epoch, or None if not known.

    >>> ProgressBar(epochs=2, steps_per_epoch=10).epochs
    2
    """

    def __init__(self, epochs, steps_per_epoch=None):
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.best = -math.inf

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()
        self._bar = tqdm(
            total=self.steps_per_epoch,
            desc=f"Epoch {epoch + 1}/{self.epochs}",
            unit="step",
            leave=False,
        )

    def on_train_batch_end(self, batch, logs=None):
        self._bar.set_postfix(loss=f"{float((logs or {}).get('loss', 0.0)):.4f}", refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self._bar.close()
        words = [f"Epoch {epoch + 1}/{self.epochs}", f"loss {logs.get('loss', math.nan):.4f}"]
        if "val_mean_iou" in logs:
            self.best = max(self.best, logs["val_mean_iou"])
            classes = {k[4:]: v for k, v in logs.items() if k.startswith("iou/")}
            words.append(f"mean IoU {logs['val_mean_iou']:.4f} (best {self.best:.4f})")
            words.append(" ".join(f"{name} {iou:.2f}" for name, iou in classes.items()))
        words.append(f"{time.perf_counter() - self._started:.0f} s")
        tqdm.write(" | ".join(words))
