"""Pictures of any size, tile by tile, in memory that does not grow with their height."""

import math

import numpy as np
from tqdm.auto import tqdm

from keras_seg import _check
from keras_seg.inference._grid import grid, one_tile, rise_of
from keras_seg.inference._sources import open_picture
from keras_seg.inference._writers import label_writer
from keras_seg.inference.predictor import Predictor


def blocks(predictor, picture, tile=512, overlap=None, blend="gaussian", margin=None):
    """Give the blended probabilities of a picture block by block, each pixel once.

    For what does not fit into memory as a whole: write them to a file, or keep their entropy.

    Args:
        predictor: a `Segmenter`, or what this package makes of one.
        picture: see `Segmenter.tiles`; so are the others.
        tile: side of a tile in pixels, or (height, width).
        overlap: pixels that neighbours share; a quarter of a tile if None.
        blend: "gaussian" or "linear".
        margin: outer pixels of a tile that count for nothing.

    Yields:
        rows (slice), columns (slice) and float32 probabilities (h, w, num_classes), from left to
        right and from top to bottom.

    Raises:
        ValueError: sizes do not fit together, or the picture cannot be read.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> picture, found = np.zeros((100, 80, 3), "uint8"), np.zeros((100, 80, 4), "float32")
    >>> for rows, columns, values in blocks(Segmenter(model), picture, tile=64, overlap=16):
    ...     found[rows, columns] = values
    >>> bool(np.allclose(found.sum(axis=-1), 1))
    True
    """
    source = open_picture(picture, predictor.num_channels)
    down, across = _grids(predictor, source, tile, overlap, blend, margin)
    return _blocks(predictor, source, down, across)


def _blocks(predictor, source, down, across):
    """Add tiles up; hold only what tiles to the right and in the next row still add to."""
    depth = max(top + down.tile - end for top, end in zip(down.starts, down.ends, strict=True))
    below = np.zeros((depth, across.ends[-1], predictor.num_classes), np.float32)
    pending = 0
    number = len(down.starts) * len(across.starts)
    # Without a terminal there is no bar, and none for a picture of one tile.
    hide = True if number == 1 else None
    with tqdm(total=number, desc="Tiles", disable=hide, leave=False, unit="tile") as bar:
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


def labels(predictor, picture, out=None, tile=512, overlap=None, blend="gaussian", margin=None):
    """Return or write the label map of a picture of any size; see `Segmenter.tiles`.

    Args:
        predictor: a `Segmenter`, or what this package makes of one.
        picture: path or array.
        out: path of a .npy or .png file; None returns the labels.
        tile: side of a tile in pixels, or (height, width).
        overlap: pixels that neighbours share; a quarter of a tile if None.
        blend: "gaussian" or "linear".
        margin: outer pixels of a tile that count for nothing.

    Returns:
        uint8 class ids (h, w), or the path written.

    Raises:
        ValueError: sizes do not fit together, or `out` exists or has another ending.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> labels(Segmenter(model), np.zeros((100, 80, 3), "uint8"), tile=64, overlap=16).shape
    (100, 80)
    """
    source = open_picture(picture, predictor.num_channels)
    down, across = _grids(predictor, source, tile, overlap, blend, margin)
    size = source.height, source.width
    if out is None:
        found = np.empty(size, np.uint8)
        for rows, columns, values in _blocks(predictor, source, down, across):
            found[rows, columns] = values.argmax(axis=-1)
        return found
    with label_writer(out, size, predictor.palette) as write:
        for rows, columns, values in _blocks(predictor, source, down, across):
            if columns.start == 0:
                band = np.empty((rows.stop - rows.start, source.width), np.uint8)
            band[:, columns] = values.argmax(axis=-1)
            if columns.stop == source.width:
                write(band)
    return out


def tiled(segmenter, tile=512, overlap=None, blend="gaussian", margin=None):
    """Let a segmenter look at every picture tile by tile, for example in `evaluate`.

    Args:
        segmenter: a `Segmenter`, or what this package makes of one.
        tile: see `Segmenter.tiles`; so are the others.
        overlap: pixels that neighbours share; a quarter of a tile if None.
        blend: "gaussian" or "linear".
        margin: outer pixels of a tile that count for nothing.

    Returns:
        What can do all that a `Segmenter` can: call, labels, probabilities, tiles, show.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 1)])
    >>> tiled(Segmenter(model))(np.zeros((100, 80, 3), "uint8")).shape
    (100, 80)
    """
    return Tiled(segmenter, {"tile": tile, "overlap": overlap, "blend": blend, "margin": margin})


class Tiled(Predictor):
    """See `tiled`."""

    def __init__(self, segmenter, tiling):
        self.segmenter, self.tiling = segmenter, tiling
        for what in ("num_classes", "num_channels", "class_names", "palette", "output_stride"):
            setattr(self, what, getattr(segmenter, what))
        self.fixed_size = None

    def labels(self, batch):
        return np.stack([labels(self.segmenter, image, **self.tiling) for image in batch])

    def _probabilities(self, batch):
        found = np.empty((*batch.shape[:3], self.num_classes), np.float32)
        for index, image in enumerate(batch):
            for rows, columns, values in blocks(self.segmenter, image, **self.tiling):
                found[index, rows, columns] = values
        return found


def _grids(predictor, source, tile, overlap, blend, margin):
    """Check the numbers, and lay tiles down and across the picture."""
    _check.one_of("blend", "blend", blend, ("gaussian", "linear"))
    stride = predictor.output_stride
    sides = (tile, tile) if hasattr(tile, "__index__") else tuple(tile)
    if predictor.fixed_size:
        sides, stride = predictor.fixed_size, 1
        _require_size(source, sides)
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
            f"Received: margin={margin}, overlap={overlap}. Take overlap={2 * margin} or more."
        )
    grids = []
    for length, side in zip((source.height, source.width), sides, strict=True):
        if length > side and overlap > side - stride:
            raise ValueError(
                "`tiles` needs an overlap smaller than a tile by the network's stride of "
                f"{stride} pixels at least. Received: overlap={overlap} for tiles of {side} "
                f"pixels. Take tile={overlap + stride} or more, or a smaller overlap."
            )
        if length <= side:
            grids.append(one_tile(length))
        else:
            rise = rise_of(side, overlap, blend, margin)
            grids.append(grid(length, side, overlap, rise, stride))
    return grids


def _require_size(source, size):
    if source.height < size[0] or source.width < size[1]:
        raise ValueError(
            f"This model was built for pictures of {size[0]}x{size[1]} pixels (height x width), "
            f"which are its tiles. Received: a picture of {source.height}x{source.width}. Enlarge "
            f"it, or build the model with input_shape=(None, None, channels)."
        )


def _band(source, top, height, width):
    """Return rows of the picture; past its end, its edge is repeated."""
    pixels = source.read(top, min(top + height, source.height))
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    if below or right:
        pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
    return pixels
