"""Receptive fields: by arithmetic, exact, and by gradients, as they come out in practice."""

from typing import NamedTuple

import keras
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
    """Find how many pixels of the picture each layer's values can depend on.

    The arithmetic follows the first and the last pixel that each position of each map depends
    on, through every branch, so that strides, dilation, enlarged maps and skip connections count
    exactly. Positions between those of a smaller map differ; the largest counts. The picture is
    taken to be so large that its border plays no part.

    A squeeze-and-excite gate multiplies all positions by numbers that the whole picture decides:
    with it every field is infinite. By default such factors are left out, and the fields are those
    of the convolutions.

    Args:
        model: functional model of one input, such as `keras_seg.models.build` returns.
        global_gates: "ignore" leaves factors that see the whole picture out, "count" does not.

    Returns:
        `pandas.DataFrame` with one row per layer, by name, in order: `height` and `width` of the
        receptive field in pixels (`depth` too for volumes, inf for the whole picture), and
        `stride`, the pixels from one position to the next. The last row is the output's.
        `attrs["global_gates"]` lists the layers where a factor was left out.

    Raises:
        TypeError: the model is no graph of layers, or has a layer of an unknown class.
        ValueError: `global_gates` is neither of the two.

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
    """Most pixels that a position depends on; nan where the border hides it."""
    if _sees_everything(made):
        return np.inf
    whole = (made.first > 0) & (made.last < size - 1)
    whole &= np.isfinite(made.first)  # Not padding, which depends on nothing.
    # All positions differ in a pattern as long as the coarsest stride: half the line shows it.
    if 2 * whole.sum() < len(whole):
        return np.nan
    return (made.last[whole] - made.first[whole]).max() + 1


class EffectiveField(NamedTuple):
    """Where the output's gradient comes from.

    Attributes:
        influence: mean of the absolute gradient of the middle of the layer's output to each
            pixel, float (h, w), with a largest value of 1.
        side: square root of the number of pixels whose influence is above 4.55 % of the largest,
            in pixels: the side of a square as large (cube root for volumes).
        support: extent of the pixels with any influence, per axis, in pixels.
    """

    influence: np.ndarray
    side: float
    support: tuple


def effective_receptive_field(model, size=256, layer=None, images=None, num_images=4):
    """Measure by gradients which pixels the middle of the output really depends on.

    W. Luo, Y. Li, R. Urtasun, R. Zemel: Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks, NeurIPS 2016, arXiv 1701.04128. The field is what the weights
    make of the theoretical one; it is far smaller before training.

    Args:
        model: functional model; its weights count.
        size: side of the pictures in pixels, where `images` are not given.
        layer: name of the layer whose output is measured; the model's own output if None.
        images: pixels 0..255 (b, h, w, c) to take the gradient at; noise if None.
        num_images: how many pictures of noise.

    Returns:
        `EffectiveField`.

    Raises:
        ValueError: `size` or `num_images` is out of range, or `images` is no batch of pictures.

    >>> x = keras.Input((None, None, 3))
    >>> model = keras.Model(x, keras.layers.Conv2D(4, 3, padding="same")(x))
    >>> effective_receptive_field(model, size=9).support
    (3, 3)
    """
    _check.positive_integer("effective_receptive_field", "size", size)
    _check.positive_integer("effective_receptive_field", "num_images", num_images)
    part = model if layer is None else keras.Model(model.inputs[0], model.get_layer(layer).output)
    *sizes, channels = model.inputs[0].shape[1:]
    if images is None:
        shape = (num_images, *(known or size for known in sizes), channels)
        images = np.random.default_rng(0).integers(0, 256, shape)
    given = np.shape(images)
    if len(given) != len(sizes) + 2 or given[-1] != channels or not given[0]:
        raise ValueError(
            f"`effective_receptive_field` needs pictures in a batch, with {channels} channels. "
            f"Received: images of shape={given}. Pass image[np.newaxis] for one."
        )

    def middle(image):
        output = part(image, training=False)
        output = output["logits"] if isinstance(output, dict) else output
        # Squares, because the sum of a normalized or softmax output is a constant.
        where = (slice(None), *(slice(n // 2, n // 2 + 1) for n in output.shape[1:-1]))
        return keras.ops.sum(keras.ops.square(keras.ops.cast(output[where], "float32")))

    gradients = [_gradient(middle, np.asarray(image, "float32")[None]) for image in images]
    influence = np.mean([np.abs(g[0]).sum(axis=-1) for g in gradients], axis=0)
    influence = influence / max(influence.max(), np.finfo("float32").tiny)
    used = [np.flatnonzero(influence.any(axis=_others(influence, a))) for a in _axes(influence)]
    support = tuple(int(np.ptp(places)) + 1 if len(places) else 0 for places in used)
    side = float(np.sum(influence > 1 - 0.9545) ** (1 / influence.ndim))
    return EffectiveField(influence, side, support)


def _axes(array):
    return range(array.ndim)


def _others(array, axis):
    return tuple(other for other in _axes(array) if other != axis)


def _gradient(function, image):
    """Gradient of a scalar function at an image, on each backend."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        pixels = tf.constant(image)
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            value = function(pixels)
        return np.asarray(tape.gradient(value, pixels))
    if keras.backend.backend() == "jax":
        import jax  # pyright: ignore[reportMissingImports]

        return np.asarray(jax.grad(function)(image))
    pixels = keras.ops.convert_to_tensor(image).requires_grad_(True)
    function(pixels).backward()
    return pixels.grad.cpu().numpy()
