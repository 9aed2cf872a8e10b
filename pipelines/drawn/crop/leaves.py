"""Leaves from above: an outline for each kind, two halves in the light, a rib, a shadow."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.drawn.canvas import Canvas
from pipelines.drawn.crop.soil import Sun

_T = np.linspace(0.0, 1.0, 17)
# Half the width along the leaf, as a share of its length, from the stem to the tip.
_WIDTHS = {
    "beet": 0.23 * np.sin(np.pi * np.clip((_T - 0.24) / 0.76, 0, 1) ** 0.85) ** 0.8,
    "dock": 0.2 * np.sin(np.pi * np.clip((_T - 0.2) / 0.8, 0, 1) ** 0.85) ** 0.8,
    "round": 0.36 * np.sin(np.pi * np.clip((_T - 0.22) / 0.78, 0, 1)) ** 0.6,
    "grass": 0.045 * (1 - _T) ** 0.6 * (0.6 + _T) + 0.004,
    "thistle": 0.2 * np.sin(np.pi * _T**0.9) * np.where(np.arange(17) % 2, 1.0, 0.5),
    "lobed": 0.24 * np.sin(np.pi * _T**0.7) * (0.3 + 0.7 * np.abs(np.sin(4 * np.pi * _T))),
}


@dataclass
class Leaf:
    """A leaf of a kind: where it begins and points, its length in pixels, and how it bends."""

    kind: str
    x: float
    y: float
    angle: float
    length: float
    bend: float

    def halves(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Left half, right half and rib, float (points, 2) in canvas pixels."""
        heading = self.angle + self.bend * _T
        along = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        rib = np.cumsum(along, axis=0) * (self.length / len(_T)) + (self.x, self.y)
        side = np.stack([-along[:, 1], along[:, 0]], axis=1)
        width = np.maximum(_WIDTHS[self.kind] * self.length, 0.02 * self.length)[:, None]
        return (
            np.concatenate([rib, (rib + side * width)[::-1]]),
            np.concatenate([rib, (rib - side * width)[::-1]]),
            rib,
        )


def paint_leaf(canvas: Canvas, sun: Sun, leaf: Leaf, color, class_id: int, height: float):
    """Paint a leaf, and before it the shadow that it casts on what lies below.

    Args:
        canvas: where to.
        sun: the light.
        leaf: the leaf.
        color: red, green, blue of its upper side.
        class_id: what it is labeled.
        height: how high it stands, as a share of its length.
    """
    left, right, rib = leaf.halves()
    outline = np.concatenate([left[len(rib) :], right[: len(rib) - 1 : -1]])
    _cast(canvas, sun, outline, height * leaf.length)
    # The halves of a leaf are folded along its rib: one of them faces the sun.
    lean = math.sin(sun.azimuth - leaf.angle)
    forward = math.cos(sun.azimuth - leaf.angle)
    for half, side in ((left, 1), (right, -1)):
        facing = 1 + sun.strength * (0.2 * side * lean + 0.1 * forward)
        pixels = np.floor(half + 0.5).astype(np.int32)
        canvas.fill(pixels, sun.lit([part * facing for part in color]), class_id)
    if leaf.length > 14 and leaf.kind != "grass":
        pale = sun.lit([min(255, part * 1.2 + 14) for part in color])
        canvas.line(rib[:-2], pale, class_id, leaf.length / 34)
        half_width = _WIDTHS[leaf.kind][5:14:3, None] * leaf.length * 0.8
        for sign in (1, -1):
            ends = rib[7:16:3] + sign * half_width * _across(rib)[7:16:3]
            for start, end in zip(rib[5:14:3], ends, strict=True):
                vein = sun.lit([part * 1.07 + 4 for part in color])
                canvas.line([start, end], vein, class_id, 1)


def _across(rib: np.ndarray) -> np.ndarray:
    step = np.gradient(rib, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    return np.stack([-step[:, 1], step[:, 0]], axis=1)


def _cast(canvas: Canvas, sun: Sun, outline: np.ndarray, height: float) -> None:
    """Darken what lies under a leaf; labels stay."""
    moved = outline + np.array(sun.cast) * height
    box = canvas.window(*(moved.min(0) - 2), *(moved.max(0) + 2))
    if box is None:
        return
    x0, y0, x1, y1 = box
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [np.floor(moved + 0.5).astype(np.int32) - (x0, y0)], 255)
    mask = cv2.blur(mask, (3, 3)) if sun.strength > 0.5 else cv2.blur(mask, (9, 9))
    keep = 1 - sun.shade * (mask[..., None] / np.float32(255))
    part = canvas.pixels[y0:y1, x0:x1, :3]
    part[:] = np.rint(part * keep).astype(np.uint8)
