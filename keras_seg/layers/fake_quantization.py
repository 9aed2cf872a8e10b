"""Rounding to 8 bits in a network that computes in floating point."""

import keras
from keras import layers, ops

from keras_seg.layers.adaptive import AdaptiveAveragePooling2D

LEAST_RANGE = 1e-6  # of a map that is 0 everywhere


@keras.saving.register_keras_serializable("keras_seg")
class FakeQuantization(layers.Layer):
    """Rounds maps to the 256 values of an 8-bit tensor, as a .tflite file computed in 8 bits does.

    The range of the values is a moving average of the smallest and the largest one of each batch.
    0 is always one of the 256 values. Gradients pass unchanged within the range and are 0 outside
    of it (straight-through).

    B. Jacob et al.: Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, arXiv 1712.05877, section 3.1.

    Args:
        low: smallest value at the beginning, 0 or less.
        high: largest value at the beginning, 0 or more.
        momentum: weight of the former range in the moving average, 0..1; 1 for a fixed range.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float tensor, or a list of tensors that share one range.
        measure: whether training moves the range; not where a map is rounded to the range of the
            one from which it was made.
        only_bounds: whether to return the range instead.
        training: whether the range is moved.

    Returns:
        Tensor or list of tensors, as the input; with `only_bounds` each is a tensor (2,), the
        smallest and the largest of the 256 values.

    >>> layer = FakeQuantization(0.0, 255.0)
    >>> keras.ops.convert_to_numpy(layer(keras.ops.array([-3.0, 0.4, 7.6, 300.0]))).tolist()
    [0.0, 0.0, 8.0, 255.0]
    """

    def __init__(self, low=0.0, high=1.0, momentum=0.99, **kwargs):
        super().__init__(**kwargs)
        self.initial, self.momentum = (float(low), float(high)), momentum

    def build(self, input_shape):
        for name, value in zip(("low", "high"), self.initial, strict=True):
            initial = keras.initializers.Constant(value)
            weight = self.add_weight(shape=(), initializer=initial, trainable=False, name=name)
            setattr(self, name, weight)

    def call(self, inputs, measure=True, only_bounds=False, training=False):
        if training and measure and self.momentum < 1 and not only_bounds:
            maps = keras.tree.flatten(inputs)
            self._move(self.low, ops.min, ops.minimum, maps)
            self._move(self.high, ops.max, ops.maximum, maps)
        # A fixed range as it is: the converter compares the scales of maps bit by bit.
        fixed = self.momentum == 1
        low, high = self.initial if fixed else whole_steps(self.low, self.high)
        if only_bounds:
            bounds = [ops.convert_to_tensor(x, self.compute_dtype) for x in (low, high)]
            return keras.tree.map_structure(lambda x: ops.stack(bounds), inputs)
        return keras.tree.map_structure(
            lambda x: keras.quantizers.fake_quant_with_min_max_vars(x, low, high), inputs
        )

    def _move(self, bound, extreme, other, maps):
        found = ops.convert_to_tensor(0.0, bound.dtype)
        for x in maps:
            found = other(found, ops.cast(extreme(x), bound.dtype))
        found = ops.stop_gradient(found)
        bound.assign(self.momentum * bound + (1 - self.momentum) * found)

    def compute_output_spec(self, inputs, measure=True, only_bounds=False, training=False):
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor((2,) if only_bounds else x.shape, dtype=self.compute_dtype),
            inputs,
        )

    def get_config(self):
        low, high = self.initial
        own = {"low": low, "high": high, "momentum": self.momentum}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("keras_seg")
class RoundedPooling(AdaptiveAveragePooling2D):
    """One axis of an `AdaptiveAveragePooling2D`; two of them, each rounded, are what a file has.

    Args:
        size: see `AdaptiveAveragePooling2D`.
        enlarge: see there.
        axis: 1 for rows, 2 for columns.
        range_of: name of the `FakeQuantization` to whose range the means are rounded.
        bounds: that range, (low, high), to which every single mean is rounded; None while it may
            still move, and the result is rounded as a whole.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, size, w, c) for rows; (b, h, size, c) for columns.

    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 1, 4, 1))
    >>> keras.ops.convert_to_numpy(RoundedPooling(2, axis=2)(x)).ravel().tolist()
    [0.5, 2.5]
    >>> rounded = RoundedPooling(2, axis=2, bounds=(0.0, 255.0))(x)
    >>> keras.ops.convert_to_numpy(rounded).ravel().tolist()
    [1.0, 3.0]
    """

    def __init__(self, size, enlarge=True, axis=1, range_of=None, bounds=None, **kwargs):
        super().__init__(size, enlarge, **kwargs)
        self.axis, self.range_of, self.bounds = axis, range_of, bounds

    def call(self, inputs):
        return self._pooled(inputs, self.axis, {1: "ih,bhwc->biwc", 2: "jw,biwc->bijc"}[self.axis])

    def _mean(self, part, axis):
        mean = super()._mean(part, axis)
        if self.bounds is None:
            return mean
        return keras.quantizers.fake_quant_with_min_max_vars(mean, *self.bounds)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.axis] = self._grid(shape[self.axis])
        return tuple(shape)

    def get_config(self):
        own = {"axis": self.axis, "range_of": self.range_of, "bounds": self.bounds}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("keras_seg")
