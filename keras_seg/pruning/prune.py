"""Structured pruning: filters are removed for real, and a smaller ordinary model is built."""

import math
from numbers import Integral

import numpy as np

from keras_seg import _check
from keras_seg.models.cloning import clone, copied
from keras_seg.pruning.criteria import scores
from keras_seg.pruning.groups import find


def prune(model, ratio=None, *, widths=None, to=None, criterion="l1", multiple=1):
    """Remove the least important filters of a network.

    The result is a smaller model of the same layers, which trains, is saved and is exported like
    any other. Channels that belong together, because they are added, multiplied or pass through
    depthwise or grouped convolutions, are removed together, see `keras_seg.pruning.groups`.
    The original is not changed. Fine-tune the result with `keras_seg.fit(pruned, data)`.

    H. Li et al.: Pruning Filters for Efficient ConvNets, arXiv 1608.08710; Z. Liu et al.: Network
    Slimming, arXiv 1708.06519; Y. He et al.: Filter Pruning via Geometric Median, arXiv 1811.00250.

    Args:
        model: functional or built sequential model, such as of `keras_seg.models.build`.
        ratio: share of the channels of each group to remove, 0 up to below 1.
        widths: dict of a layer's name to how many channels it keeps; those tied to it follow.
        to: model of the same layers with fewer channels; the result has its shapes.
            One of `ratio`, `widths` and `to` is needed.
        criterion: what is removed: "l1", the filters with the lowest sums of absolute weights;
            "bn_scale", the channels with the lowest scales of batch normalization (by "l1" where
            there is none); "geometric_median", the filters closest to all others of their layer.
        multiple: numbers of channels are rounded to multiples of this, such as 8, where `ratio` is
            given. Groups that would have as many channels as before, or more, stay as they are.

    Returns:
        keras.Model that is not compiled, with the same names of layers.

    Raises:
        TypeError: the model has no graph of layers, or `widths` is no dict.
        ValueError: an argument is out of its range, `to` is not smaller, or a layer of the model
            is not known, see `keras_seg.pruning.register`.

    >>> from keras_seg import models
    >>> model = models.contextnet_cn14((64, 64, 3), width=0.5)
    >>> small = prune(model, to=models.contextnet_cn14((64, 64, 3), width=0.25))
    >>> small.count_params() == models.contextnet_cn14((64, 64, 3), width=0.25).count_params()
    True
    """
    given = [
        name for name, x in (("ratio", ratio), ("widths", widths), ("to", to)) if x is not None
    ]
    if len(given) != 1:
        raise ValueError(
            "`prune` needs one of ratio, widths and to. "
            f"Received: {' and '.join(given) or 'none of them'}. Pass ratio=0.5, for example."
        )
    _check.positive_integer("prune", "multiple", multiple)
    found = find(model)
    if ratio is not None:
        _check.share("prune", "ratio", ratio)
        counts = [_kept(group, ratio, multiple) for group in found.groups]
    else:
        counts = _by_names(found, widths) if to is None else _as_in(found, find(to), to.name)
    pruned = rebuilt(model, found, chosen(found, counts, criterion))
    if to is not None:
        _require_same_shapes(pruned, to)
    return pruned


def chosen(found, counts, criterion="l1"):
    """Which channels stay.

    Args:
        found: `keras_seg.pruning.groups.Found`.
        counts: how many units of each group stay.
        criterion: see `prune`.

    Returns:
        bool (n,) for all channels.
    """
    values = scores(found, criterion)
    stays = np.ones(len(found.roots), bool)
    for group, count in zip(found.groups, counts, strict=True):
        order = np.argsort(-values[group.units], kind="stable")
        stays[group.units[order[count:]]] = False
    for _, related in found.layers.values():
        parts = related.outputs if isinstance(related.outputs, list) else [related.outputs]
        for units in (found.roots[part] for part in parts):
            if not stays[units].any():  # `SelectChannels` can take those alone that would go.
                stays[units[np.argmax(values[units])]] = True
    return stays[found.roots]


def rebuilt(model, found, stays):
    """The model without the channels that do not stay.

    Args:
        model: the model that was looked through.
        found: `keras_seg.pruning.groups.Found` of it.
        stays: from `chosen`.

    Returns:
        keras.Model.

    Raises:
        ValueError: a layer cannot be built with fewer channels.
    """
    seen = []

    def make(layer):
        seen.append(layer)
        changes = found.layers[id(layer)][1].changes(lambda numbers: stays[numbers])
        return copied(layer, **_initializers(layer), **changes)

    try:
        pruned, pairs = clone(model, make)
    except Exception as error:  # Of the backend: each has its own for shapes that do not fit.
        if not seen:
            raise
        raise ValueError(
            "`prune` builds layers again, with fewer channels. Received: layer "
            f"'{seen[-1].name}' of the class {type(seen[-1]).__name__}, which cannot be called on "
            "them. Register 'fixes' for the class, or a function that returns the changes of its "
            "configuration, see keras_seg.pruning.register."
        ) from error
    for old, new in pairs:
        if not getattr(old, "weights", ()):
            continue
        values = old.get_weights()
        for part in found.layers[id(old)][1].slices:
            places = np.flatnonzero(stays[part.channels])
            values[part.weight] = np.take(values[part.weight], places, part.axis)
        _require_shapes(new, values)
        new.set_weights(values)
    return pruned


