"""Volumes of a body as a scanner shows them, drawn by arithmetic, with exact labels.

The two channels stand for a scan before and after a contrast agent. In each body are an organ, the
vessels that branch within it, and up to four lesions. Other organs have the organ's grey, other
tissue that of lesions, bone is as bright as vessels: where a thing lies tells what it is. Borders
are blurred, the field is uneven, and there is noise. These are drawings to learn with. They say
nothing about patients.
"""

from pathlib import Path

import numpy as np

from pipelines.classes import Classes
from pipelines.dataset import Dataset
from pipelines.datasets._scan_drawing import draw_scan

_SPLITS = ("train", "val", "test")
_MIN_VOLUMES, _MIN_SIDE = 3, 32


def scan_volumes(
    num_volumes: int = 24, size: tuple[int, int, int] = (48, 64, 64), seed: int = 0
) -> Dataset:
    """Draw scans of bodies; the same arguments give the same bytes on a machine.

    Each split has its own stream of volumes, and volume number i of a split depends only on the
    seed, the size and i.

    Args:
        num_volumes: volumes in all, at least 3: 70 % train, 15 % val, 15 % test.
        size: depth, height and width in voxels, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory; volumes have two
        channels: before and after a contrast agent.

    Raises:
        TypeError: if an argument is not a whole number, or size is not three of them.
        ValueError: if there are too few volumes, they are too small, or the seed is negative.

    >>> data = scan_volumes(num_volumes=3, size=(32, 32, 32))
    >>> data.dimensions, data.num_channels, data.class_names
    (3, 2, ('outside', 'body', 'organ', 'vessel', 'lesion'))
    """
    _check(num_volumes, size, seed)
    depth, height, width = (int(side) for side in size)
    held_out = max(1, round(0.15 * num_volumes))
    counts = (num_volumes - 2 * held_out, held_out, held_out)
    splits = {}
    for number, (split, count) in enumerate(zip(_SPLITS, counts, strict=True)):
        drawn = [
            draw_scan((depth, height, width), np.random.SeedSequence(seed, spawn_key=(number, i)))
            for i in range(count)
        ]
        splits[split] = tuple(np.stack(arrays) for arrays in zip(*drawn, strict=True))
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"))
    return Dataset.from_arrays("scan_volumes", classes.names, classes.palette, splits)


def _check(num_volumes: int, size: tuple[int, int, int], seed: int) -> None:
    numbers = {"num_volumes": num_volumes, "seed": seed}
    is_triple = isinstance(size, tuple | list) and len(size) == 3
    for name, values in {**{k: [v] for k, v in numbers.items()}, "size": size}.items():
        received = numbers.get(name, size)
        whole = all(
            isinstance(value, int | np.integer) and not isinstance(value, bool)
            for value in (values if name != "size" or is_triple else [None])
        )
        if not whole:
            raise TypeError(
                "`scan_volumes` takes whole numbers, and three of them as size=(depth, height, "
                f"width). Received: {name}={received!r}. Give for example size=(48, 64, 64)."
            )
    if num_volumes < _MIN_VOLUMES or min(size) < _MIN_SIDE or seed < 0:
        raise ValueError(
            f"`scan_volumes` draws at least {_MIN_VOLUMES} volumes, one for each of train, val and "
            f"test, of at least {_MIN_SIDE} voxels on all sides, with a seed from 0 up. Received: "
            f"num_volumes={num_volumes}, size={tuple(size)}, seed={seed}. Ask for more."
        )
