"""Streets drawn by arithmetic: a dataset with exact labels that needs no download.

Each picture is a street in perspective with its own plan, weather, camera and people. Picture
and label are drawn together, at twice the size, into one canvas; so a label is exact to the
pixel, also in foliage. Ten classes; no colour belongs to one of them alone.
"""

from pathlib import Path

import numpy as np

from pipelines.classes import Classes
from pipelines.dataset import Dataset
from pipelines.datasets._street_drawing import draw_street

_SPLITS = ("train", "val", "test")
_MIN_IMAGES = 3
_MIN_SIDE = 32


def street_scenes(
    num_images: int = 300, size: tuple[int, int] = (240, 320), seed: int = 0
) -> Dataset:
    """Draw streets with exact labels; the same arguments give the same bytes.

    Each split has its own stream of pictures, and picture number i of a split depends only on
    the seed, the size and i: more pictures continue what fewer began.
    The bytes are the same on every machine that has the same version of OpenCV.

    Args:
        num_images: pictures in all, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two of them.
        ValueError: if there are too few pictures, they are too small, or the seed is negative.

    >>> data = street_scenes(num_images=3, size=(64, 96))
    >>> data.class_names[:4], data.num_examples("train")
    (('road', 'pavement', 'marking', 'building'), 1)
    """
    _check(num_images, size, seed)
    held_out = max(1, round(0.15 * num_images))
    counts = dict(zip(_SPLITS, (num_images - 2 * held_out, held_out, held_out), strict=True))
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"))
    splits = {
        split: _draw(count, size, (int(seed), _SPLITS.index(split)))
        for split, count in counts.items()
    }
    return Dataset.from_arrays("street_scenes", classes.names, classes.palette, splits)


def _draw(count: int, size: tuple[int, int], stream: tuple[int, int]):
    """Pictures (count, height, width, 3) and labels (count, height, width) of one stream."""
    seed, split = stream
    images = np.empty((count, *size, 3), np.uint8)
    labels = np.empty((count, *size), np.uint8)
    for index in range(count):
        child = np.random.SeedSequence(seed, spawn_key=(split, index))
        images[index], labels[index] = draw_street(size, child)
    return images, labels


def _is_whole(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _check(num_images: int, size: tuple[int, int], seed: int) -> None:
    for name, value in (("num_images", num_images), ("seed", seed)):
        if not _is_whole(value):
            raise TypeError(
                f"`street_scenes` takes a whole number as `{name}`. "
                f"Received: {name}={value!r}. Give an int, such as 300."
            )
    is_pair = isinstance(size, (tuple, list)) and len(size) == 2
    if not is_pair or not all(_is_whole(side) for side in size):
        raise TypeError(
            "`street_scenes` takes height and width as two whole numbers. "
            f"Received: size={size!r}. Give for example size=(240, 320)."
        )
    if num_images < _MIN_IMAGES:
        raise ValueError(
            f"`street_scenes` needs at least {_MIN_IMAGES} pictures, one for each of train, val "
            f"and test. Received: num_images={num_images}. Ask for more."
        )
    if min(size) < _MIN_SIDE:
        raise ValueError(
            f"`street_scenes` draws pictures of at least {_MIN_SIDE} pixels on both sides. "
            f"Received: size={size}. Draw at {_MIN_SIDE} or more and resize with an op."
        )
    if seed < 0:
        raise ValueError(
            f"`street_scenes` needs a seed from 0 up. Received: seed={seed}. Give 0 or more."
        )
