"""What datasets share that are drawn by arithmetic: splits, seeds, arguments, smooth noise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipelines.dataset import Dataset
from pipelines.find.classes import Classes

SPLITS = ("train", "val", "test")
_MIN_COUNT = 3
_MIN_SIDE = 32
Draw = Callable[..., tuple[np.ndarray, ...]]


def drawn_dataset(
    name: str,
    draw: Draw,
    count: int,
    size: tuple[int, ...],
    seed: int,
    dimensions: int = 2,
    classes: Classes | None = None,
) -> Dataset:
    """Draw a dataset with the splits "train", "val" and "test": 70, 15 and 15 %.

    Picture number i of a split depends on seed, size and i alone.

    Args:
        name: the dataset's name.
        draw: function of size and seed to picture uint8 (*size, channels) and label uint8 (*size).
        count: pictures or volumes in all, at least 3.
        size: (height, width) in pixels or (depth, height, width) in voxels, at least 32 each.
        seed: whole number from 0 up.
        dimensions: 2 for pictures, 3 for volumes.
        classes: class names and palette; None reads `<name>.csv` beside this file.

    Returns:
        the dataset, in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not as many of them.
        ValueError: if there are too few pictures, they are too small, or the seed is negative.
    """
    _check(name, count, size, seed, dimensions)
    size = tuple(int(side) for side in size)
    held_out = max(1, round(0.15 * count))
    counts = (count - 2 * held_out, held_out, held_out)
    splits = {}
    for number, (split, pictures) in enumerate(zip(SPLITS, counts, strict=True)):
        seeds = [np.random.SeedSequence(int(seed), spawn_key=(number, i)) for i in range(pictures)]
        drawn = [draw(size, child) for child in seeds]
        splits[split] = tuple(np.stack(arrays) for arrays in zip(*drawn, strict=True))
    if classes is None:
        classes = Classes.from_csv(Path(__file__).with_name(f"{name}.csv"))
    return Dataset.from_arrays(name, classes.names, classes.palette, splits)


def _is_whole(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _check(dataset: str, count: int, size: tuple[int, ...], seed: int, dimensions: int) -> None:
    things = {2: "pictures", 3: "volumes"}[dimensions]
    sides = ("depth", "height", "width")[-dimensions:]
    counted = {2: "num_images", 3: "num_volumes"}[dimensions]
    for name, value in ((counted, count), ("seed", seed)):
        if not _is_whole(value):
            raise TypeError(
                f"`{dataset}` takes a whole number as `{name}`. "
                f"Received: {name}={value!r}. Give an int, such as 300."
            )
    is_size = isinstance(size, tuple | list) and len(size) == dimensions
    if not is_size or not all(_is_whole(side) for side in size):
        raise TypeError(
            f"`{dataset}` takes size=({', '.join(sides)}) as {dimensions} whole numbers. "
            f"Received: size={size!r}. For example, pass size={(64, 240, 320)[-dimensions:]}."
        )
    if count < _MIN_COUNT:
        raise ValueError(
            f"`{dataset}` needs at least {_MIN_COUNT} {things}, one for each of train, val "
            f"and test. Received: {counted}={count}. Ask for more."
        )
    if min(size) < _MIN_SIDE:
        raise ValueError(
            f"`{dataset}` draws {things} of at least {_MIN_SIDE} on all sides. "
            f"Received: size={size}. Draw at {_MIN_SIDE} or more and resize with an op."
        )
    if seed < 0:
        raise ValueError(
            f"`{dataset}` needs a seed from 0 up. Received: seed={seed}. Give 0 or more."
        )
