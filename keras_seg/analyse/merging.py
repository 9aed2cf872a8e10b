"""Compare networks before and after merging branches: parameters, and rounding differences."""

import keras
import numpy as np
import pandas as pd

from keras_seg.models.encoders.merge import BRANCHES


def merge_report(model, merged, images=None):
    """Compare a network trained with branches to the one with merged branches, block by block.

    Args:
        model: network with branches, such as of `build("repvgg_a0", ...)`.
        merged: the result of `keras_seg.models.encoders.merge_branches`.
        images: pixels 0..255 (b, h, w, c) for the comparison; two noise pictures if None, of 64
            pixels if the network takes any size.

    Returns:
        `pandas.DataFrame` with a row per merged convolution, and one for the output: `branches` and
        `merged`, the numbers of parameters; `difference`, the largest difference of the block's
        outputs, relative to the largest output.

    Raises:
        ValueError: `merged` has no merged convolutions, or is another network.

    >>> from keras_seg import models
    >>> small = {"blocks": (1, 1, 1, 1), "width": 0.125, "last_width": 0.125}
    >>> trained = models.repvgg_a0((32, 32, 3), 5, **small)
    >>> once = models.repvgg_a0((32, 32, 3), 5, merged=True, **small)
    >>> once = models.encoders.merge_branches(trained, once)
    >>> bool(merge_report(trained, once)["difference"].max() < 1e-5)
    True
    """
    names = [x.name for x in merged.layers if x.name.endswith("_merged")]
    known = {layer.name: layer for layer in model.layers}
    sums = [_sum_of(name.removesuffix("_merged"), known) for name in names]
    if not names or None in sums:
        raise ValueError(
            "`merge_report` compares a network with branches to the same one with merged=True. "
            f"Received: '{model.name}' and '{merged.name}'. Build both with the same options."
        )
    if images is None:
        shape = [size or 64 for size in model.input_shape[1:]]
        images = np.random.default_rng(0).integers(0, 256, (2, *shape))
    images = np.asarray(images, "float32")
    before = keras.Model(model.inputs[0], [*(known[x].output for x in sums), _logits(model)])
    after = keras.Model(
        merged.inputs[0], [*(merged.get_layer(x).output for x in names), _logits(merged)]
    )
    rows = {}
    for name, old, new in zip([*names, "output"], before(images), after(images), strict=True):
        old, new = (np.array(keras.ops.convert_to_numpy(x), "float64") for x in (old, new))
        base = name.removesuffix("_merged")
        counts = (model.count_params(), merged.count_params())
        if name != base:
            counts = (_parameters(model, base), merged.get_layer(name).count_params())
        difference = np.abs(old - new).max() / np.abs(old).max()
        rows[base] = dict(
            zip(("branches", "merged", "difference"), (*counts, difference), strict=True)
        )
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("block")


def _sum_of(base, known):
    """Name of the layer that adds a block's branches, or of its only one; None if there is none."""
    for name in (f"{base}_sum", f"{base}_add", f"{base}_large_bn"):
        if name in known:
            return name
    return None


def _parameters(model, base):
    names = {f"{base}_{branch}{end}" for branch in BRANCHES for end in ("", "_bn")}
    return sum(layer.count_params() for layer in model.layers if layer.name in names)


def _logits(model):
    return model.output["logits"] if isinstance(model.output, dict) else model.output
