"""Figures of receptive fields; their arguments are whole numbers, for use with sliders."""

import numpy as np
from matplotlib.patches import Rectangle

from keras_seg import _check
from keras_seg.analyse.arithmetic import dilated_taps, transposed_output_size
from keras_seg.show.figures import NotebookFigure
from keras_seg.show.overlay import as_color

COLORS = "magma"


def show_dilation(kernel_size=3, dilation=2, num_layers=2):
    """Draw how often a value depends on each pixel, through a sequence of dilated convolutions.

    Args:
        kernel_size: side of each kernel in pixels.
        dilation: pixels from one tap to the next; one number for all layers, or one per layer.
        num_layers: number of layers, where `dilation` is one number.

    Returns:
        Figure: the number of paths from each pixel of the receptive field; black where there is
            none.

    Raises:
        ValueError: an argument is not a whole number above 0.

    >>> show_dilation(3, (1, 2)).axes[0].get_title()
    'dilation 1, 2: 49 of 49 pixels of the 7x7 field are seen'
    """
    dilations = (dilation,) * num_layers if isinstance(dilation, int) else tuple(dilation)
    for name, values in (
        ("kernel_size", (kernel_size,)), ("num_layers", (num_layers,)), ("dilation", dilations),
    ):  # fmt: skip
        for value in values:
            _check.positive_integer("show_dilation", name, value)
    line = dilated_taps(kernel_size, dilations)
    paths, side = np.outer(line, line), len(line)
    words = ", ".join(str(value) for value in dilations)
    title = f"dilation {words}: {np.count_nonzero(paths)} of {side**2} pixels of the "
    return _grid(paths, f"{title}{side}x{side} field are seen")


def show_transposed(size=4, kernel_size=3, stride=2):
    """Draw the number of products summed in each pixel of a transposed convolution's output.

    Args:
        size: height and width of the input in pixels.
        kernel_size: side of the kernel in pixels.
        stride: pixels of output from one pixel of input to the next.

    Returns:
        Figure: uneven numbers cause the checkerboard artifacts of such layers.

    Raises:
        ValueError: an argument is not a whole number above 0.

    >>> show_transposed(4, 3, 2).axes[0].get_title()  # 2 * 3 + 3 = 9
    '4x4 becomes 9x9; 1 to 4 products in a pixel'
    """
    for name, value in (("size", size), ("kernel_size", kernel_size), ("stride", stride)):
        _check.positive_integer("show_transposed", name, value)
    side = transposed_output_size(size, kernel_size, stride)
    line = np.zeros(side, int)
    for place in range(size):
        line[place * stride : place * stride + kernel_size] += 1
    counts = np.outer(line, line)
    words = f"{size}x{size} becomes {side}x{side}; {counts.min()} to {counts.max()} products"
    return _grid(counts, f"{words} in a pixel")


def show_field(image, fields, layer):
    """Draw the receptive field of the center of one layer's map on a picture.

    Args:
        image: pixels 0..255 (h, w, c).
        fields: table of `keras_seg.analyse.receptive_field`.
        layer: name of a layer, a row of the table.

    Returns:
        Figure; pixels outside of the receptive field are dark.

    Raises:
        ValueError: there is no such layer.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"height": [7.0], "width": [7.0], "stride": [2.0]}, index=["conv1"])
    >>> figure = show_field(np.zeros((32, 48, 3), "uint8"), table, "conv1")
    >>> figure.axes[0].get_title()
    'conv1 sees 7x7 pixels, at steps of 2'
    """
    _check.one_of("layer", "layer", layer, list(fields.index))
    colors = as_color(np.asarray(image))
    sides = fields.loc[[layer], ["height", "width"]].iloc[-1].to_numpy(float)
    limits = np.array(colors.shape[:2])
    first = np.maximum((limits - sides) / 2, 0)
    seen = np.minimum(sides, limits)
    figure, axes = _axes()
    axes.imshow(colors // 3)
    within = tuple(slice(round(a), round(a + b)) for a, b in zip(first, seen, strict=True))
    alpha = np.zeros(colors.shape[:2])
    alpha[within] = 1.0
    axes.imshow(colors, alpha=alpha)
    corner = (first[1] - 0.5, first[0] - 0.5)
    axes.add_patch(Rectangle(corner, seen[1], seen[0], fill=False, color="tab:orange", lw=2))
    where = "the whole picture" if np.isinf(sides).any() else f"{sides[0]:g}x{sides[1]:g} pixels"
    stride = fields.loc[[layer], "stride"].iloc[-1]
    axes.set_title(f"{layer} sees {where}, at steps of {stride:g}", fontsize=10)
    return figure


def _grid(numbers, title):
    """Colored squares, with their numbers in them where there is room."""
    figure, axes = _axes()
    axes.imshow(numbers, cmap=COLORS, vmin=0)
    side = len(numbers)
    axes.set_title(title, fontsize=10)
    if side <= 13:
        for (row, column), number in np.ndenumerate(numbers):
            color = "black" if number > 0.6 * numbers.max() else "white"
            axes.text(column, row, f"{number}", ha="center", va="center", color=color, fontsize=8)
    return figure


def _axes():
    figure = NotebookFigure(figsize=(5, 4), dpi=96, layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    return figure, axes
