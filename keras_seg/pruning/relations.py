"""How each kind of layer relates the channels that go in to those that come out: a table.

A relation is a function `f(call, channels)` of a `Call` of a layer and of `Channels`, which ties
the channels to each other. It returns `Related`. `register` adds a kind of layer to the table.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers


class Call(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: the `keras.Layer`.
        inputs: for each input, the numbers of its channels, int arrays.
        shape: the (first) output's shape with the batch; None for unknown sizes.
        node: Keras's record of the call: arguments, and tensors with their shapes.
    """

    layer: keras.Operation
    inputs: list
    shape: tuple
    node: Any


class Slice(NamedTuple):
    """An axis of a weight whose entries are channels.

    Attributes:
        weight: number of the weight in `layer.weights`.
        axis: the axis, from the last one: -1, -2, ...
        channels: number of the channel of each entry.
        role: "makes" for the outputs of a kernel, "reads" for its inputs, "follows" for a value per
            channel, such as a bias or the scale of a normalization.
    """

    weight: int
    axis: int
    channels: np.ndarray
    role: str


def unchanged(kept):
    """No field of a layer's configuration depends on its channels."""
    return {}


class Related(NamedTuple):
    """What a relation returns.

    Attributes:
        outputs: numbers of the channels that come out; a list of arrays for several outputs.
        slices: `Slice`s of the layer's weights.
        changes: function that returns the changed fields of the layer's configuration. It is given
            a function from numbers of channels to whether each is kept, bool (n,).
    """

    outputs: np.ndarray | list
    slices: tuple = ()
    changes: Callable = unchanged


def passes(call, channels):
    """Output channel i is input channel i of the first input; others only give their size."""
    layer, inputs = call.layer, call.inputs
    count = len(inputs[0])
    weights = getattr(layer, "weights", ())  # A function of `keras.ops` has none.
    wrong = [weight.path for weight in weights if weight.shape[-1:] != (count,)]
    if wrong:
        raise ValueError(
            f"Layer '{layer.name}' is registered as one that passes its {count} channels, with "
            f"weights (..., {count}). Received: weights of other shapes: {', '.join(wrong)}. "
            "Register a function for it, see keras_seg.pruning.register."
        )
    slices = (Slice(i, -1, inputs[0], "follows") for i in range(len(weights)))
    return Related(inputs[0], tuple(slices))


def ties(call, channels):
    """Output channel i is computed from the channels i of all inputs, as in additions."""
    inputs = call.inputs
    count = max(map(len, inputs))
    wide = [numbers for numbers in inputs if len(numbers) == count]
    for numbers in inputs:
        if len(numbers) == count:
            channels.tie(wide[0], numbers)
        else:  # One channel, which all others are multiplied by.
            channels.fix(numbers)
    return Related(wide[0])


def concatenates(call, channels):
    """The output channels are those of all inputs in a row."""
    layer = call.layer
    if not isinstance(getattr(layer, "axis", None), int):
        raise ValueError(
            f"Layer '{layer.name}' is registered as one that concatenates, with a field `axis`. "
            f"Received: class {type(layer).__name__} without. "
            "Register a function for it, see keras_seg.pruning.register."
        )
    if not is_last(layer.axis, call.shape):
        return ties(call, channels)
    return Related(np.concatenate(call.inputs))


def fixes(call, channels):
    """The output changes with the number of channels, which therefore stays as it is."""
    for numbers in call.inputs:
        channels.fix(numbers)
    made = [channels.new(width(tensor.shape)) for tensor in call.node.output_tensors]
    for numbers in made:
        channels.fix(numbers)
    return Related(made)


def mixes(call, channels):
    """Each output channel is a sum over all input channels: kernel (..., in, out) and bias."""
    layer, inputs = call.layer, call.inputs
    field = next((name for name in ("filters", "units") if hasattr(layer, name)), None)
    if field is None:
        raise ValueError(
            f"Layer '{layer.name}' is registered as one that mixes channels, with a field "
            f"`filters` or `units`. Received: class {type(layer).__name__} without. "
            "Register a function for it, see keras_seg.pruning.register."
        )
    groups = getattr(layer, "groups", 1)
    if groups > 1 and groups == len(inputs[0]):
        return _one_channel_groups(call, channels)
    read, made = inputs[0], channels.new(getattr(layer, field))
    if groups > 1:
        # The same places of all groups go together, so that these stay of one size.
        for numbers in (read, made):
            parts = numbers.reshape(groups, -1)
            for part in parts[1:]:
                channels.tie(parts[0], part)
        read = read.reshape(groups, -1)[0]
    into, out = (-1, -2) if isinstance(layer, _TRANSPOSED) else (-2, -1)
    slices = [Slice(0, into, read, "reads"), Slice(0, out, made, "makes")]
    slices = with_bias(call, slices, made, channels)
    return Related(made, slices, lambda kept: {field: sum_kept(kept, made)})


