"""Smooth noise for drawn pictures."""

import math

import cv2
import numpy as np


def fractal(
    random: np.random.Generator,
    shape: tuple[int, int],
    cell: float,
    octaves: int = 4,
    gain: float = 0.5,
) -> np.ndarray:
    """Smooth noise with blobs of about `cell` pixels and ever finer ones on top.

    Args:
        random: where chance comes from.
        shape: height and width.
        cell: pixels from one random value to the next, in the coarsest layer.
        octaves: layers, each with half the cell of the one before.
        gain: strength of each layer relative to the one before.

    Returns:
        float32 (height, width), mean about 0, standard deviation about 1.
    """
    total = np.zeros(shape, np.float32)
    strength, power = 1.0, 0.0
    for _ in range(octaves):
        if cell < 1:
            break
        rows, columns = (math.ceil(side / cell) + 3 for side in shape)
        grid = random.random((rows, columns), dtype=np.float32) * 2 - 1
        large = cv2.resize(
            grid, (round(columns * cell), round(rows * cell)), interpolation=cv2.INTER_CUBIC
        )
        top, left = (int(random.random() * cell) + int(cell) for _ in range(2))
        total += strength * large[top : top + shape[0], left : left + shape[1]]
        power += strength**2
        strength, cell = strength * gain, cell / 2
    return total / np.float32(0.45 * max(power, 1e-9) ** 0.5)
