"""What drawn pictures share: chance and canvas.

Bytes must be the same on every machine. So shapes are rounded to whole pixels before they are
drawn, bytes are only changed by operations whose rounding is certain (polygons, table look-up,
area mean, products over 128 or 255), and random numbers are raw PCG64 doubles, whose stream is
fixed, never a distribution whose method may change.
"""

from collections.abc import Sequence

import cv2
import numpy as np

Color = Sequence[float]


class Dice:
    """Chance for one picture; numbers come in blocks because single draws are slow."""

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._pool: list[float] = []

    def real(self, low: float = 0.0, high: float = 1.0) -> float:
        if not self._pool:
            self._pool = self._generator.random(1024).tolist()
        return low + (high - low) * self._pool.pop()

    def whole(self, low: int, high: int) -> int:
        """One of low, low + 1, ..., high."""
        return low + int(self.real() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return self.real() < probability

    def pick(self, options: Sequence):
        return options[int(self.real() * len(options))]

    def sign(self) -> int:
        return 1 if self.chance(0.5) else -1

    def reals(self, count: int) -> np.ndarray:
        return self._generator.random(count)

    def bytes(self, count: int) -> np.ndarray:
        return np.frombuffer(self._generator.bytes(count), np.uint8)

    def vary(self, color: Color, spread: float = 12.0) -> list[float]:
        """The color with another brightness and a little another hue."""
        shift = self.real(-spread, spread)
        return [c + shift + self.real(-spread / 3, spread / 3) for c in color]


class Canvas:
    """Twice the picture's size; channels red, green, blue and class id, drawn together."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels = np.zeros((height, width, 4), np.uint8)

    def fill(self, polygons: np.ndarray, color: Color, class_id: int) -> None:
        """Fill polygons (n, corners, 2) or one polygon (corners, 2), int32 pixels."""
        shapes = [polygons] if polygons.ndim == 2 else list(polygons)
        cv2.fillPoly(self.pixels, shapes, (*color, class_id))

    def line(self, points, color: Color, class_id: int, thickness: float) -> None:
        """Draw a line through pixel points with the given thickness in pixels."""
        points = np.rint(points).astype(np.int32)
        cv2.polylines(self.pixels, [points], False, (*color, class_id), max(1, round(thickness)))

    def disc(self, center, radius: float, color: Color, class_id: int) -> None:
        center = (round(center[0]), round(center[1]))
        cv2.circle(self.pixels, center, max(1, round(radius)), (*color, class_id), -1)

    def window(self, x0: float, y0: float, x1: float, y1: float):
        """The part of a pixel box that lies on the canvas, or None: (x0, y0, x1, y1)."""
        rows, columns = self.pixels.shape[:2]
        box = max(0, int(x0)), max(0, int(y0)), min(columns, int(x1) + 1), min(rows, int(y1) + 1)
        return box if box[0] < box[2] and box[1] < box[3] else None

    def stamp(self, box, texture: np.ndarray, ramp: np.ndarray, mask: np.ndarray) -> None:
        """Put a texture (bytes) through a ramp into a box, where the mask is not 0."""
        x0, y0, x1, y1 = box
        patch = ramp[texture].view(np.uint8).reshape(y1 - y0, x1 - x0, 4)
        cv2.copyTo(patch, mask, self.pixels[y0:y1, x0:x1])
