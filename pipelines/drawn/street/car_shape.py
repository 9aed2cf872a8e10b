"""The shape of a vehicle: a side profile drawn out across its width, as a list of polygons."""

from functools import lru_cache
from itertools import pairwise

import numpy as np

# Length, height and half width in meters, then the side profile from the rear's bottom over the
# roof to the front's bottom: (along, up, across) as shares of length, height and half width.
KINDS = {
    "hatch": (4.1, 1.50, 0.88, [(0, .18, 1), (-.01, .38, 1), (.02, .60, 1), (.10, .95, .78),
              (.22, 1, .76), (.48, .98, .76), (.68, .63, .96), (.90, .54, .95), (.98, .46, .93),
              (1, .32, .97), (.99, .16, .97)]),
    "sedan": (4.6, 1.45, 0.90, [(0, .18, 1), (-.01, .40, 1), (.02, .64, .98), (.14, .66, .95),
              (.27, .96, .76), (.35, 1, .75), (.54, .98, .75), (.70, .64, .96), (.92, .54, .94),
              (.98, .46, .92), (1, .32, .97), (.99, .16, .97)]),
    "suv": (4.6, 1.72, 0.95, [(0, .22, 1), (-.01, .42, 1), (.01, .62, 1), (.06, .94, .82),
            (.16, 1, .80), (.55, .98, .80), (.70, .64, .97), (.92, .58, .96), (.98, .50, .94),
            (1, .36, .98), (.99, .2, .98)]),
    "van": (5.2, 2.30, 1.0, [(0, .15, 1), (-.01, .30, 1), (0, .55, 1), (.01, .94, .93),
            (.05, 1, .9), (.70, .98, .9), (.84, .62, .97), (.97, .46, .97), (1, .30, 1),
            (.99, .13, 1)]),
    "bus": (10.5, 3.0, 1.25, [(0, .11, 1), (0, .25, 1), (0, .45, 1), (0, .93, .98), (.01, 1, .95),
            (.98, 1, .95), (.995, .45, 1), (1, .40, 1), (1, .2, 1), (1, .1, 1)]),
}  # fmt: skip


class _Parts:
    """Collects polygons in shares, turned so that z runs away from the camera."""

    def __init__(self, ours: bool) -> None:
        self.ours, self.corners, self.parts, self.count = ours, [], [], 0

    def add(self, across, up, along, name: str, dim: float = 1.0, facing: str = "front") -> None:
        points = np.stack(np.broadcast_arrays(*np.atleast_1d(across, up, along)), 1).astype(float)
        if not self.ours:
            points[:, 2] = 1 - points[:, 2]
        self.corners.append(points)
        self.parts.append((self.count, self.count + len(points), name, dim, facing))
        self.count += len(points)


@lru_cache(maxsize=64)
def shape_of(kind: str, ours: bool, flank: int, detail: bool):
    """Corners (n, 3) as (across, up, along), and parts (start, stop, tone, dim, facing).

    Args:
        kind: a key of KINDS.
        ours: the rear is the near end.
        flank: the side that is seen: -1 left, 1 right, 0 none.
        detail: also what is smaller than a few pixels on a far car.
    """
    parts = _Parts(ours)
    near = 0.08 if ours else 0.92
    for side in (-1, 1):
        tire = np.array([0.98, 0.98, 0.72, 0.72]) * side
        parts.add(tire, [0, 0.4, 0.4, 0], near, "dark")
    _add_shell(parts, kind)
    if flank:
        _add_flank(parts, kind, flank, detail)
    _add_end(parts, kind, detail)
    points = np.concatenate(parts.corners)
    points.setflags(write=False)
    return points, tuple(parts.parts)


def _add_shell(parts: _Parts, kind: str) -> None:
    """Strips across the width, the farthest first."""
    length, height, _, profile = KINDS[kind]
    strips = list(enumerate(pairwise(profile)))
    for index, ((a, up_a, wide_a), (b, up_b, wide_b)) in strips[::-1] if parts.ours else strips:
        across = np.array([-wide_a, wide_a, wide_b, -wide_b])
        up, along = np.array([up_a, up_a, up_b, up_b]), np.array([a, a, b, b])
        rise, run = abs(up_b - up_a) * height, abs(b - a) * length
        facing = "up" if run > 1.4 * rise else "front"
        dim = 0.5 if index in (0, len(strips) - 1) else 0.95
        parts.add(across, up, along, "paint", dim, facing)
        if max(up_a, up_b) > 0.92 and min(up_a, up_b) > 0.4 and rise > 0.35:
            middle = up.mean()
            parts.add(across * 0.86, middle + (up - middle) * 0.82, along, "screen")


