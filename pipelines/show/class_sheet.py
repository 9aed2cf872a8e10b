"""Contact sheets of pictures with one class each."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.show.contact_sheet import Sheet

_COLUMNS = 8
_WIDTH = 1.6  # of a picture, inches


def class_sheet(images: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw pictures in a grid, each with a title.

    Args:
        images: pictures uint8 (h, w, c); sizes may differ. With other than 1 or 3 channels, the
            first three or the first one is drawn; of volumes (d, h, w, c) the middle slice.
        titles: the line above each picture, such as the name of its class.

    Returns:
        a matplotlib Figure, which notebooks show and `savefig` writes.

    >>> len(class_sheet([np.zeros((32, 32, 3), "uint8")] * 3, ["cat", "dog", "cat"]).axes)
    3
    """
    columns = min(_COLUMNS, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Sheet(figsize=(_WIDTH * max(columns, 2), (_WIDTH + 0.35) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for position, (image, title) in enumerate(zip(images, titles, strict=True), 1):
        axes = figure.add_subplot(rows, columns, position)
        if image.ndim == 4:
            image = image[len(image) // 2, ..., :1]
        if image.shape[-1] not in (1, 3):
            image = image[..., :3] if image.shape[-1] > 3 else image[..., :1]
        axes.imshow(np.broadcast_to(image, (*image.shape[:2], 3)))
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    return figure


def varied(class_ids: np.ndarray, count: int) -> np.ndarray:
    """Choose pictures of as many classes as possible, and of each class equally many.

    Pictures are chosen at random, always the same ones.

    Args:
        class_ids: the class of each picture, int (n,).
        count: pictures to choose; all if there are fewer.

    Returns:
        their indices in order, int (count,).

    >>> varied(np.array([0, 0, 0, 0, 1, 2]), 3)
    array([3, 4, 5])
    """
    order = np.random.default_rng(0).permutation(len(class_ids))
    earlier = pd.Series(class_ids[order]).groupby(class_ids[order]).cumcount()
    return np.sort(order[np.argsort(earlier, kind="stable")[:count]])
