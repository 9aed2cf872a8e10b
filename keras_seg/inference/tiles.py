"""Tiled inference in memory that does not grow with the height of the picture."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_seg import _check
from keras_seg.inference.grid import grid, one_tile, progress, rise_of
from keras_seg.inference.sources import open_picture
from keras_seg.inference.volume_tiles import open_volume, volume_blocks
from keras_seg.inference.writers import require_writable, write_labels
from pipelines.read.memory import require_memory

DEFAULT_TILE = {2: 512, 3: 96}  # pixels, by the number of dimensions


def blocks(predictor, picture, tile=None, overlap=None, blend="gaussian", margin=None):
    """Yield the blended probabilities of a picture block by block; see `inference.blocks`."""
    source = _opened(predictor, picture)
    grids = _grids(predictor, source, tile, overlap, blend, margin)
    return _walk(predictor)(predictor, source, *grids)


def _opened(predictor, picture):
    opener = open_picture if predictor.dimensions == 2 else open_volume
    return opener(picture, predictor.input_spec)


def _walk(predictor):
    return _blocks if predictor.dimensions == 2 else volume_blocks


def _blocks(predictor, source, down, across):
    """Sum the tiles; keep only the pixels that later tiles still overlap."""
    depth = max(top + down.tile - end for top, end in zip(down.starts, down.ends, strict=True))
    per_column = depth * predictor.num_classes * 4 + down.tile * predictor.num_channels
    require_memory(
        per_column * across.ends[-1],
        f"a row of tiles of {down.tile} x {across.ends[-1]} pixels",
        "Use tiles of smaller height, such as `tile=(128, 1024)`, and a smaller overlap.",
    )
    below = np.zeros((depth, across.ends[-1], predictor.num_classes), np.float32)
    pending = 0
    number = len(down.starts) * len(across.starts)
    with progress(number) as bar:
        for top, bottom, row_weights in zip(down.starts, down.ends, down.weights, strict=True):
            band = _band(source, top, down.tile, across.ends[-1])
            done = bottom - top
            beside = np.zeros((down.tile, 0, predictor.num_classes), np.float32)
            for left, right, weights in zip(
                across.starts, across.ends, across.weights, strict=True
            ):
                found = predictor.probabilities(band[None, :, left : left + across.tile])[0]
                found = found * (row_weights[:, None] * weights)[..., None]
                found[:, : beside.shape[1]] += beside
                beside = found[:, right - left :].copy()
                block = found[:, : right - left]
                block[:pending] += below[:pending, left:right]
                below[: down.tile - done, left:right] = block[done:]
                bar.update()
                height, width = source.height - top, source.width - left
                yield (
                    slice(top, min(bottom, source.height)),
                    slice(left, min(right, source.width)),
                    block[: min(done, height), :width],
                )
            pending = down.tile - done


def labels(predictor, picture, out=None, tile=None, overlap=None, blend="gaussian", margin=None):
    """Return or write the label map of a picture of any size; see `Segmenter.tiles`.

    Args:
        predictor: a `Segmenter`, or an object with its interface.
        picture: path or array.
        out: path of a .npy, .png or .tif file; None returns the labels.
        tile: side of a tile in pixels, or (height, width).
        overlap: pixels that adjacent tiles share; a quarter of a tile if None.
        blend: "gaussian" or "linear".
        margin: outer pixels of a tile to discard.

    Returns:
        uint8 class ids (h, w), or the path written.

    Raises:
        ValueError: if the sizes are inconsistent, or `out` exists or has an unsupported extension.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> labels(Segmenter(model), np.zeros((100, 80, 3), "uint8"), tile=64, overlap=16).shape
    (100, 80)
    """
    if out is not None:
        require_writable(out, predictor.dimensions)
    source = _opened(predictor, picture)
    grids = _grids(predictor, source, tile, overlap, blend, margin)
    found = _walk(predictor)(predictor, source, *grids)
    if out is None:
        whole = _empty(source.sizes)
        for *place, values in found:
            whole[tuple(place)] = values.argmax(axis=-1)
        return whole
    file = picture if isinstance(picture, str | Path) else None
    write_labels(out, _bands(found, source.sizes), source.sizes, predictor.palette, file)
    return out


def _bands(blocks, sizes):
    """Yield the labels of blocks in whole rows, or whole slices of a volume."""
    band = np.empty(0, np.uint8)
    for first, *others, values in blocks:
        if others[-1].start == 0:
            band = np.empty((first.stop - first.start, *sizes[1:]), np.uint8)
        band[:, *others] = values.argmax(axis=-1)
        if others[-1].stop == sizes[-1]:
            yield band


def _empty(sizes):
    try:
        return np.empty(sizes, np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more than an address holds.
        raise ValueError(
            "A label map that is returned must fit into memory. Received: a picture of "
            f"{' x '.join(map(str, sizes))} pixels. Write it to a file with `out`."
        ) from error


def numbers(predictor, tile, overlap, blend, margin):
    """Check the numbers; return sides of a tile, overlap and margin in pixels, and the stride."""
    _check.one_of("blend", "blend", blend, ("gaussian", "linear"))
    stride = predictor.output_stride
    axes = predictor.dimensions
    side: Any = DEFAULT_TILE[axes] if tile is None else tile
    several = isinstance(side, tuple | list | np.ndarray) and np.ndim(side) == 1
    sides = tuple(side) if several else (side,) * axes
    if predictor.fixed_size:
        sides, stride = predictor.fixed_size, 1
    if len(sides) != axes:
        raise ValueError(
            f"`tiles` needs one side for all {axes} axes, or one for each. Received: tile={tile!r}."
            f" For example, pass tile={DEFAULT_TILE[axes]}."
        )
    for side in sides:
        _check.positive_integer("tiles", "tile", side)
    sides = [math.ceil(side / stride) * stride for side in sides]
    if overlap is None:
        overlap = max(0, min(min(sides) // 4, min(sides) - stride))
    _check.positive_integer("tiles", "overlap", overlap, at_least=0)
    margin = overlap // 4 if margin is None else margin
    _check.positive_integer("tiles", "margin", margin, at_least=0)
    if 2 * margin > overlap:
        raise ValueError(
            "`tiles` needs a margin of at most half the overlap, so that no pixel is left out. "
            f"Received: margin={margin}, overlap={overlap}. Use overlap={2 * margin} or more."
        )
    return sides, overlap, margin, stride


def _grids(predictor, source, tile, overlap, blend, margin):
    """Lay tiles along each side of the picture."""
    sides, overlap, margin, stride = numbers(predictor, tile, overlap, blend, margin)
    if predictor.fixed_size:
        _require_size(source, predictor.fixed_size)
    grids = []
    for length, side in zip(source.sizes, sides, strict=True):
        if length > side and overlap > side - stride:
            raise ValueError(
                "`tiles` needs an overlap that is smaller than a tile by at least the network's "
                f"stride of {stride} pixels. Received: overlap={overlap} for tiles of {side} "
                f"pixels. Use tile={overlap + stride} or more, or a smaller overlap."
            )
        if length <= side:
            grids.append(one_tile(length))
        else:
            rise = rise_of(side, overlap, blend, margin)
            grids.append(grid(length, side, overlap, rise, stride))
    return grids


def _require_size(source, size):
    if any(have < want for have, want in zip(source.sizes, size, strict=True)):
        fixed, given = ("x".join(map(str, sizes)) for sizes in (size, source.sizes))
        axes = "height x width" if len(size) == 2 else "depth x height x width"
        raise ValueError(
            f"This model was built for tiles of {fixed} pixels ({axes}). "
            f"Received: a picture of {given}. Enlarge it, or build the model with "
            f"input_shape=({'None, ' * len(size)}channels)."
        )


def _band(source, top, height, width):
    """Return rows of the picture; past its end, its edge is repeated."""
    pixels = source.read(top, min(top + height, source.height))
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    if below or right:
        pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
    return pixels
