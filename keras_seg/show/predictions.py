"""Figures of predictions beside the truth."""

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from keras_seg import metrics
from keras_seg.colors import Palette, class_colors
from keras_seg.show.figures import NotebookFigure
from keras_seg.show.overlay import (
    as_color,
    color_of_errors,
    fitting,
    hatched,
    overlay,
)

PANEL_WIDTH = 3.2  # inches
GAP = 0.06
TITLE_HEIGHT = 0.32
CAPTION_HEIGHT = 0.3
DOTS_PER_INCH = 150
MOST_COLUMNS = 10


def legend(class_names: Sequence[str], palette: Palette = None) -> Figure:
    """Draw the colors of the classes with their names, as a separate figure.

    Args:
        class_names: one name per class.
        palette: one color (r, g, b) in 0..255 per class; generated if None.

    Returns:
        Figure of one legend, at most 11 inches wide.

    >>> legend(["road", "sky"]).legends[0].get_texts()[1].get_text()
    'sky'
    """
    colors = class_colors(palette, len(class_names))
    handles = [_patch(name, color) for name, color in zip(class_names, colors, strict=True)]
    columns, width, height = _legend_size(handles, 10.0)
    # Letters are whole pixels wide: with fewer dots per inch they take a little more room.
    figure = NotebookFigure(figsize=(1.1 * width, 1.1 * height), dpi=DOTS_PER_INCH)
    figure.legend(handles=handles, loc="center", ncols=columns, frameon=False)
    return figure


def show_predictions(
    images: Sequence,
    labels_true: Sequence | None,
    labels_predicted: Sequence,
    class_names: Sequence[str],
    palette: Palette = None,
) -> Figure:
    """Draw pictures beside the truth, the prediction and the errors, with one legend.

    Args:
        images: pictures (h, w) or (h, w, c) with pixels 0..255; sizes may differ. Of volumes (d, h,
            w) or (d, h, w, c) the middle slice is drawn, its first channel in gray; the numbers of
            errors are those of the whole volume.
        labels_true: true class ids (h, w) or (d, h, w) of each picture, or None if they are not
            known. Other ids are ignored pixels.
        labels_predicted: predicted class ids (h, w) or (d, h, w) of each picture.
        class_names: one name per class.
        palette: one color (r, g, b) in 0..255 per class; generated if None.

    Returns:
        Figure with one row per picture; show it in a notebook or pass it to `save_figure`. Errors
        are red, or another color if a class is red.

    Raises:
        ValueError: there is no picture, the lists differ in length, or sizes differ.

    >>> image, label = np.zeros((32, 48, 3), "uint8"), np.zeros((32, 48), "uint8")
    >>> figure = show_predictions([image], [label], [label], ["road"])
    >>> [axes.get_title() for axes in figure.axes]
    ['picture', 'truth', 'prediction', 'errors']
    """
    truths = [None] * len(images) if labels_true is None else labels_true
    if not len(images) or not len(images) == len(truths) == len(labels_predicted):
        raise ValueError(
            "`show_predictions` needs one truth and one prediction for each picture. Received: "
            f"{len(images)} images, {len(truths)} labels_true, {len(labels_predicted)} "
            "labels_predicted. Pass lists of the same length, of 1 or more."
        )
    colors = class_colors(palette, len(class_names))
    rows = [
        _panels(image, truth, found, colors)
        for image, truth, found in zip(images, truths, labels_predicted, strict=True)
    ]
    known = [truth for truth in truths if truth is not None]
    handles = _handles([*known, *labels_predicted], bool(known), class_names, colors)
    captions = [
        "" if truth is None else _caption(truth, found, len(class_names))
        for truth, found in zip(truths, labels_predicted, strict=True)
    ]
    return _grid(rows, captions, handles)


def show_labels(
    image, labels: Mapping, class_names: Sequence[str], palette: Palette = None
) -> NotebookFigure:
    """Draw a picture beside several label maps of it, with one legend.

    Args:
        image: picture (h, w) or (h, w, c) with pixels 0..255.
        labels: class ids (h, w) by title.
        class_names: one name per class.
        palette: one color (r, g, b) in 0..255 per class; generated if None.

    Returns:
        Figure with one row.

    Raises:
        ValueError: the size of a label map is not the picture's.

    >>> image, label = np.zeros((32, 48, 3), "uint8"), np.zeros((32, 48), "uint8")
    >>> [axes.get_title() for axes in show_labels(image, {"small": label}, ["road"]).axes]
    ['picture', 'small']
    """
    colors = class_colors(palette, len(class_names))
    maps = {title: fitting(image, label, "label map") for title, label in labels.items()}
    row = [(title, overlay(image, label, colors, alpha=1.0)) for title, label in maps.items()]
    handles = _handles(list(maps.values()), False, class_names, colors)
    return _grid([[("picture", as_color(image)), *row]], [""], handles)


