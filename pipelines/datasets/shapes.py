"""Colored shapes on noise: a small dataset for tests and examples, learnable in a few steps."""

from functools import partial

import numpy as np

from pipelines.dataset import Dataset
from pipelines.drawn.dataset import drawn_dataset
from pipelines.find.classes import Classes

_KINDS = {"disc": 2, "square": np.inf, "diamond": 1}  # the norm whose ball has this shape
_MAX_CLASSES = 13


def shapes(
    num_images: int = 60,
    size: tuple[int, ...] = (64, 64),
    seed: int = 0,
    num_channels: int = 3,
    num_classes: int = 4,
) -> Dataset:
    """Draw discs, squares and diamonds, one of each class, at random places on dark noise.

    A class has one shape and one color, so a network with a few weights learns it. Picture
    number i of a split depends on the arguments and i alone.

    Args:
        num_images: number of pictures, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels, at least 32 each; (depth, height, width) for volumes.
        seed: whole number from 0 up.
        num_channels: channels of the pictures, at least 1.
        num_classes: classes including the background, 2 to 13.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two or three of them.
        ValueError: if a number is out of its range.

    >>> data = shapes(num_images=8)
    >>> data.class_names, data.num_examples("train")
    (('background', 'disc', 'square', 'diamond'), 6)
    >>> data.example("train", 0)[0].shape
    (64, 64, 3)
    """
    limits = {"num_channels": (num_channels, 1, 64), "num_classes": (num_classes, 2, _MAX_CLASSES)}
    for name, (value, lowest, highest) in limits.items():
        if not hasattr(value, "__index__") or not lowest <= value <= highest:
            raise ValueError(
                f"`shapes` needs {name} to be a whole number from {lowest} to {highest}. "
                f"Received: {name}={value!r}."
            )
    names = [
        kind if index < 3 else f"{kind} {index // 3 + 1}"
        for index, kind in zip(range(num_classes - 1), list(_KINDS) * 4, strict=False)
    ]
    colors = _colors(num_channels, num_classes)
    palette = [(0, 0, 0), *map(tuple, _colors(3, num_classes).tolist())]
    classes = Classes.make(["background", *names], palette=palette)
    dimensions = 3 if isinstance(size, tuple | list) and len(size) == 3 else 2
    draw = partial(_draw, colors=colors)
    return drawn_dataset("shapes", draw, num_images, size, seed, dimensions, classes)


def _colors(num_channels, num_classes):
    """A color in 90..250 per shape; the first channel alone tells classes apart."""
    turn = np.pi * np.arange(num_classes - 1) / (num_classes - 1)
    shift = 2 * np.pi / 3 * np.arange(num_channels)
    return np.rint(170 + 80 * np.cos(turn[:, None] + shift)).astype(np.uint8)


def _draw(size, seed, colors):
    """Draw a picture uint8 (*size, channels) and its label uint8 (*size)."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    image = random.integers(0, 50, (*size, colors.shape[1])).astype(np.int16)
    label = np.zeros(size, np.uint8)
    for index in random.permutation(len(colors)):
        radius = min(size) * random.uniform(0.12, 0.25)
        center = random.uniform(0.15, 0.85, len(size)) * size
        order = list(_KINDS.values())[index % 3]
        inside = np.linalg.norm(grid - center, ord=order, axis=-1) <= radius
        image[inside] = colors[index] + random.integers(-15, 16, (inside.sum(), 1))
        label[inside] = index + 1
    return image.clip(0, 255).astype(np.uint8), label
