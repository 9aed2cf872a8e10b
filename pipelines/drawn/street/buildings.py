"""Blocks and houses: walls in perspective with texture, windows, shops and roofs."""

from itertools import pairwise

import numpy as np

from pipelines.drawn.canvas import Dice
from pipelines.drawn.street.plan import Lot
from pipelines.drawn.street.stage import BUILDING, NEAR_M, Stage, Thing
from pipelines.drawn.street.wall import Wall, paint_wall

# Walls borrow the colors of sky, trees, road and cars, so that color alone decides nothing.
_WALLS = [
    (152, 88, 68), (126, 80, 62), (172, 110, 84), (222, 202, 168), (226, 222, 212),
    (160, 160, 158), (136, 134, 132), (166, 190, 214), (140, 172, 208), (112, 132, 92),
    (132, 128, 84), (206, 166, 98), (192, 122, 88), (92, 96, 106), (212, 166, 150),
    (196, 184, 160), (104, 116, 126),
]  # fmt: skip
_TRIMS = [(232, 230, 224), (208, 200, 184), (92, 76, 64), (70, 72, 78), (176, 168, 156)]
_SHOPS = [
    (188, 42, 40), (34, 74, 142), (40, 104, 68), (222, 168, 44), (58, 56, 60), (232, 228, 218),
    (120, 50, 88), (40, 128, 140),
]  # fmt: skip
_ROOFS = [(140, 82, 64), (104, 72, 62), (86, 88, 94), (120, 112, 104), (100, 104, 96)]


def plan_buildings(dice: Dice, lots: list[Lot]) -> list[Thing]:
    """Return the buildings of all lots."""
    makers = {"block": _block, "house": _house}
    return [makers[lot.kind](dice, lot) for lot in lots if lot.kind in makers]


def _block(dice: Dice, lot: Lot) -> Thing:
    """A town block on the building line, flat roof or mansard."""
    floors, floor = dice.whole(2, 7), dice.real(2.8, 3.5)
    style = _style(dice, floors, floor)
    style["shop"] = dice.chance(0.45)
    height = floors * floor + 0.9 + 0.8 * style["shop"]
    depth = dice.real(9, 14)
    return _building(lot, lot.face, depth, height, style)


def _house(dice: Dice, lot: Lot) -> Thing:
    """A house behind a front garden, with a pitched roof."""
    floors = dice.whole(1, 3)
    style = _style(dice, floors, 2.8)
    style["pitch"] = dice.real(2, 4)
    style["gable"] = dice.chance(0.4)
    face = lot.face + lot.side * dice.real(0.5, 5)
    return _building(lot, face, dice.real(7, 10), floors * 2.8 + 0.6, style)


def _style(dice: Dice, floors: int, floor: float) -> dict:
    return {
        "wall": dice.vary(dice.pick(_WALLS), 14),
        "trim": dice.vary(dice.pick(_TRIMS), 10),
        "roof": dice.vary(dice.pick(_ROOFS), 12),
        "shops": [dice.vary(dice.pick(_SHOPS), 10) for _ in range(3)],
        "tile": dice.pick(["brick", "brick", "plaster", "plaster", "stone", "cladding"]),
        "floors": floors,
        "floor": floor,
        "pane": (dice.real(0.8, 1.7), dice.real(1.2, 1.9)),
        "spacing": dice.real(1.9, 3.2),
        "band": dice.chance(0.4),
        "frames": dice.chance(0.7),
        "shop": False,
        "pitch": 0.0,
        "gable": False,
        "dark_glass": dice.real(0.2, 0.9),
        "seed": dice.reals(400),
    }


def _building(lot: Lot, face: float, depth: float, height: float, style: dict) -> Thing:
    z0, z1 = max(lot.z0, NEAR_M), lot.z1
    back = face + lot.side * depth
    x0, x1 = min(face, back), max(face, back)
    facing = "left" if lot.side > 0 else "right"

    def draw(stage: Stage, shadow: float) -> None:
        front = Wall((face, z0), (face, z1), height, facing)
        roof = style["pitch"]
        ridge = (face + back) / 2
        if roof and not style["gable"]:
            edge = face - lot.side * 0.4
            top, near, far = height + roof, z0 - 0.2, z1 + 0.2
            slope = [
                [edge, height, near],
                [edge, height, far],
                [ridge, top, far],
                [ridge, top, near],
            ]
            stage.paint(slope, style["roof"], BUILDING, "up", 0.3)
        if paint_wall(stage, front, style["wall"], style["tile"], 0.0):
            paint_details(stage, front, style)
        if roof and style["gable"]:
            middle = (z0 + z1) / 2
            top = [[face, height, z0], [face, height, z1], [face, height + roof, middle]]
            stage.paint(top, style["wall"], BUILDING, facing)
        if z0 > NEAR_M + 0.5:
            _draw_end(stage, Wall((x0, z0), (x1, z0), height, "front"), style, lot.open_end)
            if roof and not style["gable"]:
                top = [[face, height, z0], [ridge, height + roof, z0], [back, height, z0]]
                stage.paint(top, style["wall"], BUILDING, "front")

    return Thing(z1 + 0.5 * depth, draw, (x0, x1, z0, z1), height + style["pitch"] / 2)


