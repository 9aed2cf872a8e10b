"""One street, from its seed to its picture and label."""

import numpy as np

from pipelines.drawn.canvas import Canvas, Dice
from pipelines.drawn.photo import photograph
from pipelines.drawn.street.buildings import plan_buildings
from pipelines.drawn.street.cars import plan_cars
from pipelines.drawn.street.furniture import plan_furniture
from pipelines.drawn.street.ground import paint_ground
from pipelines.drawn.street.people import plan_people
from pipelines.drawn.street.plan import plan_street
from pipelines.drawn.street.sky import paint_backdrop, paint_sky
from pipelines.drawn.street.stage import Camera, Light, Stage, Thing
from pipelines.drawn.street.trees import plan_trees


def draw_street(size: tuple[int, int], seed: np.random.SeedSequence) -> tuple[np.ndarray, ...]:
    """Draw one street: plan it, paint it from far to near, photograph it.

    Args:
        size: height and width of the picture.
        seed: what all chance in it comes from.

    Returns:
        picture uint8 (height, width, 3), RGB, and label uint8 (height, width).
    """
    dice = Dice(seed)
    street = plan_street(dice)
    rows, columns = 2 * size[0], 2 * size[1]
    camera = Camera(dice, rows, columns, street.eye)
    stage = Stage(dice, camera, Light(dice), Canvas(rows, columns))
    things = plan_buildings(dice, street.lots)
    for plan in (plan_trees, plan_cars, plan_people, plan_furniture):
        things += plan(dice, street)
    paint_sky(stage)
    shadow = paint_ground(stage, street, things)
    paint_backdrop(stage)
    for thing in sorted(things, key=lambda thing: -thing.depth):
        thing.draw(stage, _shadow_at(shadow, camera, thing))
    return photograph(dice, stage.canvas)


def _shadow_at(shadow: np.ndarray, camera: Camera, thing: Thing) -> float:
    """Share 0..1 of the sun that is taken from a thing's foot."""
    x0, x1, z0, _ = thing.footprint
    column, row, _ = camera.foot((x0 + x1) / 2, max(z0, 1.0))
    column, row = int(column / 2), int((row - camera.horizon) / 2)
    if not (0 <= column < shadow.shape[1] and 0 <= row < shadow.shape[0]):
        return 0.0
    return float(shadow[row, column]) / 255