class HalfSteps(layers.Layer):
    """Moves values half-way between two of the 256 a little, so that they are rounded as in a file.

    Means of pixels are often half-way, and integers are rounded by a rule where floating point
    leaves it to its own rounding errors.

    Args:
        rule: "away" from 0 of the int8 value, as LiteRT's average pooling; "even", to an even int8
            value, as its means.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float tensor of values to round.
        bounds: tensor (2,), smallest and largest of the 256 values, see `FakeQuantization`.

    Returns:
        Tensor as the input, of which values move by 1/4000 of a step.

    >>> x, bounds = keras.ops.array([0.5, 1.5, 127.5, 128.5]), keras.ops.array([0.0, 255.0])
    >>> for rule in ("away", "even"):
    ...     moved = HalfSteps(rule)(x, bounds=bounds)
    ...     print(rule, keras.ops.convert_to_numpy(moved).round().tolist())
    away [0.0, 1.0, 127.0, 129.0]
    even [0.0, 2.0, 128.0, 128.0]
    """

    def __init__(self, rule, **kwargs):
        super().__init__(**kwargs)
        self.rule = rule

    def call(self, inputs, bounds):
        low, step = bounds[0], step_of(bounds)
        if self.rule == "away":
            up = inputs > low + 128.0 * step
        else:
            below = ops.floor((inputs - low) / step + 0.25)
            up = ops.not_equal(ops.mod(below, 2.0), 0.0)
        return inputs + ops.where(up, step, -step) / 4000.0

    def compute_output_spec(self, inputs, bounds):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "rule": self.rule}


def whole_steps(low, high):
    """Widen or shift a range so that 0 is one of the 256 values, as runtimes do.

    The step between them has 16 significant bits. So all 256 values are exact in float32: a value
    divided by the step is a whole number, and a file has the same step.

    Args:
        low: scalar tensor, 0 or less.
        high: scalar tensor, 0 or more.

    Returns:
        (low, high): two scalar tensors, 255 steps apart.

    >>> [round(float(x), 3) for x in whole_steps(-0.9, 254.1)]  # the step is 1
    [-1.0, 254.0]
    """
    low, high = ops.minimum(low, 0.0), ops.maximum(high, 0.0)
    step = ops.maximum(high - low, LEAST_RANGE) / 255.0
    last_bit = power_of_two(exponent_of(step) - 15.0)
    step = ops.ceil(step / last_bit) * last_bit
    below = ops.round(-low / step)
    return -below * step, (255.0 - below) * step


def step_of(bounds):
    """The distance of two neighbors of the 256 values.

    Args:
        bounds: tensor (2,), the smallest and the largest of them.

    Returns:
        Scalar tensor.

    >>> float(step_of(keras.ops.array([-1.0, 254.0])))
    1.0
    """
    low, high = ops.unstack(bounds, 2)
    return (high - low) / 255.0


def exponent_of(value):
    """The largest whole number whose power of two is not larger than a value.

    Args:
        value: float tensor above 0.

    Returns:
        Float tensor of the same shape.

    >>> keras.ops.convert_to_numpy(exponent_of(keras.ops.array([0.25, 0.26, 7.9]))).tolist()
    [-2.0, -2.0, 2.0]
    """
    found = ops.floor(ops.log2(value))
    # The logarithm is rounded: next to a power of two it can be a whole number too far.
    found = ops.where(power_of_two(found) > value, found - 1.0, found)
    return ops.where(power_of_two(found + 1.0) <= value, found + 1.0, found)


def power_of_two(exponent):
    """2 to the power of whole numbers.

    Args:
        exponent: float tensor of whole numbers.

    Returns:
        Float tensor of the same shape.

    >>> float(power_of_two(keras.ops.array(-2.0)))
    0.25
    """
    found = ops.round(ops.power(2.0, ops.abs(exponent)))
    return ops.where(exponent < 0, 1.0 / found, found)
