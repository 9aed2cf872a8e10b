"""From the canvas to a photograph and its label."""

from functools import lru_cache
from statistics import NormalDist

import cv2
import numpy as np

from pipelines.drawn.canvas import Canvas, Dice


def photograph(dice: Dice, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Picture (h, w, 3) and label (h, w), both uint8, at half the canvas's size."""
    rows, columns = (side // 2 for side in canvas.pixels.shape[:2])
    picture = cv2.resize(canvas.pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB)
    if dice.chance(0.5):
        soft = cv2.GaussianBlur(picture, (3, 3), 0)
        picture = cv2.addWeighted(picture, 0.5, soft, 0.5, 0)
    corner = dice.real(0.0, 0.25)
    shade = np.clip(255 - _from_center(rows, columns) * corner, 0, 255).astype(np.uint8)
    picture = cv2.multiply(picture, cv2.merge([shade] * 3), scale=1 / 255)
    picture = cv2.LUT(picture, _exposure(dice, sum(cv2.mean(picture)) / 3))
    return _add_noise(dice, picture), majority(canvas.pixels[..., 3])


@lru_cache(maxsize=8)
def _from_center(rows: int, columns: int) -> np.ndarray:
    """Squared distance from the center, 0..255 at the corners."""
    y = (np.arange(rows) * 2 / max(1, rows - 1) - 1)[:, None]
    x = (np.arange(columns) * 2 / max(1, columns - 1) - 1)[None]
    return (x * x + y * y) * 127.5


def _exposure(dice: Dice, brightness: float) -> np.ndarray:
    """One curve per color: exposure, contrast and color temperature, (1, 256, 3).

    The camera meters a dark scene brighter, though not all the way, and misses a little.
    """
    metered = min(1.7, max(0.85, (112 / max(brightness, 1.0)) ** 0.6))
    gain, warm = metered * dice.real(0.88, 1.14), dice.real(-0.06, 0.06)
    contrast, lift = dice.real(0.9, 1.15), dice.real(-4, 10)
    value = np.arange(256.0)[:, None] * gain * np.array([1 + warm, 1.0, 1 - warm])
    value = (value - 110) * contrast + 110 + lift
    high = 225.0  # bright values bend toward white instead of breaking off
    value = np.where(value > high, high + (value - high) / (1 + (value - high) / 40), value)
    return np.clip(np.rint(value), 0, 255).astype(np.uint8)[None]


@lru_cache(maxsize=1)
def _bell() -> np.ndarray:
    """Normal distribution at 256 equal steps of probability."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((step + 0.5) / 256) for step in range(256)])


def _add_noise(dice: Dice, picture: np.ndarray) -> np.ndarray:
    strength = dice.real(1.0, 6.0)
    table = np.rint(_bell() * strength).astype(np.int16)
    noise = table[dice.bytes(picture.size)].reshape(picture.shape)
    return cv2.add(picture, noise, dtype=cv2.CV_8U)


def majority(label: np.ndarray) -> np.ndarray:
    """The most frequent id of each 2 x 2 pixels; a tie goes to the upper left.

    Args:
        label: uint8 (2 h, 2 w).

    Returns:
        uint8 (h, w).
    """
    label = np.ascontiguousarray(label)
    a, b, c, d = label[::2, ::2], label[::2, 1::2], label[1::2, ::2], label[1::2, 1::2]
    rest = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
    return np.where((a == b) | (a == c) | (a == d), a, rest)
