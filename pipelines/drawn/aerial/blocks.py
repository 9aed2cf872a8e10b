"""What a block of land is covered with, and the things that stand on it."""

import math
from collections.abc import Callable

import numpy as np

from pipelines.drawn.aerial.plan import Block
from pipelines.drawn.aerial.stage import FIELD, GRASS, ROAD, WATER, Land, rectangle
from pipelines.drawn.aerial.things import House, Tree, add_car

_GRASS, _PAVED = (104, 128, 66), (142, 140, 138)
_CROPS = ((126, 140, 66), (188, 168, 96), (140, 112, 82), (96, 130, 58), (206, 190, 126))
_WATER = ((52, 74, 84), (64, 88, 80), (46, 62, 70))


def cover_block(land: Land, block: Block) -> list:
    """Paint a block's ground; return what stands on it.

    Args:
        land: the landscape.
        block: a part of its plan.

    Returns:
        list of houses and trees.
    """
    if not land.sees(block.corners()):
        return []
    makers: dict[str, Callable] = {
        "houses": _houses, "halls": _halls, "park": _park, "wood": _wood, "lake": _lake,
        "field": _field,
    }  # fmt: skip
    things: list = []
    makers[block.use](land, block, things)
    return things


def _grass(land: Land, points, mown=None) -> None:
    land.cover(points, land.dice.vary(_GRASS, 16), GRASS, 0.07, 0.1, mown)


def _houses(land: Land, block: Block, things: list) -> None:
    """Gardens, a row of houses along each street, drives, trees, a few pools."""
    dice = land.dice
    _grass(land, block.corners())
    inner = block.corners()
    roofs = dice.pick(("red", "brown", "slate", "mixed"))
    for side in range(4):
        if not block.streets[side]:
            continue
        # Sides are left, top, right, bottom; corners begin at the upper left.
        start, end = ((3, 0), (0, 1), (1, 2), (2, 3))[side]
        edge, inwards = inner[end] - inner[start], block.center - (inner[start] + inner[end]) / 2
        length = float(np.hypot(*edge))
        inwards = inwards / max(np.hypot(*inwards), 1e-6)
        angle, place = math.atan2(edge[1], edge[0]), dice.real(12, 18)
        while place < length - 12:
            foot = inner[start] + edge * (place / length)
            _plot(land, things, foot, inwards, angle, roofs)
            place += dice.real(17, 27)
    _scatter(land, block, things, 0.004 * dice.real(0.3, 1.6), 2.0)


def _plot(land: Land, things: list, foot, inwards, angle: float, roofs: str) -> None:
    dice = land.dice
    back = dice.real(9, 14)
    center = foot + inwards * back
    houses = [thing.center for thing in things if isinstance(thing, House)]
    crowded = any(np.hypot(*(center - other)) < 15 for other in houses)
    if crowded or not land.sees(center[None], 20):
        return
    long, wide = dice.real(9, 15), dice.real(7.5, 10)
    turned = angle + (math.pi / 2 if dice.chance(0.3) else 0) + dice.real(-0.03, 0.03)
    beside = np.array([math.cos(angle), math.sin(angle)]) * (long / 2 + 2.2) * dice.sign()
    middle = foot + beside + inwards * (back / 2)
    land.cover(rectangle(middle, back, 3.2, angle + math.pi / 2), dice.vary(_PAVED), ROAD)
    if dice.chance(0.5):
        add_car(land, middle, angle + math.pi / 2)
    things.append(House(center, long, wide, turned, dice.real(4, 8), dice.pick(("gable", "gable",
                        "hip")), roofs))  # fmt: skip
    if dice.chance(0.3):
        shed = center + inwards * dice.real(10, 15) + beside * dice.real(-1, 1)
        things.append(House(shed, 4, 3, turned, 2.5, "flat", "mixed"))
    elif dice.chance(0.15):
        pool = rectangle(center + inwards * dice.real(11, 16), 8, 4, angle)
        land.cover(rectangle(center + inwards * 13, 11, 7, angle), (196, 190, 178), ROAD)
        land.cover(pool, (84, 172, 196), WATER, 0.02, 0.0)


def _halls(land: Land, block: Block, things: list) -> None:
    """Large flat roofs, and the same gray beside them: parking, with cars."""
    dice = land.dice
    land.cover(block.corners(), dice.vary((124, 124, 126), 18), ROAD, 0.04, 0.05)
    inner = block.corners(7)
    (x0, y0), (x1, y1) = inner[0], inner[2]
    if x1 - x0 < 20 or y1 - y0 < 20:
        return
    share = dice.real(0.4, 0.65)
    upright = dice.chance(0.5)
    wide, tall = (x1 - x0, (y1 - y0) * share) if upright else ((x1 - x0) * share, y1 - y0)
    hall = np.array([x0 + wide / 2, y0 + tall / 2])
    things.append(House(hall, wide - 4, tall - 4, 0.0, dice.real(6, 13), "flat", "hall"))
    top, left = (y0 + tall + 5, x0) if upright else (y0, x0 + wide + 5)
    for y in np.arange(top + 3, y1 - 2, 11.0):
        for x in np.arange(left + 2, x1 - 1, 2.8):
            place = np.array([x, y])
            if land.sees(place[None], 3):
                land.line([(x - 1.4, y - 2.5), (x - 1.4, y + 2.5)], (196, 196, 194), ROAD, 0.25)
                if dice.chance(0.5):
                    add_car(land, place, math.pi / 2)
    trees: list = []
    _scatter(land, block, trees, 0.004, 1.0)
    # Along the streets only, never through a roof or a car.
    low, high = block.corners(5)[[0, 2]]
    things += [tree for tree in trees if not ((tree.center > low) & (tree.center < high)).all()]


