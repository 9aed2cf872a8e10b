"""What every part of a drawn street shares: camera, light and stage."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.drawn.canvas import Canvas, Color, Dice

ROAD, PAVEMENT, MARKING, BUILDING, SKY, TREE, POLE, SIGN, CAR, PERSON = range(10)
NEAR_M = 0.7  # nearest distance that is drawn
FAR_M = 160.0  # distance of the backdrop


class Camera:
    """Pinhole over a flat street that bends sideways; all sizes in supersampled pixels.

    World: x meters to the right of the middle of the road, y up, z ahead.
    """

    def __init__(self, dice: Dice, height: int, width: int, x: float) -> None:
        self.rows, self.columns = height, width
        self.focal = math.sqrt(height * width) * dice.real(0.78, 1.2)
        self.y = dice.real(1.25, 2.1) if dice.chance(0.85) else dice.real(2.1, 3.2)
        self.x = x
        self.horizon = int(height * dice.real(0.36, 0.56))
        self.center = width * dice.real(0.45, 0.55)
        self.yaw = dice.real(-0.09, 0.09)
        self.curve = dice.real(-0.0028, 0.0028) if dice.chance(0.55) else 0.0

    def bend(self, z):
        """Meters the middle of the road lies right of the optical axis at z."""
        return self.yaw * z + self.curve * z * z - self.x

    def project(self, points) -> np.ndarray:
        """World points (..., 3) to pixels (..., 2), int32."""
        points = np.asarray(points, np.float64)
        z = np.maximum(points[..., 2], NEAR_M)
        scale = self.focal / z
        pixels = np.empty((*z.shape, 2))
        pixels[..., 0] = scale * (points[..., 0] + self.bend(z)) + (self.center + 0.5)
        pixels[..., 1] = scale * (self.y - points[..., 1]) + (self.horizon + 0.5)
        np.maximum(np.minimum(pixels, 20000.0), -20000.0, out=pixels)
        return np.floor(pixels).astype(np.int32)

    def foot(self, x: float, z: float) -> tuple[float, float, float]:
        """Column and row of a ground point, and pixels per meter there."""
        scale = self.focal / z
        return self.center + scale * (x + self.bend(z)), self.horizon + scale * self.y, scale


# weather: (weight, sun color, ambient, zenith, sky at horizon, haze per km, elevation, cloud)
_WEATHERS = {
    "clear": (4, (0.72, 0.67, 0.58), (0.50, 0.54, 0.62), (92, 146, 212), (200, 220, 236),
              (0.8, 5), (26, 62), (0.0, 0.55)),
    "overcast": (3, (0.07, 0.07, 0.07), (0.92, 0.94, 0.97), (168, 176, 188), (222, 225, 228),
                 (2, 9), (40, 60), (0.5, 0.9)),
    "golden": (3, (1.0, 0.68, 0.38), (0.48, 0.47, 0.54), (112, 146, 196), (252, 216, 170),
               (2, 6), (9, 24), (0.2, 0.6)),
    "dusk": (1.3, (0.05, 0.04, 0.05), (0.54, 0.55, 0.68), (64, 82, 142), (224, 166, 150),
             (2, 6), (10, 20), (0.2, 0.6)),
    "fog": (1, (0.03, 0.03, 0.03), (0.92, 0.94, 0.96), (188, 193, 198), (214, 216, 218),
            (13, 24), (40, 60), (0.0, 0.0)),
}  # fmt: skip
_NORMALS = {"up": (0, 1, 0), "front": (0, 0, -1), "left": (-1, 0, 0), "right": (1, 0, 0)}


class Light:
    """Sun, sky light and haze of one picture."""

    def __init__(self, dice: Dice) -> None:
        point = dice.real(0, sum(row[0] for row in _WEATHERS.values()))
        self.weather = "clear"
        for name, row in _WEATHERS.items():
            self.weather, point = name, point - row[0]
            if point < 0:
                break
        _, self.direct, self.ambient, zenith, low, haze, elevation, cloud = _WEATHERS[self.weather]
        self.zenith, self.low = dice.vary(zenith, 14), dice.vary(low, 10)
        self.haze_per_m = dice.real(*haze) / 1000
        self.cloud = dice.real(*cloud)
        self.dark = self.weather == "dusk"
        rise, turn = math.radians(dice.real(*elevation)), dice.real(0, 2 * math.pi)
        level = math.cos(rise)
        self.sun = (math.sin(turn) * level, math.sin(rise), math.cos(turn) * level)
        # Meters that a shadow runs sideways and ahead per meter of height.
        self.cast = (-self.sun[0] / self.sun[1], -self.sun[2] / self.sun[1])
        self._facing = {
            name: max(0.0, sum(n * s for n, s in zip(normal, self.sun, strict=True)))
            for name, normal in _NORMALS.items()
        }
        self._facing["up"] = 0.35 + 0.65 * self._facing["up"]

    def lit(self, albedo: Color, facing: str = "up", shadow: float = 0.0) -> list[float]:
        """Color under this light, shadow 0..1 taking the sun away."""
        sun = self._facing[facing] * (1 - shadow)
        sky = 1.0 if facing == "up" else 0.88
        (r, g, b), (ra, ga, ba), (rd, gd, bd) = albedo, self.ambient, self.direct
        return [r * (sky * ra + sun * rd), g * (sky * ga + sun * gd), b * (sky * ba + sun * bd)]

    def haze(self, z: float) -> float:
        """Share 0..1 of the haze color at z meters."""
        return 1 - math.exp(-self.haze_per_m * z)

    def color(self, albedo: Color, facing="up", z=0.0, shadow=0.0) -> tuple[float, float, float]:
        """What the camera sees of an albedo at z meters."""
        haze = self.haze(z)
        keep = 1 - haze
        red, green, blue = self.lit(albedo, facing, shadow)
        r, g, b = self.low
        red, green, blue = red * keep + r * haze, green * keep + g * haze, blue * keep + b * haze
        return min(red, 255.0), min(green, 255.0), min(blue, 255.0)

    def ramp(self, color: Color, contrast: float, class_id: int) -> np.ndarray:
        """Table from texture byte to packed picture-and-label pixel, (256,) uint32."""
        factor = 1 + (np.arange(256.0) - 128) / 128 * contrast
        table = np.empty((256, 4))
        table[:, :3] = factor[:, None] * np.asarray(color)
        table[:, 3] = class_id
        return np.clip(table, 0, 255).astype(np.uint8).view(np.uint32)[:, 0]


@dataclass
class Stage:
    """One picture in the making."""

    dice: Dice
    camera: Camera
    light: Light
    canvas: Canvas

    def paint(self, corners, albedo: Color, class_id: int, facing="up", shadow=0.0, z=None):
        """Fill polygons given as world points (corners, 3) or (n, corners, 3)."""
        corners = np.asarray(corners)
        if corners.size:
            z = float(corners[..., 2].mean()) if z is None else z
            color = self.light.color(albedo, facing, z, shadow)
            self.canvas.fill(self.camera.project(corners), color, class_id)


@dataclass
class Thing:
    """Something that stands on the ground: when it is drawn, how, and what shadow it casts."""

    depth: float  # drawing order: far to near
    draw: Callable[[Stage, float], None]  # second argument: shadow 0..1 at its foot
    footprint: tuple[float, float, float, float]  # x0, x1, z0, z1
    height: float
    crown: float = 0.0  # radius of a tree's crown, whose shadow is round and has holes
