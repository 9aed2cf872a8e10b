"""Callbacks for monitoring: progress bar, prediction overlays, a stop at a loss of nan."""

import math
import time
from pathlib import Path

import keras
from tqdm.auto import tqdm

from keras_seg import _check


class ProgressBar(keras.callbacks.Callback):
    """One bar per epoch with the loss, and one line with the epoch's scores.

    Until the first step has ended, which can take half a minute, the bar shows that it is being
    compiled.

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
        self._compiled = False

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()
        self._bar = tqdm(
            total=self.steps_per_epoch,
            desc=f"Epoch {epoch + 1}/{self.epochs}",
            unit="step",
            leave=False,
        )
        if not self._compiled:
            self._bar.set_postfix_str("compiling the first step")

    def on_train_batch_end(self, batch, logs=None):
        self._compiled = True
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
        if "val_top5_accuracy" in logs:
            self.best = max(self.best, logs["val_accuracy"])
            words.append(f"accuracy {logs['val_accuracy']:.4f} (best {self.best:.4f})")
            words.append(f"top-5 {logs['val_top5_accuracy']:.4f}")
        words.append(f"{time.perf_counter() - self._started:.0f} s")
        tqdm.write(" | ".join(words))


class Overlays(keras.callbacks.Callback):
    """Writes a figure with the model's predictions on the same few pictures, every few epochs.

    Args:
        draw: function without arguments that returns a matplotlib figure of the predictions.
        folder: where `epoch_0010.png` and so on are written.
        every: draw every so many epochs.

    Raises:
        ValueError: `every` is not a whole number above 0.

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


class StopOnBadLoss(keras.callbacks.Callback):
    """Stops at the first loss that is not finite, before it is saved anywhere.

    Args:
        kept: sentence on where the last good weights are, for the message.

    Raises:
        FloatingPointError: the loss is nan or infinite; says in which epoch and step.

    >>> StopOnBadLoss().on_train_batch_end(0, {"loss": 0.7})
    """

    def __init__(self, kept="Earlier weights were not saved."):
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