def _park(land: Land, block: Block, things: list) -> None:
    dice = land.dice
    _grass(land, block.corners(), (6.0, 0.05, dice.real(0, 3)) if dice.chance(0.4) else None)
    center = np.array(block.center)
    if dice.chance(0.4):
        pitch = rectangle(center, 60, 38, 0.0 if dice.chance(0.5) else math.pi / 2)
        land.cover(pitch, (86, 138, 70), GRASS, 0.04, 0.03, (9.0, 0.07, 0.0))
        land.line([*pitch, pitch[0]], (226, 230, 220), GRASS, 0.35)
    else:
        path = np.cumsum([block.corners()[0]] + [
            (block.corners()[2] - block.corners()[0]) / 6 + [dice.real(-5, 5), dice.real(-5, 5)]
            for _ in range(6)
        ], axis=0)  # fmt: skip
        land.line(path, (188, 172, 146), ROAD, 2.4)
    _scatter(land, block, things, 0.006 * dice.real(0.4, 1.5), 3.0, spare=(center, 32))


def _wood(land: Land, block: Block, things: list) -> None:
    land.cover(block.corners(), (70, 92, 50), GRASS, 0.1, 0.1)
    _scatter(land, block, things, 0.05, 1.5, spread=(2.2, 4.6))


def _field(land: Land, block: Block, things: list) -> None:
    """One or several strips of crop in rows; a hedge at some borders."""
    dice = land.dice
    corners = block.corners(dice.real(0.5, 2.0))
    _grass(land, block.corners())
    parts, angle = dice.whole(1, 3), dice.pick((0.0, math.pi / 2))
    for part in range(parts):
        low, high = part / parts, (part + 1) / parts
        a, b, c, d = corners
        strip = [a + (b - a) * low, a + (b - a) * high, d + (c - d) * high, d + (c - d) * low]
        rows = dice.real(1.6, 3.6), dice.real(0.05, 0.16), angle
        land.cover(np.array(strip), dice.vary(dice.pick(_CROPS), 14), FIELD, 0.05, 0.08, rows)
    for side in range(4):
        if dice.chance(0.22):
            start, end = corners[side], corners[(side + 1) % 4]
            for place in np.arange(2, np.hypot(*(end - start)), 4.2):
                spot = start + (end - start) * (place / np.hypot(*(end - start)))
                if land.sees(spot[None], 8):
                    things.append(Tree(spot, dice.real(1.4, 3.0)))


def _lake(land: Land, block: Block, things: list) -> None:
    """A pond with an uneven shore among grass and trees."""
    dice = land.dice
    _grass(land, block.corners())
    size = (block.corners()[2] - block.corners()[0]) / 2 * dice.real(0.55, 0.85)
    turns = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    waves = 1 + sum(
        dice.real(0.03, 0.13) * np.cos(count * turns + dice.real(0, 6)) for count in (2, 3, 5)
    )
    shore = np.stack([np.cos(turns) * size[0] * waves, np.sin(turns) * size[1] * waves], axis=1)
    center = np.array(block.center)
    land.cover(center + shore * 1.05, (140, 128, 96), GRASS, 0.08, 0.1)
    land.cover(center + shore, dice.vary(dice.pick(_WATER), 10), WATER, 0.02, 0.05)
    for point in shore:
        if dice.chance(0.35):
            things.append(Tree(center + point * dice.real(1.1, 1.25), dice.real(1.8, 4.2)))


def _scatter(land: Land, block: Block, things: list, density, inset, spread=(1.6, 4.8), spare=None):
    """Trees at random; none within `spare`: (center, meters)."""
    dice = land.dice
    (x0, y0), _, (x1, y1), _ = block.corners(inset)
    if x1 <= x0 or y1 <= y0:
        return
    for _ in range(round((x1 - x0) * (y1 - y0) * density)):
        place = np.array([dice.real(x0, x1), dice.real(y0, y1)])
        if spare is not None and np.hypot(*(place - spare[0])) < spare[1]:
            continue
        if land.sees(place[None], 10):
            things.append(Tree(place, dice.real(*spread)))


def river(land: Land, line) -> None:
    """Paint a river, with banks."""
    points, width = line
    water = land.dice.vary(land.dice.pick(_WATER), 10)
    land.line(points, (122, 120, 84), GRASS, width + 5)
    land.line(points, water, WATER, width)
