"""Pictures and lists of operations that the tests of operations share."""

import numpy as np
import tensorflow as tf

from pipelines import ops

HEIGHT, WIDTH, STEP = 40, 56, 4
EVERY = [getattr(ops, name) for name in ops.__all__]
BATCHED = [factory for factory in EVERY if hasattr(factory(), "on_batch")]
FACTORIES = [factory for factory in EVERY if factory not in BATCHED]


def coordinates():
    """A picture that holds 4 x row and 4 x column of each pixel, and the two as masks."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.uint8)
    image = np.stack([rows * STEP, columns * STEP, np.full_like(rows, 200)], axis=-1)
    return image, rows, columns


def example(seed=(0, 1), image=None, label=None):
    picture, rows, _ = coordinates()
    return {
        "image": tf.constant(picture if image is None else image),
        "label": tf.constant(rows if label is None else label),
        "seed": tf.constant(seed, tf.int32),
    }


def names(factory):
    return factory.__name__
