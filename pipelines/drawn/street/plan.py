"""The plan of one street: lanes, pavements, crossing, side roads, and the lots along it."""

from dataclasses import dataclass

from pipelines.drawn.canvas import Dice

_ROADS = [(112, 112, 114), (96, 97, 101), (132, 130, 127), (146, 142, 136), (118, 110, 104)]
_PAVEMENTS = [
    (150, 147, 142), (128, 127, 126), (168, 160, 148), (150, 122, 108), (110, 110, 112),
    (138, 134, 124),
]  # fmt: skip


@dataclass(frozen=True)
class Lot:
    """A piece of one side of the street."""

    side: int  # -1 left, 1 right
    z0: float
    z1: float
    kind: str  # "block", "house" or "park"
    face: float  # x of the building line
    open_end: bool  # nothing stands against its near end


@dataclass
class Street:
    """All that is flat, in meters; x to the right of the middle, z ahead."""

    left: float
    right: float
    middle: float  # line between the two directions
    drive_side: int  # 1: one drives on the right
    lane_centers: list[float]
    lane_lines: list[float]
    parking: dict[int, bool]
    pavement: dict[int, float]  # width by side
    crossing: tuple[float, float] | None
    side_roads: list[tuple[int, float, float]]
    cycle_side: int
    road_color: list[float]
    pavement_color: list[float]
    cycle_color: list[float]
    road_tile: str
    pavement_tile: str
    lots: list[Lot]
    eye: float  # x of the camera

    def edge(self, side: int) -> float:
        """The curb's x on one side."""
        return self.right if side > 0 else self.left


def plan_street(dice: Dice) -> Street:
    """Return lanes, pavements, side roads and lots, by chance."""
    lanes, width = dice.whole(2, 4), dice.real(2.8, 3.4)
    parking = {side: dice.chance(0.6) for side in (-1, 1)}
    half = lanes * width / 2
    drive_side = dice.sign()
    lines = [-half + width * (index + 1) for index in range(lanes - 1)]
    centers = [-half + width * (index + 0.5) for index in range(lanes)]
    own = [x for x in centers if x * drive_side >= 0]
    left, right = -half - 2.2 * parking[-1], half + 2.2 * parking[1]
    pavement = {side: dice.real(2.2, 5.5) for side in (-1, 1)}
    side_roads = _side_roads(dice)
    eye = dice.pick(own) + dice.real(-0.5, 0.5)
    if dice.chance(0.15):
        eye = (right + 1.2) if dice.chance(0.5) else (left - 1.2)
    z = dice.real(7, 26)
    street = Street(
        left=left,
        right=right,
        middle=min(lines, key=abs),
        drive_side=drive_side,
        lane_centers=centers,
        lane_lines=lines,
        parking=parking,
        pavement=pavement,
        crossing=(z, z + dice.real(2.6, 4)) if dice.chance(0.4) else None,
        side_roads=side_roads,
        cycle_side=dice.sign() if dice.chance(0.2) and not any(parking.values()) else 0,
        road_color=dice.vary(dice.pick(_ROADS), 16),
        pavement_color=dice.vary(dice.pick(_PAVEMENTS), 16),
        cycle_color=dice.vary(dice.pick([(150, 84, 72), (92, 116, 92)]), 10),
        road_tile=dice.pick(["asphalt"] * 5 + ["concrete"] * 2 + ["cobbles"]),
        pavement_tile=dice.pick(["slabs", "slabs", "asphalt", "cobbles", "concrete"]),
        lots=[],
        eye=eye,
    )
    for side in (-1, 1):
        street.lots.extend(_lots(dice, street, side))
    return street


def _side_roads(dice: Dice) -> list[tuple[int, float, float]]:
    roads = []
    if dice.chance(0.5):
        z, width = dice.real(10, 45), dice.real(6, 9)
        for side in (-1, 1):
            if dice.chance(0.65):
                roads.append((side, z, z + width))
    return roads


def _lots(dice: Dice, street: Street, side: int) -> list[Lot]:
    """Lots without overlap from behind the camera to the backdrop, side roads left open."""
    manner = dice.pick(["block", "block", "block", "house", "park", "mixed"])
    line = street.edge(side) + side * street.pavement[side]
    gaps = [(z0 - 2.0, z1 + 2.0) for where, z0, z1 in street.side_roads if where == side]
    lots, z, end_before = [], dice.real(-12, 0.5), -99.0
    while z < 130:
        kind = dice.pick(["block", "house", "park"]) if manner == "mixed" else manner
        if manner == "block" and dice.chance(0.06):
            kind = "park"
        length = {"block": dice.real(8, 22), "house": dice.real(8, 14), "park": 14.0}[kind]
        for start, end in gaps:
            if z < end and z + length > start:
                if start - z > 5:
                    length = start - z
                else:
                    z = end
        if z + length > 1.5:
            lots.append(Lot(side, z, z + length, kind, line, z > end_before + 0.1))
        space = dice.real(1.5, 5) if kind == "house" else 0.0
        end_before = z + length if kind == "block" else -99.0
        z += length + (space if dice.chance(0.85) else dice.real(2, 6))
    return lots
