"""A network that computes in floating point what its file computes in 8 bits."""

import keras
import numpy as np
from keras import layers, ops

from keras_seg.export import eight_bit_graph
from keras_seg.inference.one_picture import fast_batch
from keras_seg.layers import (
    FakeQuantization,
    HalfSteps,
    QuantizedKernel,
    QuantizedOperation,
    RoundedPooling,
)
from keras_seg.layers.fake_quantization import whole_steps
from keras_seg.layers.quantized_kernel import rounded_weights
from keras_seg.layers.quantized_operation import is_known
from keras_seg.models.cloning import clone, copied


def simulated(model, pictures, momentum=0.99):
    """A network with its kernels and maps rounded to 8 bits, which can be trained.

    Batch normalization is merged into the kernels. The ranges are those of the pictures, as in a
    file that is calibrated with them; training moves them.

    Args:
        model: from `exportable.logits_model`.
        pictures: float32 (n, h, w, c), training pictures.
        momentum: see `FakeQuantization`.

    Returns:
        keras.Model from pixels 0..255 to logits.

    Raises:
        ValueError: a layer cannot be simulated.
    """
    merged = eight_bit_graph.merged(model, pictures[:16])
    ranges = ranges_of(merged, pictures)

    pairs, quantizers = [], {}

    def quantizer(name, fixed, count=1):
        if fixed:
            return _Quantizer(FakeQuantization(*fixed, momentum=1, name=f"{name}_range"))
        quantizers[name] = FakeQuantization(momentum=momentum, name=f"{name}_range")
        return _Quantizer(quantizers[name], count)

    unique = eight_bit_graph.UniqueNames()

    def kernel(layer, x, quantizer, result):
        name = unique(layer.name)
        made = QuantizedKernel(copied(layer, name=name), name=f"{name}_rounded")
        if layer.built:
            pairs.append((layer, made))
        return made(x, bounds=quantizer.bounds(x), result=result.bounds(x))

    def operation(layer, inputs, quantizers, result):
        if isinstance(layer, eight_bit_graph.KERNELS):
            return kernel(layer, inputs, quantizers[0], result)
        if not is_known(layer, inputs):
            return None
        maps = keras.tree.flatten(inputs)
        bounds = [each.bounds(x) for each, x in zip(quantizers, maps, strict=True)]
        name = unique(layer.name)
        made = QuantizedOperation(copied(layer, name=name), name=f"{name}_rounded")
        return made(inputs, bounds=bounds, result=result.bounds(maps[0]))

    found = eight_bit_graph.rounded(merged, kernel, quantizer, operation)
    for layer, made in pairs:
        made.layer.set_weights(layer.get_weights())
    for name, layer in quantizers.items():
        # Weights, not arguments: a network of the same layers is the same network for `fit`.
        layer.set_weights([np.float32(bound) for bound in ranges[name]])
    return found


class _Quantizer:
    """Rounds to the range of a layer."""

    def __init__(self, layer, count=1):
        self.layer, self.name, self.count = layer, layer.name, count

    def __call__(self, x, measure=True, halves=None):
        if halves is not None:
            # The same name whenever the network is built: else it is another one for `fit`.
            name = f"{x._keras_history.operation.name}_halves"
            x = HalfSteps(halves, name=name)(x, bounds=self.bounds(x))
        return self.layer(x, measure=measure)

    def bounds(self, x):
        """The range as a tensor; `x` is any map."""
        # Keras requires that no later call of a layer has more outputs than the first.
        return self.layer([x] * self.count, only_bounds=True)[0]


def ranges_of(model, pictures):
    """The smallest and the largest value of each map on the pictures.

    Args:
        model: from `eight_bit_graph.merged`.
        pictures: float32 (n, h, w, c).

    Returns:
        dict of (low, high) by the name that `eight_bit_graph.rounded` gives the map.
    """
    measured = {}

    def quantizer(name, fixed, _=1):
        def unchanged(x, measure=True, halves=None):
            if measure and not fixed:
                measured[name] = keras.tree.flatten(x)
            return x

        return unchanged

    plain = eight_bit_graph.rounded(model, lambda layer, x, *_: layer(x), quantizer)
    extremes = layers.Lambda(
        lambda maps: ops.stack([ops.stack([ops.min(x), ops.max(x)]) for x in maps])[None],
        output_shape=(None, 2),
    )
    names = list(measured)
    outputs = [extremes(measured[name]) for name in names]
    measuring = keras.Model(plain.inputs[0], outputs)
    found = [(0.0, 0.0)] * len(names)
    for picture in pictures:
        batch = fast_batch(measuring, picture[np.newaxis])
        values = [np.asarray(x)[0] for x in measuring.predict_on_batch(batch)]
        found = [
            (min(low, float(value[:, 0].min())), max(high, float(value[:, 1].max())))
            for (low, high), value in zip(found, values, strict=True)
        ]
    return dict(zip(names, found, strict=True))


def is_simulated(model):
    """Whether a model is from `simulated`.

    Args:
        model: keras.Model.

    Returns:
        bool.
    """
    return any(isinstance(layer, FakeQuantization) for layer in model.layers)


def with_constants(model):
    """A simulation as the converter reads it: rounded kernels, and ranges as numbers.

    Args:
        model: from `simulated`.

    Returns:
        keras.Model of the same function, for inference.
    """

    def made(layer):
        if isinstance(layer, QuantizedKernel | QuantizedOperation):
            return copied(layer.layer)
        if isinstance(layer, HalfSteps):
            return None  # The file itself rounds as it does.
        if isinstance(layer, FakeQuantization):
            low, high = map(float, whole_steps(layer.low, layer.high))
            return FakeQuantization(low, high, 1, name=layer.name)
        if isinstance(layer, RoundedPooling):
            # The file has a mean for each cell, whose range the converter needs to know.
            source = model.get_layer(layer.range_of)
            bounds = tuple(map(float, whole_steps(source.low, source.high)))
            return RoundedPooling.from_config({**layer.get_config(), "bounds": bounds})
        return copied(layer)

    found, pairs = clone(model, made)
    for old, new in pairs:
        if isinstance(old, QuantizedKernel):
            node = old._inbound_nodes[0]
            range_of_input = node.arguments.kwargs["bounds"]._keras_history.operation
            bounds = range_of_input(np.zeros(1, "float32"), only_bounds=True)
            new.set_weights([np.asarray(x) for x in rounded_weights(old.layer, bounds)])
    return found
