"""Smooth chance in three dimensions, and the blur of a scanner."""

import math

import numpy as np

_AXES = (0, 1, 2)


def smooth_noise(random: np.random.Generator, shape: tuple[int, ...], cell: float) -> np.ndarray:
    """Draw smooth noise: cubic B-splines through a coarse grid of random numbers.

    Args:
        random: where chance comes from.
        shape: depth, height, width.
        cell: voxels from one number of the grid to the next.

    Returns:
        float32 array of that shape, mean 0 and standard deviation 1 on average.
    """
    values = random.standard_normal([math.ceil(side / cell) + 4 for side in shape])
    for axis in _AXES:
        weights = _splines(shape[axis], values.shape[axis], cell)
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return values.astype(np.float32)


def blurred(values: np.ndarray, widths: tuple[float, float, float]) -> np.ndarray:
    """Blur float32 (d, h, w) by a Gaussian of a width in voxels for each axis."""
    for axis, width in zip(_AXES, widths, strict=True):
        reach = math.ceil(3 * width)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        weights = (weights / weights.sum()).astype(np.float32)
        edges = [(reach, reach) if other == axis else (0, 0) for other in _AXES]
        padded = np.pad(values, edges, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis)
        values = windows @ weights
    return values


def _splines(length: int, count: int, cell: float) -> np.ndarray:
    """Return the weight of each of `count` grid numbers at each voxel, (length, count)."""
    places = (np.arange(length) + 0.5) / cell + 1.5
    far = np.abs(places[:, None] - np.arange(count))
    near = 2 / 3 - far**2 + far**3 / 2
    weights = np.where(far < 1, near, np.clip(2 - far, 0, None) ** 3 / 6)
    # Unit variance at every voxel.
    return weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))
