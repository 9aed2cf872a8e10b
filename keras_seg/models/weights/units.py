"""A network's weights as a list of units, in the order in which they compute."""

import dataclasses

import keras
import numpy as np
from keras import layers

from keras_seg.layers import LayerScale, RadialBasis


@dataclasses.dataclass
class Unit:
    """The weights of a convolution, a dense layer, a normalization or another layer.

    Attributes:
        name: the layer's name in its own library.
        kind: "kernel", "batch_norm", "layer_norm", "factors" or "slopes".
        shape: of kernels (height, width, channels in per group, channels out), 1 x 1 for dense
            layers; (channels,) for the others.
        parts: arrays or Keras variables by name: kernel and bias; gamma, beta, mean and variance.
        epsilon: epsilon of a normalization; None where it is not known.
        flattened: whether it is a dense layer over a map that was flattened.

    >>> Unit("conv1", "kernel", (3, 3, 3, 8), {"kernel": np.zeros((3, 3, 3, 8))}).epsilon
    """

    name: str
    kind: str
    shape: tuple
    parts: dict
    epsilon: float | None = None
    flattened: bool = False


def units_of(model, prefix=""):
    """The units of a Keras model.

    Branches are in the order of the inputs of the layer that joins them, so that two models of the
    same graph have the same units, whatever the names of their layers.

    Args:
        model: functional or sequential model that has been built; models within it are opened.
        prefix: of the names of the layers to take.

    Returns:
        list of `Unit` whose parts are the layers' variables.

    Raises:
        TypeError: a layer with weights is of an unknown class.

    >>> x = keras.Input((8, 8, 3))
    >>> y = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 3, name="conv")(x))
    >>> [(unit.name, unit.kind, unit.shape) for unit in units_of(keras.Model(x, y))]
    [('conv', 'kernel', (3, 3, 3, 4)), ('bn', 'batch_norm', (4,))]
    """
    found = []
    for layer in layers_in_order(model):
        if getattr(layer, "weights", None) and layer.name.startswith(prefix):
            found += _units(layer)
    return found


def layers_in_order(model):
    """The layers of a model in topological order.

    Args:
        model: functional or sequential model that has been built; models within it are opened.

    Returns:
        list of Keras operations, each once.

    >>> x = keras.Input((8,))
    >>> y = layers.Add(name="sum")([layers.Dense(8, name="left")(x), x])
    >>> [layer.name for layer in layers_in_order(keras.Model(x, y))][1:]
    ['left', 'sum']
    """
    model = getattr(model, "_functional", None) or model
    found, seen = {}, set()
    stack = [(tensor, False) for tensor in reversed(model.outputs)]
    while stack:
        tensor, inputs_done = stack.pop()
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if inputs_done:
            inside = layers_in_order(operation) if isinstance(operation, keras.Model) else ()
            found |= dict.fromkeys(inside or [operation])
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((tensor, True))
            stack += [(given, False) for given in reversed(node.input_tensors)]
    return list(found)


def _units(layer):
    """The units of one layer; none of `Normalization` and of fixed codes, which are not trained."""
    if isinstance(layer, layers.Normalization | RadialBasis):
        return []
    if isinstance(layer, layers.SeparableConv2D):
        depthwise, pointwise, *bias = layer.weights
        return [
            _kernel(f"{layer.name}/depthwise", depthwise, [], depthwise=True),
            _kernel(layer.name, pointwise, bias),
        ]
    if isinstance(layer, layers.DepthwiseConv2D):
        return [_kernel(layer.name, layer.weights[0], layer.weights[1:], depthwise=True)]
    if isinstance(layer, layers.Dense):
        unit = _kernel(layer.name, layer.weights[0], layer.weights[1:])
        unit.flattened = isinstance(layer.input._keras_history.operation, layers.Flatten)
        return [unit]
    if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
        return [_kernel(layer.name, layer.weights[0], layer.weights[1:])]
    names = {"moving_mean": "mean", "moving_variance": "variance", "alpha": "slopes"}
    parts = {names.get(weight.name, weight.name): weight for weight in layer.weights}
    shape = (int(np.prod(layer.weights[0].shape)),)
    for kind, name in (
        (layers.BatchNormalization, "batch_norm"),
        (layers.LayerNormalization, "layer_norm"),
        (layers.PReLU, "slopes"),
    ):
        if isinstance(layer, kind):
            return [Unit(layer.name, name, shape, parts, getattr(layer, "epsilon", None))]
    # `keras.applications` has a layer of its own for the factors of ConvNeXt.
    if type(layer).__name__ == LayerScale.__name__:
        return [Unit(layer.name, "factors", shape, {"gamma": layer.weights[0]})]
    raise TypeError(
        "Weights are copied between convolutions, dense layers, normalizations, PReLUs and layers "
        f"of factors. Received: layer '{layer.name}' of class {type(layer).__name__}. Copy its "
        "weights with `layer.set_weights`."
    )


def _kernel(name, kernel, bias, depthwise=False):
    *sizes, channels, filters = (1, 1, *kernel.shape)[-4:]
    shape = (*sizes, 1, channels * filters) if depthwise else (*sizes, channels, filters)
    parts = {"kernel": kernel, **({"bias": bias[0]} if bias else {})}
    return Unit(name, "kernel", shape, parts)
