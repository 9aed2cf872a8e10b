"""The same graph of layers with other layers in it; blocks and nested models are opened."""

import types
from typing import Any

import keras

from keras_seg.layers import Recompute


class _Dropped:
    """In the place of a layer that is left out."""


def clone(model, make):
    """Build a model's graph again, layer by layer.

    Args:
        model: Functional or built Sequential model; it is not changed.
        make: function from a layer to the one in its place, or to None for no layer: what went
            into it then goes on. `copied` makes the same layer with new weights. Not called for
            inputs, nested models and `Recompute`, whose layers are made one by one.

    Returns:
        (keras.Model, pairs): the new model, and a list of (layer, layer in its place).

    >>> x = keras.Input((8, 8, 3))
    >>> model = keras.Model(x, keras.layers.Dropout(0.5)(keras.layers.Conv2D(4, 3)(x)))
    >>> found, pairs = clone(model, lambda x: copied(x) if x.weights else None)
    >>> len(found.layers), len(pairs)  # the input and the convolution
    (2, 1)
    """
    pairs, copies = [], {}

    def once(layer):
        """The same copy wherever a layer is used, also in several nested models."""
        if id(layer) not in copies:
            new = make(layer)
            copies[id(layer)] = _Dropped() if new is None else new
            if new is not None:
                pairs.append((layer, new))
        return copies[id(layer)]

    return _cloned(model, once, {}), pairs


def called(model, call, image=None):
    """Build a model's graph again with its own layers, each called by a function.

    Args:
        model: Functional or built Sequential model with one input; it is not changed.
        call: function of a layer and the arguments of its call, which returns the result, such as
            of another layer in its place.
        image: the new graph's input; None for one of the same shape.

    Returns:
        `keras.Model` that shares its layers, and their weights, with the model.

    >>> x = keras.Input((8, 8, 3))
    >>> model = keras.Model(x, keras.layers.ReLU()(keras.layers.Conv2D(4, 3)(x)))
    >>> def without_relu(layer, inputs):
    ...     return inputs if isinstance(layer, keras.layers.ReLU) else layer(inputs)
    >>> [type(layer).__name__ for layer in called(model, without_relu).layers]
    ['InputLayer', 'Conv2D']
    """
    if image is None:
        image = keras.Input(batch_shape=model.inputs[0].shape, dtype="float32", name="image")
    return keras.models.clone_model(
        model, input_tensors=image, clone_function=lambda layer: layer, call_function=call
    )


def copied(layer, **changes):
    """The same layer with new weights.

    Args:
        layer: `keras.layers.Layer` or another operation of a graph.
        **changes: fields of its configuration in place of its own.

    Returns:
        The layer; an operation without weights is returned itself.

    >>> copied(keras.layers.Dense(4, use_bias=False), units=2).get_config()["units"]
    2
    """
    if not isinstance(layer, keras.Layer) and not changes:
        return layer
    if type(layer) is keras.layers.Lambda:
        return _copied_lambda(layer)
    config = {**layer.get_config(), **changes}
    if isinstance(config.get("activation"), dict):
        function = layer.activation
        if isinstance(function, keras.Layer):
            config["activation"] = copied(function)  # Not built for as many channels as before.
        elif isinstance(function, types.FunctionType):
            config["activation"] = function  # One that is not registered has no name to load.
    return type(layer).from_config(config)


def _copied_lambda(layer):
    """With the function itself, which Keras reads from no configuration that it does not trust."""
    return keras.layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,
        mask=layer.mask,
        arguments=layer.arguments,
        name=layer.name,
        dtype=layer.dtype_policy,
    )


def _cloned(model, make, blocks, inputs=None):
    originals = {}

    def made(layer):
        if isinstance(layer, Recompute | keras.Model):
            return layer
        new = make(layer)
        originals[id(new)] = layer
        return new

    def called(layer, *args, **kwargs):
        given = args[0] if args else next(iter(kwargs.values()))
        if isinstance(layer, _Dropped):
            return given
        if isinstance(layer, Recompute | keras.Model):
            # Built where it is called: its inputs can have fewer channels than before.
            if id(layer) not in blocks:
                blocks[id(layer)] = _block(layer, make, blocks, given)
            layer = blocks[id(layer)]
        elif type(originals[id(layer)]) is not type(layer):
            return layer(given)  # Arguments such as mask= belong to the layer that was there.
        outputs = layer(*args, **kwargs)
        if id(layer) in originals:
            _build_activation(layer, originals[id(layer)], outputs)
        return outputs

    return keras.models.clone_model(
        _plain(model), input_tensors=inputs, clone_function=made, call_function=called
    )


def _build_activation(layer, original, outputs):
    """An activation with weights inside a convolution is not built with it, but when it is used."""
    activation: Any = getattr(layer, "activation", None)
    if isinstance(activation, keras.Layer) and original.activation.built and not activation.built:
        activation.build(outputs.shape)


def _plain(model):
    """A model that Keras clones with a call_function and does not compile."""
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return keras.Model(model.input, model.output, name=model.name) if model.compiled else model


def _block(layer, make, blocks, given):
    # Sizes are those that the block was built for: the next call can have other ones.
    old = layer.block.inputs if isinstance(layer, Recompute) else layer.inputs
    shapes = [
        (*x.shape[:-1], y.shape[-1]) if len(x.shape) == len(y.shape) else y.shape
        for x, y in zip(old, keras.tree.flatten(given), strict=True)
    ]
    made = [
        keras.Input(batch_shape=shape, dtype=x.dtype, name=x.name)
        for shape, x in zip(shapes, old, strict=True)
    ]
    inputs = keras.tree.pack_sequence_as(given, made)
    if not isinstance(layer, Recompute):
        return _cloned(layer, make, blocks, inputs)
    block = _cloned(layer.block, make, blocks, inputs)
    config = {key: value for key, value in layer.get_config().items() if key != "block"}
    return Recompute(block, **config)
