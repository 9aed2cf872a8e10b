"""Trees and hedges: clusters of leaves whose ragged edge is the label's edge too."""

import cv2
import numpy as np

from pipelines.drawn.canvas import Dice
from pipelines.drawn.street.plan import Lot, Street
from pipelines.drawn.street.stage import TREE, Stage, Thing
from pipelines.drawn.street.tiles import SIDE, tile

_LEAVES = [
    (84, 116, 58), (66, 100, 52), (104, 128, 62), (120, 126, 60), (60, 88, 60), (176, 142, 58),
    (172, 96, 52), (150, 116, 74), (196, 166, 164), (92, 112, 88),
]  # fmt: skip
_BARK = (92, 78, 66)


def plan_trees(dice: Dice, street: Street) -> list[Thing]:
    """Rows along the curb, groups in parks, hedges before houses."""
    things: list[Thing] = []
    leaf = dice.pick(_LEAVES[:5]) if dice.chance(0.7) else dice.pick(_LEAVES)
    for side in (-1, 1):
        if street.pavement[side] > 2.8 and dice.chance(0.55):
            z, gap = dice.real(4, 12), dice.real(6, 13)
            while z < 90:
                if dice.chance(0.85):
                    x = street.edge(side) + side * 0.8
                    size = dice.real(0.8, 1.2) * min(gap * 0.42, 3.2)
                    _add_tree(dice, things, street, x, z, size, leaf)
                z += gap
    for lot in street.lots:
        if lot.kind == "park":
            _add_hedge(dice, things, lot, dice.vary(leaf, 14), street)
            for _ in range(dice.whole(1, 3)):
                x = lot.face + lot.side * dice.real(2, 9)
                z = dice.real(max(lot.z0, 4), max(lot.z1, 5))
                _add_tree(dice, things, street, x, z, dice.real(2.2, 4.2), dice.vary(leaf, 16))
        elif lot.kind == "house" and dice.chance(0.65):
            _add_hedge(dice, things, lot, dice.vary(leaf, 14), street)
    return things


def _add_tree(dice: Dice, things: list, street: Street, x, z, crown: float, leaf) -> None:
    if any(side * x > 0 and z0 - 1 < z < z1 + 1 for side, z0, z1 in street.side_roads):
        return
    trunk = dice.real(2.2, 3.6) if z < 40 else 2.6
    leaf = dice.vary(leaf, 12)
    seed = dice.reals(3 * 26).reshape(26, 3)
    tall = dice.real(0.9, 1.5)

    def draw(stage: Stage, shadow: float) -> None:
        _draw_trunk(stage, x, z, trunk + crown * 0.5, crown * 0.085 + 0.05, shadow)
        middle = trunk + crown * tall * 0.8
        _draw_leaves(stage, (x, middle, z), (crown, crown * tall), leaf, seed)

    footprint = (x - 0.12, x + 0.12, z - 0.12, z + 0.12)
    depth = z + 0.5 * abs(x - street.eye)
    things.append(Thing(depth, draw, footprint, trunk + crown * tall * 0.8, crown))


def _draw_trunk(stage: Stage, x, z, height, radius, shadow) -> None:
    column, row, scale = stage.camera.foot(x, z)
    wide = max(1.0, radius * scale)
    lit = stage.light.color(_BARK, "right", z, shadow)
    dim = stage.light.color([c * 0.8 for c in _BARK], "left", z, shadow)
    top = row - height * scale
    for color, left, right in ((dim, -1.0, 0.3), (lit, 0.2, 1.0)):
        x0, x1 = wide * left, wide * right
        shape = [(1.3 * x0, row), (0.7 * x0, top), (0.7 * x1, top), (1.3 * x1, row)]
        shape = np.array(shape) + np.array([column, 0.0])
        stage.canvas.fill(np.rint(shape).astype(np.int32), color, TREE)


