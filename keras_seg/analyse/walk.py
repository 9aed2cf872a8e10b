"""The layers of a functional model in the order in which they run, nested models opened."""

import dataclasses

import keras

from keras_seg.layers import Recompute


@dataclasses.dataclass
class Step:
    """One call of one layer; tensors are numbered.

    Attributes:
        layer: the `keras.Layer`.
        node: Keras's record of the call, with the layer's arguments.
        inputs: numbers of the input tensors.
        outputs: numbers of the output tensors.
        inside: the steps within a `Recompute` layer, or None.
    """

    layer: keras.Operation
    node: object
    inputs: list
    outputs: list
    inside: list | None = None


@dataclasses.dataclass
class Walk:
    """A whole model: its steps, and the numbers of its input and output tensors.

    Attributes:
        steps: list of `Step` in the order in which they run.
        inputs: numbers of the model's inputs.
        outputs: numbers of its outputs.
        nested: (layer, numbers of its inputs) of each call of a nested model or `Recompute`.
    """

    steps: list
    inputs: list
    outputs: list
    nested: list = dataclasses.field(default_factory=list)

    def flat(self):
        """All steps in order, those inside a `Recompute` layer in its place."""
        return list(_flat(self.steps))


def _flat(steps):
    for step in steps:
        if step.inside is None:
            yield step
        else:
            yield from _flat(step.inside)


def walk(model, subject="analyse"):
    """List the calls of all layers of a model.

    Args:
        model: functional or sequential model that has been built.
        subject: name of the calling function, for errors.

    Returns:
        `Walk`.

    Raises:
        TypeError: the model has no graph of layers, such as a subclassed one.

    >>> x = keras.Input((8, 8, 3))
    >>> found = walk(keras.Model(x, keras.layers.ReLU()(keras.layers.Conv2D(4, 3)(x))))
    >>> [(type(s.layer).__name__, s.inputs, s.outputs) for s in found.steps]
    [('Conv2D', [0], [1]), ('ReLU', [1], [2])]
    """
    model = functional(model, subject)
    numbers = iter(range(10**9))
    inputs = [next(numbers) for _ in model.inputs]
    calls = []
    steps, outputs = _walk(model, inputs, numbers, calls, subject)
    return Walk(steps, inputs, outputs, calls)


def _walk(model, inputs, numbers, calls, subject):
    known = dict(zip(map(id, model.inputs), inputs, strict=True))
    steps = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.operation
            given = [known[id(tensor)] for tensor in node.input_tensors]
            if isinstance(layer, keras.Model | Recompute):
                calls.append((layer, given))
            if isinstance(layer, keras.Model):
                nested = functional(layer, subject)
                inside, made = _walk(nested, given, numbers, calls, subject)
                steps += inside
            elif isinstance(layer, Recompute):
                inside, made = _walk(layer.block, given, numbers, calls, subject)
                steps.append(Step(layer, node, given, made, inside))
                made = made + given if layer.passes else made
            else:
                made = [next(numbers) for _ in node.output_tensors]
                steps.append(Step(layer, node, given, made))
            known.update(zip(map(id, node.output_tensors), made, strict=True))
    return steps, [known[id(tensor)] for tensor in model.outputs]


def functional(model, subject):
    """The model itself, or the one inside a `keras.Sequential`.

    Args:
        model: functional or sequential model that has been built.
        subject: name of the calling function, for errors.

    Returns:
        `keras.Model` with a graph of layers.

    Raises:
        TypeError: the model has none, such as a subclassed one.
    """
    if isinstance(model, keras.Sequential):
        model = getattr(model, "_functional", None) or model
    if not hasattr(model, "_nodes_by_depth"):
        raise TypeError(
            f"`{subject}` needs a model whose layers form a graph: functional, or sequential and "
            f"built; so do models inside it. Received: {type(model).__name__} "
            f"{getattr(model, 'name', '')!r}. Build it with keras_seg.models.build, or as "
            "keras.Model(inputs, outputs)."
        )
    return model
