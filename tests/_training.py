"""Data, networks and callbacks that the tests of training share."""

import keras
import numpy as np
import pandas as pd

CLASSES = ["road", "sky", "car"]
QUICK = {"epochs": 3, "batch_size": 2, "averaging": 0.5}


def squares(count, seed, size=32):
    """Noise whose class shows in the color: learnable by a single convolution."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, (count, 4, 4)).repeat(size // 4, 1).repeat(size // 4, 2)
    images = 80 * labels[..., None] + random.integers(0, 60, (count, size, size, 3))
    labels[:, :2] = 255
    return images.astype("uint8"), labels.astype("uint8")


def tiny(name="tiny", num_classes=3, auxiliary=False):
    """A small network with all that has a state: normalization, dropout."""
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.2)(x)
    logits = keras.layers.Conv2D(num_classes, 1, name="logits")(x)
    if auxiliary:
        logits = {"logits": logits, "aux_x": keras.layers.Conv2D(num_classes, 1, strides=4)(x)}
    return keras.Model(image, logits, name=name)


class Breaks(keras.callbacks.Callback):
    """Raises before a certain step of a certain epoch, both counted from 1, or does anything."""

    def __init__(self, epoch, step, do=None):
        super().__init__()
        self.at, self.do = (epoch, step), do or self.stop

    def stop(self):
        raise KeyboardInterrupt

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch + 1) == self.at:
            self.do()


class Epochs(keras.callbacks.Callback):
    """Remembers which epochs were trained."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch + 1)


def seconds_aside(history):
    return history.drop(columns=["seconds", "train_seconds"])


def check_same(run, other):
    # Bit by bit: nothing in a step of these networks adds in an order that threads decide.
    for a, b in zip(run.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    pd.testing.assert_frame_equal(
        seconds_aside(run.history), seconds_aside(other.history), check_exact=True
    )
