"""Where a network is rounded when it is computed in 8 bits.

The same places as in the converter's files: kernels, and the result of each operation after the
activation that is merged into it. Maps of a concatenation share a range; pooling, resizing, padding
and cropping keep the range of their input.
"""

from collections import Counter
from functools import partial

import keras
from keras import activations, layers

from keras_seg import layers as own
from keras_seg.analyse.walk import walk
from keras_seg.export import concatenation, eight_bits, rescaling
from keras_seg.export.folding import fold
from keras_seg.models.cloning import called, copied

KERNELS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose, layers.Dense)
# LiteRT merges a ReLU into these.
_MERGES = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense, layers.Add)
_OUT = (layers.Dropout, layers.SpatialDropout2D, layers.Identity)
_SAME = (
    layers.MaxPooling2D, layers.ZeroPadding2D, layers.Cropping2D, layers.Reshape, layers.Flatten,
    layers.AveragePooling2D, layers.UpSampling2D, own.AveragePooling2D, own.CropLike,
    own.MirrorPadding2D, own.ResizeLike,
)  # fmt: skip
_POOLS = (layers.MaxPooling2D, layers.AveragePooling2D, own.AveragePooling2D)
_RANGED = (layers.Add, layers.Multiply, layers.Subtract, layers.GlobalAveragePooling2D)
_RANGED += (layers.ReLU, layers.LeakyReLU, layers.Rescaling)
# What LiteRT requires of their results.
_FIXED = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
_RELUS = ("relu", "relu6")
PIXELS = (0.0, 255.0)


def merged(model, pictures):
    """The network as int8 files compute it: batch normalization merged, ranges kept apart.

    Args:
        model: from `exportable.logits_model`.
        pictures: float32 (n, h, w, c), see `concatenation.apart`.

    Returns:
        keras.Model of the same function.
    """
    model = rescaling.convolved(eight_bits.computable(model))
    return _without_layers_inside(fold(concatenation.apart(model, pictures)))


def _without_layers_inside(model):
    """A layer that is the activation of another one stands behind it, where files compute it."""
    if not any(_has_layer_inside(layer) for layer in model.layers):
        return model
    made = {}

    def call(layer, *args, **kwargs):
        if not _has_layer_inside(layer):
            return layer(*args, **kwargs)
        name = f"{layer.name}_{layer.activation.name}"
        if id(layer) not in made:
            activation = copied(layer.activation, name=name)
            made[id(layer)] = copied(layer, activation="linear"), activation
        plain, activation = made[id(layer)]
        x = activation(plain(*args, **kwargs))
        plain.set_weights(layer.get_weights()[: len(plain.weights)])
        if layer.activation.built:
            activation.set_weights(layer.activation.get_weights())
        return x

    return called(model, call)


def _has_layer_inside(layer):
    kinds = (*KERNELS, layers.Activation)
    return type(layer) in kinds and isinstance(layer.activation, keras.Layer)


def rounded(model, kernel, quantizer, operation=lambda *_: None):
    """Build a model again with a rounding wherever a file in 8 bits has one.

    Args:
        model: from `merged`.
        kernel: function from a layer with a kernel, its input, the input's quantizer and that of
            the result to the result.
        quantizer: function from a name, a fixed range, (low, high) or None, and how many tensors
            it gets at a time, 1 if not given, to a function that rounds them. Its argument
            `measure` is False where a map is rounded to the range of the one from which it was
            made, and `halves` the rule of `HalfSteps` for values half-way between two others,
            None where they are rare.
        operation: function from another layer, its input or list of inputs, the inputs' quantizers
            and that of the result to the result, or to None for that of the layer itself.

    Returns:
        keras.Model with the same inputs and outputs.

    Raises:
        ValueError: a layer cannot be simulated.
    """
    return _Rounding(model, kernel, quantizer, operation).build()