def _draw_leaves(stage: Stage, place, size, leaf, seed: np.ndarray) -> None:
    """Blobs from dark below to light above, cut out by leaf texture."""
    x, y, z = place
    column, row, scale = stage.camera.foot(x, z)
    row -= y * scale
    wide, tall = size[0] * scale, size[1] * scale
    box = stage.canvas.window(
        column - wide * 1.2, row - tall * 1.2, column + wide * 1.2, row + tall * 1.2
    )
    if box is None:
        return
    x0, y0, x1, y1 = box
    body = np.zeros((y1 - y0, x1 - x0), np.uint8)
    glow = np.full_like(body, 90)
    if scale < 18:
        seed = seed[:14]
    away, turn = np.sqrt(seed[:, 0]) * 0.72, seed[:, 1] * 2 * np.pi
    sideways, upward = np.cos(turn) * away, np.sin(turn) * away
    lean = stage.light.sun[0] * sideways
    blobs = np.empty((len(seed), 4))
    blobs[:, 0], blobs[:, 1] = column - x0 + sideways * wide, row - y0 - upward * tall
    blobs[:, 2] = np.maximum(1, (0.24 + 0.2 * seed[:, 2]) * wide)
    blobs[:, 3] = np.clip(96 + 58 * upward + 50 * lean + 30 * seed[:, 2], 20, 200)
    order = np.argsort(upward + 0.4 * lean)
    for x_blob, y_blob, radius, bright in np.rint(blobs[order]).astype(int).tolist():
        cv2.circle(body, (x_blob, y_blob), radius, 255, -1)
        cv2.circle(glow, (x_blob, y_blob), radius, bright, -1)
    _stamp_leaves(stage, box, body, glow, (z, wide, scale), leaf)


def _stamp_leaves(stage: Stage, box, body, glow, size, leaf) -> None:
    """Cut a soft body by texture and paint it through the leaves' colors."""
    x0, y0, x1, y1 = box
    z, wide, scale = size
    step = max(4, round(60 / scale * 4)) / 4  # leaves of about 5 cm, larger when far
    u = (np.arange(x0, x1) * step).astype(np.int64) & (SIDE - 1)
    v = (np.arange(y0, y1) * step).astype(np.int64) & (SIDE - 1)
    leaves = tile("leaves")[v][:, u]
    blur = max(1, round(wide * 0.14)) | 1
    soft = cv2.blur(body, (blur, blur))
    edge = cv2.addWeighted(soft, 1.0, leaves, 0.6, -10)
    mask = cv2.threshold(edge, 178, 255, cv2.THRESH_BINARY)[1]
    shine = cv2.addWeighted(cv2.blur(glow, (blur, blur)), 1.0, leaves, 0.6, -62)
    stage.canvas.stamp(box, shine, _leaf_ramp(stage, leaf, z), mask)


def _leaf_ramp(stage: Stage, leaf, z: float) -> np.ndarray:
    """From deep shade to leaves in the sun, packed with the label."""
    light = stage.light
    deep = np.array(light.color([c * 0.38 for c in leaf], "front", z, 0.8))
    high = np.array(light.color([c * 1.45 for c in leaf], "up", z, 0.0))
    share = np.arange(256.0)[:, None] / 255
    table = np.full((256, 4), TREE, np.uint8)
    table[:, :3] = deep + (high - deep) * share
    return table.view(np.uint32)[:, 0]


def _add_hedge(dice: Dice, things: list, lot: Lot, leaf, street: Street) -> None:
    """A hedge along a lot; the lot's house is drawn just before it."""
    side, x, z1 = lot.side, lot.face, lot.z1
    z0, height = max(lot.z0, 1.0), dice.real(0.7, 1.9)

    def draw(stage: Stage, shadow: float) -> None:
        corners = [[x, 0, z0], [x, height, z0], [x, height, z1], [x, 0, z1]]
        top = [[x, height, z0], [x, height, z1], [x + side, height, z1], [x + side, height, z0]]
        end = [[x, 0, z0], [x, height, z0], [x + side, height, z0], [x + side, 0, z0]]
        for shape, bright in ((top, 130), (corners, 84), (end, 64)):
            pixels = stage.camera.project(shape)
            low, high = pixels.min(0) - 3, pixels.max(0) + 3
            box = stage.canvas.window(*low, *high)
            if box is None:
                continue
            body = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
            cv2.fillConvexPoly(body, pixels - box[:2], 255)
            scale = stage.camera.focal / max(4.0, (z0 + z1) / 2)
            _stamp_leaves(stage, box, body, body // 255 * bright, (z0, scale * 0.3, scale), leaf)

    footprint = (min(x, x + side), max(x, x + side), z0, z1)
    things.append(Thing(z1 + 0.5 * abs(x - street.eye) - 0.01, draw, footprint, height))