def _add_flank(parts: _Parts, kind: str, side: int, detail: bool) -> None:
    facing = "right" if side > 0 else "left"
    along, up, across = np.array(KINDS[kind][3]).T
    parts.add(across * side, up, along, "paint", 1.0, facing)
    roof = along[up > 0.9]
    bus = kind == "bus"
    belt, rear, front = (0.5 if bus else 0.64), roof[0] + 0.02, roof[-1] - 0.01
    low_rear, low_front = (rear, front) if bus else (rear - 0.06, front + 0.12)
    cuts = np.linspace(0, 1, (6 if bus else 2) + 1)
    for left, right in pairwise(cuts.tolist()):
        if kind == "van" and left < 0.4:
            continue
        share = np.array([left + 0.02, right - 0.02])
        low = low_rear + (low_front - low_rear) * share
        high = rear + (front - rear) * share
        wide = np.array([0.95, 0.79, 0.79, 0.95]) * side * (1.06 if bus else 1)
        glass = [low[0], high[0], high[1], low[1]]
        parts.add(wide, [belt, 0.92, 0.92, belt], glass, "glass", 1.0, facing)
    if detail:
        parts.add(side, [0.16, 0.24, 0.24, 0.16], [0.03, 0.03, 0.97, 0.97], "paint", 0.5, facing)
        parts.add(side, [0.56, 0.60, 0.60, 0.56], [0.02, 0.02, 0.96, 0.9], "paint", 1.18, facing)
        for door in (0.36, 0.58) if not bus else (0.1, 0.86):
            edge = [door, door, door + 0.006, door + 0.006]
            parts.add(side, [0.25, belt, belt, 0.25], edge, "paint", 0.6, facing)
    _add_wheels(parts, kind, side, detail)


def _add_wheels(parts: _Parts, kind: str, side: int, detail: bool) -> None:
    length, height, _, _ = KINDS[kind]
    radius = 0.48 if kind == "bus" else 0.33
    turn = np.linspace(0, 2 * np.pi, 14 if detail else 8, endpoint=False)
    rings = [(1.2, "dark"), (1.0, "tire")] + ([(0.6, "hub"), (0.2, "dark")] if detail else [])
    facing = "right" if side > 0 else "left"
    for along in (0.19, 0.81):
        for size, name in rings:
            up = np.maximum(0, radius + np.sin(turn) * radius * size) / height
            parts.add(side, up, along + np.cos(turn) * radius * size / length, name, 1.0, facing)


def _add_end(parts: _Parts, kind: str, detail: bool) -> None:
    """Lamps, number plate and bumper of the near end."""
    end = -0.012 if parts.ours else 1.012
    low, high = {"bus": (0.2, 0.27), "van": (0.33, 0.5) if parts.ours else (0.34, 0.42)}.get(
        kind, (0.47, 0.60) if parts.ours else (0.38, 0.47)
    )
    if kind == "bus":
        parts.add([-0.9, -0.9, 0.9, 0.9], [0.48, 0.88, 0.88, 0.48], end, "screen")
    inner = 0.72 if kind in ("bus", "van") else 0.62
    if detail:
        bumper = [0.2, 0.29, 0.29, 0.2]
        parts.add([-0.94, -0.94, 0.94, 0.94], bumper, end, "paint", 0.6)
        if not parts.ours and kind != "bus":
            parts.add([-0.5, -0.5, 0.5, 0.5], [0.31, 0.4, 0.4, 0.31], end, "dark")
        parts.add([-0.27, -0.27, 0.27, 0.27], [0.24, 0.31, 0.31, 0.24], end, "plate")
    for side in (-1, 1):
        parts.add(np.array([0.93, 0.93, inner, inner]) * side, [low, high, high, low], end, "lamp")
