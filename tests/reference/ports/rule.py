"""Weights by rule for state dicts of PyTorch, and an image: needs NumPy alone."""

import numpy as np


def weights(shapes, scale=1.0):
    """Arrays of float32 by name; RandomState's streams never change.

    Kernels are normal with variance 2 / fan-in, so that values keep their size; biases, means and
    offsets normal with deviation 0.3; variances uniform in 0.5..1.5, scales and other factors too,
    times `scale`.
    """
    found = {}
    for index, (name, shape) in enumerate(shapes.items()):
        random = np.random.RandomState(index)
        if len(shape) > 1 and np.prod(shape) > shape[0]:
            value = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith(("bias", "running_mean")):
            value = 0.3 * random.standard_normal(shape)
        else:
            value = random.uniform(0.5, 1.5, shape)
            value *= 1.0 if name.endswith("running_var") else scale
        found[name] = value.astype("float32")
    return found


def image(side):
    """Two images of uint8 pixels: noise, and the same with stripes."""
    x = np.random.RandomState(0).randint(0, 256, (2, side, side, 3)).astype("uint8")
    x[1, :, ::4] = (200, 100, 50)
    return x
