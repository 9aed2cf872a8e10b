"""Upright walls in perspective, with their texture."""

import cv2
import numpy as np

from pipelines.drawn.street.stage import BUILDING, Stage
from pipelines.drawn.street.tiles import PER_METER, SIDE, tile


class Wall:
    """An upright rectangle: along the street (x fixed) or across it (z fixed)."""

    def __init__(self, start: tuple[float, float], end: tuple[float, float], height, facing):
        self.start, self.end, self.height, self.facing = start, end, height, facing
        self.length = abs(end[0] - start[0]) + abs(end[1] - start[1])

    def quads(self, u0, u1, y0, y1) -> np.ndarray:
        """World corners (n, 4, 3) of rectangles on the wall."""
        count = np.broadcast(u0, y0, y1).size
        corners = np.empty((count, 4, 3))
        u = np.empty((count, 4))
        u[:, 0] = u[:, 1] = u0
        u[:, 2] = u[:, 3] = u1
        u /= self.length
        corners[:, 0, 1] = corners[:, 3, 1] = y0
        corners[:, 1, 1] = corners[:, 2, 1] = y1
        corners[..., 0] = self.start[0] + u * (self.end[0] - self.start[0])
        corners[..., 2] = self.start[1] + u * (self.end[1] - self.start[1])
        return corners


def _wall_texture(stage: Stage, wall: Wall, name: str, box) -> np.ndarray:
    """Texture bytes of a wall for the pixels of a box: each column has one distance."""
    camera = stage.camera
    x0, y0, x1, y1 = box
    slope = (np.arange(x0, x1) - camera.center) / camera.focal  # x per meter ahead
    (xa, za), (xb, zb) = wall.start, wall.end
    if za == zb:
        z = np.full(len(slope), za)
        u = slope * za - camera.bend(za)
    else:
        ahead = (xb + camera.bend(zb) - xa - camera.bend(za)) / (zb - za)
        beside = xa + camera.bend(za) - ahead * za
        gap = slope - ahead
        gap = np.where(np.abs(gap) < 1e-6, 1e-6, gap)
        z = u = np.clip(beside / gap, min(za, zb), max(za, zb))
    texels = np.rint(z / camera.focal * PER_METER * 65536).astype(np.uint32)
    rows = (np.arange(y0, y1) - camera.horizon).astype(np.uint32)
    # 32-bit overflow is harmless: only nine bits above the fraction are used.
    index = rows[:, None] * texels[None]
    index >>= 16
    index &= SIDE - 1
    index <<= 9
    index += (np.floor(u * PER_METER).astype(np.int64) & (SIDE - 1)).astype(np.uint32)[None]
    return tile(name).ravel()[index]


def paint_wall(stage: Stage, wall: Wall, albedo, name: str, shadow: float) -> bool:
    """A textured wall; whether enough of it is seen for details to matter."""
    quad = stage.camera.project(wall.quads(0.0, wall.length, 0.0, wall.height))[0]
    low, high = quad.min(0), quad.max(0)
    box = stage.canvas.window(low[0], low[1], high[0], high[1])
    if box is None:
        return False
    z = (wall.start[1] + wall.end[1]) / 2
    color = stage.light.color(albedo, wall.facing, z, shadow)
    contrast = 0.62 * min(1.0, stage.camera.focal * 2.4 / (max(z, 3.0) * PER_METER))
    contrast *= 1 - stage.light.haze(z)
    x0, y0, x1, y1 = box
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(mask, quad - (x0, y0), 1)
    ramp = stage.light.ramp(color, contrast, BUILDING)
    stage.canvas.stamp(box, _wall_texture(stage, wall, name, box), ramp, mask)
    return box[2] - box[0] > 2
