"""Cars, vans and buses in traffic and parked."""

from pipelines.drawn.canvas import Dice
from pipelines.drawn.street.car_shape import KINDS, shape_of
from pipelines.drawn.street.plan import Street
from pipelines.drawn.street.stage import CAR, Stage, Thing

_PAINTS = [
    (236, 236, 234), (200, 202, 205), (150, 152, 156), (108, 110, 114), (52, 54, 58), (38, 39, 43),
    (168, 36, 34), (122, 30, 36), (38, 70, 132), (86, 120, 168), (54, 92, 70), (222, 186, 60),
    (196, 184, 160), (196, 96, 40), (78, 68, 62),
]  # fmt: skip
_TONES = {
    "tire": (34, 34, 36), "dark": (20, 20, 22), "hub": (146, 148, 152), "plate": (214, 210, 190),
}  # fmt: skip


def plan_cars(dice: Dice, street: Street) -> list[Thing]:
    """Parked rows, and traffic in every lane."""
    cars: list[Thing] = []
    for side in (-1, 1):
        if street.parking[side]:
            _park(dice, cars, street, side)
    for x in street.lane_centers:
        ours = x * street.drive_side > street.middle * street.drive_side
        z = dice.real(7, 18) if abs(x - street.eye) < 1.8 else dice.real(3, 18)
        while z < 90:
            if dice.chance(0.5):
                z += _add(dice, cars, street, x + dice.real(-0.3, 0.3), z, ours)
            z += dice.real(2.5, 22)
    return cars


def _park(dice: Dice, cars: list[Thing], street: Street, side: int) -> None:
    x = street.edge(side) - side * 1.1
    z, fill = dice.real(-4, 3), dice.real(0.3, 0.9)
    while z < 80:
        if dice.chance(fill) and z > 1.2:
            ours = side == street.drive_side
            z += _add(dice, cars, street, x + dice.real(-0.12, 0.12), z, ours, parked=True)
        else:
            z += 5.0
        z += dice.real(0.6, 1.6)


def _add(dice: Dice, cars: list, street: Street, x, z, ours: bool, parked: bool = False) -> float:
    """Append one car and give its length; none where it would stand on a crossing."""
    kind = dice.pick(["hatch", "hatch", "sedan", "sedan", "suv", "suv", "van"])
    if not parked and z > 12 and dice.chance(0.08):
        kind = "bus"
    length, height, half, _ = KINDS[kind]
    blocked = [street.crossing] if street.crossing else []
    blocked += [(z0, z1) for _, z0, z1 in street.side_roads] if parked else []
    near = abs(x - street.eye) < 2.2 and z < 5
    if near or any(z < z1 + 0.6 and z + length > z0 - 0.6 for z0, z1 in blocked):
        return length
    paint = dice.vary(dice.pick(_PAINTS), 10)
    lights = not parked and dice.chance(0.7)
    braking = ours and not parked and dice.chance(0.3)

    def draw(stage: Stage, shadow: float) -> None:
        lamp = _lamp(ours, lights, braking, stage.light.dark)
        _draw(stage, kind, (x, z), ours, {"paint": paint, "lamp": lamp}, 0.85 * shadow)

    footprint = (x - half, x + half, z, z + length)
    cars.append(Thing(z + 0.8 + 0.5 * abs(x - street.eye), draw, footprint, height * 0.85))
    return length


def _lamp(ours: bool, lights: bool, braking: bool, dark: bool) -> tuple[int, int, int]:
    """Tail lamps for cars that drive our way, head lamps for the others; above 255 it shines."""
    if ours:
        return (340, 50, 40) if braking or (lights and dark) else (146, 24, 24)
    return (520, 500, 440) if lights else (190, 194, 198)


def _draw(stage: Stage, kind: str, place, ours: bool, tones: dict, shadow: float) -> None:
    """Project all corners of a car at once, then fill its parts from far to near."""
    (x, z), camera, light = place, stage.camera, stage.light
    length, height, half, _ = KINDS[kind]
    # A flank is seen if its far end lies outside its near end.
    flank = 0
    for side in (-1, 1):
        near = camera.foot(x + side * half, z)[0]
        if (near - camera.foot(x + side * half, z + length)[0]) * side < 0:
            flank = side
    detail = camera.focal / z * height > 16
    points, parts = shape_of(kind, ours, flank, detail)
    pixels = camera.project(points * (half, height, length) + (x, 0, z))
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > camera.columns:
        return
    tones = {**_TONES, **tones, "glass": _glass(0.25, light), "screen": _glass(0.4, light)}
    seen: dict[tuple, tuple] = {}
    for start, stop, *look in parts:
        name, dim, facing = key = tuple(look)
        if key not in seen:
            seen[key] = light.color([c * dim for c in tones[name]], facing, z, shadow)
        stage.canvas.fill(pixels[start:stop], seen[key], CAR)


def _glass(mirror: float, light) -> list[float]:
    """Dark glass with a share of the sky's color."""
    return [
        g * (1 - mirror) + s * mirror * 0.6 for g, s in zip((44, 52, 60), light.low, strict=True)
    ]
