"""Theoretical receptive fields: the pixels that a value can depend on."""

import numpy as np
import pandas as pd

from keras_seg import _check
from keras_seg.analyse.operations import MULTIPLYING
from keras_seg.analyse.reach import Reach, reach
from keras_seg.analyse.walk import walk

AXES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}
# Pixels of the line that the arithmetic is done on: strides of 2, 3 and their products divide it.
SMALLEST, LARGEST = 1152, 64 * 1152
LONGEST_PATTERN = 256  # positions


def receptive_field(model, global_gates="ignore"):
    """Compute the theoretical receptive field of each layer.

    The arithmetic follows the first and the last pixel that each position of each map depends on,
    through every branch, so that strides, dilation, upsampling and skip connections are exact. If
    fields differ between the positions of a map, the largest is given. The picture is assumed to be
    so large that its border has no effect.

    A squeeze-and-excite gate multiplies all positions by numbers that depend on the whole
    picture: with it every field is infinite. By default such factors are left out, and the fields
    are those of the convolutions.

    Args:
        model: functional model of one input, such as `keras_seg.models.build` returns.
        global_gates: "ignore" leaves out factors that depend on the whole picture, "count" includes
            them.

    Returns:
        `pandas.DataFrame` with one row per layer, by name, in order: `height` and `width` of the
        receptive field in pixels (`depth` too for volumes, inf for the whole picture), and
        `stride`, the pixels from one position to the next. The last row is the output's.
        `attrs["global_gates"]` lists the layers where a factor was left out.

    Raises:
        TypeError: the model is not a graph of layers, or has a layer of an unknown class.
        ValueError: `global_gates` is neither of the two.

    >>> import keras
    >>> x = keras.Input((None, None, 3))
    >>> y = keras.layers.MaxPooling2D()(keras.layers.Conv2D(4, 3, name="conv")(x))
    >>> receptive_field(keras.Model(x, y)).iloc[-1].tolist()  # 3, and 1 more
    [4.0, 4.0, 2.0]
    """
    _check.one_of("treatment of gates", "global_gates", global_gates, ("ignore", "count"))
    found, gates = walk(model), {}
    names = [step.layer.name for step in found.flat()]
    axes = AXES[len(model.inputs[0].shape) - 2]
    columns = {}
    for number, axis in enumerate(axes):
        columns[axis], columns["stride"] = _along(
            found, number, gates if global_gates == "ignore" else None
        )
    table = pd.DataFrame(columns, index=pd.Index(names, name="layer"))[[*axes, "stride"]]
    table.attrs["global_gates"] = list(gates)
    return table


def _along(found, axis, gates):
    """Receptive field and stride of each step; the line grows until no border is met."""
    size = SMALLEST
    while True:
        fields, strides = _on_line(found, axis, size, gates)
        if size >= LARGEST or not np.isnan(fields).any():
            return np.where(np.isnan(fields), np.inf, fields), strides
        size *= 2


def _on_line(found, axis, size, gates):
    pixels = np.arange(float(size))
    maps = {number: Reach(pixels, pixels) for number in found.inputs}
    fields, strides = [], []
    for step in found.flat():
        inputs = [maps[number] for number in step.inputs]
        if gates is not None and isinstance(step.layer, MULTIPLYING):
            local = [given for given in inputs if not _sees_everything(given)]
            if 0 < len(local) < len(inputs):
                inputs, gates[step.layer.name] = local, True
        made = reach(step.layer, inputs, axis)
        maps.update((number, made) for number in step.outputs)
        fields.append(_largest(made, size))
        strides.append(_stride(made, size))
    return np.array(fields), strides


def _sees_everything(given):
    return bool(np.isneginf(given.first).any())


def _stride(made, size):
    """Pixels from one position to the next: the slope of the fields' middles."""
    n = len(made.first)
    if n < 8 or _sees_everything(made):
        return size / n
    # Neighbors of an enlarged map differ in a pattern: measured far from the border, over a whole
    # one.
    within = slice(n // 4, n - n // 4)
    middles = (made.first[within] + made.last[within]) / 2
    for length in range(1, min(len(middles) // 2, LONGEST_PATTERN + 1)):
        steps = middles[length:] - middles[:-length]
        if np.ptp(steps) == 0:
            return steps[0] / length
    return (middles[-1] - middles[0]) / (len(middles) - 1)


def _largest(made, size):
    """Most pixels that a position depends on; nan if it reaches the border."""
    if _sees_everything(made):
        return np.inf
    whole = (made.first > 0) & (made.last < size - 1)
    whole &= np.isfinite(made.first)  # Not padding, which depends on nothing.
    # All positions differ in a pattern as long as the coarsest stride: half the line shows it.
    if 2 * whole.sum() < len(whole):
        return np.nan
    return (made.last[whole] - made.first[whole]).max() + 1
