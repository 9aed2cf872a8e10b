"""Where a network is rounded when it is computed in 8 bits.

The same places as in the converter's files: kernels, and the result of each operation after the
activation that is merged into it. Maps of a concatenation share a range; pooling, resizing, padding
and cropping keep the range of their input.
"""

import keras
from keras import activations, layers

from keras_seg import layers as own
from keras_seg.analyse.walk import walk
from keras_seg.export import concatenation, eight_bits, rescaling
from keras_seg.export.folding import fold

KERNELS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose, layers.Dense)
# LiteRT merges a ReLU into these.
_MERGES = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense, layers.Add)
_OUT = (layers.Dropout, layers.SpatialDropout2D, layers.Identity)
_SAME = (
    layers.MaxPooling2D, layers.ZeroPadding2D, layers.Cropping2D, layers.Reshape, layers.Flatten,
    layers.AveragePooling2D, layers.UpSampling2D, own.AveragePooling2D, own.CropLike,
    own.MirrorPadding2D, own.ResizeLike,
)  # fmt: skip
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
    return fold(concatenation.apart(model, pictures))


def rounded(model, kernel, quantizer):
    """Build a model again with a rounding wherever a file in 8 bits has one.

    Args:
        model: from `merged`.
        kernel: function from a layer with a kernel, its input and the input's quantizer to its
            output.
        quantizer: function from a name and a fixed range, (low, high) or None, to a function that
            rounds a tensor or a list of tensors. Its argument `measure` is False where a map is
            rounded to the range of the one from which it was made, and `halves` the rule of
            `HalfSteps` for values half-way between two others, None where they are rare.

    Returns:
        keras.Model with the same inputs and outputs.

    Raises:
        ValueError: a layer cannot be simulated.
    """
    return _Rounding(model, kernel, quantizer).build()


class _Rounding:
    """The model as it is built; a tensor is known with its quantizer, None while it has none."""

    def __init__(self, model, kernel, quantizer):
        self.model, self.kernel, self.quantizer = model, kernel, quantizer
        self.graph = walk(model, "simulated")
        self.steps = self.graph.flat()
        self.known = {}

    def build(self):
        image = keras.Input(batch_shape=self.model.inputs[0].shape, name="image")
        quantizer = self.quantizer("image", PIXELS)
        self.known[self.graph.inputs[0]] = quantizer(image), quantizer
        for step in self.steps:
            self.known[step.outputs[0]] = self._placed(step)
        logits, _ = self.known[self.graph.outputs[0]]
        return keras.Model(image, logits, name=self.model.name)

    def _placed(self, step):
        layer, kind = step.layer, type(step.layer)
        found = [self.known[number] for number in step.inputs]
        x, quantizer = found[0]
        name = getattr(layer, "activation", activations.linear).__name__
        if kind in KERNELS and name in ("linear", *_RELUS):
            return self._ranged(step, self.kernel(layer, x, quantizer))
        if _is_left_out(layer):
            return layer(x), quantizer
        if kind in _SAME:
            # Rounded again, which changes no value but means: without it, the converter gives the
            # result the range of a concatenation behind it, which its input does not have.
            made = self._called(step)
            return quantizer(made, measure=False, halves=_rule_for_halves(layer)), quantizer
        if kind is own.AdaptiveAveragePooling2D:
            for axis in (1, 2):
                name = f"{layer.name}_{axis}"
                range_of = getattr(quantizer, "name", None)
                pool = own.RoundedPooling(layer.size, layer.enlarge, axis, range_of, name=name)
                x = quantizer(pool(x), measure=False, halves="even")
            return x, quantizer
        if kind is layers.Concatenate:
            quantizer = self.quantizer(layer.name, None)
            maps = [self._unrounded(step, *pair) for pair in enumerate(found)]
            together = layer(quantizer(maps))
            return quantizer(together, measure=False), quantizer
        if kind is layers.Activation and name in _FIXED:
            quantizer = self.quantizer(layer.name, _FIXED[name])
            return quantizer(layer(x)), quantizer
        if kind in _RANGED or (kind is layers.Activation and name in _RELUS):
            return self._ranged(step, self._called(step))
        activation = f" with activation {name!r}" if hasattr(layer, "activation") else ""
        raise ValueError(
            "A simulation in 8 bits has convolutions, dense layers, pooling, resizing, sums, "
            "products, concatenations, ReLU, sigmoid, softmax and tanh. Received: layer "
            f"{layer.name!r} of type {kind.__name__}{activation}. Replace it, or export the "
            "network without fine-tuning."
        )

    def _called(self, step):
        """The layer's result, with its own arguments."""
        node = step.node
        values = {
            id(tensor): self.known[number][0]
            for tensor, number in zip(node.input_tensors, step.inputs, strict=True)
        }
        args, kwargs = node.arguments.fill_in(values)
        return step.layer(*args, **kwargs)

    def _ranged(self, step, x):
        """A result with a range of its own, unless the next step rounds it."""
        if self._is_rounded_next(step):
            return x, None
        quantizer = self.quantizer(step.layer.name, None)
        return quantizer(x), quantizer

    def _unrounded(self, step, index, pair):
        """A map for a concatenation that is not yet rounded, with an operation if it was.

        The converter drops a second rounding directly behind the first.
        """
        x, quantizer = pair
        if quantizer is None:
            return x
        name = f"{step.layer.name}_{index}"
        return layers.DepthwiseConv2D(
            1, use_bias=False, depthwise_initializer="ones", trainable=False, name=name
        )(x)

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

    def _reader(self, step):
        """The only step that uses a result, or None."""
        (number,) = step.outputs
        readers = [other for other in self.steps if number in other.inputs]
        alone = len(readers) == 1 and number not in self.graph.outputs
        return readers[0] if alone else None


def _rule_for_halves(layer):
    """How a file rounds the means of this layer, see `HalfSteps`; None if it has none."""
    if isinstance(layer, layers.AveragePooling2D | own.AveragePooling2D):
        return "away"
    return "up" if getattr(layer, "interpolation", None) == "bilinear" else None


def _is_left_out(layer):
    linear = getattr(layer, "activation", None) is activations.linear
    return type(layer) in _OUT or (type(layer) is layers.Activation and linear)


def _is_relu(layer):
    if isinstance(layer, layers.Activation):
        return layer.activation.__name__ in _RELUS
    plain = isinstance(layer, layers.ReLU) and not layer.negative_slope and not layer.threshold
    return plain and layer.max_value in (None, 6)
