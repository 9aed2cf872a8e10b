"""One picture of a field: soil, rows of crop, weeds between them, light."""

import math
from dataclasses import dataclass

import numpy as np

from pipelines.drawn.canvas import Canvas, Dice
from pipelines.drawn.crop.leaves import Leaf, paint_leaf
from pipelines.drawn.crop.soil import Sun, paint_soil
from pipelines.drawn.noise import fractal
from pipelines.drawn.photo import photograph

CROP, WEED = 1, 2
ROW_SPACING_CM = (42, 52)
GREENS = {
    "beet": (92, 140, 58),
    "dock": (96, 140, 58),
    "round": (104, 148, 76),
    "grass": (110, 152, 66),
    "thistle": (96, 132, 82),
    "lobed": (88, 136, 64),
}


@dataclass
class Plant:
    """A plant's place in canvas pixels, its kind, and the length of its leaves in pixels."""

    x: float
    y: float
    kind: str
    reach: float
    class_id: int


def draw_crop_rows(size: tuple[int, int], seed: np.random.SeedSequence):
    """Draw one picture: soil first, then plants from low to high.

    Args:
        size: height and width of the picture.
        seed: what all chance in it comes from.

    Returns:
        picture uint8 (height, width, 3), RGB, and label uint8 (height, width).
    """
    plan, texture = seed.spawn(2)
    dice, random = Dice(plan), np.random.Generator(np.random.PCG64(texture))
    rows, columns = 2 * size[0], 2 * size[1]
    per_cm = math.sqrt(rows * columns) / dice.real(80, 112)
    canvas, sun = Canvas(rows, columns), Sun(dice)
    paint_soil(canvas, dice, random, sun, per_cm)
    crops = _plan_crops(dice, rows, columns, per_cm)
    weeds = _plan_weeds(dice, crops, rows, columns, per_cm)
    greens = {kind: dice.vary(green, 16) for kind, green in GREENS.items()}
    # Low plants are under high ones; a little chance lets some weeds cover some leaves.
    for plant in sorted(crops + weeds, key=lambda plant: plant.reach * dice.real(0.7, 1.3)):
        _paint_plant(canvas, dice, sun, plant, dice.vary(greens[plant.kind], 7))
    _mottle(canvas, random, per_cm)
    return photograph(dice, canvas)


def _plan_crops(dice: Dice, rows: int, columns: int, per_cm: float) -> list[Plant]:
    """Rows across the picture, nearly upright; some plants are missing, some are late."""
    tilt = math.radians(dice.real(-14, 14))
    spacing = dice.real(*ROW_SPACING_CM) * per_cm
    gap = dice.real(15, 22) * per_cm
    reach = dice.real(6, 12) * per_cm
    along, across = (-math.sin(tilt), math.cos(tilt)), (math.cos(tilt), math.sin(tilt))
    far = math.hypot(rows, columns) / 2 + reach
    first, plants = dice.real(0, spacing), []
    for row in range(-math.ceil(far / spacing), math.ceil(far / spacing) + 1):
        start = dice.real(0, gap)
        for step in range(-math.ceil(far / gap), math.ceil(far / gap) + 1):
            u = row * spacing + first + dice.real(-1.3, 1.3) * per_cm
            v = step * gap + start + dice.real(-0.13, 0.13) * gap
            x = columns / 2 + u * across[0] + v * along[0]
            y = rows / 2 + u * across[1] + v * along[1]
            late = 0.55 if dice.chance(0.12) else 1.0
            size = reach * late * dice.real(0.8, 1.15)
            inside = -reach < x < columns + reach and -reach < y < rows + reach
            if inside and not dice.chance(0.08):
                plants.append(Plant(x, y, "beet", size, CROP))
    return plants


def _plan_weeds(dice: Dice, crops: list[Plant], rows, columns, per_cm) -> list[Plant]:
    """Weeds alone and in patches; those that look like the crop keep away from its rows."""
    square_meters = rows * columns / (100 * per_cm) ** 2
    count = round(square_meters * dice.pick((3, 8, 14, 22, 36)) * dice.real(0.7, 1.3)) + 1
    patches = [(dice.real(0, columns), dice.real(0, rows)) for _ in range(dice.whole(1, 3))]
    favorites = [dice.pick(("dock", "round", "grass", "thistle", "lobed")) for _ in range(2)]
    spread, weeds = 11 * per_cm, []
    for _ in range(count):
        x, y = dice.real(0, columns), dice.real(0, rows)
        if dice.chance(0.45):
            x, y = dice.pick(patches)
            x, y = x + dice.real(-1, 1) * spread, y + dice.real(-1, 1) * spread
        kind = dice.pick(favorites) if dice.chance(0.6) else dice.pick(list(GREENS)[1:])
        nearest = min((math.hypot(x - c.x, y - c.y) for c in crops), default=1e9)
        if nearest < (13 if kind == "dock" else 4) * per_cm:
            continue
        small, large = {"grass": (3, 9), "dock": (3, 6.5), "thistle": (2.5, 6.5)}.get(
            kind, (1.3, 4.2)
        )
        weeds.append(Plant(x, y, kind, dice.real(small, large) * per_cm, WEED))
    return weeds


def _paint_plant(canvas: Canvas, dice: Dice, sun: Sun, plant: Plant, green) -> None:
    """A rosette: outer leaves first, which are the oldest and longest."""
    count = {
        "beet": dice.whole(5, 9), "dock": dice.whole(3, 6), "round": dice.whole(4, 8),
        "grass": dice.whole(4, 9), "thistle": dice.whole(5, 8), "lobed": dice.whole(5, 9),
    }[plant.kind]  # fmt: skip
    turn = dice.real(0, 2 * math.pi)
    for number in range(count):
        share = number / count
        # 137.5 degrees from a leaf to the next, as plants have it; grass goes anywhere.
        angle = turn + number * math.radians(137.5) + dice.real(-0.3, 0.3)
        if plant.kind == "grass":
            angle = dice.real(0, 2 * math.pi)
        length = plant.reach * (1 - 0.55 * share) * dice.real(0.85, 1.1)
        leaf = Leaf(plant.kind, plant.x, plant.y, angle, length, dice.real(-0.5, 0.5))
        tone = 0.86 + 0.3 * share + dice.real(-0.07, 0.07)
        color = [tone * part for part in green]
        if dice.chance(0.03):
            color = [160 * tone, 150 * tone, 70 * tone]  # a leaf that withers
        paint_leaf(canvas, sun, leaf, color, plant.class_id, height=0.16 + 0.2 * share)


def _mottle(canvas: Canvas, random: np.random.Generator, per_cm: float) -> None:
    """Fine differences in brightness, on leaves as on soil."""
    grain = 1 + 0.05 * fractal(random, canvas.pixels.shape[:2], max(1.5, 0.5 * per_cm), 3, 0.8)
    colors = canvas.pixels[..., :3] * grain[..., None]
    canvas.pixels[..., :3] = np.clip(np.rint(colors), 0, 255).astype(np.uint8)
