"""Positions and blending weights of the tiles along one side of a picture, and a progress bar."""

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
        overlap: least number of pixels that adjacent tiles share, at most `tile - stride`.
        rise: (tile,), weight of each pixel from the start of a tile, see `rise_of`.
        stride: pixels.

    Returns:
        `Grid`; its last tile may reach past the end, by less than `stride` pixels.

    >>> grid(100, 64, 16, np.ones(64), 16).starts
    (0, 48)
    """
    room = math.ceil((length - tile) / stride)  # From the first tile to the last, in strides.
    gaps = math.ceil(room / ((tile - overlap) // stride))
    starts = [index * room // gaps * stride for index in range(gaps + 1)]
    # Weights do not fall toward the picture's ends, which no other tile covers.
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
    """Return the weight of each pixel from the start of a tile: 0 in the margin, rising to 1.

    Args:
        tile: pixels.
        overlap: pixels shared with the previous tile.
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
    """Return a progress bar for a number of tiles.

    A single tile has none. Without a terminal, as in a log or a notebook, only pictures of many
    tiles have one.

    Args:
        number: number of tiles.

    Returns:
        tqdm, a context manager with `update()`.

    >>> with progress(1) as bar:
    ...     _ = bar.update()
    """
    hide = True if number == 1 else None if number < MANY_TILES else False
    return tqdm(total=number, desc="Tiles", disable=hide, leave=False, unit="tile")
