"""Tiled inference: blocks of probabilities, and a segmenter that works tile by tile."""

from typing import Any

import numpy as np

from keras_seg.inference import tiles
from keras_seg.inference.predictor import Predictor, require_predictor, share_properties


def blocks(predictor, picture, tile=None, overlap=None, blend="gaussian", margin=None):
    """Yield the blended probabilities of a picture block by block, each pixel once.

    Use it where all probabilities do not fit into memory: write them to a file, or keep only
    their entropy.

    Args:
        predictor: a `Segmenter`, or an object with its interface.
        picture: as in `Segmenter.tiles`, like the other arguments.
        tile: side of a tile in pixels, or (height, width), or (depth, height, width).
        overlap: pixels that adjacent tiles share; a quarter of a tile if None.
        blend: "gaussian" or "linear".
        margin: outer pixels of a tile to discard.

    Yields:
        rows (slice), columns (slice) and float32 probabilities (h, w, num_classes), from left to
        right and from top to bottom. For volumes slices, rows, columns (each a slice) and
        probabilities (d, h, w, num_classes), all rows and columns of some slices at a time.

    Raises:
        ValueError: if the sizes are inconsistent, or the picture cannot be read.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> picture, found = np.zeros((100, 80, 3), "uint8"), np.zeros((100, 80, 4), "float32")
    >>> for rows, columns, values in blocks(Segmenter(model), picture, tile=64, overlap=16):
    ...     found[rows, columns] = values
    >>> bool(np.allclose(found.sum(axis=-1), 1))
    True
    """
    require_predictor("blocks", predictor)
    return tiles.blocks(predictor, picture, tile, overlap, blend, margin)


def tiled(segmenter, tile=None, overlap=None, blend="gaussian", margin=None):
    """Make a segmenter process every picture tile by tile, for example in `evaluate`.

    Args:
        segmenter: a `Segmenter`, or an object with its interface.
        tile: as in `Segmenter.tiles`, like the other arguments.
        overlap: pixels that adjacent tiles share; a quarter of a tile if None.
        blend: "gaussian" or "linear".
        margin: outer pixels of a tile to discard.

    Returns:
        An object with the interface of `Segmenter`: call, labels, probabilities, tiles, show.

    Raises:
        ValueError: if a number is out of range.
        TypeError: if `segmenter` is not a segmenter.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 1)])
    >>> tiled(Segmenter(model))(np.zeros((100, 80, 3), "uint8")).shape
    (100, 80)
    """
    return Tiled(segmenter, {"tile": tile, "overlap": overlap, "blend": blend, "margin": margin})


class Tiled(Predictor):
    """See `tiled`."""

    def __init__(self, segmenter, tiling: Any):
        require_predictor("tiled", segmenter)
        tiles.numbers(segmenter, **tiling)  # Raises for sizes that fit no picture.
        self.segmenter, self.tiling = segmenter, tiling
        share_properties(self, segmenter)
        self.output_stride, self.fixed_size = segmenter.output_stride, None

    def labels(self, batch):
        return np.stack(
            [tiles.labels(self.segmenter, x, **self.tiling) for x in self._checked(batch)]
        )

    def _probabilities(self, batch):
        found = np.empty((*batch.shape[:-1], self.num_classes), np.float32)
        for index, image in enumerate(batch):
            for *place, values in tiles.blocks(self.segmenter, image, **self.tiling):
                found[index, *place] = values
        return found
