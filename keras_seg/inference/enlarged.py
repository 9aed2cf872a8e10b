"""Labels at full size from small logits, without the logits at full size.

Most networks compute logits at an eighth of the size and enlarge them bilinearly. The labels of the
enlarged logits need few of them: between four neighbors with the same highest class that class is
the highest everywhere, because an interpolated value is a weighted mean of the four. Only the other
cells are interpolated, and there only the classes that can win.
"""

from typing import NamedTuple

import numpy as np

CHUNK = 1024  # cells interpolated at once, whose values fit into a processor's cache


class _Axis(NamedTuple):
    """How the pixels of one axis lie between the centers of the small map's pixels.

    Attributes:
        before, after: index of the neighbor on either side of each cell.
        cell: index of the cell of each pixel.
        pixels: pixels of each cell (cells, k); a cell with fewer than k repeats its last one.
        share: share of the neighbor after the pixel (cells, k), in 0..1.
        even: such shares (1, k) of all cells if these are blocks of k pixels, of which the first
            one begins k / 2 pixels before the image; else None.
    """

    before: np.ndarray
    after: np.ndarray
    cell: np.ndarray
    pixels: np.ndarray
    share: np.ndarray
    even: np.ndarray | None


def enlarged_labels(logits, size, align_corners=False):
    """Class ids of logits that are enlarged bilinearly.

    Equal to the argmax of the enlarged logits, up to rounding where two classes score alike.

    Args:
        logits: float32 or 8-bit (h, w, num_classes), at most 255 classes.
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
    corners = [(i[:, np.newaxis], j) for i in rows[:2] for j in columns[:2]]
    best = logits.argmax(axis=-1).astype(np.uint8)
    first, *others = (best[corner] for corner in corners)
    down, right = np.nonzero(np.logical_or.reduce([first != other for other in others]))
    even = None
    if rows.even is not None and columns.even is not None:
        # Blocks of an image that has a margin of half a block.
        even, k, m = _weights(rows.even, columns.even), rows.even.size, columns.even.size
        whole = first.repeat(m, axis=1).repeat(k, axis=0)
        blocks = whole.reshape(len(first), k, -1, m)
        labels = whole[k // 2 : k // 2 + size[0], m // 2 : m // 2 + size[1]]
    else:
        labels = first.take(columns.cell, axis=1).take(rows.cell, axis=0)
    for start in range(0, len(down), CHUNK):
        i, j = down[start : start + CHUNK], right[start : start + CHUNK]
        four = np.stack([logits[r[i, 0], c[j]] for r, c in corners]).astype(np.float32)
        if even is not None:
            blocks[i, :, j] = _winners(four, even).reshape(-1, k, m)
            continue
        found = _winners(four, _weights(rows.share[i], columns.share[j]))
        y, x = rows.pixels[i][:, :, np.newaxis], columns.pixels[j][:, np.newaxis]
        labels[y, x] = found.reshape(len(i), y.shape[1], x.shape[2])
    return np.ascontiguousarray(labels)


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
    factor, even = large // small, None
    if large % small == 0 and factor % 2 == 0 and not align_corners:
        even = ((np.arange(factor, dtype=np.float32) + 0.5) / factor)[np.newaxis]
    return _Axis(np.maximum(cells - 1, 0), np.minimum(cells, small - 1), cell, pixels, share, even)


def _weights(down, right):
    """Weights (n, 4, k * m) of the corners in the pixels of cells, from shares (n, k), (n, m)."""
    pairs = [(y, x) for y in (1 - down, down) for x in (1 - right, right)]
    products = [y[:, :, np.newaxis] * x[:, np.newaxis] for y, x in pairs]
    return np.stack(products, axis=1).reshape(len(down), 4, -1)


def _winners(four, weights):
    """Class ids (n, pixels) of cells from the logits (4, n, num_classes) of their corners."""
    _, n, num_classes = four.shape
    possible = four.max(axis=0) >= four.min(axis=0).max(axis=-1, keepdims=True)
    count = possible.sum(axis=-1)
    labels = np.empty((n, weights.shape[-1]), np.uint8)
    for fewest, most in ((0, 2), (3, 4), (5, num_classes)):
        cells = np.flatnonzero((count >= fewest) & (count <= most))
        if not len(cells):
            continue
        # The possible classes first, in their order; another one never wins.
        order = np.argsort(~possible[cells], axis=-1, kind="stable")[:, :most]
        corners = np.stack([corner[cells[:, np.newaxis], order] for corner in four], axis=-1)
        weight = weights if len(weights) == 1 else weights[cells]
        labels[cells] = _highest(corners, order.astype(np.uint8), weight)
    return labels


def _highest(corners, ids, weights):
    """The id (n, pixels) with the highest value between corners (n, candidates, 4)."""
    labels = np.broadcast_to(ids[:, :1], (len(ids), weights.shape[-1]))
    best = 0.0
    for place in range(1, ids.shape[1]):
        # Relative to the first candidate, whose value is then 0.
        values = np.matmul((corners[:, place] - corners[:, 0])[:, np.newaxis], weights)[:, 0]
        higher = values > best
        labels = np.where(higher, ids[:, place, np.newaxis], labels)
        if place + 1 < ids.shape[1]:
            best = np.where(higher, values, best)
    return labels
