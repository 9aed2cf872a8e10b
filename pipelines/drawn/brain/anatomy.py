"""A healthy head: scalp, bone, fluid, folded gray matter, white matter, ventricles, vessels.

Coordinates: y from the forehead (-1) to the back (1), x from side to side (about -0.8 to 0.8).
Tissues are finer than classes: the scanner shows fat and vessels unlike the class they count for.
"""

import cv2
import numpy as np

from pipelines.drawn.canvas import Dice
from pipelines.drawn.noise import fractal

BACKGROUND, SKULL, FLUID, GRAY, WHITE, EDEMA, CORE, ENHANCING = range(8)
# Further tissues, and the class that each counts for.
BONE, VESSEL, PLEXUS, WORN, DEEP = range(8, 13)
CLASS_OF = {BONE: SKULL, VESSEL: FLUID, PLEXUS: FLUID, WORN: WHITE, DEEP: GRAY}


def draw_anatomy(dice: Dice, random, y: np.ndarray, x: np.ndarray):
    """Return tissue and class of each pixel.

    Args:
        dice: chance for what is where.
        random: chance for textures.
        y: coordinates from front to back, float32 (h, w).
        x: coordinates from side to side, float32 (h, w).

    Returns:
        tissue and label, both uint8 (h, w).
    """
    pixel = float(np.hypot(y[1, 0] - y[0, 0], x[1, 0] - x[0, 0]))
    breadth = dice.real(0.74, 0.84)
    wobble = 0.014 * fractal(random, y.shape, 0.7 / pixel, 2)
    head = 1 - np.hypot(y, x / breadth * (1 + 0.06 * y)) + wobble  # 0 at the skin, 1 inside
    tissue = np.full(y.shape, BACKGROUND, np.uint8)
    tissue[head > 0] = SKULL
    scalp, bone = dice.real(0.05, 0.09), dice.real(0.05, 0.08)
    tissue[(head > scalp) & (head < scalp + bone)] = BONE
    inside = head - scalp - bone
    tissue[inside >= 0] = WHITE
    _fold(dice, random, (y, x, inside), pixel, tissue)
    level = dice.real(0, 1)  # height of the slice in the head: ventricles grow and vanish with it
    if level < 0.8:
        _add_deep(dice, random, y, x, pixel, tissue)
    _add_ventricles(dice, random, (y, x), level, pixel, tissue)
    _add_vessels(dice, (y, x, inside), tissue)
    label = tissue.copy()
    for special, class_id in CLASS_OF.items():
        label[tissue == special] = class_id
    return tissue, label


def _fold(dice: Dice, random, places, pixel: float, tissue: np.ndarray) -> None:
    """Fluid on the surface and in furrows; gray matter wherever fluid is near."""
    y, x, inside = places
    bend = fractal(random, y.shape, dice.real(0.13, 0.18) / pixel, 3, 0.4)
    depth = dice.real(0.2, 0.3) + 0.05 * fractal(random, y.shape, 0.25 / pixel, 2)
    width = dice.real(0.07, 0.2) * np.clip(1 - inside / depth, 0, 1) ** 0.5
    furrow = (np.abs(bend) < width) & (inside < depth)
    middle = np.abs(x + 0.012 * fractal(random, y.shape, 0.3 / pixel, 2))
    parted = (middle < dice.real(0.008, 0.018)) & (np.abs(y) > dice.real(0.16, 0.3))
    surface = inside < dice.real(0.02, 0.045)
    fluid = (inside >= 0) & (furrow | parted | surface)
    # Furrows that fluid does not fill are seen in the gray matter all the same.
    closed = (np.abs(bend) < 0.05) & (inside < depth * 1.15) & (inside >= 0)
    away = cv2.distanceTransform((~(fluid | closed)).astype(np.uint8), cv2.DIST_L2, 5) * pixel
    thick = dice.real(0.045, 0.062) * (1 + 0.2 * fractal(random, y.shape, 0.12 / pixel, 2))
    tissue[(inside >= 0) & (away < thick)] = GRAY
    tissue[fluid] = FLUID


