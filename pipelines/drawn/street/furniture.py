"""Lamps, traffic lights, bollards and traffic signs."""

import numpy as np

from pipelines.drawn.canvas import Dice
from pipelines.drawn.street.plan import Street
from pipelines.drawn.street.stage import POLE, SIGN, Stage, Thing

_POLES = [(74, 78, 80), (140, 142, 144), (58, 70, 64), (176, 176, 172), (104, 92, 80)]
_RED, _WHITE, _BLUE, _YELLOW = (186, 34, 38), (234, 234, 230), (30, 82, 160), (232, 186, 44)
_GREEN, _BLACK, _GRAY = (26, 108, 74), (30, 30, 32), (140, 142, 144)


def plan_furniture(dice: Dice, street: Street) -> list[Thing]:
    """Return what stands along the curbs."""
    things: list[Thing] = []
    for side in (-1, 1):
        metal = dice.vary(dice.pick(_POLES), 10)
        if dice.chance(0.65):
            z, gap = dice.real(5, 16), dice.real(14, 26)
            tall = dice.real(5, 8.5)
            while z < 100:
                _add(things, street, Post(dice, side, "lamp", tall, metal), 0.45, z)
                z += gap
        for _ in range(dice.whole(1, 4)):
            kind = dice.pick(["round", "round", "triangle", "diamond", "square", "board", "name"])
            post = Post(dice, side, kind, dice.real(2.3, 3.1), metal)
            _add(things, street, post, dice.real(0.35, 0.9), 4.5 + 36 * dice.real() ** 1.4)
        if street.crossing and dice.chance(0.7):
            _add(
                things,
                street,
                Post(dice, side, "signal", 3.2, metal),
                0.4,
                street.crossing[0] - 0.8,
            )
        if dice.chance(0.3):
            start = dice.real(4, 20)
            for index in range(dice.whole(3, 9)):
                _add(
                    things,
                    street,
                    Post(dice, side, "bollard", 0.95, metal),
                    0.3,
                    start + 1.6 * index,
                )
    return things


def _add(things: list, street: Street, post: "Post", inset: float, z: float) -> None:
    """Set a post `inset` meters behind the curb, but not in a side road."""
    side = post.side
    if any(where == side and z0 < z < z1 for where, z0, z1 in street.side_roads):
        return
    x = street.edge(side) + side * inset
    if abs(x - street.eye) < 1.2 and z < 5:
        return

    def draw(stage: Stage, shadow: float) -> None:
        post.draw(stage, x, z, shadow)

    depth = z + 0.5 * abs(x - street.eye)
    things.append(Thing(depth, draw, (x - 0.06, x + 0.06, z - 0.06, z + 0.06), post.height))


