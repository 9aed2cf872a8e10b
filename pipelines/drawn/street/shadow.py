"""Light on the ground: texture, cast and contact shadows, haze."""

import math

import cv2
import numpy as np

from pipelines.drawn.canvas import Dice
from pipelines.drawn.street.plan import Street
from pipelines.drawn.street.stage import FAR_M, PAVEMENT, Camera, Stage, Thing
from pipelines.drawn.street.tiles import PER_METER, SIDE, tile

_MARGIN = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * 0.12


def cast_shadows(stage: Stage, things: list[Thing]) -> tuple[np.ndarray, np.ndarray]:
    """Cast and contact shadows below the horizon, two masks 0..255 at the picture's size."""
    camera, light, dice = stage.camera, stage.light, stage.dice
    down = np.array([0, camera.horizon], np.int32)
    cast = np.zeros(((camera.rows - camera.horizon + 1) // 2, camera.columns // 2), np.uint8)
    contact = np.zeros_like(cast)
    sunny = sum(light.direct) > 0.5
    for thing in things:
        x0, x1, z0, z1 = thing.footprint
        ground = np.array([[x0, 0, z0], [x1, 0, z0], [x1, 0, z1], [x0, 0, z1]])
        if x1 - x0 > 0.25:
            corners = camera.project(ground + _MARGIN) - down
            cv2.fillConvexPoly(contact, np.right_shift(corners, 1), 170)
        if sunny:
            shift = np.array([light.cast[0], 0, light.cast[1]]) * thing.height
            if thing.crown:
                _crown_shadow(cast, camera, dice, thing, shift)
            hull = camera.project(np.concatenate([ground, ground + shift])) - down
            cv2.fillConvexPoly(cast, cv2.convexHull(np.right_shift(hull, 1)), 255)
    size = 2 * (camera.rows // 400) + 1
    return cv2.blur(cast, (size, size)), cv2.blur(contact, (6 * size + 1, 2 * size + 1))


def _crown_shadow(cast: np.ndarray, camera: Camera, dice: Dice, thing: Thing, shift) -> None:
    """Discs of shade; the gaps between them are the dapples of light."""
    x, z = (thing.footprint[0] + thing.footprint[1]) / 2, thing.footprint[2]
    for _ in range(30 if z < 25 else 9):
        turn, away = dice.real(0, 2 * math.pi), thing.crown * math.sqrt(dice.real())
        z_disc = z + shift[2] + away * math.sin(turn)
        column, row, scale = camera.foot(x + shift[0] + away * math.cos(turn), max(z_disc, 1.0))
        radius = thing.crown * dice.real(0.08, 0.26) * scale / 2
        if z_disc < 1.5 or abs(column) > 20000:
            continue
        axes = max(1, round(radius)), max(1, round(radius * camera.y * scale / camera.focal))
        center = round(column / 2), round((row - camera.horizon) / 2)
        cv2.ellipse(cast, center, axes, 0, 0, 360, 230, -1)


def light_ground(stage: Stage, street: Street, cast: np.ndarray, contact: np.ndarray) -> None:
    """Multiply texture, light and shadow into the ground, then lay haze over it."""
    camera, light = stage.camera, stage.light
    ground = stage.canvas.pixels[camera.horizon :]
    z = camera.focal * camera.y / (2 * np.arange(len(cast)) + 1.0)
    haze = np.rint([128 * light.haze(meters) for meters in z.tolist()]).astype(np.uint8)
    grain = _ground_texture(camera, street, ground[::2, ::2, 3], np.minimum(z, FAR_M))
    grain = cv2.multiply(grain, 255 - contact, scale=1 / 255)
    factors = np.full((*grain.shape, 4), 128, np.uint8)  # 128 leaves a byte as it is
    sunny, shaded = light.lit((1, 1, 1), "up", 0), light.lit((1, 1, 1), "up", 1)
    for channel in range(3):
        weight = np.linspace(sunny[channel], shaded[channel], 256)[None] * 128
        bright = cv2.LUT(cast, np.rint(np.minimum(weight, 255)).astype(np.uint8))
        factors[..., channel] = cv2.multiply(grain, bright, scale=1 / 128)
    factors = cv2.multiply(factors, _rows_of(128 - haze, 128, grain.shape[1]), scale=1 / 128)
    rows, columns = ground.shape[:2]
    double = cv2.resize(factors, (2 * len(cast[0]), 2 * len(cast)), interpolation=cv2.INTER_NEAREST)
    ground[:] = cv2.multiply(ground, double[:rows, :columns], scale=1 / 128)
    color = np.floor(haze[:, None] / 128 * np.minimum(light.low, 254)).astype(np.uint8)
    added = _rows_of(color, 0, columns).repeat(2, 0)[:rows]
    ground[:] = cv2.add(ground, added)


def _rows_of(values: np.ndarray, class_value: int, columns: int) -> np.ndarray:
    """One color per row, (rows,) or (rows, 3), spread over the columns as four channels."""
    rows = np.full((len(values), 4), class_value, np.uint8)
    rows[:, :3] = values if values.ndim == 2 else values[:, None]
    return rows.view(np.uint32).repeat(columns, 1).view(np.uint8).reshape(-1, columns, 4)


def _ground_texture(
    camera: Camera, street: Street, labels: np.ndarray, z: np.ndarray
) -> np.ndarray:
    """Texture bytes of the ground: the road's tile, and the pavement's on pavement."""
    per_pixel = 2 * z / camera.focal * PER_METER
    step = np.rint(per_pixel * 65536).astype(np.uint32)[:, None]
    start = np.rint((-camera.center * z / camera.focal - camera.bend(z)) * PER_METER * 65536)
    # 32-bit overflow is harmless: only nine bits above the fraction are used.
    index = np.arange(labels.shape[1], dtype=np.uint32)[None] * step
    index += start.astype(np.int64).astype(np.uint32)[:, None]
    index >>= 16
    index &= SIDE - 1
    index += (np.floor(z * PER_METER).astype(np.uint32)[:, None] & (SIDE - 1)) << 9
    index += (labels == PAVEMENT).astype(np.uint32) << 18
    tiles = np.concatenate([tile(street.road_tile), tile(street.pavement_tile)]).ravel()
    fade = np.rint(150 * np.minimum(1, 1.5 / per_pixel)).astype(np.int16)[:, None]
    grain = (tiles[index].astype(np.int16) - 128) * fade >> 8
    return (grain + 128).astype(np.uint8)