def _add_deep(dice: Dice, random, y, x, pixel: float, tissue: np.ndarray) -> None:
    """Nuclei on both sides of the middle: gray matter within the white."""
    wobble = 0.12 * fractal(random, y.shape, 0.12 / pixel, 2)
    side = np.abs(x)
    thalamus = ((side - 0.13) / 0.085) ** 2 + ((y - 0.13) / 0.13) ** 2
    tilted = side - 0.29 - 0.25 * (y + 0.05)
    putamen = (tilted / 0.05) ** 2 + ((y + 0.05) / dice.real(0.17, 0.22)) ** 2
    caudate = ((side - 0.13) / 0.05) ** 2 + ((y + 0.24) / 0.085) ** 2
    deep = np.minimum(np.minimum(thalamus, putamen), caudate) + wobble < 1
    tissue[deep & (tissue == WHITE)] = DEEP


def _add_ventricles(dice: Dice, random, places, level: float, pixel: float, tissue) -> None:
    """Two horns in front, two behind, a body higher up; a plexus in the hind horns."""
    y, x = places
    wobble = 0.1 * fractal(random, y.shape, 0.15 / pixel, 2)
    side, wide = np.abs(x + 0.01), dice.real(0.7, 1.7)
    if level < 0.8:
        front = side - 0.07 - 0.22 * np.clip(-0.2 - y, 0, 1)
        horns = (front / (0.034 * wide)) ** 2 + ((y + 0.27) / 0.14) ** 2
        back = side - 0.17 - 0.25 * np.clip(y - 0.25, -0.2, 0.3)
        hind = (back / (0.042 * wide)) ** 2 + ((y - 0.36) / 0.16) ** 2
        third = (x / (0.013 * wide)) ** 2 + ((y - 0.08) / 0.13) ** 2
        cavity = np.minimum(np.minimum(horns, hind), third)
    else:
        hind = np.full_like(x, 9)
        lean = side - 0.085 - 0.06 * np.abs(y)
        cavity = (lean / (0.04 * wide)) ** 2 + (y / dice.real(0.28, 0.4)) ** 2
    cavity = cavity + wobble
    if dice.chance(0.55):  # worn white matter around the horns, bright in FLAIR as edema is
        reach = dice.real(1.6, 3.4) + 0.9 * fractal(random, y.shape, 0.1 / pixel, 2)
        tissue[(cavity < reach) & (tissue == WHITE)] = WORN
    if dice.chance(0.5):
        spots = fractal(random, y.shape, 0.09 / pixel, 2) > dice.real(2.0, 2.6)
        tissue[spots & (tissue == WHITE)] = WORN
    tissue[(cavity < 1) & np.isin(tissue, (WHITE, WORN, DEEP, GRAY))] = FLUID
    plexus = (hind + wobble < 0.4) & (fractal(random, y.shape, 0.04 / pixel, 2) > -0.2)
    tissue[plexus & (tissue == FLUID)] = PLEXUS


def _add_vessels(dice: Dice, places, tissue: np.ndarray) -> None:
    """Vessels cut across, and the large sinus at the back: bright with contrast agent."""
    y, x, inside = places
    corner = (np.abs(x) / 0.05 + inside / 0.06 < 1) & (y > 0.4)
    tissue[corner & (inside >= 0)] = VESSEL
    fluid = np.argwhere(tissue == FLUID)
    for _ in range(dice.whole(3, 12) if len(fluid) else 0):
        row, column = fluid[dice.whole(0, len(fluid) - 1)]
        near = np.hypot(y - y[row, column], x - x[row, column]) < dice.real(0.012, 0.026)
        tissue[near & np.isin(tissue, (FLUID, GRAY))] = VESSEL
