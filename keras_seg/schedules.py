"""Learning rates by step, each with a warm-up; plain Keras schedules."""

import math

import keras
from keras import ops

from keras_seg import _check


class _WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise to `initial_learning_rate` over `warmup_steps`, then `decay(steps since)`."""

    def __init__(self, initial_learning_rate, warmup_steps=0):
        subject = type(self).__name__
        _check.number(subject, "initial_learning_rate", initial_learning_rate, at_least=0)
        _check.positive_integer(subject, "warmup_steps", warmup_steps, at_least=0)
        self.initial_learning_rate = initial_learning_rate
        self.warmup_steps = warmup_steps

    def decay(self, step):
        """Factor 0..1 at `step` (float tensor) after the warm-up."""
        raise TypeError(f"`{type(self).__name__}` needs a decay(step). Received: none. Define it.")

    def __call__(self, step):
        step = ops.cast(step, "float32")
        factor = self.decay(ops.maximum(step - self.warmup_steps, 0.0))
        if self.warmup_steps:
            # (step + 1): the very first step already moves.
            factor = ops.where(step < self.warmup_steps, (step + 1) / self.warmup_steps, factor)
        return self.initial_learning_rate * factor

    def get_config(self):
        """The arguments, for saving."""
        return dict(vars(self))


@keras.saving.register_keras_serializable("keras_seg")
class Poly(_WarmUp):
    """`initial * (1 - step / decay_steps) ** power`, as for DeepLab and ContextNet.

    Args:
        initial_learning_rate: rate at the first step after the warm-up.
        decay_steps: steps after the warm-up until the rate is 0.
        power: exponent; ContextNet uses 0.98, DeepLab and PSPNet 0.9.
        warmup_steps: steps of linear rise before.

    Call arguments:
        step: whole number of the step, from 0.

    Returns:
        float32 learning rate.

    Raises:
        ValueError: a number is out of range.

    >>> round(float(Poly(0.045, decay_steps=100, power=0.98)(50)), 5)  # 0.045 * 0.5 ** 0.98
    0.02281
    """

    def __init__(self, initial_learning_rate, decay_steps, power=0.9, warmup_steps=0):
        super().__init__(initial_learning_rate, warmup_steps)
        _check.positive_integer("Poly", "decay_steps", decay_steps)
        _check.number("Poly", "power", power, at_least=0)
        self.decay_steps = decay_steps
        self.power = power

    def decay(self, step):
        """`(1 - step / decay_steps) ** power`, 0 after the last step."""
        return ops.power(ops.maximum(1 - step / self.decay_steps, 0.0), self.power)


@keras.saving.register_keras_serializable("keras_seg")
class Exponential(_WarmUp):
    """`initial * rate ** epoch`, constant within an epoch, as for FC-DenseNet.

    Args:
        initial_learning_rate: rate in the first epoch after the warm-up.
        steps_per_epoch: steps of one epoch.
        rate: factor per epoch.
        warmup_steps: steps of linear rise before.

    Call arguments:
        step: whole number of the step, from 0.

    Returns:
        float32 learning rate.

    Raises:
        ValueError: a number is out of range.

    >>> round(float(Exponential(1e-3, steps_per_epoch=10)(1380)), 6)  # 1e-3 * 0.995 ** 138
    0.000501
    """

    def __init__(self, initial_learning_rate, steps_per_epoch, rate=0.995, warmup_steps=0):
        super().__init__(initial_learning_rate, warmup_steps)
        _check.positive_integer("Exponential", "steps_per_epoch", steps_per_epoch)
        _check.number("Exponential", "rate", rate, above=0)
        self.steps_per_epoch = steps_per_epoch
        self.rate = rate

    def decay(self, step):
        """`rate ** whole epochs`."""
        # From the middle of a step: compilers multiply by 1 / steps instead, which rounds.
        return ops.power(self.rate, ops.floor((step + 0.5) / self.steps_per_epoch))


@keras.saving.register_keras_serializable("keras_seg")
class CosineRestarts(_WarmUp):
    """Half a cosine down from the initial rate, started again after each period (SGDR).

    Loshchilov, Hutter: SGDR, ICLR 2017, arXiv 1608.03983. With one period as long as the
    training it is the plain cosine schedule.

    Args:
        initial_learning_rate: rate at each start.
        period_steps: length of the first period.
        period_factor: each period is this many times as long as the one before, 1 or more.
        lowest: share of the initial rate at the end of a period, 0..1.
        warmup_steps: steps of linear rise before.

    Call arguments:
        step: whole number of the step, from 0.

    Returns:
        float32 learning rate.

    Raises:
        ValueError: a number is out of range.

    >>> schedule = CosineRestarts(1.0, period_steps=100)
    >>> [round(float(schedule(step)), 3) for step in (0, 50, 100)]
    [1.0, 0.5, 1.0]
    """

    def __init__(
        self, initial_learning_rate, period_steps, period_factor=1.0, lowest=0.0, warmup_steps=0
    ):
        super().__init__(initial_learning_rate, warmup_steps)
        _check.positive_integer("CosineRestarts", "period_steps", period_steps)
        _check.number("CosineRestarts", "period_factor", period_factor, at_least=1)
        _check.number("CosineRestarts", "lowest", lowest, at_least=0, at_most=1)
        self.period_steps = period_steps
        self.period_factor = period_factor
        self.lowest = lowest

    def decay(self, step):
        """`lowest + (1 - lowest) * (1 + cos(pi * share of the period)) / 2`."""
        if self.period_factor == 1:
            share = ops.mod(step, self.period_steps) / self.period_steps
        else:
            periods = step / self.period_steps
            # Period n starts at (f**n - 1) / (f - 1) first periods.
            factor = self.period_factor
            n = ops.floor(ops.log(periods * (factor - 1) + 1) / math.log(factor) + 1e-5)
            start = (ops.power(factor, n) - 1) / (factor - 1)
            share = (periods - start) / ops.power(factor, n)
        return self.lowest + (1 - self.lowest) * 0.5 * (1 + ops.cos(math.pi * share))
