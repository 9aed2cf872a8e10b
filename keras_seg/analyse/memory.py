"""Memory of a network's maps, from the order of its layers and how long each tensor is needed."""

from keras import layers

from keras_seg.analyse.reach import POINTWISE
from keras_seg.analyse.walk import Walk
from keras_seg.layers import MaxUnpooling2D, PositionAttention

# Tensors that the gradient of a layer needs, besides its kernel. Other layers need none, such as a
# sum, a concatenation or a resize.
NEEDS_INPUT = (
    layers.BatchNormalization,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
    layers.Dense,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.Multiply,
    layers.PReLU,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.UnitNormalization,
    MaxUnpooling2D,
    PositionAttention,
)
NEEDS_OUTPUT = (
    layers.Activation,
    layers.ELU,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.ReLU,
    layers.Softmax,
)


def inference(found, sizes):
    """Bytes held while each layer runs at inference.

    Args:
        found: `Walk` of the model.
        sizes: bytes of each tensor by its number.

    Returns:
        dict of `id(step)` to bytes.

    >>> from keras_seg.analyse.walk import Step, Walk
    >>> steps = [Step(layers.Conv2D(1, 1), None, [0], [1]), Step(layers.ReLU(), None, [1], [2])]
    >>> list(inference(Walk(steps, [0], [2]), {0: 3, 1: 5, 2: 5}).values())
    [8, 5]
    """
    steps = found.flat()
    last = {number: place for place, step in enumerate(steps) for number in step.inputs}
    last.update(dict.fromkeys(found.outputs, len(steps)))
    alive = set(found.inputs)
    used = {}
    for place, step in enumerate(steps):
        over = {number for number in step.inputs if last[number] == place}
        if isinstance(step.layer, POINTWISE) and len(step.inputs) == 1:
            alive -= over if sizes[step.inputs[0]] == sizes[step.outputs[0]] else set()
        alive.update(step.outputs)
        used[id(step)] = sum(sizes[number] for number in alive)
        alive -= over | {number for number in step.outputs if number not in last}
    return used


def training(found, sizes):
    """Bytes held while each layer runs in training: the larger one of forward and backward.

    Arguments and result are those of `inference`.

    >>> from keras_seg.analyse.walk import Step, Walk
    >>> steps = [Step(layers.Conv2D(1, 1), None, [0], [1]), Step(layers.ReLU(), None, [1], [2])]
    >>> list(training(Walk(steps, [0], [2]), {0: 3, 1: 5, 2: 5}).values())
    [8, 18]
    """
    return _training(found.steps, set(found.inputs), set(found.outputs), sizes, 0)


def _training(steps, inputs, outputs, sizes, around):
    """Go forward and backward through the steps; `around` bytes are held elsewhere meanwhile."""
    used, masks = {}, {id(step): _mask(step, sizes) for step in steps}
    needed = {id(step): _needed(step) for step in steps}
    last = {number: place for place, step in enumerate(steps) for number in step.inputs}
    keep = set().union(*needed.values()) | outputs | inputs
    alive, extra = set(inputs), around
    for place, step in enumerate(steps):
        alive.update(step.outputs)
        now = extra + _total(alive, sizes)
        if step.inside is not None:
            rest = now - _total(set(step.inputs) | set(step.outputs), sizes)
            used.update(_forward(step, sizes, rest))
        used[id(step)] = now
        extra += masks[id(step)]
        alive -= {n for n in step.inputs if last[n] == place and n not in keep}
    gradients = set(outputs)
    waiting = {n: sum(n in keeps for keeps in needed.values()) for n in keep}
    for step in reversed(steps):
        new = {number for number in step.inputs if number not in inputs or around}
        now = extra + _total(alive, sizes) + _total(gradients | new, sizes)
        if step.inside is not None:
            rest = now - _total(set(step.inputs) | set(step.outputs) | gradients, sizes)
            rest = max(rest, 0) + _total(gradients, sizes)
            inside = _training(
                step.inside, set(step.inputs), set(step.outputs), sizes, max(rest, 1)
            )
            used.update({key: max(inside[key], used.get(key, 0)) for key in inside})
        used[id(step)] = max(used[id(step)], now)
        extra -= masks[id(step)]
        gradients = (gradients | new) - set(step.outputs)
        for number in needed[id(step)]:
            waiting[number] -= 1
        alive -= {n for n in alive if not waiting.get(n) and n not in inputs}
    return used


def _forward(step, sizes, rest):
    """The first pass through a block that is recomputed later: nothing of it is kept."""
    inside = inference(Walk(step.inside, step.inputs, step.outputs), sizes)
    return {key: rest + bytes_used for key, bytes_used in inside.items()}


def _needed(step):
    """Numbers of the tensors that a step's gradient needs."""
    if step.inside is not None:
        return set(step.inputs)
    kept = set()
    if isinstance(step.layer, NEEDS_INPUT):
        kept.update(step.inputs)
    if isinstance(step.layer, NEEDS_OUTPUT):
        kept.update(step.outputs)
    return kept


def _mask(step, sizes):
    """Dropout keeps a mask of the dropped values, a byte for each."""
    dropping = isinstance(step.layer, layers.Dropout) and step.layer.rate > 0
    return sizes[step.outputs[0]] // 4 if dropping and step.inside is None else 0


def _total(numbers, sizes):
    return sum(sizes[number] for number in numbers)
