"""A tiny classifier, data and a run that the tests of classification share."""

import functools
import tempfile

import keras
import numpy as np

import keras_seg
import pipelines

CLASSES = ["red", "green", "blue"]
QUICK = {"epochs": 2, "batch_size": 4, "averaging": 0.5, "augmentation": (("random_flip", {}),)}


def shades(count=12, size=32, seed=0):
    """Noise whose color is its class: learnable by a single convolution."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 100, (count, size, size, 3))
    images += 120 * np.eye(3, dtype=int)[labels][:, None, None]
    return images.astype("uint8"), labels


def arrays(size=32):
    splits = {"train": shades(12, size), "val": shades(6, size, seed=1)}
    return pipelines.Dataset.from_arrays("shades", CLASSES, None, splits)


def tiny(num_classes=3, name="tiny", size=(None, None)):
    """A small classifier with all that has a state: normalization, dropout."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*size, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.Dense(num_classes, name="predictions")(x), name=name)


@functools.cache
def trained():
    """A run of the tiny classifier, trained until it tells the classes apart."""
    changes = {**QUICK, "epochs": 20, "learning_rate": 0.03, "validate_every": 10}
    return keras_seg.fit(tiny(), arrays(), folder=tempfile.mkdtemp(), **changes)
