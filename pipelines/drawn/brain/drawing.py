"""One slice: from its seed to four channels and a label."""

import numpy as np

from pipelines.drawn.brain.anatomy import draw_anatomy
from pipelines.drawn.brain.scanner import scan
from pipelines.drawn.brain.tumor import grow_tumor, plan_tumor, pushed
from pipelines.drawn.canvas import Dice
from pipelines.drawn.photo import majority


def draw_brain(size: tuple[int, int], seed: np.random.SeedSequence):
    """Draw one slice at twice its size, so that pixels on borders are mixtures.

    Args:
        size: height and width of the slice.
        seed: what all chance in it comes from.

    Returns:
        channels uint8 (height, width, 4) and label uint8 (height, width).
    """
    plan, texture = seed.spawn(2)
    dice, random = Dice(plan), np.random.Generator(np.random.PCG64(texture))
    y, x = _places(2 * size[0], 2 * size[1], dice)
    tumor = plan_tumor(dice)
    if tumor:
        y, x = pushed(tumor, y, x)
    tissue, label = draw_anatomy(dice, random, y, x)
    if tumor:
        grow_tumor(tumor, random, y, x, tissue, label)
    return scan(dice, random, tissue), majority(label)


def _places(rows: int, columns: int, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of each pixel in the head: about -1 to 1 from front to back of the skull."""
    angle = np.radians(dice.real(-9, 9))
    scale = 1.07 * dice.real(0.98, 1.1) / (min(rows, columns * 1.18) / 2)
    y = ((np.arange(rows) + 0.5 - rows / 2) * scale + dice.real(-0.05, 0.05))[:, None]
    x = ((np.arange(columns) + 0.5 - columns / 2) * scale + dice.real(-0.05, 0.05))[None]
    turned = y * np.cos(angle) + x * np.sin(angle)
    aside = x * np.cos(angle) - y * np.sin(angle)
    return turned.astype(np.float32), aside.astype(np.float32)