def _initializers(layer):
    """Initializers with a value for each channel, replaced: the weights are set in any case."""
    return {
        name: "zeros"
        for name, value in vars(layer).items()
        if name.endswith("_initializer") and np.ndim(getattr(value, "value", 0)) > 0
    }


def _require_shapes(layer, values):
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if shapes != [value.shape for value in values]:
        raise ValueError(
            f"The weights of layer '{layer.name}' do not follow from its channels alone. Received: "
            f"shapes {shapes} of a new layer in place of {[value.shape for value in values]}. "
            f"Register 'fixes' for {type(layer).__name__}, or a function that returns the changes "
            "of its configuration, see keras_seg.pruning.register."
        )


def _kept(group, ratio, multiple):
    """How many units of a group stay."""
    count = len(group.units)
    # So many units that the channels of every layer are a multiple.
    step = math.lcm(*(multiple // math.gcd(multiple, n) for n in group.makes.values()))
    kept = (1 - ratio) * count
    if step == 1:
        return max(1, round(kept))
    return min(count, max(1, round(kept / step)) * step)


def _by_names(found, widths):
    """How many units stay if layers have the given numbers of channels."""
    if not isinstance(widths, dict):
        raise TypeError(
            "`prune` needs a dict of layers' names and how many channels each keeps. "
            f"Received: widths={widths!r}. For example, pass widths={{'stem_conv': 8}}."
        )
    groups, given = {}, {}
    for number, group in enumerate(found.groups):
        for name in group.makes:
            groups.setdefault(name, []).append(number)
    for name, width in widths.items():
        _check.one_of("layer with channels to remove", "widths", name, groups)
        number, *others = groups[name]
        group = found.groups[number]
        step = group.makes[name]
        is_whole = isinstance(width, Integral) and not isinstance(width, bool)
        kept, rest = divmod(int(width), step) if is_whole else (0, 0)
        if others or rest or not 0 < kept <= len(group.units):
            widest = f"up to {step * len(group.units)} channels in steps of {step}"
            can = f"{1 + len(others)} groups of channels; pass ratio or to" if others else widest
            raise ValueError(
                f"`prune` cannot give layer '{name}' this number of channels. Received: "
                f"widths={{{name!r}: {width!r}}}. It has {can}, see keras_seg.pruning.groups."
            )
        if given.setdefault(number, (kept, name))[0] != kept:
            other = given[number][1]
            raise ValueError(
                "`prune` needs one width for layers whose channels are tied. Received: "
                f"{widths[other]} for '{other}' and {width} for '{name}'. Leave out one of them."
            )
    counts = enumerate(len(group.units) for group in found.groups)
    return [given.get(number, (count, None))[0] for number, count in counts]


def _as_in(found, other, name):
    """How many units stay if groups are as large as those of another model."""
    # Names that Keras gives count on: layers at the same places are the same.
    twins = dict(zip(_layer_names(other), _layer_names(found), strict=False))
    known = set(twins) == set(twins.values())
    sizes = {
        frozenset((name if known else twins.get(name), n) for name, n in group.makes.items()): len(
            group.units
        )
        for group in other.groups
    }
    counts = []
    for group in found.groups:
        size = sizes.pop(frozenset(group.makes.items()), 0)
        if not 0 < size <= len(group.units):
            raise ValueError(
                "`prune` needs a model of the same layers with fewer channels in to=. Received: "
                f"'{name}' with {size} channels of '{group.name}' in place of {len(group.units)}. "
                "Build both with the same options but for the width."
            )
        counts.append(size)
    return counts


def _layer_names(found):
    """Names of the layers with weights, in the order of the graph."""
    layers = [layer for layer, related in found.layers.values() if related.slices]
    return [found.names[id(layer)] for layer in layers]


def _require_same_shapes(pruned, to):
    for ours, theirs in zip(pruned.weights, to.weights, strict=False):
        if ours.shape != theirs.shape or len(pruned.weights) != len(to.weights):
            raise ValueError(
                "`prune` needs a model in to= that differs in its numbers of channels only. "
                f"Received: {tuple(theirs.shape)} for '{theirs.path}' in place of "
                f"{tuple(ours.shape)}. Build both with the same options but for the width."
            )
