"""Light over a field, and the soil: crumbs, wet and dry patches, stones, straw."""

import math

import numpy as np

from pipelines.drawn.canvas import Canvas, Dice
from pipelines.drawn.noise import fractal

_SOILS = (
    (140, 120, 98), (118, 100, 82), (92, 78, 66), (164, 148, 126), (132, 106, 86), (112, 102, 92),
)  # fmt: skip


class Sun:
    """The light of one picture.

    Attributes:
        azimuth: direction in the picture from which it comes, radians.
        strength: 0 under clouds, 1 in the sun.
        shade: share of the light that a shadow takes.
        cast: pixels that a shadow is moved, right and down, per pixel of height.
    """

    def __init__(self, dice: Dice) -> None:
        self.azimuth = dice.real(0, 2 * math.pi)
        self.strength = 1.0 if dice.chance(0.55) else dice.real(0.1, 0.4)
        self.shade = 0.52 if self.strength == 1 else 0.28
        length = dice.real(0.6, 1.8) if self.strength == 1 else 0.15
        self.cast = (-math.cos(self.azimuth) * length, -math.sin(self.azimuth) * length)
        warm = dice.real(-0.06, 0.1) * self.strength
        self.tint = (1 + warm, 1.0, 1 - warm)

    def lit(self, color) -> tuple[float, float, float]:
        """What the camera sees of a color."""
        red, green, blue = (
            min(max(part * tint, 0.0), 255.0) for part, tint in zip(color, self.tint, strict=True)
        )
        return red, green, blue


def paint_soil(canvas: Canvas, dice: Dice, random, sun: Sun, per_cm: float) -> None:
    """Cover the canvas with soil, label 0.

    Args:
        canvas: where to.
        dice: chance for what lies on the soil.
        random: chance for textures.
        sun: the light.
        per_cm: canvas pixels per centimeter.
    """
    shape = canvas.pixels.shape[:2]
    base = np.array(sun.lit(dice.vary(dice.pick(_SOILS), 14)), np.float32)
    crumbs = dice.real(1.6, 5.0) * per_cm
    relief = fractal(random, shape, crumbs, 5, 0.62) * crumbs * dice.real(0.045, 0.1)
    down, right = np.gradient(relief)
    slope = right * math.cos(sun.azimuth) + down * math.sin(sun.azimuth)
    # A slope that rises away from the sun is turned toward it.
    light = 1 - np.clip(slope, -1, 1) * (0.3 + 0.5 * sun.strength)
    light += 0.06 * fractal(random, shape, 2 * crumbs, 5, 0.75)
    wet = np.clip(fractal(random, shape, 22 * per_cm, 3) - dice.real(-0.2, 1.4), 0, 1)
    light *= 1 - 0.35 * wet
    hue = 0.025 * fractal(random, shape, 9 * per_cm, 3)
    colors = base * light[..., None] * (1 + hue[..., None] * np.array([1, 0.2, -1], np.float32))
    if dice.chance(0.3):  # algae on wet soil: green that is no plant
        moss = np.clip(fractal(random, shape, 7 * per_cm, 4, 0.7) - 1.1, 0, 1)[..., None]
        colors += (np.array([92, 116, 62], np.float32) * light[..., None] - colors) * moss * 0.75
    canvas.pixels[..., :3] = np.clip(np.rint(colors), 0, 255).astype(np.uint8)
    _strew(canvas, dice, sun, per_cm)


def _strew(canvas: Canvas, dice: Dice, sun: Sun, per_cm: float) -> None:
    rows, columns = canvas.pixels.shape[:2]
    square_meters = rows * columns / (100 * per_cm) ** 2
    for _ in range(round(square_meters * dice.real(0, 45))):
        _lay_stone(canvas, dice, sun, dice.real(0.4, 1.7) * per_cm)
    for _ in range(round(square_meters * dice.pick((0, 0, 10, 60)))):
        x, y, turn = dice.real(0, columns), dice.real(0, rows), dice.real(0, 2 * math.pi)
        length, tone = dice.real(2, 9) * per_cm, dice.real(0.7, 1.1)
        ends = [(x, y), (x + length * math.cos(turn), y + length * math.sin(turn))]
        under = [(a + sun.cast[0] * 3, b + sun.cast[1] * 3) for a, b in ends]
        wide = max(1.0, 0.3 * per_cm)
        canvas.line(under, (70, 58, 46), 0, wide)
        canvas.line(ends, sun.lit((206 * tone, 180 * tone, 124 * tone)), 0, wide)


def _lay_stone(canvas: Canvas, dice: Dice, sun: Sun, radius: float) -> None:
    """A rounded many-cornered stone: shadow, body, and the side that faces the sun."""
    rows, columns = canvas.pixels.shape[:2]
    center = np.array([dice.real(0, columns), dice.real(0, rows)])
    turns = np.linspace(0, 2 * math.pi, 9, endpoint=False)
    reach = radius * np.array([dice.real(0.7, 1.1) for _ in turns])
    around = np.stack([np.cos(turns) * reach, np.sin(turns) * reach * 0.8], axis=1)
    tone = dice.vary((150, 144, 136), 34)
    toward = np.array([math.cos(sun.azimuth), math.sin(sun.azimuth)])
    parts = (
        (center - toward * radius * 0.35, 1.05, [0.36 * part for part in tone]),
        (center, 1.0, [0.82 * part for part in tone]),
        (center + toward * radius * 0.2, 0.66, [1.12 * part for part in tone]),
    )
    for middle, scale, color in parts:
        pixels = np.floor(middle + around * scale + 0.5).astype(np.int32)
        canvas.fill(pixels, sun.lit(color), 0)
