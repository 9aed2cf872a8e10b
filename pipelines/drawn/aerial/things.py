"""What stands on the land and throws shadows: houses and trees; and cars."""

import math
from dataclasses import dataclass

import numpy as np

from pipelines.drawn.aerial.stage import BUILDING, CAR, PER_METER, TREE, Land, clipped, rectangle

_ROOFS = {
    "red": ((168, 92, 70), (152, 84, 66), (178, 104, 80)),
    "brown": ((118, 88, 72), (130, 100, 82), (104, 80, 68)),
    "slate": ((92, 94, 100), (108, 110, 114), (80, 82, 88)),
    "mixed": ((160, 96, 76), (112, 92, 80), (98, 100, 104), (140, 138, 134), (126, 132, 112)),
    "hall": ((138, 138, 140), (176, 176, 174), (116, 118, 122), (204, 204, 200), (150, 140, 132)),
}
_CARS = (
    (226, 226, 226), (40, 42, 46), (126, 128, 132), (178, 180, 184), (150, 40, 36), (44, 70, 128),
    (70, 74, 80), (196, 190, 176),
)  # fmt: skip
_LEAVES = ((70, 104, 48), (58, 92, 46), (84, 112, 54), (52, 82, 50), (96, 112, 52))


@dataclass
class House:
    """A building: center in meters, length of its ridge, width, angle, height, roof, colors."""

    center: np.ndarray
    long: float
    wide: float
    angle: float
    height: float
    roof: str
    colors: str

    def corners(self) -> np.ndarray:
        """Corners of the eaves (4, 2)."""
        return rectangle(self.center, self.long, self.wide, self.angle)

    def cast(self, land: Land) -> None:
        """Throw its shadow."""
        land.darken(self.corners(), self.height)

    def paint(self, land: Land) -> None:
        """Paint its roof."""
        dice, corners = land.dice, self.corners()
        color = np.array(dice.vary(dice.pick(_ROOFS[self.colors]), 12))
        if self.roof == "flat":
            self._paint_flat(land, color)
            return
        along = np.array([math.cos(self.angle), math.sin(self.angle)])
        short = self.wide * 0.5 if self.roof == "hip" else 0.0
        ends = [self.center - along * (self.long / 2 - short),
                self.center + along * (self.long / 2 - short)]  # fmt: skip
        a, b, c, d = corners
        faces = [(np.array([a, b, ends[1], ends[0]]), -1), (np.array([c, d, ends[0], ends[1]]), 1)]
        across = np.array([-along[1], along[0]])
        for points, side in faces:
            self._face(land, points, color, side * across)
        if self.roof == "hip":
            self._face(land, np.array([b, c, ends[1]]), color, along)
            self._face(land, np.array([d, a, ends[0]]), color, -along)
        land.line(ends, clipped(color * 1.12), BUILDING, 0.4)
        if dice.chance(0.5):
            spot = self.center + along * dice.real(-0.3, 0.3) * self.long + across * 0.8
            land.fill(rectangle(spot, 1.0, 1.0, self.angle), (70, 62, 58), BUILDING)

    def _face(self, land: Land, points, color, normal) -> None:
        # Both are turned with the plan, so the light is compared in the picture.
        normal = land.pixels(normal) - land.pixels((0, 0))
        facing = float(normal @ land.sun) / PER_METER
        light = 1 + 0.6 * land.clear * facing
        land.cover(points, color * light, BUILDING, 0.05, 0.02)

    def _paint_flat(self, land: Land, color) -> None:
        dice = land.dice
        land.cover(self.corners(), color, BUILDING, 0.035, 0.04)
        rim = self.corners()
        land.line([*rim, rim[0]], clipped(color * 1.15), BUILDING, 0.4)
        if self.long * self.wide < 60:
            return
        for _ in range(dice.whole(2, 9)):
            place = self.center + np.array([
                dice.real(-0.4, 0.4) * self.long, dice.real(-0.4, 0.4) * self.wide
            ])  # fmt: skip
            size = dice.real(1.2, 3.5)
            box = rectangle(place, size, size * dice.real(0.6, 1.6), self.angle)
            under = box - land_offset(land, 1.0)
            land.fill(under, color * (1 - 0.8 * land.clear), BUILDING)
            land.fill(box, dice.vary((170, 172, 174), 25), BUILDING)


def land_offset(land: Land, height: float) -> np.ndarray:
    """Meters in the plan toward the sun, for a height in meters."""
    back = -land.cast * height
    return back @ land.turn.T


@dataclass
class Tree:
    """A tree: its place and the radius of its crown in meters."""

    center: np.ndarray
    radius: float

    @property
    def height(self) -> float:
        """Meters."""
        return 2.2 * self.radius + 1

    def cast(self, land: Land) -> None:
        """Throw its shadow: a disc that has moved, and what lies between."""
        turns = np.linspace(0, 2 * math.pi, 10, endpoint=False)
        ring = np.stack([np.cos(turns), np.sin(turns)], axis=1) * self.radius * 0.9
        land.darken(self.center + ring, 0.75 * self.height)

    def paint(self, land: Land) -> None:
        """Clumps of leaves, from the dark ones below to those in the sun."""
        dice = land.dice
        middle, size = land.pixels(self.center), self.radius * PER_METER
        leaf = np.array(dice.vary(dice.pick(_LEAVES), 10))
        clumps = 5 + int(size * 0.9)
        spots = []
        for _ in range(clumps):
            turn, away = dice.real(0, 2 * math.pi), math.sqrt(dice.real()) * 0.74
            spots.append((math.cos(turn) * away, math.sin(turn) * away, dice.real(0.2, 0.38)))
        spots.sort(key=lambda spot: spot[0] * land.sun[0] + spot[1] * land.sun[1])
        land.canvas.disc(middle, size * 0.72, clipped(leaf * (0.75 - 0.3 * land.clear)), TREE)
        for x, y, part in spots:
            toward = x * land.sun[0] + y * land.sun[1]
            light = 0.92 + 0.55 * land.clear * toward + dice.real(-0.09, 0.09)
            place = middle + np.array([x, y]) * size
            land.canvas.disc(place, part * size, clipped(leaf * light), TREE)


@dataclass
class Car:
    """A car: its center in meters, length, width, angle, and the color of its paint."""

    center: np.ndarray
    long: float
    wide: float
    angle: float
    color: list[float]

    def corners(self) -> np.ndarray:
        """Corners of its outline (4, 2)."""
        return rectangle(self.center, self.long, self.wide, self.angle)

    def cast(self, land: Land) -> None:
        """Throw its little shadow."""
        land.darken(self.corners(), 0.9)

    def paint(self, land: Land) -> None:
        """Paint it, with a window in front and one behind."""
        land.fill(self.corners(), self.color, CAR)
        along = np.array([math.cos(self.angle), math.sin(self.angle)])
        for share, glass in ((0.16, 0.8), (-0.3, 0.55)):
            middle = self.center + along * share * self.long
            land.fill(rectangle(middle, glass, self.wide * 0.8, self.angle), (44, 50, 58), CAR)


def add_car(land: Land, center, angle: float) -> None:
    """Put a car on the land, if it is seen; a little askew."""
    dice, center = land.dice, np.asarray(center)
    if not land.sees(center[None], 4):
        return
    long, wide = dice.real(3.9, 4.8), dice.real(1.75, 2.0)
    angle += dice.real(-0.05, 0.05)
    land.cars.append(Car(center, long, wide, angle, dice.vary(dice.pick(_CARS), 10)))
