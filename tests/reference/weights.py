"""Weights by rule, and the files of the reference networks: needs NumPy alone.

A reference file holds cases. A case is a network's settings, one image of uint8 pixels, the logits
that the reference computed in inference mode (in float64, stored as float32), and every weight by
name, in the order of the forward pass. Some cases store the weights' values; the others store names
and shapes, and the values follow from `by_rule`. All values are exact in float16.

A name is the layer's place and what Keras calls the variable, as in "context/stem/gamma". Layouts
are Keras's: convolution (height, width, in, out), depthwise (height, width, channels, 1),
transposed convolution (height, width, out, in).
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A network's settings, an image of shape (height, width, 3), and what comes out of it."""

    settings: dict
    image: np.ndarray
    logits: np.ndarray
    weights: dict[str, np.ndarray]


def by_rule(index, name, shape):
    """Weight number `index` (from 0, in forward order); RandomState's streams never change.

    Kernels are normal with variance 2 / fan-in, biases and moving means normal with deviation 0.3,
    gammas and moving variances uniform in 0.5..1.5, betas in 0..1. The kernels "up.../transition"
    are three times as large, so that what comes from far below is seen in the logits.
    """
    random = np.random.RandomState(index)
    place, kind = name.rsplit("/", 1)
    if kind == "kernel":
        depthwise = len(shape) == 4 and shape[3] == 1
        fan_in = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
        goes_up = place.startswith("up") and place.endswith("/transition")
        values = random.normal(size=shape) * np.sqrt(2 / fan_in) * (3 if goes_up else 1)
    elif kind in ("gamma", "moving_variance"):
        values = random.uniform(0.5, 1.5, size=shape)
    elif kind == "beta":
        values = random.uniform(0, 1, size=shape)
    else:
        values = random.normal(size=shape) * 0.3
    return values.astype(np.float16).astype(np.float32)


class RuleWeights(dict):
    """Weights by name, each made by the rule when the forward pass asks for it."""

    def make(self, name, shape):
        if name in self:
            raise ValueError(f"Every weight needs a name of its own. Received: name={name!r}")
        self[name] = by_rule(len(self), name, shape)
        return self[name]


def image(seed, height, width):
    """Draw coarse blocks under fine noise: something to see at every scale of a network."""
    random = np.random.RandomState(seed)
    coarse = random.randint(0, 192, size=(height // 12 + 1, width // 12 + 1, 3))
    blocks = coarse.repeat(12, axis=0).repeat(12, axis=1)[:height, :width]
    return (blocks + random.randint(0, 4, size=(height, width, 3)) * 21).astype(np.uint8)


def counts(weights):
    """Count parameters: kernels, folded (one bias per output channel), trainable and total."""
    sizes = {name: array.size for name, array in weights.items()}
    kernels = [array for name, array in weights.items() if name.endswith("/kernel")]
    moving = sum(size for name, size in sizes.items() if "/moving_" in name)
    # The last axis of a transposed kernel is its input, which has as many channels as its output.
    channels = sum(array.shape[2 if array.shape[3] == 1 else 3] for array in kernels)
    in_kernels, total = sum(array.size for array in kernels), sum(sizes.values())
    return {
        "kernels": in_kernels,
        "folded": in_kernels + channels,
        "trainable": total - moving,
        "total": total,
    }


def write(path, stored, ruled):
    """Write cases by name: `stored` ones with the values of their weights, `ruled` ones without."""
    entries = {}
    for name, case in {**stored, **ruled}.items():
        shapes = [list(array.shape) for array in case.weights.values()]
        entries[f"{name}/settings"] = np.array(json.dumps(case.settings))
        entries[f"{name}/image"] = case.image
        entries[f"{name}/logits"] = case.logits
        entries[f"{name}/names"] = np.array(list(case.weights))
        entries[f"{name}/shapes"] = np.array(json.dumps(shapes))
        if name in stored:
            flat = np.concatenate([array.ravel() for array in case.weights.values()])
            entries[f"{name}/values"] = flat.astype(np.float16)
    np.savez_compressed(path, **entries)


def case_names(path):
    """List the cases of a file."""
    with np.load(path) as file:
        return [entry.removesuffix("/settings") for entry in file.files if "/settings" in entry]


def read(path: str | Path, name: str) -> Case:
    """Read one case of a file, with its weights as float32 arrays in forward order."""
    with np.load(path) as file:
        names = [str(weight) for weight in file[f"{name}/names"]]
        shapes = [tuple(shape) for shape in json.loads(str(file[f"{name}/shapes"]))]
        if f"{name}/values" in file.files:
            ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
            parts = np.split(file[f"{name}/values"].astype(np.float32), ends[:-1])
            arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        else:
            arrays = [
                by_rule(*which) for which in zip(range(len(names)), names, shapes, strict=True)
            ]
        return Case(
            json.loads(str(file[f"{name}/settings"])),
            file[f"{name}/image"],
            file[f"{name}/logits"],
            dict(zip(names, arrays, strict=True)),
        )
