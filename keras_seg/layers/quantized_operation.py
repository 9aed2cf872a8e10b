"""Operations between maps as LiteRT computes them with whole numbers."""

import keras
from keras import layers, ops

from keras_seg.layers.fake_quantization import exponent_of, power_of_two, step_of
from keras_seg.layers.resize import ResizeLike

SHARES = 2048  # places between two neighbors that LiteRT tells apart where it resizes


@keras.saving.register_keras_serializable("keras_seg")
class QuantizedOperation(layers.Wrapper):
    """Computes a sum, a product, a leaky ReLU or a resize with whole numbers, as a file does.

    Maps are whole numbers of steps of their ranges. XNNPACK, which LiteRT calls, multiplies them by
    whole numbers of 8 to 21 bits that stand for the quotients of steps, and weighs neighbors by
    multiples of 1/2048 where it resizes. In training, the layer computes in floating point.
    Gradients are those of the floating-point operation.

    Args:
        layer: a layer that `is_known` knows.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: as the layer's.
        bounds: list of tensors (2,), smallest and largest of the 256 values of each input, see
            `FakeQuantization`.
        result: tensor (2,), the same of the result.
        training: whether to compute in floating point.

    Returns:
        As the layer's.

    Raises:
        ValueError: the layer is of another kind.

    >>> x, bounds = keras.ops.array([[-2.0, 3.0]]), keras.ops.array([-128.0, 127.0])
    >>> leaky = QuantizedOperation(layers.LeakyReLU(negative_slope=0.3))
    >>> found = leaky(x, bounds=[bounds], result=bounds)
    >>> keras.ops.convert_to_numpy(found).tolist()  # 0.3 is 77 / 256
    [[-1.0, 3.0]]
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        rule = _rule_of(layer)
        if rule is None:
            raise ValueError(
                "`QuantizedOperation` needs Add, Subtract, Multiply, LeakyReLU or a bilinear "
                f"resize. Received: layer {layer.name!r} of type {type(layer).__name__}. Use the "
                "layer itself, with `FakeQuantization` behind it."
            )
        self.rule = rule

    def call(self, inputs, bounds, result, training=False):
        found = self.layer(inputs)
        if training:
            return found
        steps, made = [step_of(x) for x in bounds], step_of(result)
        maps = [x / step for x, step in zip(keras.tree.flatten(inputs), steps, strict=True)]
        whole = self.rule(self.layer, maps, steps, made)
        return found + ops.stop_gradient(whole * made - found)

    def compute_output_spec(self, inputs, bounds, result, training=False):
        return self.layer.compute_output_spec(inputs)


def is_known(layer, inputs):
    """Whether `QuantizedOperation` computes a layer with whole numbers.

    Args:
        layer: `keras.layers.Layer`.
        inputs: its input or list of inputs.

    Returns:
        bool.

    >>> [is_known(layers.Add(), [1] * count) for count in (2, 3)]
    [True, False]
    """
    if _rule_of(layer) in (_sum, _product):
        return len(inputs) == 2
    return _rule_of(layer) is not None


def _rule_of(layer):
    if isinstance(layer, layers.Add | layers.Subtract):
        return _sum
    if isinstance(layer, layers.Multiply):
        return _product
    if isinstance(layer, layers.LeakyReLU):
        return _leaky
    resizes = isinstance(layer, ResizeLike | layers.UpSampling2D)
    return _resized if resizes and layer.interpolation == "bilinear" else None


def _sum(layer, maps, steps, made):
    """Multipliers have 21 bits; half a step is rounded up."""
    ratios = [step / made for step in steps]
    largest = exponent_of(ops.max(ops.stack(ratios)))
    bits = power_of_two(ops.clip(20.0 - largest, 12.0, 30.0))
    first, second = (
        ops.cast(ops.round(ratio * bits), "int32") * _integers(x)
        for ratio, x in zip(ratios, maps, strict=True)
    )
    total = first - second if isinstance(layer, layers.Subtract) else first + second
    bits = ops.cast(bits, "int32")
    return ops.cast((total + bits // 2) // bits, "float32")


def _product(_, maps, steps, made):
    """One multiplication in float32, of the exact product; half a step is rounded to even."""
    return ops.round(maps[0] * maps[1] * (steps[0] * steps[1] / made))


def _leaky(layer, maps, steps, made):
    """Multipliers are whole numbers of 1/256; half a step is rounded up."""
    (x,), ratio = maps, steps[0] / made
    above, below = ops.round(256.0 * ratio), ops.round(256.0 * (ratio * layer.negative_slope))
    return ops.floor((x * ops.where(x < 0, below, above) + 128.0) / 256.0)


def _resized(layer, maps, *_):
    """Rows and columns are weighed one after the other; half a step is rounded up."""
    x = _integers(maps[0])
    height, width = ops.shape(x)[1:3]
    if isinstance(layer, ResizeLike):
        rows, columns = ops.shape(maps[1])[1:3]
    else:
        rows, columns = height * layer.size[0], width * layer.size[1]
    aligned = getattr(layer, "align_corners", False)
    x = _between(x, *_neighbors(width, columns, aligned), axis=2)
    x = _between(x, *_neighbors(height, rows, aligned), axis=1)
    return ops.cast((x + SHARES**2 // 2) // SHARES**2, "float32")


def _between(x, first, second, share, axis):
    """The values at places between neighbors, times 2048."""
    first, second = ops.take(x, first, axis), ops.take(x, second, axis)
    return first * SHARES + (second - first) * ops.reshape(share, (-1,) + (1,) * (3 - axis))


def _neighbors(side, made, aligned):
    """For each of `made` places along an axis: both neighbors, and 2048ths of the way."""
    side, count = ops.cast(side, "float32"), ops.cast(made, "float32")
    numbers = ops.arange(made, dtype="float32")
    if aligned:
        place = numbers * ((side - 1.0) / ops.maximum(count - 1.0, 1.0))
    else:
        scale = side / count
        place = ops.clip(numbers * scale + (0.5 * scale - 0.5), 0.0, side - 1.0)
    first = ops.floor(place)
    numbers = (first, ops.minimum(first + 1.0, side - 1.0), ops.round((place - first) * SHARES))
    return tuple(ops.cast(x, "int32") for x in numbers)


def _integers(x):
    return ops.cast(ops.round(x), "int32")