class UniqueNames:
    """Gives each name once: a layer that is used twice needs a second one.

    >>> unique = UniqueNames()
    >>> unique("relu"), unique("relu")
    ('relu', 'relu_use_2')
    """

    def __init__(self):
        self.counts = Counter()

    def __call__(self, name):
        self.counts[name] += 1
        return name if self.counts[name] == 1 else f"{name}_use_{self.counts[name]}"


class _Later:
    """A map that the next step rounds; `make` makes it for the quantizer of that step."""

    def __init__(self, make):
        self.make = make


class _Rounding:
    """The model as it is built; a tensor is known with its quantizer, None for a `_Later`."""

    def __init__(self, model, kernel, quantizer, operation):
        self.model, self.kernel = model, kernel
        self.quantizer, self.operation = quantizer, operation
        self.graph = walk(model, "simulated")
        self.steps = self.graph.flat()
        self.known = {}
        self.unique = UniqueNames()

    def build(self):
        image = keras.Input(batch_shape=self.model.inputs[0].shape, name="image")
        quantizer = self.quantizer(self.unique("image"), PIXELS)
        self.known[self.graph.inputs[0]] = quantizer(image), quantizer
        for step in self.steps:
            self.known[step.outputs[0]] = self._placed(step)
        logits, _ = self.known[self.graph.outputs[0]]
        return keras.Model(image, logits, name=self.model.name)

    def _placed(self, step):
        layer, kind = step.layer, type(step.layer)
        found = [self.known[number] for number in step.inputs]
        x, quantizer = found[0]
        name = _name_of_activation(layer)
        if kind in KERNELS and name in ("linear", *_RELUS):
            return self._ranged(step, partial(self.kernel, layer, x, quantizer))
        if _is_left_out(layer):
            if isinstance(x, _Later):
                return _Later(lambda result: layer(x.make(result))), None
            return layer(x), quantizer
        # A ReLU is merged into the pooling before it.
        if kind in _SAME or (_is_relu(layer) and self._is_pooled(step)):
            # Rounded again, which changes no value but means: without it, the converter gives the
            # result the range of a concatenation behind it, which its input does not have.
            made = self._called(step, quantizer)
            return quantizer(made, measure=False, halves=_rule_for_halves(layer)), quantizer
        if kind is own.AdaptiveAveragePooling2D:
            return self._pooled(layer, x, quantizer), quantizer
        if kind is layers.Concatenate:
            return self._concatenated(layer, found)
        if kind is layers.Activation and name in _FIXED:
            quantizer = self.quantizer(self.unique(layer.name), _FIXED[name])
            return quantizer(layer(x)), quantizer
        if kind is layers.Add and len(found) > 2:
            return self._added(step, found)
        if kind in _RANGED or (kind is layers.Activation and name in _RELUS):
            return self._ranged(step, partial(self._called, step))
        activation = f" with activation {name!r}" if hasattr(layer, "activation") else ""
        raise ValueError(
            "A simulation in 8 bits has convolutions, dense layers, pooling, resizing, sums, "
            "products, concatenations, ReLU, sigmoid, softmax and tanh. Received: layer "
            f"{layer.name!r} of type {kind.__name__}{activation}. Replace it, or export the "
            "network without fine-tuning."
        )

    def _pooled(self, layer, x, quantizer):
        """Means of cells: those of rows are rounded, too."""
        for axis in (1, 2):
            range_of = getattr(quantizer, "name", None)
            name = f"{layer.name}_{axis}"
            pool = own.RoundedPooling(layer.size, layer.enlarge, axis, range_of, name=name)
            x = quantizer(pool(x), measure=False, halves="even")
        return x

    def _added(self, step, maps):
        """A sum of several maps, two at a time; each sum but the last has a range of its own."""
        (x, quantizer), *rest = maps
        for index, (y, other) in enumerate(rest[:-1], start=1):
            add = layers.Add(name=f"{step.layer.name}_sum_{index}")
            made_of = [x, y], [quantizer, other]
            quantizer = self.quantizer(self.unique(add.name), None)
            x = quantizer(self._operated(add, *made_of, quantizer))
        last, of_last = rest[-1]
        add = layers.Add(name=step.layer.name)
        return self._ranged(step, partial(self._operated, add, [x, last], [quantizer, of_last]))

    def _called(self, step, result):
        """The layer's result, with its own arguments, for the quantizer that rounds it."""
        known = [self.known[number] for number in step.inputs]
        if isinstance(known[0][0], _Later):
            return step.layer(known[0][0].make(result))
        tensors = {
            id(tensor): x for tensor, (x, _) in zip(step.node.input_tensors, known, strict=True)
        }
        (inputs, *args), kwargs = step.node.arguments.fill_in(tensors)
        quantizers = [quantizer for _, quantizer in known]
        return self._operated(step.layer, inputs, quantizers, result, *args, **kwargs)

    def _operated(self, layer, inputs, quantizers, result, *args, **kwargs):
        """What `operation` makes of a layer, or the layer itself."""
        made = self.operation(layer, inputs, quantizers, result)
        return layer(inputs, *args, **kwargs) if made is None else made

    def _ranged(self, step, make):
        """A result with a range of its own, unless the next step rounds it."""
        if self._is_rounded_next(step):
            return _Later(make), None
        quantizer = self.quantizer(self.unique(step.layer.name), None)
        return quantizer(make(quantizer)), quantizer

    def _concatenated(self, layer, maps):
        """Maps of one range, one behind the other."""
        quantizer = self.quantizer(self.unique(layer.name), None, len(maps))
        given = [
            self._for_concatenation(f"{layer.name}_input_{index}", x, of_x, quantizer)
            for index, (x, of_x) in enumerate(maps)
        ]
        return quantizer(layer(quantizer(given)), measure=False), quantizer

    def _for_concatenation(self, name, x, quantizer, result):
        """A map that is not yet rounded, with an operation if it was.

        The converter drops a second rounding directly behind the first.
        """
        if isinstance(x, _Later):
            return x.make(result)
        layer = layers.DepthwiseConv2D(
            1, use_bias=False, depthwise_initializer="ones", trainable=False, name=name
        )
        return self._operated(layer, x, [quantizer], result)

    def _is_rounded_next(self, step):
        reader = self._reader(step)
        while reader is not None and _is_left_out(reader.layer):
            reader = self._reader(reader)
        if reader is None:
            return False
        if type(reader.layer) is layers.Concatenate:
            return True
        linear = getattr(step.layer, "activation", activations.linear) is activations.linear
        return type(step.layer) in _MERGES and linear and _is_relu(reader.layer)

    def _is_pooled(self, step):
        """Whether the input of a step is what a pooling gives."""
        makers = {number: other for other in self.steps for number in other.outputs}
        maker = makers.get(step.inputs[0])
        while maker is not None and _is_left_out(maker.layer):
            maker = makers.get(maker.inputs[0])
        return maker is not None and type(maker.layer) in _POOLS

    def _reader(self, step):
        """The only step that uses a result, or None."""
        (number,) = step.outputs
        readers = [other for other in self.steps if number in other.inputs]
        alone = len(readers) == 1 and number not in self.graph.outputs
        return readers[0] if alone else None


def _rule_for_halves(layer):
    """How a file rounds the means of this layer, see `HalfSteps`; None if it has none."""
    return "away" if isinstance(layer, layers.AveragePooling2D | own.AveragePooling2D) else None


def _name_of_activation(layer):
    """Its name, "linear" without one; layers and own objects have that of their class."""
    activation = getattr(layer, "activation", activations.linear)
    return getattr(activation, "__name__", type(activation).__name__)


def _is_left_out(layer):
    linear = getattr(layer, "activation", None) is activations.linear
    return type(layer) in _OUT or (type(layer) is layers.Activation and linear)


def _is_relu(layer):
    if isinstance(layer, layers.Activation):
        return _name_of_activation(layer) in _RELUS
    plain = isinstance(layer, layers.ReLU) and not layer.negative_slope and not layer.threshold
    return plain and layer.max_value in (None, 6)
