"""What every part of a drawn landscape shares: scale, window, light, textured areas."""

import math
from typing import Any

import cv2
import numpy as np

from pipelines.drawn.canvas import Canvas, Dice
from pipelines.drawn.noise import fractal

ROAD, BUILDING, TREE, GRASS, FIELD, WATER, CAR = range(7)
PER_METER = 4  # canvas pixels, twice the picture's


class Land:
    """A window onto a plan in meters, turned by any angle, and the light on it.

    Attributes:
        dice: chance for what is where.
        random: chance for textures.
        canvas: what is painted on.
        shadow: uint8 as large as the canvas, 255 where the sun does not reach the ground.
        cast: meters that a shadow runs right and down, per meter of height.
        sun: unit vector to the sun, in the picture.
        reach: meters from the middle to the farthest corner.
        turn: matrix (2, 2) from plan to picture.
        cars: all cars, painted after the shadows of what stands beside them.
    """

    def __init__(self, size: tuple[int, int], dice: Dice, random: np.random.Generator) -> None:
        self.dice, self.random = dice, random
        rows, columns = 2 * size[0], 2 * size[1]
        self.canvas = Canvas(rows, columns)
        self.shadow = np.zeros((rows, columns), np.uint8)
        self.reach = math.hypot(rows, columns) / 2 / PER_METER
        turn = dice.real(0, 2 * math.pi)
        self.turn = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        self._middle = np.array([columns / 2, rows / 2])
        azimuth, length = dice.real(0, 2 * math.pi), 1 / math.tan(math.radians(dice.real(28, 60)))
        self.sun = np.array([math.cos(azimuth), math.sin(azimuth)])
        self.cast = -self.sun * length
        self.clear = dice.real(0.35, 0.62) if dice.chance(0.75) else dice.real(0.08, 0.2)
        self.cars: list[Any] = []  # what is added by `things.add_car`
        self.grain = fractal(random, (rows, columns), 5, 3, 0.8)
        self.patches = fractal(random, (rows, columns), 26 * PER_METER, 4, 0.6)

    def pixels(self, points) -> np.ndarray:
        """Plan meters (..., 2) to canvas pixels (..., 2), float."""
        return np.asarray(points, float) @ self.turn * PER_METER + self._middle

    def sees(self, points, margin: float = 12.0) -> bool:
        """Whether something around plan points can be in the window or throw shadow into it."""
        places = self.pixels(points).reshape(-1, 2)
        margin *= PER_METER
        low, high = places.min(0) - margin, places.max(0) + margin
        rows, columns = self.shadow.shape
        return bool(high[0] > 0 and high[1] > 0 and low[0] < columns and low[1] < rows)

    def fill(self, points, color, class_id: int) -> None:
        """Fill a polygon of plan points (n, 2) with one color."""
        self.canvas.fill(whole(self.pixels(points)), clipped(color), class_id)

    def cover(self, points, color, class_id: int, grain=0.05, patches=0.06, stripes=None) -> None:
        """Fill a polygon with texture.

        Args:
            points: plan points (n, 2).
            color: red, green, blue.
            class_id: label.
            grain: strength of fine noise.
            patches: strength of differences over tens of meters.
            stripes: None, or (meters from row to row, strength, angle in the plan).
        """
        corners = self.pixels(points)
        box = self.canvas.window(*corners.min(0), *corners.max(0))
        if box is None:
            return
        x0, y0, x1, y1 = box
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [whole(corners) - (x0, y0)], 255)
        light = 1 + grain * self.grain[y0:y1, x0:x1] + patches * self.patches[y0:y1, x0:x1]
        if stripes:
            light = light + stripes[1] * self._rows(box, stripes[0], stripes[2])
        patch = np.empty((*mask.shape, 4), np.uint8)
        patch[..., :3] = np.clip(np.rint(light[..., None] * np.float32(color)), 0, 255)
        patch[..., 3] = class_id
        cv2.copyTo(patch, mask, self.canvas.pixels[y0:y1, x0:x1])

    def _rows(self, box, apart: float, angle: float) -> np.ndarray:
        x0, y0, x1, y1 = box
        direction = np.array([math.cos(angle), math.sin(angle)]) @ self.turn
        along = np.arange(x0, x1) * direction[0] + np.arange(y0, y1)[:, None] * direction[1]
        along = along + 1.6 * self.patches[y0:y1, x0:x1]
        return np.sin(along * (2 * math.pi / (apart * PER_METER))).astype(np.float32)

    def line(self, points, color, class_id: int, width: float) -> None:
        """Draw a line of plan points, `width` meters wide."""
        self.canvas.line(self.pixels(points), clipped(color), class_id, width * PER_METER)

    def darken(self, points, height: float) -> None:
        """Throw the shadow of a prism that stands on plan points."""
        foot = self.pixels(points)
        both = np.concatenate([foot, foot + self.cast * (height * PER_METER)])
        hull = cv2.convexHull(whole(both).astype(np.int32))
        cv2.fillPoly(self.shadow, [hull], 255)

    def shade(self) -> None:
        """Take the sun from what is painted so far, where there is shadow."""
        soft = cv2.blur(self.shadow, (3, 3))[..., None] / np.float32(255)
        colors = self.canvas.pixels[..., :3]
        # What is left is light of the sky, which is blue.
        keep = 1 - soft * self.clear * np.array([1.06, 1.0, 0.86], np.float32)
        colors[:] = np.rint(colors * keep).astype(np.uint8)


def whole(points: np.ndarray) -> np.ndarray:
    """Round to whole pixels, int32."""
    return np.floor(points + 0.5).astype(np.int32)


def clipped(color) -> tuple[float, float, float]:
    """A color within 0..255."""
    red, green, blue = (min(max(float(part), 0.0), 255.0) for part in color)
    return red, green, blue


def rectangle(center, length: float, width: float, angle: float) -> np.ndarray:
    """Corners (4, 2) of a turned rectangle, in order; the first edge is `length` long."""
    along = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    across = np.array([-math.sin(angle), math.cos(angle)]) * width / 2
    center = np.asarray(center, float)
    return np.stack(
        [center - along - across, center + along - across, center + along + across,
         center - along + across]
    )  # fmt: skip
