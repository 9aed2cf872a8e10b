"""Where tiles lie along one side of a picture, how much each counts, and the bar of all."""

import math
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

MANY_TILES = 100


class Grid(NamedTuple):
    """Tiles along one side.

    Attributes:
        tile: length of a tile in pixels.
        starts: first pixel of each tile.
        ends: pixel up to which the sum is complete once a tile has been added.
        weights: float32 (tile,) for each tile; at every pixel they add up to 1.
    """

    tile: int
    starts: tuple
    ends: tuple
    weights: tuple


def grid(length, tile, overlap, rise, stride) -> Grid:
    """Lay tiles evenly along a side, at multiples of the network's stride.

    Args:
        length: pixels of the side, more than a tile's.
        tile: pixels of a tile, a multiple of `stride`.
        overlap: pixels that neighbors share at least, at most `tile - stride`.
        rise: (tile,), how much each pixel of a tile counts from its start on, see `rise_of`.
        stride: pixels.

    Returns:
        `Grid`; its last tile may reach past the end, by less than `stride` pixels.

    >>> grid(100, 64, 16, np.ones(64), 16).starts
    (0, 48)
    """
    room = math.ceil((length - tile) / stride)  # From the first tile to the last, in strides.
    gaps = math.ceil(room / ((tile - overlap) // stride))
    starts = [index * room // gaps * stride for index in range(gaps + 1)]
    # No fall toward the picture's own ends, which no other tile covers.
    even = np.ones(tile, np.float32)
    windows = [
        np.minimum(even if start == 0 else rise, even if start == starts[-1] else rise[::-1])
        for start in starts
    ]
    total = np.zeros(starts[-1] + tile, np.float32)
    for start, weights in zip(starts, windows, strict=True):
        total[start : start + tile] += weights
    weights = [
        one / total[start : start + tile] for start, one in zip(starts, windows, strict=True)
    ]
    return Grid(tile, tuple(starts), (*starts[1:], starts[-1] + tile), tuple(weights))


def one_tile(length) -> Grid:
    """Return the grid of a side that is no longer than a tile: one tile of its own length.

    Args:
        length: pixels of the side.

    Returns:
        `Grid`.

    >>> one_tile(3).ends
    (3,)
    """
    return Grid(length, (0,), (length,), (np.ones(length, np.float32),))


def rise_of(tile, overlap, blend, margin) -> np.ndarray:
    """Return how much each pixel counts from a tile's start on: 0 in the margin, rising to 1.

    Args:
        tile: pixels.
        overlap: pixels shared with the neighbor before.
        blend: "gaussian" or "linear".
        margin: first pixels, which are discarded; at most half the overlap.

    Returns:
        float32 (tile,).

    >>> rise_of(6, 3, "linear", 0).tolist()
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    inside = overlap - 2 * margin
    rise = np.arange(1, inside + 1) / (inside + 1)
    if blend == "gaussian":
        rise = np.exp(-0.5 * (3 * (1 - rise)) ** 2)  # It begins three sigma out, at 1 %.
    rest = tile - margin - inside
    return np.concatenate([np.zeros(margin), rise, np.ones(rest)]).astype(np.float32)


def progress(number):
    """Return the progress bar of so many tiles.

    There is none for a single tile, and without a terminal, as in a log or a notebook, it is there
    for pictures of many tiles only.

    Args:
        number: tiles.

    Returns:
        tqdm, a context manager with `update()`.

    >>> with progress(1) as bar:
    ...     _ = bar.update()
    """
    hide = True if number == 1 else None if number < MANY_TILES else False
    return tqdm(total=number, desc="Tiles", disable=hide, leave=False, unit="tile")
