"""Road, pavement and markings."""

import cv2
import numpy as np

from pipelines.drawn.street.plan import Street
from pipelines.drawn.street.shadow import cast_shadows, light_ground
from pipelines.drawn.street.stage import (
    FAR_M,
    MARKING,
    NEAR_M,
    PAVEMENT,
    ROAD,
    Camera,
    Stage,
    Thing,
)

_SOLID = (90.0, 0.0)
_YELLOW = (222, 178, 60)


def paint_ground(stage: Stage, street: Street, things: list[Thing]) -> np.ndarray:
    """Paint everything flat, then the light and the shadows on it.

    Returns:
        Shadow of the sun 0..255 below the horizon, at half the canvas's size, uint8.
    """
    camera, canvas = stage.camera, stage.canvas
    canvas.pixels[camera.horizon :] = (*np.clip(street.pavement_color, 0, 255), PAVEMENT)
    _paint_road(stage, street)
    _paint_repairs(stage, street)
    _paint_markings(stage, street)
    shadow, contact = cast_shadows(stage, things)
    light_ground(stage, street, shadow, contact)
    return shadow


def _strip(camera: Camera, x0: float, x1: float, z0: float, z1: float) -> np.ndarray:
    """Ground between two lines along the road, as one polygon."""
    z0, z1 = max(z0, NEAR_M), max(z1, NEAR_M + 0.01)
    steps = 2 + min(18, int((z1 - z0) / 3))
    share = np.arange(steps + 1) / steps
    z = z0 + (z1 - z0) * share * share  # a bend looks sharper far away, but near is finer
    side = np.zeros((2, len(z), 3))
    side[0, :, 0], side[1, :, 0] = x0, x1
    side[0, :, 2], side[1, :, 2] = z, z[::-1]
    return camera.project(side.reshape(-1, 3))


def _paint_road(stage: Stage, street: Street) -> None:
    """Curb, gutter, lanes, side roads and cycle lane."""
    camera, fill = stage.camera, stage.canvas.fill
    left, right = street.left, street.right
    tone = stage.dice.real(0.9, 1.3)
    curb = [c * tone for c in street.pavement_color]
    gutter = [c * 0.72 for c in street.road_color]
    fill(_strip(camera, left - 0.16, right + 0.16, NEAR_M, FAR_M), curb, PAVEMENT)
    fill(_strip(camera, left, right, NEAR_M, FAR_M), gutter, ROAD)
    fill(_strip(camera, left + 0.12, right - 0.12, NEAR_M, FAR_M), street.road_color, ROAD)
    for side, z0, z1 in street.side_roads:
        edge = street.edge(side)
        road = _strip(camera, edge - 0.2 * side, edge + 60 * side, z0, z1)
        fill(road, street.road_color, ROAD)
    if street.cycle_side:
        edge = street.edge(street.cycle_side)
        lane = _strip(camera, edge, edge - 1.6 * street.cycle_side, NEAR_M, FAR_M)
        fill(lane, street.cycle_color, ROAD)


def _paint_repairs(stage: Stage, street: Street) -> None:
    """Asphalt that is as bright as paint or as slabs, and manholes."""
    dice, camera = stage.dice, stage.camera
    left, right = street.left, street.right
    for _ in range(dice.whole(0, 5)):
        x, z = dice.real(left, right - 1), dice.real(2, 30)
        tone = dice.pick([dice.real(0.75, 0.92), dice.real(1.06, 1.35)])
        patch = _strip(camera, x, min(right, x + dice.real(0.1, 2.0)), z, z + dice.real(1, 9))
        stage.canvas.fill(patch, [c * tone for c in street.road_color], ROAD)
    for _ in range(dice.whole(0, 3)):
        x, y, scale = camera.foot(dice.real(left + 0.5, right - 0.5), dice.real(3.5, 20))
        wide = max(1, round(0.32 * scale))
        axes = (wide, max(1, round(wide * camera.y * scale / camera.focal)))
        color = (*(c * 0.62 for c in street.road_color), ROAD)
        cv2.ellipse(stage.canvas.pixels, (round(x), round(y)), axes, 0, 0, 360, color, -1)


def _paint_markings(stage: Stage, street: Street) -> None:
    """Lines between lanes and along the edges, crossing, arrows; worn toward the road's color."""
    dice, road, wear = stage.dice, street.road_color, stage.dice.real(0.0, 0.45)
    white = [230 * (1 - wear) + r * wear for r in road]
    yellow = [c * (1 - wear) + r * wear for c, r in zip(_YELLOW, road, strict=True)]
    middle = yellow if dice.chance(0.25) else white
    for x in street.lane_lines:
        color = middle if x == street.middle else white
        if x == street.middle and dice.chance(0.35):
            for shift in (-0.12, 0.12) if dice.chance(0.5) else (0.0,):
                _line(stage, x + shift, 0.12, _SOLID, color)
        else:
            _line(stage, x, 0.14, dice.pick([(3, 4.5), (3, 6), (1.5, 2.5)]), color)
    for side in (-1, 1):
        if street.parking[side]:
            _line(stage, street.edge(side) - side * 2.2, 0.1, dice.pick([_SOLID, (1, 1)]), white)
        elif dice.chance(0.5):
            color = yellow if dice.chance(0.3) else white
            _line(stage, street.edge(side) - side * 0.35, 0.12, _SOLID, color)
    _paint_crossing(stage, street, white)
    for x in street.lane_centers:
        if dice.chance(0.3):
            _paint_arrow(stage, x, dice.real(7, 22), white)


def _line(stage: Stage, x: float, width: float, dash: tuple[float, float], color) -> None:
    """A line along the road: dash = (painted meters, gap meters)."""
    z = NEAR_M - stage.dice.real(0, dash[1])
    while z < 90:
        if z + dash[0] > NEAR_M:
            strip = _strip(stage.camera, x - width / 2, x + width / 2, z, z + dash[0])
            stage.canvas.fill(strip, color, MARKING)
        z += sum(dash)


def _paint_crossing(stage: Stage, street: Street, color) -> None:
    if street.crossing is None:
        return
    z0, z1 = street.crossing
    step = stage.dice.real(0.85, 1.1)
    for index in range(int((street.right - street.left - 0.4) / step)):
        x = street.left + 0.4 + index * step
        stage.canvas.fill(_strip(stage.camera, x, x + step * 0.52, z0, z1), color, MARKING)
    if stage.dice.chance(0.7):  # the line where our side stops
        ours = (street.middle, street.edge(street.drive_side))
        stage.canvas.fill(_strip(stage.camera, *ours, z0 - 1.6, z0 - 1.2), color, MARKING)


def _paint_arrow(stage: Stage, x: float, z: float, color) -> None:
    stem = [[x - 0.08, 0, z], [x + 0.08, 0, z], [x + 0.08, 0, z + 2.6], [x - 0.08, 0, z + 2.6]]
    head = [[x - 0.38, 0, z + 2.5], [x + 0.38, 0, z + 2.5], [x, 0, z + 4.3]]
    for shape in (stem, head):
        stage.canvas.fill(stage.camera.project(shape), color, MARKING)
