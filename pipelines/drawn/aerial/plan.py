"""The plan of a landscape in meters: roads that divide it, the use of each block, a river."""

import math
from dataclasses import dataclass

import numpy as np

from pipelines.drawn.canvas import Dice

TOWN = {"houses": 6, "halls": 2, "park": 1.2, "wood": 0.4, "lake": 0.5, "field": 0.3}
VILLAGE = {"houses": 4, "halls": 0.6, "park": 0.8, "wood": 1, "lake": 0.8, "field": 3}
COUNTRY = {"houses": 0.7, "halls": 0.3, "park": 0.6, "wood": 2.2, "lake": 1, "field": 5}


@dataclass
class Block:
    """A rectangle of the plan and what it is used for; `streets`: half widths of its borders."""

    x0: float
    y0: float
    x1: float
    y1: float
    use: str
    streets: tuple[float, float, float, float]  # left, top, right, bottom; 0 for none

    def corners(self, inset: float = 0.0) -> np.ndarray:
        """Corners (4, 2), moved inwards by the streets and `inset`."""
        left, top, right, bottom = (half + inset for half in self.streets)
        x0, y0, x1, y1 = self.x0 + left, self.y0 + top, self.x1 - right, self.y1 - bottom
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])

    @property
    def center(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass
class Plan:
    """Blocks, roads as (points, width), and a river as (points, width) or None."""

    blocks: list[Block]
    roads: list[tuple[list, float]]
    river: tuple[np.ndarray, float] | None


def plan_land(dice: Dice, reach: float) -> Plan:
    """Divide a square again and again, by roads of falling width.

    Args:
        dice: chance.
        reach: meters that the plan must cover around its middle.

    Returns:
        the plan.
    """
    half = reach + 110
    # The window's place in the plan is by chance, too.
    left, top = -half - dice.real(0, 90), -half - dice.real(0, 90)
    mix = dice.pick((TOWN, TOWN, VILLAGE, VILLAGE, COUNTRY))
    plan = Plan([], [], None)
    square = (left, top, left + 2 * half + 90, top + 2 * half + 90)
    _divide(dice, plan, square, (0.0,) * 4, mix, 0)
    if dice.chance(0.22):
        plan.river = _plan_river(dice, half)
    return plan


def _divide(dice: Dice, plan: Plan, box, streets, mix, depth: int) -> None:
    x0, y0, x1, y1 = box
    length = max(x1 - x0, y1 - y0)
    largest = 150 if mix is COUNTRY else 105
    if length < largest * dice.real(0.75, 1.3):
        use = _pick_use(dice, mix)
        plan.blocks.append(Block(x0, y0, x1, y1, use, streets))
        return
    share = dice.real(0.36, 0.64)
    width = (9.5, 8.0, 6.5)[min(depth // 2, 2)] * dice.real(0.9, 1.1)
    if depth > 3 and dice.chance(0.15):
        width = 0.0  # a border without a road
    half, (left, top, right, bottom) = width / 2, streets
    if x1 - x0 > y1 - y0:
        x = x0 + share * (x1 - x0)
        road = [(x, y0), (x, y1)]
        first, second = (x0, y0, x, y1), (x, y0, x1, y1)
        sides = (left, top, half, bottom), (half, top, right, bottom)
    else:
        y = y0 + share * (y1 - y0)
        road = [(x0, y), (x1, y)]
        first, second = (x0, y0, x1, y), (x0, y, x1, y1)
        sides = (left, top, right, half), (left, half, right, bottom)
    if width:
        plan.roads.append((road, width))
    _divide(dice, plan, first, sides[0], mix, depth + 1)
    _divide(dice, plan, second, sides[1], mix, depth + 1)


def _pick_use(dice: Dice, mix) -> str:
    return dice.pick([use for use, weight in mix.items() for _ in range(round(10 * weight))])


def _plan_river(dice: Dice, half: float) -> tuple[np.ndarray, float]:
    """A winding line across the plan."""
    turn, bend = dice.real(0, math.pi), dice.real(12, 40)
    along = np.linspace(-1.6 * half, 1.6 * half, 90)
    wave = dice.real(70, 160)
    across = dice.real(-0.4, 0.4) * min(half, 180) + bend * np.sin(along / wave + dice.real(0, 6))
    direction = np.array([math.cos(turn), math.sin(turn)])
    points = along[:, None] * direction + across[:, None] * direction[::-1] * (-1, 1)
    return points, dice.real(10, 26)