class Post:
    """A pole and what it carries."""

    def __init__(self, dice: Dice, side: int, kind: str, height: float, metal) -> None:
        self.side, self.kind, self.height, self.metal = side, kind, height, metal
        self.size = dice.real(0.6, 0.85)
        self.back = dice.chance(0.25) and kind in ("round", "triangle", "square")
        self.face = dice.pick(
            [(_RED, _WHITE), (_BLUE, _WHITE), (_RED, _RED), (_BLUE, _BLUE), (_WHITE, _BLACK)]
        )
        self.board = dice.pick([_BLUE, _GREEN, _WHITE, _YELLOW])
        self.phase = dice.whole(0, 2)
        self.arm = dice.real(0.8, 2.2)
        self.second = dice.chance(0.25)

    def draw(self, stage: Stage, x: float, z: float, shadow: float) -> None:
        column, row, scale = stage.camera.foot(x, z)

        def color(albedo, dim=1.0):
            return stage.light.color([c * dim for c in albedo], "front", z, 0.7 * shadow)

        def shape(points, albedo, class_id, dim=1.0):
            pixels = np.asarray(points, np.float64) * (scale, -scale) + (column, row)
            stage.canvas.fill(np.rint(pixels).astype(np.int32), color(albedo, dim), class_id)

        radius = {"lamp": 0.08, "signal": 0.07, "bollard": 0.07, "board": 0.06}.get(self.kind, 0.04)
        half = max(radius, 0.75 / scale)
        for left, right, dim in ((-half, half, 0.75), (0.0, half, 1.1)):
            pole = [(left, 0), (left, self.height), (right, self.height), (right, 0)]
            shape(pole, self.metal, POLE, dim)
        heads = {"lamp": self._lamp, "signal": self._signal, "bollard": self._bollard}
        heads.get(self.kind, self._sign)(shape, color, stage, (column, row, scale))

    def _lamp(self, shape, color, stage: Stage, spot) -> None:
        column, row, scale = spot
        end = -self.side * self.arm
        top = self.height
        points = np.array([(0, top - 0.1), (end * 0.3, top + 0.3), (end, top + 0.4)])
        pixels = points * (scale, -scale) + (column, row)
        stage.canvas.line(pixels, color(self.metal), POLE, max(2, 0.09 * scale))
        head = [
            (end - 0.35, top + 0.34),
            (end + 0.35, top + 0.34),
            (end + 0.25, top + 0.5),
            (end - 0.25, top + 0.5),
        ]
        shape(head, (620, 520, 330) if stage.light.dark else self.metal, POLE)

    def _bollard(self, shape, color, stage: Stage, spot) -> None:
        shape([(-0.08, 0.7), (-0.08, 0.85), (0.08, 0.85), (0.08, 0.7)], _WHITE, POLE)

    def _signal(self, shape, color, stage: Stage, spot) -> None:
        column, row, scale = spot
        top = self.height + 0.2
        for where in [0.0, -self.side * 2.6] if self.second else [0.0]:
            if where:
                beam = [(0, top - 0.1), (where, top - 0.1), (where, top), (0, top)]
                shape(beam, self.metal, POLE)
            left, right, low, high = where - 0.19, where + 0.19, top - 0.95, top + 0.05
            box = [(left, low), (left, high), (right, high), (right, low)]
            shape(box, (36, 38, 38), SIGN)
            for index, lamp in enumerate([(520, 40, 30), (520, 330, 40), (60, 480, 200)]):
                on = index == self.phase
                center = (column + where * scale, row - (top - 0.15 - index * 0.3) * scale)
                albedo = lamp if on else [c * 0.12 + 20 for c in lamp]
                stage.canvas.disc(center, 0.105 * scale, color(albedo), SIGN)

    def _sign(self, shape, color, stage: Stage, spot) -> None:
        middle, r = self.height - self.size / 2, self.size / 2
        rim, inner = self.face
        if self.kind == "triangle":
            outline = [(-1, -0.8), (0, 1), (1, -0.8)]
            rim, inner = _RED, _WHITE
        elif self.kind == "diamond":
            outline, (rim, inner) = [(-1, 0), (0, 1), (1, 0), (0, -1)], (_WHITE, _YELLOW)
        elif self.kind == "square":
            outline, (rim, inner) = [(-1, -1), (-1, 1), (1, 1), (1, -1)], (_WHITE, _BLUE)
        elif self.kind in ("board", "name"):
            wide, high = (1.7, 1.1) if self.kind == "board" else (1.2, 0.3)
            outline = [(-wide, -high), (-wide, high), (wide, high), (wide, -high)]
            rim, inner = (_WHITE, self.board) if self.board != _WHITE else (_BLACK, _WHITE)
        else:
            turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            outline = np.stack([np.cos(turn), np.sin(turn)], 1)
        outline = np.asarray(outline, np.float64) * r
        up = np.array([0.0, middle])
        if self.back:
            shape(outline + up, _GRAY, SIGN, 0.85)
            return
        shape(outline + up, rim, SIGN)
        shape(outline * 0.76 + up, inner, SIGN)
        self._symbol(shape, middle, r, inner)

    def _symbol(self, shape, middle: float, r: float, inner) -> None:
        """Bars that stand for the writing on a sign."""
        ink = _BLACK if sum(inner) > 400 else _WHITE
        rows = [(-0.5, 0.35), (0.25, 0.35)] if self.kind == "board" else [(-0.15, 0.3)]
        wide = {"board": 1.1, "name": 0.9, "round": 0.5}.get(self.kind, 0.22)
        high = 0.5 if self.kind == "name" else 1.0
        for low, tall in rows:
            y0 = middle + low * r * high
            y1 = y0 + tall * r * high * (2 if self.kind in ("triangle", "square", "diamond") else 1)
            shape([(-wide * r, y0), (-wide * r, y1), (wide * r, y1), (wide * r, y0)], ink, SIGN)
