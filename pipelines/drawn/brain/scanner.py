"""What a scanner makes of tissue: four contrasts, an uneven field, mixed pixels, noise."""

import cv2
import numpy as np

from pipelines.drawn.brain.anatomy import (
    BACKGROUND,
    BONE,
    CORE,
    DEEP,
    EDEMA,
    ENHANCING,
    FLUID,
    GRAY,
    PLEXUS,
    SKULL,
    VESSEL,
    WHITE,
    WORN,
)
from pipelines.drawn.canvas import Dice
from pipelines.drawn.noise import fractal

# Brightness of each tissue, 0..1, in T1, T1 with contrast agent, T2 and FLAIR.
_BRIGHTNESS = {
    BACKGROUND: (0.01, 0.01, 0.01, 0.01),
    SKULL: (0.80, 0.84, 0.58, 0.52),
    BONE: (0.14, 0.16, 0.10, 0.10),
    FLUID: (0.16, 0.17, 0.92, 0.13),
    GRAY: (0.44, 0.46, 0.56, 0.54),
    DEEP: (0.50, 0.52, 0.50, 0.51),
    WHITE: (0.64, 0.65, 0.41, 0.43),
    WORN: (0.57, 0.58, 0.58, 0.72),
    VESSEL: (0.28, 0.92, 0.16, 0.20),
    PLEXUS: (0.36, 0.82, 0.66, 0.42),
    EDEMA: (0.46, 0.47, 0.76, 0.80),
    CORE: (0.28, 0.31, 0.78, 0.50),
    ENHANCING: (0.44, 0.92, 0.62, 0.66),
}


def scan(dice: Dice, random: np.random.Generator, tissue: np.ndarray) -> np.ndarray:
    """Return four channels of half the tissue map's size.

    Args:
        dice: chance for contrast, field and noise.
        random: chance for textures.
        tissue: uint8 (2 h, 2 w).

    Returns:
        uint8 (h, w, 4): T1, T1 with contrast agent, T2, FLAIR.
    """
    rows, columns = (side // 2 for side in tissue.shape)
    noise = dice.real(0.012, 0.05)
    blur = dice.real(0.35, 0.75)
    channels = []
    for channel in range(4):
        table = np.zeros(256, np.float32)
        stretch = dice.real(0.85, 1.15)
        for kind, values in _BRIGHTNESS.items():
            table[kind] = values[channel] ** stretch + dice.real(-0.035, 0.035) * values[channel]
        signal = cv2.resize(table[tissue], (columns, rows), interpolation=cv2.INTER_AREA)
        signal = signal * (1 + 0.035 * fractal(random, (rows, columns), min(rows, columns) / 20, 3))
        signal = cv2.GaussianBlur(signal, (0, 0), blur)
        signal = signal * _field(dice, random, rows, columns) * dice.real(0.82, 1.0)
        # The magnitude of a complex signal with noise in both parts, as scanners store it.
        real, imaginary = (noise * _bell(random, (rows, columns)) for _ in range(2))
        channels.append(np.hypot(signal + real, imaginary))
    return np.clip(np.rint(np.stack(channels, axis=-1) * 250), 0, 255).astype(np.uint8)


def _field(dice: Dice, random, rows: int, columns: int) -> np.ndarray:
    """Sensitivity of the coil: smooth, within about a quarter of 1."""
    uneven = fractal(random, (rows, columns), 1.4 * max(rows, columns), 1)
    return 1 + dice.real(0.05, 0.22) * np.clip(uneven, -1.3, 1.3)


def _bell(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Sums of three even numbers, which are nearly normal: mean 0, standard deviation 1."""
    return (random.random((3, *shape), dtype=np.float32).sum(axis=0) - 1.5) * 2
