"""Groups of channels that are removed together, found on a model's graph of layers."""

import dataclasses
from collections import Counter, defaultdict
from typing import Any

import keras
import numpy as np
import pandas as pd

from keras_seg.analyse.walk import walk
from keras_seg.layers import Recompute
from keras_seg.pruning.channels import Channels
from keras_seg.pruning.relations import NAMED, Call, relation_of, unchanged, width
from keras_seg.pruning.table import TABLE


@dataclasses.dataclass
class Group:
    """Channels of which any can be removed, each in all layers at once.

    Attributes:
        units: what is removed at once, as the lowest of the tied channels' numbers, int (n,).
        makes: names of the layers whose filters make the channels, and how many filters of each
            layer belong to one unit.
    """

    units: np.ndarray
    makes: dict

    @property
    def name(self):
        """That of the first layer that makes the channels."""
        return next(iter(self.makes))


@dataclasses.dataclass
class Found:
    """What is known of a model's channels.

    Attributes:
        groups: list of `Group`.
        layers: for each layer with channels, by its id, (layer, `Related`).
        names: for each layer, by its id, its name; where several layers of nested models have one,
            that of the model and a slash before it.
        roots: for each channel, the lowest of the tied channels' numbers, int (n,).
    """

    groups: list
    layers: dict
    names: dict
    roots: np.ndarray


def register(kind, relation):
    """Tell `prune` how a kind of layer relates the channels that go in to those that come out.

    Args:
        kind: class of the layer; subclasses are registered on their own.
        relation: "passes" (output channel i is input channel i; weights have the channels last),
            "ties" (computed from the channels i of all inputs, no weights), "concatenates",
            "mixes" (each is a sum over all input channels: kernel (..., in, out), bias, and a field
            `filters` or `units`), "fixes" (the number of channels cannot change); or a function,
            see `keras_seg.pruning.relations`.

    Raises:
        TypeError: `kind` is not a class of layers.
        ValueError: there is no such relation.

    >>> class Doubled(keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return 2 * inputs
    >>> register(Doubled, "passes")
    """
    if not isinstance(kind, type) or not issubclass(kind, keras.Operation):
        raise TypeError(
            "`register` needs a class of layers. "
            f"Received: kind={kind!r}. Pass the class itself, not one of its layers."
        )
    if not callable(relation) and relation not in NAMED:
        raise ValueError(
            "`register` needs a relation by name or as a function. "
            f"Received: relation={relation!r}. Names: {sorted(NAMED)}."
        )
    TABLE[kind] = NAMED[relation] if isinstance(relation, str) else relation


def groups(model):
    """The groups of channels that are removed together.

    Channels that are added or multiplied, or pass through depthwise convolutions, belong
    together; so do the same places in the groups of a grouped convolution. Inputs, outputs, and
    channels that a layer normalization or a softmax compares are not removed and not listed.

    Args:
        model: functional or built sequential model.

    Returns:
        `pandas.DataFrame` with a row per group, named after its first layer: `channels` that can
        be removed one by one, `made_by`, `followed_by` (biases, normalization, depthwise kernels)
        and `read_by`, the names of the layers that lose weights.

    Raises:
        TypeError: the model has no graph of layers.
        ValueError: how one of its layers relates channels is not known; says how to `register` it.

    >>> image = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="first")(image)
    >>> groups(keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x)))
           channels  made_by followed_by read_by
    group
    first         4  [first]     [first]  [last]
    """
    found = find(model)
    names: dict[str, Any] = {role: defaultdict(dict) for role in ("makes", "follows", "reads")}
    for layer, related in found.layers.values():
        for part in related.slices:
            for root in set(found.roots[part.channels]):
                names[part.role][root][found.names[id(layer)]] = None
    rows = [
        {
            "group": group.name,
            "channels": len(group.units),
            "made_by": list(group.makes),
            "followed_by": list(names["follows"][group.units[0]]),
            "read_by": list(names["reads"][group.units[0]]),
        }
        for group in found.groups
    ]
    columns = ["group", "channels", "made_by", "followed_by", "read_by"]
    return pd.DataFrame(rows, columns=columns).set_index("group")


