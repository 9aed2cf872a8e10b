"""One landscape, from its seed to its picture and label."""

import math

import numpy as np

from pipelines.drawn.aerial.blocks import cover_block, river
from pipelines.drawn.aerial.plan import Plan, plan_land
from pipelines.drawn.aerial.stage import ROAD, Land
from pipelines.drawn.aerial.things import add_car
from pipelines.drawn.canvas import Dice
from pipelines.drawn.photo import photograph


def draw_aerial(size: tuple[int, int], seed: np.random.SeedSequence):
    """Draw one landscape: the ground, shadows on it, then what throws them.

    Args:
        size: height and width of the picture.
        seed: what all chance in it comes from.

    Returns:
        picture uint8 (height, width, 3), RGB, and label uint8 (height, width).
    """
    layout, texture = seed.spawn(2)
    dice, random = Dice(layout), np.random.Generator(np.random.PCG64(texture))
    land = Land(size, dice, random)
    plan = plan_land(dice, land.reach)
    things = [thing for block in plan.blocks for thing in cover_block(land, block)]
    if plan.river:
        river(land, plan.river)
        things = [thing for thing in things if not _in_river(plan.river, thing.center)]
        land.cars = [car for car in land.cars if not _in_river(plan.river, car.center)]
    _paint_roads(land, plan)
    for thing in (*things, *land.cars):
        thing.cast(land)
    land.shade()
    for car in land.cars:
        car.paint(land)
    for thing in sorted(things, key=lambda thing: thing.height):
        thing.paint(land)
    return photograph(dice, land.canvas)


def _in_river(line: tuple[np.ndarray, float], place) -> bool:
    """Whether a place lies in a river, given as (points, width), or on its banks."""
    points, width = line
    return bool((np.hypot(*(points - place).T) < width / 2 + 9).any())


def _paint_roads(land: Land, plan: Plan) -> None:
    """Asphalt, pavements, dashes in the middle of wide roads, traffic."""
    dice = land.dice
    asphalt = dice.vary((104, 104, 108), 18)
    for points, width in plan.roads:
        land.cover(_strip(points, width), [part * 1.28 for part in asphalt], ROAD, 0.04, 0.02)
    for points, width in plan.roads:
        land.cover(_strip(points, width - 2.2), asphalt, ROAD, 0.04, 0.05)
    for points, width in plan.roads:
        start, end = np.array(points[0]), np.array(points[1])
        length = float(np.hypot(*(end - start)))
        along = (end - start) / length
        across = np.array([-along[1], along[0]])
        for place in np.arange(3, length - 3, 9.0) if width > 7.2 else ():
            dash = start + along * place
            if land.sees(dash[None], 5):
                land.line([dash, dash + along * 3], (216, 216, 210), ROAD, 0.3)
        for place in np.arange(4, length, 11.0):
            if dice.chance(0.22):
                lane = across * dice.sign() * (width - 2.2) * 0.27
                add_car(land, start + along * place + lane, math.atan2(along[1], along[0]))


def _strip(points, width: float) -> np.ndarray:
    """Corners of a straight road of a width in meters."""
    start, end = np.array(points[0], float), np.array(points[1], float)
    along = (end - start) / np.hypot(*(end - start))
    across = np.array([-along[1], along[0]]) * width / 2
    return np.stack([start - across, end - across, end + across, start + across])
