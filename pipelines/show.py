"""Contact sheets of pictures with their masks laid over them."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

_COLUMNS = 4
_OPACITY = 0.5


def contact_sheet(
    examples: Sequence[tuple[np.ndarray, np.ndarray]],
    class_names: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
) -> Figure:
    """Draw pictures in a grid, each with its mask over it, and a legend of the classes.

    Args:
        examples: (picture uint8 (h, w, c), mask uint8 (h, w)); ids without a class stay bare.
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
    figure = Figure(figsize=(4 * columns, 3 * rows + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    for position, (image, label) in enumerate(examples, 1):
        axes = figure.add_subplot(rows, columns, position)
        axes.imshow(overlay(image, label, palette))
        axes.set_axis_off()
    shown = sorted({int(i) for _, label in examples for i in np.unique(label)})
    handles = [
        Patch(color="#{:02x}{:02x}{:02x}".format(*palette[i]), label=class_names[i])
        for i in shown
        if i < len(class_names)
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(8, len(handles)))
    return figure


def overlay(image: np.ndarray, label: np.ndarray, palette: Sequence) -> np.ndarray:
    """Return a picture as RGB uint8 (h, w, 3) with its mask in half-transparent colours."""
    if image.shape[-1] not in (1, 3):
        image = image[..., :3] if image.shape[-1] > 3 else image[..., :1]
    picture = np.broadcast_to(image, (*image.shape[:2], 3))
    known = label < len(palette)
    colors = np.array(palette, np.uint8)[np.where(known, label, 0)]
    mixed = (1 - _OPACITY) * picture + _OPACITY * colors
    return np.where(known[..., None], mixed, picture).round().astype(np.uint8)