def find(model):
    """Number and tie the channels of all maps of a model.

    Args:
        model: functional or built sequential model.

    Returns:
        `Found`.

    Raises:
        TypeError: the model has no graph of layers.
        ValueError: how one of its layers relates channels is not known.
    """
    graph, channels = walk(model, "prune"), Channels()
    maps, layers = {}, {}
    for number, tensor in zip(graph.inputs, model.inputs, strict=True):
        maps[number] = channels.new(width(tensor.shape))
        channels.fix(maps[number])
    for step in graph.flat():
        shape = step.node.output_tensors[0].shape
        call = Call(step.layer, [maps[number] for number in step.inputs], shape, step.node)
        related = relation_of(step.layer)(call, channels)
        _require_fitting(step.layer, related.slices)
        if id(step.layer) in layers:
            _tie(layers[id(step.layer)][1], related, channels)
        layers.setdefault(id(step.layer), (step.layer, related))
        many = isinstance(related.outputs, list)
        made = related.outputs if many else [related.outputs] * len(step.outputs)
        maps.update(zip(step.outputs, made, strict=True))
    _tie_nested(graph.nested, maps, channels)
    for number in graph.outputs:
        channels.fix(maps[number])
    roots = channels.roots(range(channels.count()))
    names = _names(model)
    return Found(_grouped(layers, names, roots, channels.fixed()), layers, names, roots)


def _tie(first, again, channels):
    """A layer that is called several times has the same channels each time."""
    for one, other in zip(first.slices, again.slices, strict=True):
        channels.tie(one.channels, other.channels)
    # A ReLU can be called anywhere; a `Reshape` has one number of channels in its configuration.
    if first.changes is not unchanged and len(first.outputs) == len(again.outputs):
        channels.tie(first.outputs, again.outputs)


def _tie_nested(calls, maps, channels):
    """A nested model is built once, for the same channels in each call."""
    first = {}
    for layer, numbers in calls:
        for one, other in zip(first.setdefault(id(layer), numbers), numbers, strict=True):
            channels.tie(maps[one], maps[other])


def _require_fitting(layer, slices):
    for part in slices:
        shapes = [tuple(weight.shape) for weight in layer.weights]
        shape = shapes[part.weight] if part.weight < len(shapes) else ()
        if -part.axis > len(shape) or shape[part.axis] != len(part.channels):
            raise ValueError(
                f"The relation that is registered for layer '{layer.name}' needs "
                f"{len(part.channels)} channels along axis {part.axis} of its weight number "
                f"{part.weight}. Received: weights of the shapes {shapes}. Register 'fixes' or a "
                f"function for {type(layer).__name__}, see keras_seg.pruning.register."
            )


def _names(model):
    """Names of all layers by their id: with that of the nested model where a name is not unique."""
    paths = {}

    def collect(inside, before):
        for layer in inside.layers:
            if isinstance(layer, Recompute | keras.Model):
                collect(layer, f"{before}{layer.name}/")
            else:
                paths.setdefault(id(layer), (layer.name, before))

    collect(model, "")
    counts = Counter(name for name, _ in paths.values())
    return {key: name if counts[name] == 1 else at + name for key, (name, at) in paths.items()}


def _grouped(layers, names, roots, fixed):
    """Channels that the same layers make, with as many filters each, as groups."""
    makes = defaultdict(dict)
    for layer, related in layers.values():
        for part in related.slices:
            if part.role == "makes":
                for root, count in Counter(roots[part.channels].tolist()).items():
                    makes[root][names[id(layer)]] = count
    units = defaultdict(list)
    for root, filters in makes.items():
        if root not in fixed:
            units[frozenset(filters.items())].append(root)
    return [Group(np.array(sorted(roots)), makes[roots[0]]) for roots in units.values()]
