"""Networks that the tests of exports share."""

import keras
import numpy as np
from keras import layers

from keras_seg.layers import Recompute, ResizeLike

NAMES, PALETTE = ("road", "sky", "tree"), ((128, 64, 128), (0, 128, 255), (0, 99, 0))


def recomputed(policy):
    """A network that computes a block a second time in training, in mixed precision."""
    inside = keras.Input((None, None, 3), dtype=keras.DTypePolicy(policy).compute_dtype)
    maps = layers.Conv2D(4, 3, padding="same", activation="relu", dtype=policy)(inside)
    image = keras.Input((None, None, 3))
    x = Recompute(keras.Model(inside, maps), dtype=policy)(image)
    return keras.Model(image, layers.Conv2D(3, 1, dtype="float32")(x))


def network(seed, filters=8, dtype=None):
    """Rescaling, strided and depthwise convolutions with BatchNorm, and a bilinear enlargement."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, dtype=dtype)(image)
    x = layers.Conv2D(filters, 3, 2, "same", dtype=dtype)(x)
    x = layers.BatchNormalization(dtype=dtype)(x)
    x = layers.ReLU(6, dtype=dtype)(x)
    x = layers.DepthwiseConv2D(3, 2, "same", dtype=dtype)(x)
    x = layers.BatchNormalization(dtype=dtype)(x)
    aux = layers.Conv2D(3, 1, dtype="float32", name="aux_context")(x)
    x = ResizeLike(dtype="float32", name="logits")([layers.Conv2D(3, 1, dtype=dtype)(x), image])
    model = keras.Model(image, {"logits": x, "aux_context": aux})
    generator = np.random.default_rng(seed)
    model.set_weights(
        [generator.uniform(0.5, 1.5, w.shape) * generator.choice([1, 1, -1], w.shape[-1:])
         if w.ndim > 1 else generator.uniform(0.5, 1.5, w.shape) for w in model.get_weights()]
    )  # fmt: skip
    return model
