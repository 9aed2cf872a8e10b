"""Contact sheets of pictures with their masks laid over them."""

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

_COLUMNS = 4
_OPACITY = 0.5
_WIDTH = 4.0  # of a picture, inches
_FEW = 12
_HEIGHTS = 1.0, 6.0
_NAMED = 48  # classes in the legend, those with the most pixels


class Sheet(Figure):
    """A figure that a notebook shows as the last value of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def contact_sheet(
    examples: Sequence[tuple[np.ndarray, np.ndarray]],
    class_names: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
) -> Figure:
    """Draw pictures in a grid, each with its mask over it, and a legend of the classes.

    Args:
        examples: (picture uint8 (h, w, c), mask uint8 (h, w)); ids without a class are not colored.
            Of volumes (d, h, w, c) the middle slice is drawn, its first channel in gray.
        class_names: one name per class.
        palette: one (red, green, blue) 0..255 per class.

    Returns:
        a matplotlib Figure, which notebooks show and `savefig` writes.

    >>> image, label = np.zeros((32, 32, 3), "uint8"), np.zeros((32, 32), "uint8")
    >>> len(contact_sheet([(image, label)], ["sky"], [(0, 0, 255)]).axes)
    1
    """
    columns = min(_COLUMNS, len(examples))
    rows = math.ceil(len(examples) / columns)
    shown = _most_seen([label for _, label in examples], len(class_names))
    names = [class_names[i] for i in shown[:_NAMED]]
    # A character is about 0.09 inches wide, a line 0.22 high.
    widest = 0.09 * max((len(name) for name in names), default=0) + 0.7
    width = _WIDTH * max(columns, 2 if len(names) > _FEW else 1)
    legend_columns = max(1, min(8, len(names), int(width / widest)))
    legend_height = 0.22 * math.ceil(len(names) / legend_columns) + 0.3
    shape = np.median([label.shape[-2:] for _, label in examples], axis=0)
    height = float(np.clip(_WIDTH * shape[0] / shape[1], *_HEIGHTS))
    size = width, height * rows + legend_height
    figure = Sheet(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    for position, (image, label) in enumerate(examples, 1):
        axes = figure.add_subplot(rows, columns, position)
        if label.ndim == 3:
            middle = len(label) // 2
            image, label = image[middle, ..., :1], label[middle]
        axes.imshow(overlay(image, label, palette))
        axes.set_axis_off()
    named = sorted(shown[:_NAMED])
    handles = [
        Patch(
            facecolor="#{:02x}{:02x}{:02x}".format(*palette[i]),
            edgecolor="gray",
            label=class_names[i],
        )
        for i in named
    ]
    if handles:
        more = len(shown) - len(named)
        title = f"the {len(named)} of {len(shown)} classes with the most pixels" if more else None
        figure.legend(
            handles=handles, title=title, loc="outside lower center", ncols=legend_columns
        )
    return figure


def _most_seen(labels: Sequence[np.ndarray], num_classes: int) -> list[int]:
    """Return the classes in the masks, sorted by pixels, the largest first."""
    counts = sum(np.bincount(label.reshape(-1), minlength=256) for label in labels)
    counts = np.asarray(counts)[:num_classes]
    order = np.argsort(-counts, kind="stable")
    return [int(i) for i in order if counts[i]]


def overlay(image: np.ndarray, label: np.ndarray, palette: Sequence) -> np.ndarray:
    """Return a picture as RGB uint8 (h, w, 3) with its mask in semi-transparent colors."""
    if image.shape[-1] not in (1, 3):
        image = image[..., :3] if image.shape[-1] > 3 else image[..., :1]  # e.g. without alpha
    picture = np.broadcast_to(image, (*image.shape[:2], 3))
    known = label < len(palette)
    colors = np.array(palette, np.uint8)[np.where(known, label, 0)]
    mixed = (1 - _OPACITY) * picture + _OPACITY * colors
    return np.where(known[..., None], mixed, picture).round().astype(np.uint8)
