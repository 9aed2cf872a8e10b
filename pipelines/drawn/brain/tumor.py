"""A tumor: where it lies, how it pushes the brain aside, and what it is made of."""

import math
from dataclasses import dataclass

import numpy as np

from pipelines.drawn.brain.anatomy import (
    BACKGROUND,
    BONE,
    CORE,
    EDEMA,
    ENHANCING,
    FLUID,
    GRAY,
    PLEXUS,
    SKULL,
    VESSEL,
)
from pipelines.drawn.canvas import Dice
from pipelines.drawn.noise import fractal


@dataclass
class Tumor:
    """Place and radii in head coordinates; rim: thickness of the enhancing part."""

    y: float
    x: float
    radius: float
    rim: float
    edema: float
    push: float
    holes: float


def plan_tumor(dice: Dice) -> Tumor | None:
    """Return a tumor for four slices in five."""
    if not dice.chance(0.8):
        return None
    turn, away = dice.real(0, 2 * math.pi), dice.real(0.22, 0.48)
    radius = dice.real(0.07, 0.2)
    kind = dice.pick(("ring", "ring", "ring", "solid", "faint"))
    rim = {"ring": dice.real(0.025, 0.06), "solid": 1.0, "faint": 0.012}[kind]
    return Tumor(
        y=away * math.cos(turn) * 1.15,
        x=away * math.sin(turn),
        radius=radius * (0.7 if kind == "solid" else 1.0),
        rim=rim,
        edema=dice.real(0.05, 0.26),
        push=dice.real(0.0, 0.09),
        holes=dice.real(-2.2, -0.6),
    )


def pushed(tumor: Tumor, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates of a brain that makes room: what is near the tumor moves away."""
    down, right = y - tumor.y, x - tumor.x
    away = np.maximum(np.hypot(down, right), 1e-6)
    reach = 1.8 * tumor.radius + 0.1
    # Nothing moves at the skull, which does not give.
    room = np.clip((0.86 - np.hypot(y, x / 0.8)) / 0.4, 0, 1)
    shift = tumor.push * (away / reach) * np.exp(0.5 - 0.5 * (away / reach) ** 2) * room
    return y - shift * down / away, x - shift * right / away


def grow_tumor(tumor: Tumor, random, y, x, tissue: np.ndarray, label: np.ndarray) -> None:
    """Write core, rim and edema into tissue and label.

    Args:
        tumor: the plan.
        random: chance for its outline.
        y: coordinates from front to back, float32 (h, w).
        x: coordinates from side to side, float32 (h, w).
        tissue: uint8 (h, w), changed in place.
        label: uint8 (h, w), changed in place.
    """
    pixel = float(np.hypot(y[1, 0] - y[0, 0], x[1, 0] - x[0, 0]))
    noise = fractal(random, y.shape, 0.16 / pixel, 3, 0.5)
    depth = tumor.radius * (1 + 0.22 * noise) - np.hypot(y - tumor.y, x - tumor.x)
    brain = ~np.isin(tissue, (BACKGROUND, SKULL, BONE))
    # Edema follows white matter; it spares what is folded, and never fills a ventricle.
    halo = tumor.edema * (1 + 0.45 * fractal(random, y.shape, 0.2 / pixel, 3, 0.55))
    spared = np.isin(tissue, (FLUID, PLEXUS, VESSEL))
    halo = np.where(tissue == GRAY, 0.3 * halo, halo)
    parts = np.full(y.shape, 255, np.uint8)
    parts[(depth > -halo) & brain & ~spared] = EDEMA
    mass = (depth > 0) & brain
    parts[mass] = CORE
    rim = tumor.rim * (1 + 0.5 * fractal(random, y.shape, 0.1 / pixel, 2))
    taken_up = fractal(random, y.shape, 0.12 / pixel, 2) > tumor.holes
    parts[mass & (depth < rim) & taken_up] = ENHANCING
    found = parts < 255
    tissue[found] = label[found] = parts[found]
