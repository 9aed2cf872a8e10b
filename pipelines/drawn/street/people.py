"""People who stand, walk and cross, seen from any side."""

import numpy as np

from pipelines.drawn.canvas import Dice
from pipelines.drawn.street.plan import Street
from pipelines.drawn.street.stage import PERSON, Stage, Thing

_CLOTHES = [
    (38, 42, 56), (60, 62, 66), (28, 28, 30), (120, 122, 126), (70, 88, 128), (150, 40, 44),
    (52, 92, 74), (200, 190, 172), (226, 224, 218), (110, 82, 60), (212, 160, 56), (128, 92, 130),
    (226, 222, 70), (92, 120, 84), (196, 120, 110),
]  # fmt: skip
_SKINS = [(224, 184, 156), (198, 150, 118), (150, 104, 76), (104, 70, 50)]
_HAIRS = [(40, 32, 28), (84, 58, 38), (150, 116, 70), (128, 126, 124), (26, 24, 24)]


def plan_people(dice: Dice, street: Street) -> list[Thing]:
    """Alone and in pairs on the pavements, some crossing the road."""
    people: list[Thing] = []
    for side in (-1, 1):
        for _ in range(dice.whole(0, 8)):
            near = street.edge(side) + side * 0.6
            x = near + side * dice.real(0, max(0.4, street.pavement[side] - 1.2))
            z = 4 + 46 * dice.real() ** 1.6
            for partner in range(dice.pick([1, 1, 1, 2, 3])):
                _add(dice, people, street, x + partner * 0.62, z + partner * dice.real(-0.3, 0.3))
    crossers = dice.whole(1, 4) if street.crossing else dice.pick([0, 0, 0, 1, 1])
    for _ in range(crossers):
        z = dice.real(*street.crossing) if street.crossing else dice.real(10, 40)
        _add(dice, people, street, dice.real(street.left, street.right), z)
    return people


def _add(dice: Dice, people: list, street: Street, x: float, z: float) -> None:
    if abs(x - street.eye) < 1.0 and z < 6:
        return
    person = Person(dice, x, z)
    depth = z + 0.5 * abs(x - street.eye)
    people.append(
        Thing(depth, person.draw, (x - 0.15, x + 0.15, z - 0.1, z + 0.1), person.size * 1.7)
    )


class Person:
    """One person; sizes in meters for a height of 1.75 m, times `size`."""

    def __init__(self, dice: Dice, x: float, z: float) -> None:
        self.x, self.z = x, z
        self.size = dice.real(0.9, 1.06) if dice.chance(0.86) else dice.real(0.55, 0.8)
        self.stride = dice.real(0.12, 0.36) if dice.chance(0.75) else 0.05
        self.turn = dice.pick([-1, 1])  # which way the steps go
        self.top, self.legs = dice.vary(dice.pick(_CLOTHES)), dice.vary(dice.pick(_CLOTHES[:6]))
        self.skin, self.hair = dice.vary(dice.pick(_SKINS), 8), dice.pick(_HAIRS)
        self.shoes = dice.pick([(30, 30, 32), (220, 218, 212), (92, 64, 46)])
        self.coat = dice.real(0.5, 0.92)  # height of the hem
        self.skirt, self.away = dice.chance(0.15), dice.chance(0.5)
        self.bag = dice.pick(["", "", "back", "hand"])
        self.bag_color = dice.vary(dice.pick(_CLOTHES))
        self.swing = dice.real(-0.1, 0.1)
        self.long_hair = dice.chance(0.4)

    def draw(self, stage: Stage, shadow: float) -> None:
        column, row, scale = stage.camera.foot(self.x, self.z)
        scale *= self.size

        def place(points):
            points = np.asarray(points, np.float64) * (self.turn, -1)
            return points * scale + (column, row)

        def color(albedo, dim=1.0):
            return stage.light.color([c * dim for c in albedo], "front", self.z, 0.85 * shadow)

        def limb(points, albedo, thick, dim=1.0):
            stage.canvas.line(place(points), color(albedo, dim), PERSON, thick * scale)

        def patch(points, albedo, dim=1.0):
            shape = np.rint(place(points)).astype(np.int32)
            stage.canvas.fill(shape, color(albedo, dim), PERSON)

        self._draw_legs(limb)
        self._draw_body(limb, patch)
        self._draw_head(stage, place, color, scale)

    def _draw_legs(self, limb) -> None:
        reach = self.stride
        for direction, dim in ((-1, 0.7), (1, 1.0)):
            foot = direction * reach
            knee = foot * 0.5 + 0.06 * (reach > 0.1)
            hip = 0.06 * direction
            limb([(hip, 0.9), (knee, 0.48), (foot, 0.07)], self.legs, 0.145, dim)
            limb([(foot - 0.03, 0.035), (foot + 0.13, 0.03)], self.shoes, 0.08, dim)

    def _draw_body(self, limb, patch) -> None:
        swing = self.stride * 0.8 + self.swing
        limb(
            [(-0.2, 1.4), (-0.22 - swing * 0.4, 1.12), (-0.16 - swing, 0.88)], self.top, 0.105, 0.72
        )
        hem = self.coat
        wide = 0.2 + (0.08 if self.skirt else 0.0)
        trunk = [(-0.21, 1.44), (-0.1, 1.5), (0.1, 1.5), (0.21, 1.44), (0.18, 1.05), (wide, hem),
                 (-wide, hem), (-0.18, 1.05)]  # fmt: skip
        patch(trunk, self.top)
        patch([trunk[i] for i in (0, 1, 6, 7)], self.top, 0.84)
        if self.skirt:
            patch([(-0.18, 0.95), (0.18, 0.95), (0.27, 0.5), (-0.27, 0.5)], self.legs)
        if self.bag == "back":
            patch([(-0.16, 1.42), (0.14, 1.42), (0.16, 1.02), (-0.17, 1.0)], self.bag_color)
        limb([(0.2, 1.4), (0.23 + swing * 0.4, 1.12), (0.17 + swing, 0.9)], self.top, 0.11, 0.92)
        limb([(0.17 + swing, 0.88), (0.17 + swing, 0.84)], self.skin, 0.09)
        if self.bag == "hand":
            left = 0.05 + swing
            patch(
                [(left, 0.8), (left + 0.26, 0.8), (left + 0.24, 0.5), (left, 0.5)], self.bag_color
            )

    def _draw_head(self, stage: Stage, place, color, scale) -> None:
        disc = stage.canvas.disc
        neck, head, crown = place([(0.0, 1.5), (0.01, 1.62), (-0.01, 1.67)])
        disc(neck, 0.06 * scale, color(self.skin, 0.8), PERSON)
        if self.long_hair:
            disc((neck[0], neck[1] - 0.03 * scale), 0.12 * scale, color(self.hair, 0.9), PERSON)
        disc(crown, 0.118 * scale, color(self.hair), PERSON)
        if not self.away:
            disc((head[0], head[1] + 0.02 * scale), 0.1 * scale, color(self.skin), PERSON)
