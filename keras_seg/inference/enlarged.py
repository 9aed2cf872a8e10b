"""Labels at full size from small logits, without the logits at full size.

Most networks compute logits at an eighth of the size and enlarge them bilinearly. The labels of the
enlarged logits need few of them: between four neighbors with the same highest class that class is
the highest everywhere, because an interpolated value is a weighted mean of the four. Only the other
cells are interpolated, and there only the classes that can win.
"""

from typing import NamedTuple

import keras
import numpy as np

from keras_seg.layers import ResizeLike

SMALLEST_FACTOR = 4  # below it, a cell has too few pixels to gain from
CHUNK = 1024  # cells interpolated at once, whose values fit into a processor's cache


class _Axis(NamedTuple):
    """How the pixels of one axis lie between the centers of the small map's pixels.

    Attributes:
        before, after: index of the neighbor on either side of each cell.
        cell: index of the cell of each pixel.
        pixels: pixels of each cell (cells, k); a cell with fewer than k repeats its last one.
        share: share of the neighbor after the pixel (cells, k), in 0..1.
    """

    before: np.ndarray
    after: np.ndarray
    cell: np.ndarray
    pixels: np.ndarray
    share: np.ndarray


def small_logits(network):
    """The part of a network that ends before the logits are enlarged bilinearly.

    Args:
        network: functional model with one output of logits (b, h, w, num_classes).

    Returns:
        (`keras.Model` with the same layers whose output is enlarged by the last layer of `network`,
        a `ResizeLike`; whether that layer aligns the corners); or None if the last layer is another
        one, or the map too large to gain from.

    >>> from keras_seg import models
    >>> network = models.build("contextnet_cn14", (64, 96, 3), 11)
    >>> small, align_corners = small_logits(network)
    >>> small.output_shape, align_corners
    ((None, 8, 12, 11), False)
    """
    layer = network.outputs[0]._keras_history.operation
    if not isinstance(layer, ResizeLike) or layer.interpolation != "bilinear":
        return None
    if layer.compute_dtype != "float32":
        return None
    small, reference = layer.input
    if reference is not network.inputs[0] or _factor(network.inputs[0], small) < SMALLEST_FACTOR:
        return None
    return keras.Model(network.inputs[0], small, name=network.name), layer.align_corners


def _factor(image, small):
    """How many times larger the image is; of an unknown size that of a network for 256 pixels."""
    if None in image.shape[1:3]:
        shape = keras.Model(image, small).compute_output_shape((1, 256, 256, image.shape[-1]))
        return 256 / max(shape[1:3])
    return min(large / part for large, part in zip(image.shape[1:3], small.shape[1:3], strict=True))


def enlarged_labels(logits, size, align_corners=False):
    """Class ids of logits that are enlarged bilinearly.

    Equal to the argmax of the enlarged logits, up to rounding where two classes score alike.

    Args:
        logits: float32 (h, w, num_classes), at most 255 classes.
        size: (height, width) of the labels, not smaller than the logits.
        align_corners: whether the corner pixels lie on each other, see `ResizeLike`.

    Returns:
        uint8 (height, width).

    >>> logits = np.eye(2, dtype="float32")[[[0, 1]]]
    >>> enlarged_labels(logits, (1, 6)).tolist()
    [[0, 0, 0, 1, 1, 1]]
    """
    rows, columns = (
        _axis(small, large, align_corners)
        for small, large in zip(logits.shape[:2], size, strict=True)
    )
    corners = [
        (i[:, np.newaxis], j[np.newaxis])
        for i in (rows.before, rows.after)
        for j in (columns.before, columns.after)
    ]
    best = logits.argmax(axis=-1).astype(np.uint8)
    first, *others = (best[corner] for corner in corners)
    labels = first[rows.cell][:, columns.cell]
    differs = np.logical_or.reduce([first != other for other in others])
    cells = np.argwhere(differs)
    for start in range(0, len(cells), CHUNK):
        i, j = cells[start : start + CHUNK].T
        four = [logits[r[i, 0], c[0, j]] for r, c in corners]
        found = _winners(four, rows.share[i, :, np.newaxis], columns.share[j, np.newaxis])
        labels[rows.pixels[i][:, :, np.newaxis], columns.pixels[j][:, np.newaxis]] = found
    return labels


def _axis(small, large, align_corners):
    place = (np.arange(large) + 0.5) * (small / large) - 0.5
    if align_corners:
        place = np.arange(large) * ((small - 1) / max(large - 1, 1))
    cell = np.floor(place).astype(np.intp) + 1  # 0 is the margin before the first center
    cells = np.arange(small + 1)
    first = np.searchsorted(cell, cells)
    last = np.maximum(np.searchsorted(cell, cells, side="right") - 1, 0)
    pixels = np.minimum(first[:, np.newaxis] + np.arange((last - first).max() + 1), last[:, None])
    share = (place - np.floor(place)).astype(np.float32)[pixels]
    return _Axis(np.maximum(cells - 1, 0), np.minimum(cells, small - 1), cell, pixels, share)


def _winners(four, down, right):
    """Class ids (n, k, k) of cells from the logits (n, num_classes) of their four corners."""
    lowest, highest = np.minimum.reduce(four), np.maximum.reduce(four)
    possible = highest >= lowest.max(axis=-1, keepdims=True)
    shape = (len(down), down.shape[1], right.shape[2])
    best, labels = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.uint8)
    for index in np.flatnonzero(possible.any(axis=0)):
        cells = np.flatnonzero(possible[:, index])
        a, b, c, d = (corner[cells, index, np.newaxis, np.newaxis] for corner in four)
        y, x = down[cells], right[cells]
        above, below = a + (b - a) * x, c + (d - c) * x
        values, known = above + (below - above) * y, best[cells]
        higher = values > known
        best[cells] = np.where(higher, values, known)
        labels[cells] = np.where(higher, np.uint8(index), labels[cells])
    return labels