def _draw_end(stage: Stage, wall: Wall, style: dict, is_open: bool) -> None:
    """The wall that faces the camera; a next building hides most of it."""
    albedo = [c * 0.92 for c in style["wall"]]
    if not is_open:
        stage.paint(wall.quads(0.0, wall.length, 0.0, wall.height), albedo, BUILDING, "front")
    elif paint_wall(stage, wall, albedo, style["tile"], 0.0):
        paint_details(stage, wall, {**style, "shop": False, "spacing": style["spacing"] * 1.6})


def paint_details(stage: Stage, wall: Wall, style: dict) -> None:
    """Windows, bands, cornice and shop front, each kind in one call."""
    z = (wall.start[1] + wall.end[1]) / 2
    if stage.camera.focal / z * style["floor"] < 5:
        return

    def paint(quads, albedo, shadow=0.0):
        stage.paint(quads, albedo, BUILDING, wall.facing, shadow, z)

    ground = style["floor"] + 0.8 * style["shop"]
    if not style["pitch"]:
        paint(wall.quads(0.0, wall.length, wall.height - 0.5, wall.height), style["trim"])
        paint(wall.quads(0.0, wall.length, wall.height - 0.65, wall.height - 0.5), style["wall"], 1)
    if style["band"]:
        tops = ground + style["floor"] * np.arange(style["floors"])
        tops = tops[tops < wall.height - 1]
        paint(wall.quads(0.0, wall.length, tops - 0.12, tops + 0.06), style["trim"])
    count = int((wall.length - 1.0) / style["spacing"])
    if count < 1:
        return
    centers = wall.length * (np.arange(count) + 0.5) / count
    first = 1 if style["shop"] else 0
    sills = ground + style["floor"] * (np.arange(first, style["floors"]) - 1) + 0.9
    u, y = (grid.ravel() for grid in np.meshgrid(centers, sills))
    _paint_windows(stage, paint, wall, style, u, y)
    if style["shop"]:
        _paint_shops(stage, paint, wall, style, ground)


def _paint_windows(stage: Stage, paint, wall: Wall, style: dict, u, y) -> None:
    light = stage.light
    half, tall = style["pane"][0] / 2, min(style["pane"][1], style["floor"] - 1.2)
    seed = style["seed"][np.arange(len(u)) % 400]
    if style["frames"]:
        paint(
            wall.quads(u - half - 0.13, u + half + 0.13, y - 0.14, y + tall + 0.13), style["trim"]
        )
    dark = seed < style["dark_glass"]
    glow = (seed * 7 % 1 < 0.4) if light.dark else np.zeros(len(u), bool)
    panes = wall.quads(u - half, u + half, y, y + tall)
    sky = [(a + b) * 0.36 for a, b in zip(light.low, light.zenith, strict=True)]
    paint(panes[dark & ~glow], (52, 58, 66))
    paint(panes[~dark & ~glow], [s / max(0.5, a) for s, a in zip(sky, light.ambient, strict=True)])
    paint(panes[glow], (620, 470, 260))
    blind = seed * 13 % 1 < 0.3
    drop = tall * (0.3 + 0.6 * (seed * 29 % 1))
    blinds = wall.quads(u - half, u + half, y + tall - drop, y + tall)
    paint(blinds[blind & ~glow], (186, 180, 168))
    z = (wall.start[1] + wall.end[1]) / 2
    if stage.camera.focal / z * half > 5:
        paint(wall.quads(u - 0.035, u + 0.035, y, y + tall), style["trim"])
        paint(wall.quads(u - half, u + half, y + tall - 0.12, y + tall), (40, 42, 46))
        paint(wall.quads(u - half - 0.2, u + half + 0.2, y - 0.22, y - 0.1), style["trim"])


def _paint_shops(stage: Stage, paint, wall: Wall, style: dict, ground: float) -> None:
    """Panes, a sign board and an awning for each shop along the ground floor."""
    count = max(1, int(wall.length / 6))
    edges = np.linspace(0.2, wall.length - 0.2, count + 1)
    glass = (300, 250, 180) if stage.light.dark else (66, 70, 74)
    for index, (u0, u1) in enumerate(pairwise(edges.tolist())):
        color = style["shops"][index % 3]
        paint(wall.quads(u0 + 0.15, u1 - 0.15, 0.0, ground - 0.9), [c * 0.6 for c in color])
        thirds = np.linspace(u0 + 0.3, u1 - 0.3, 4)
        paint(wall.quads(thirds[:-1] + 0.06, thirds[1:] - 0.06, 0.5, ground - 1.1), glass)
        door = thirds[index % 3]
        paint(wall.quads(door + 0.3, door + 1.2, 0.05, 2.2), [c * 0.4 + 20 for c in color])
        paint(wall.quads(u0 + 0.1, u1 - 0.1, ground - 0.85, ground - 0.2), color)
        if style["seed"][index] < 0.45 and wall.facing != "front":
            awning = wall.quads(
                np.linspace(u0, u1, 9)[:-1], np.linspace(u0, u1, 9)[1:], 2.4, ground - 0.8
            )
            awning[:, [0, 3], 0] += 1.3 * {"left": -1, "right": 1}[wall.facing]
            paint(awning[::2], color)
            paint(awning[1::2], style["trim"])