def _panels(image, truth, found, colors) -> list[tuple[str, np.ndarray]]:
    """Return title and pixels of each panel of a row."""
    if np.ndim(found) == 3:
        image, truth, found = _middle_slices(image, truth, found)
    picture = as_color(image)
    found = fitting(picture, found, "prediction")
    panels = [("picture", picture)]
    if truth is not None:
        panels.append(("truth", overlay(picture, fitting(picture, truth, "truth"), colors, 0.6)))
    panels.append(("prediction", overlay(picture, found, colors, 0.6)))
    if truth is not None:
        gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        known = _known(truth, len(colors))[..., None]
        wrong = known & (np.asarray(truth) != found)[..., None]
        errors = np.where(known, 128 + gray // 2, hatched(gray))
        loud = np.array(color_of_errors(colors))
        panels.append(("errors", np.where(wrong, loud, errors).astype(np.uint8)))
    return panels


def _middle_slices(image, truth, found) -> tuple:
    """Return the middle slice of a volume and of its labels."""
    image, found = np.asarray(image), np.asarray(found)
    for what, label in (("prediction", found), ("truth", truth)):
        if label is not None and np.shape(label) != image.shape[:3]:
            raise ValueError(
                f"A {what} must have one class id per pixel of its volume. Received: "
                f"shape={np.shape(label)} for a volume of shape={image.shape}. Pass the volume "
                "that it belongs to."
            )
    middle = len(found) // 2
    image = image[middle] if image.ndim == 3 else image[middle, ..., 0]
    return image, None if truth is None else np.asarray(truth)[middle], found[middle]


def _caption(truth, found, num_classes: int) -> str:
    truth, found = np.asarray(truth), np.asarray(found)
    known = _known(truth, num_classes)
    if not known.any():
        return "no pixel is labeled"
    confusion = metrics.confusion_matrix(truth[known], found[known], num_classes)
    wrong = 1 - np.trace(confusion) / confusion.sum()
    return f"{wrong:.1%} wrong, mean IoU {metrics.mean_iou(confusion):.2f}"


def _known(truth, num_classes: int) -> np.ndarray:
    return (np.asarray(truth) >= 0) & (np.asarray(truth) < num_classes)


def _patch(name: str, color) -> Patch:
    red, green, blue = (part / 255 for part in color)
    return Patch(facecolor=(red, green, blue), edgecolor="0.4", linewidth=0.5, label=name)


def _handles(labels, with_truth: bool, class_names, colors) -> list[Patch]:
    """Return all classes if they are few, else those that occur; then the color of errors."""
    occurring = set().union(*(np.unique(label).tolist() for label in labels))
    shown = range(len(class_names))
    if len(class_names) > 20:
        shown = [index for index in shown if index in occurring]
    handles = [_patch(class_names[index], colors[index]) for index in shown]
    if with_truth:
        handles.append(_patch("wrong", color_of_errors(colors)))
    if any(index >= len(class_names) for index in occurring):
        ignored = _patch("not labeled", (77, 77, 77))
        ignored.set(hatch="/////", edgecolor="0.6")
        handles.append(ignored)
    return handles


def _legend_size(handles: list[Patch], width: float) -> tuple[int, float, float]:
    """Return columns, width and height in inches of a legend that fits into a width."""
    if not handles:
        return 1, 0.0, 0.0
    widest = _drawn_size(handles, 1)[0]
    columns = max(1, min(MOST_COLUMNS, len(handles), int(width / widest)))
    rows = math.ceil(len(handles) / columns)
    columns = math.ceil(len(handles) / rows)  # As few as give this many rows: even rows.
    return columns, *_drawn_size(handles, columns)


def _drawn_size(handles: list[Patch], columns: int) -> tuple[float, float]:
    scratch = Figure(dpi=DOTS_PER_INCH)
    drawn = scratch.legend(handles=handles, ncols=columns, frameon=False)
    scratch.draw_without_rendering()
    extent = drawn.get_window_extent()
    return extent.width / DOTS_PER_INCH, extent.height / DOTS_PER_INCH


def _grid(rows, captions: list[str], handles: list[Patch]) -> NotebookFigure:
    """Place panels by inches, so that nothing overlaps at any size of the pictures."""
    count = len(rows[0])
    width = count * PANEL_WIDTH + (count + 1) * GAP
    columns, _, legend_height = _legend_size(handles, width)
    caption_height = CAPTION_HEIGHT if any(captions) else GAP
    heights = [PANEL_WIDTH * row[0][1].shape[0] / row[0][1].shape[1] for row in rows]
    height = TITLE_HEIGHT + sum(heights) + caption_height * len(rows) + legend_height
    figure = NotebookFigure(figsize=(width, height), dpi=DOTS_PER_INCH)
    top = height - TITLE_HEIGHT
    for index, (row, row_height, caption) in enumerate(zip(rows, heights, captions, strict=True)):
        for column, (title, pixels) in enumerate(row):
            left = GAP + column * (PANEL_WIDTH + GAP)
            box = (left / width, (top - row_height) / height)
            axes = figure.add_axes((*box, PANEL_WIDTH / width, row_height / height))
            axes.imshow(pixels, aspect="auto")
            axes.set_axis_off()
            if index == 0:
                axes.set_title(title, fontsize=11, pad=5)
        right = 1 - GAP / width
        middle = (top - row_height - caption_height / 2) / height
        figure.text(right, middle, caption, ha="right", va="center", fontsize=9, color="0.25")
        top -= row_height + caption_height
    figure.legend(
        handles=handles, loc="lower center", ncols=columns, frameon=False, borderaxespad=0
    )
    return figure