def _one_channel_groups(call, channels):
    """A convolution whose groups have one input channel each: depthwise."""
    layer, inputs = call.layer, call.inputs
    made = np.repeat(inputs[0], layer.filters // len(inputs[0]))

    def changes(kept):
        return {"filters": sum_kept(kept, made), "groups": sum_kept(kept, inputs[0])}

    slices = with_bias(call, [Slice(0, -1, made, "follows")], made, channels)
    return Related(made, slices, changes)


def reshaped(call, channels, field):
    """Channels pass if they stay the last axis.

    Args:
        call: `Call`.
        channels: `Channels`.
        field: name of the new shape, in the layer and in its configuration.

    Returns:
        `Related`.
    """
    numbers = call.inputs[0]
    if call.shape[-1:] != (len(numbers),):
        return fixes(call, channels)
    first = tuple(np.atleast_1d(getattr(call.layer, field))[:-1].tolist())
    return Related(numbers, (), lambda kept: {field: (*first, sum_kept(kept, numbers))})


def width(shape):
    """How many channels maps of a shape have; 1 where their number is not known.

    Args:
        shape: with the batch, such as (None, 8, 8, 4).

    Returns:
        int.
    """
    return (shape[-1] if len(shape) > 1 else None) or 1


def relation_of(layer):
    """The relation that is registered for a layer.

    Args:
        layer: `keras.Layer`, or a function of `keras.ops` in a graph.

    Returns:
        Function of a `Call` and of `Channels`.

    Raises:
        ValueError: there is none, or the layer's channels are not its last axis.
    """
    relation = TABLE.get(type(layer))
    if relation is None:
        raise ValueError(
            "`prune` needs to know how each layer relates the channels that go in to those that "
            f"come out. Received: layer '{layer.name}' of the class {type(layer).__name__}, which "
            "is not registered. Call keras_seg.pruning.register(kind, relation) with "
            f"kind={_class_of(layer)} and one of these relations: {', '.join(sorted(NAMED))}; "
            "'fixes' is right for every layer and keeps the channels before and behind it."
        )
    if getattr(layer, "data_format", None) == "channels_first":
        raise ValueError(
            "`prune` needs channels as the last axis of maps. "
            f"Received: layer '{layer.name}' with data_format='channels_first'. Build the model "
            "with data_format='channels_last'."
        )
    return relation


def _class_of(layer):
    """The class of a layer as it can be written in a program."""
    kind = type(layer)
    if getattr(layers, kind.__name__, None) is kind:
        return f"keras.layers.{kind.__name__}"
    inside = kind.__module__.startswith("keras.")
    return f"{kind.__module__}.{kind.__name__}" if inside else kind.__name__


def with_bias(call, slices, made, channels):
    """Slices of a layer with kernels, a bias and an activation, which can have weights, too."""
    layer = call.layer
    places = {id(weight): place for place, weight in enumerate(layer.weights)}
    bias = getattr(layer, "bias", None)
    if id(bias) in places:
        slices = [*slices, Slice(places[id(bias)], -1, made, "follows")]
    activation: Any = getattr(layer, "activation", None)
    if isinstance(activation, keras.Layer):
        # As if it were the next layer of the graph.
        inside = call._replace(layer=activation, inputs=[made])
        related = relation_of(activation)(inside, channels)
        weights = [places[id(weight)] for weight in activation.weights]
        slices += [part._replace(weight=weights[part.weight]) for part in related.slices]
    elif is_across(activation, len(call.shape)):
        channels.fix(made)
    return tuple(slices)


@functools.lru_cache(maxsize=128)
def is_across(activation, rank):
    """Whether the values of some channels change if the others are left out."""
    if activation is None:
        return False
    values = np.linspace(-2.0, 3.0, 6, dtype="float32").reshape((1,) * (rank - 1) + (6,))
    try:
        every, some = (
            keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(x)))
            for x in (values, values[..., ::2])
        )
    except Exception:  # Of the backend: it has a number for each channel, and not six of them.
        return True
    return every.shape != values.shape or not np.allclose(every[..., ::2], some, atol=1e-6)


def is_last(axes, shape):
    """Whether an axis, or one of several, is that of the channels; None stands for all axes."""
    last = {-1, len(shape) - 1}
    return axes is None or bool(last & {int(axis) for axis in np.atleast_1d(axes)})


def sum_kept(kept, numbers):
    """How many of some channels are kept."""
    return int(kept(numbers).sum())


_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)

# Kinds of layers and functions, and their relations: see `table.py` and `operations.py`.
TABLE: dict[type, Callable] = {}
NAMED = {f.__name__: f for f in (passes, ties, concatenates, mixes, fixes)}
