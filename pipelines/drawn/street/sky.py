"""The sky, and what stands at the end of the street."""

import cv2
import numpy as np

from pipelines.drawn.street.stage import BUILDING, FAR_M, SKY, TREE, Stage
from pipelines.drawn.street.tiles import SIDE, tile


def paint_sky(stage: Stage) -> None:
    """Gradient, clouds on a plane overhead, and the sun's glow; drawn at half resolution."""
    camera, light, dice = stage.camera, stage.light, stage.dice
    rows, columns = camera.horizon // 2 + 2, (camera.columns + 1) // 2
    height = ((rows - np.arange(rows)) / rows)[:, None]  # 1 at the top, 0 at the horizon
    plane = 9000 // (rows - np.arange(rows) + 6)  # the farther the cloud, the denser
    u = (np.arange(columns) - columns // 2)[None] * plane[:, None] // 96 + dice.whole(0, SIDE)
    v = plane[:, None] + dice.whole(0, SIDE)
    noise = tile("cloud")[v & (SIDE - 1), u & (SIDE - 1)].astype(np.float32)
    cover = np.clip((noise - (190 - 130 * light.cloud)) / 70, 0, 1)
    cover *= (np.clip(height * 3, 0, 1) * min(1.0, light.cloud * 2.2)).astype(np.float32)
    sun_x = (camera.center + camera.focal * light.sun[0] / max(0.2, light.sun[2])) / 2
    sun_y = rows - camera.focal * light.sun[1] / max(0.2, light.sun[2]) / 2
    radius = 0.35 * rows + 8
    away = (np.arange(columns) - sun_x)[None] ** 2 + (np.arange(rows) - sun_y)[:, None] ** 2
    glow = (light.sun[2] > 0.2) * sum(light.direct) / 2 / (1 + away / radius**2)
    bright = 0.6 if light.dark else 1.0
    sky = np.empty((rows, columns, 4), np.uint8)
    for c in range(3):
        base = light.low[c] + (light.zenith[c] - light.low[c]) * height**0.75
        cloud = (150 + 0.35 * noise) * bright * (0.75 + 0.25 * light.low[c] / 200)
        layer = base + (cloud - base) * cover + glow * 150 * (0.3 + light.direct[c])
        sky[..., c] = np.clip(layer, 0, 255)
    sky[..., 3] = SKY
    big = cv2.resize(sky, (columns * 2, rows * 2), interpolation=cv2.INTER_NEAREST)
    stop = min(rows * 2, camera.rows)
    stage.canvas.pixels[:stop] = big[:stop, : camera.columns]


def paint_backdrop(stage: Stage) -> None:
    """Skyline and tree line at the end of the street."""
    dice, camera = stage.dice, stage.camera
    scale = camera.focal / FAR_M
    base = round(camera.horizon + scale * camera.y) + 1
    x = -20.0
    while x < camera.columns:
        width = dice.real(6, 26) * scale
        shade = dice.vary(dice.pick([(150, 140, 132), (120, 126, 134), (176, 160, 142)]), 25)
        if dice.chance(0.6):
            top = base - dice.real(5, 30) * scale
            corners = np.array([[x, base], [x, top], [x + width, top], [x + width, base]])
            color = stage.light.color(shade, "front", FAR_M)
            stage.canvas.fill(np.rint(corners).astype(np.int32), color, BUILDING)
        x += width * dice.real(0.7, 1.0)
    color = stage.light.color(dice.vary((78, 98, 62), 18), "front", FAR_M)
    for x in range(-10, camera.columns + 10, max(3, round(4 * scale))):
        radius = dice.real(1.5, 5.5) * scale
        stage.canvas.disc((x, base - radius * 0.6), radius, color, TREE)
