"""What is inside a drawn body: an organ with vessels and lesions, and things that look like them.

Places are in -1..1 along depth, height and width. All shapes bend with one smooth field, so none is
an ellipsoid in the end.
"""

from typing import NamedTuple

import numpy as np

from pipelines.drawn.scan.noise import smooth_noise

# What is drawn; the table of classes is in scan_volumes.csv.
OUTSIDE, BODY, ORGAN, VESSEL, LESION = range(5)
FAT, BONE, GAS, OTHER_ORGAN, RIM = range(5, 10)  # seen, but of the classes above
CLASS_OF = np.array(
    [OUTSIDE, BODY, ORGAN, VESSEL, LESION, BODY, BODY, BODY, BODY, LESION], np.uint8
)
_LEVELS = 5  # of branches


class Space(NamedTuple):
    """The bent places of all voxels, and chance.

    Attributes:
        random: where chance comes from.
        places: float32 (3, d, h, w).
        roughness: float32 (d, h, w), about -1..1, by which surfaces go in and out.
    """

    random: np.random.Generator
    places: np.ndarray
    roughness: np.ndarray

    def reach(self, center, radii) -> np.ndarray:
        """Return how far each voxel is from a center, in radii."""
        center, radii = (np.reshape(x, (3, 1, 1, 1)).astype(np.float32) for x in (center, radii))
        return np.sqrt((((self.places - center) / radii) ** 2).sum(axis=0))


def space(random: np.random.Generator, size: tuple[int, int, int]) -> Space:
    """Lay out bent places for a volume."""
    axes = [(2 * np.arange(side) + 1) / side - 1 for side in size]
    places = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    bends = [smooth_noise(random, size, max(size) / 3) for _ in size]
    roughness = smooth_noise(random, size, max(size) / 8)
    return Space(random, places + 0.05 * np.stack(bends), roughness)


def draw_tissues(random: np.random.Generator, size: tuple[int, int, int]) -> np.ndarray:
    """Return what lies at each voxel, uint8 (d, h, w), one of this module's numbers."""
    room = space(random, size)
    tissues = np.full(size, OUTSIDE, np.uint8)
    body = room.reach((0, 0, 0), (9, random.uniform(0.72, 0.84), random.uniform(0.86, 0.95)))
    inside = body < 1
    tissues[inside] = FAT
    tissues[body < random.uniform(0.84, 0.92) + 0.03 * room.roughness] = BODY
    within = body < 0.84
    _spine(room, tissues)
    down, aside, deep = random.uniform((-0.15, -0.42, -0.3), (0.1, -0.3, 0.3))
    center = np.array([deep, down, aside])
    radii = random.uniform((0.5, 0.38, 0.36), (0.75, 0.52, 0.5))
    depth_in_organ = room.reach(center, radii) + 0.1 * room.roughness
    organ = (depth_in_organ < 1) & within & (tissues == BODY)
    _look_alikes(room, tissues, within & (depth_in_organ > 1.15), radii)
    tissues[organ] = ORGAN
    _vessels(room, tissues, center, radii, within)
    _lesions(room, tissues, organ, depth_in_organ)
    return tissues


def _spine(room: Space, tissues: np.ndarray) -> None:
    """Draw vertebrae with discs between them, behind the middle."""
    random = room.random
    column = room.reach((0, random.uniform(0.42, 0.5), 0), (9, 0.17, 0.2)) < 1
    discs = np.sin((room.places[0] + random.uniform(-1, 1)) * random.uniform(9, 12)) > 0.75
    tissues[column & ~discs] = BONE


def _look_alikes(room: Space, tissues: np.ndarray, where: np.ndarray, radii) -> None:
    """Draw what has the gray of the organ, or of lesions, and is neither."""
    random = room.random
    for kind, count, scale in ((OTHER_ORGAN, 3, (0.35, 0.6)), (GAS, 4, (0.12, 0.28))):
        for _ in range(int(random.integers(2, count + 1))):
            center = random.uniform((-0.8, -0.5, -0.3), (0.8, 0.35, 0.7))
            shape = radii * random.uniform(*scale, 3)
            blob = room.reach(center, shape) + 0.15 * room.roughness < 1
            tissues[blob & where & (tissues == BODY)] = kind


def _vessels(room: Space, tissues: np.ndarray, center, radii, within) -> None:
    """Draw a large vessel before the spine, and a tree that enters the organ from the middle."""
    random = room.random
    trunk = np.array([0, random.uniform(0.12, 0.2), random.uniform(0.0, 0.12)])
    tube = room.reach(trunk, (9, 0.085, 0.085)) < 1
    found = tube & within
    start = np.array([center[0] + random.uniform(-0.2, 0.2), *trunk[1:]])
    branches = [(start, center + radii * random.uniform(-0.15, 0.15, 3), 0.06)]
    for level in range(_LEVELS):
        following = []
        for begin, end, radius in branches:
            found |= _tube(room, begin, end, radius) & within
            for _ in range(2 if level else 3):
                way = end - begin
                turn = random.standard_normal(3)
                turn -= way * (turn @ way) / (way @ way)
                turn /= np.linalg.norm(turn)
                length = random.uniform(0.24, 0.36) * 0.82**level
                ahead = way / np.linalg.norm(way) + random.uniform(0.5, 1.1) * turn
                goal = end + radii / radii.mean() * length * ahead / np.linalg.norm(ahead)
                if (((goal - center) / radii) ** 2).sum() < 0.85:
                    following.append((end, goal, radius * 0.78))
        branches = following
    tissues[found & (tissues != BONE)] = VESSEL


def _tube(room: Space, begin, end, radius: float) -> np.ndarray:
    """Return the voxels that are nearer to a line than a radius."""
    way = (end - begin).astype(np.float32)
    offset = room.places - np.reshape(begin, (3, 1, 1, 1)).astype(np.float32)
    along = np.clip(np.tensordot(way, offset, 1) / (way @ way), 0, 1)
    return ((offset - way[:, None, None, None] * along) ** 2).sum(axis=0) < radius**2


def _lesions(room: Space, tissues: np.ndarray, organ: np.ndarray, depth: np.ndarray) -> None:
    """Draw up to four lesions in the organ; the larger ones have a rim."""
    random = room.random
    spots = np.argwhere(organ & (depth < 0.8))
    for _ in range(int(random.integers(0, 5)) if len(spots) else 0):
        spot = spots[int(random.integers(len(spots)))]
        center = room.places[(slice(None), *spot)]
        radius = random.uniform(0.1, 0.26)
        far = room.reach(center, radius * random.uniform(0.8, 1.2, 3)) + 0.12 * room.roughness
        tissues[(far < 1) & organ] = RIM if radius > 0.16 else LESION
        tissues[(far < 0.72) & organ] = LESION
