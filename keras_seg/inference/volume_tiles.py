"""Tiled inference for volumes, in memory that does not grow with their depth."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_seg.inference.grid import progress
from pipelines.read import InputSpec, as_image
from pipelines.read.arrays import suffix_of
from pipelines.read.pixels import to_pixels
from pipelines.read.volume import mapped_volume


class VolumeSource(NamedTuple):
    """A volume that is read by slices.

    Attributes:
        sizes: depth, height, width.
        read: function (first, last) that returns uint8 values (last - first, h, w, channels).
    """

    sizes: tuple
    read: Callable


def open_volume(volume, spec: InputSpec) -> VolumeSource:
    """Open a volume; a .npy file, `numpy.memmap` and the like without reading it.

    Args:
        volume: path; array; or any object with `shape` and `dtype` uint8 whose slices (d, h, w)
            or (d, h, w, c) are `volume[first:last]`.
        spec: how files are converted to pixels.

    Returns:
        `VolumeSource`.

    Raises:
        ValueError: if the file is not a volume, or its shape or type is unsupported.

    >>> source = open_volume(np.zeros((20, 40, 50), "uint8"), InputSpec(1, 3))
    >>> source.sizes, source.read(3, 5).shape
    ((20, 40, 50), (2, 40, 50, 1))
    """
    if isinstance(volume, str | Path) and suffix_of(volume) == ".npy":
        return _of_array_file(volume, spec)
    values: Any = volume if _is_lazy(volume, spec) else as_image(volume, spec)
    return VolumeSource(
        tuple(values.shape[:3]),
        lambda first, last: as_image(np.asarray(values[first:last]), spec),
    )


def _of_array_file(path, spec):
    """Return the slices of a .npy file; only the requested ones are read."""
    values = mapped_volume(path)

    def read(first, last):
        return to_pixels(np.array(values[first:last]), spec, path)

    read(0, 1)  # A wrong number of channels raises here.
    return VolumeSource(values.shape[:3], read)


def _is_lazy(volume, spec):
    """Whether the volume is read slice by slice, such as a memory map; else it is read at once."""
    if type(volume) is np.ndarray or not hasattr(volume, "shape"):
        return False
    shape = tuple(volume.shape)
    plain = len(shape) == 3 or (len(shape) == 4 and shape[-1] == spec.channels)
    return plain and 0 not in shape and volume.dtype == np.uint8


def volume_blocks(predictor, source, deep, down, across):
    """Yield blended probabilities slab by slab: all tiles of the same slices at a time.

    Args:
        predictor: a `Predictor`.
        source: `VolumeSource`.
        deep: `Grid` of the depth.
        down: `Grid` of the height.
        across: `Grid` of the width.

    Yields:
        slices, rows, columns (each a slice) and float32 probabilities (d, h, w, num_classes).
    """
    depth, height, width = source.sizes
    plane = (down.ends[-1], across.ends[-1])
    longest = max(
        start + deep.tile - end for start, end in zip(deep.starts, deep.ends, strict=True)
    )
    behind = np.zeros((longest, *plane, predictor.num_classes), np.float32)
    pending = 0
    number = len(deep.starts) * len(down.starts) * len(across.starts)
    with progress(number) as bar:
        for start, end, weights in zip(deep.starts, deep.ends, deep.weights, strict=True):
            values = _slab(source, start, deep.tile, plane)
            slab = np.zeros((deep.tile, *plane, predictor.num_classes), np.float32)
            slab[:pending] = behind[:pending]
            for rows, row_weights in _places(down):
                for columns, column_weights in _places(across):
                    found = predictor.probabilities(values[None, :, rows, columns])[0]
                    share = weights[:, None, None] * (row_weights[:, None] * column_weights)
                    slab[:, rows, columns] += found * share[..., None]
                    bar.update()
            done = end - start
            pending = deep.tile - done
            behind[:pending] = slab[done:]
            last = min(end, depth)
            yield (
                slice(start, last),
                slice(0, height),
                slice(0, width),
                slab[: last - start, :height, :width],
            )


def _places(grid):
    """Each tile of a grid as a slice, with its weights."""
    for start, weights in zip(grid.starts, grid.weights, strict=True):
        yield slice(start, start + grid.tile), weights


def _slab(source, start, count, plane):
    """Return slices of the volume; past its end, its edge is repeated."""
    values = source.read(start, min(start + count, source.sizes[0]))
    wanted = (count, *plane)
    missing = [(0, want - have) for want, have in zip(wanted, values.shape[:3], strict=True)]
    if any(more for _, more in missing):
        values = np.pad(values, (*missing, (0, 0)), mode="edge")
    return values
