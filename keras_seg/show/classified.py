"""Contact sheets of a classifier's predictions."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_seg.show.figures import NotebookFigure
from keras_seg.show.overlay import as_color

COLUMNS = 8
WIDTH = 1.7  # of a picture, inches
RIGHT, WRONG = "tab:green", "tab:red"


def show_classified(
    images: Sequence, truths: Sequence | None, probabilities: Sequence, class_names: Sequence[str]
) -> Figure:
    r"""Draw a contact sheet: each picture with its prediction, probability and true class.

    Args:
        images: pictures (h, w) or (h, w, c) with pixels 0..255; sizes may differ. Of volumes
            (d, h, w, c) the middle slice is drawn, its first channel in gray.
        truths: class id of each picture, or None if they are not known.
        probabilities: (num_classes,) of each picture.
        class_names: one name per class.

    Returns:
        Figure; titles of errors are red, with the true class in a second line.

    Raises:
        ValueError: there is no picture, or the lists differ in length.

    >>> image = np.zeros((32, 48, 3), "uint8")
    >>> figure = show_classified([image], [1], [np.array([0.7, 0.3])], ["cat", "dog"])
    >>> figure.axes[0].get_title()
    'cat 70 %\nis dog 30 %'
    """
    truths = [None] * len(images) if truths is None else truths
    if not len(images) or not len(images) == len(truths) == len(probabilities):
        raise ValueError(
            "`show_classified` needs one truth and one row of probabilities for each picture. "
            f"Received: {len(images)} images, {len(truths)} truths, {len(probabilities)} "
            "probabilities. Pass lists of the same length, of 1 or more."
        )
    columns = min(COLUMNS, len(images))
    rows = math.ceil(len(images) / columns)
    size = (WIDTH * max(columns, 2), (WIDTH + 0.45) * rows)
    figure = NotebookFigure(figsize=size, dpi=110, layout="constrained")
    for place, image in enumerate(images):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(as_color(_flat(np.asarray(image))))
        axes.set_axis_off()
        words, color = _words(truths[place], probabilities[place], class_names)
        axes.set_title(words, fontsize=7.5, color=color)
    return figure


def _flat(image):
    """Return the middle slice of a volume, other pictures as they are."""
    return image[len(image) // 2, ..., 0] if image.ndim == 4 else image


def _words(truth, probabilities, class_names) -> tuple[str, str]:
    found = int(np.argmax(probabilities))
    words = f"{class_names[found]} {probabilities[found]:.0%}".replace("%", " %")
    if truth is None:
        return words, "black"
    if found == truth:
        return words, RIGHT
    true = f"is {class_names[truth]} {probabilities[truth]:.0%}".replace("%", " %")
    return f"{words}\n{true}", WRONG
