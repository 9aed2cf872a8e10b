"""The optimizer of a recipe: its learning rate, and which weights are decayed and how."""

import logging
import re

import keras

from keras_seg import _check, schedules
from keras_seg.training.accumulate import RatePerUpdate
from keras_seg.training.recipe import OPTIMIZERS

log = logging.getLogger("keras_seg")
SCHEDULE_OPTIONS = {
    "constant": ("warmup_steps",),
    "poly": ("warmup_steps", "power"),
    "exponential": ("warmup_steps", "rate"),
    "cosine": ("warmup_steps", "period_epochs", "period_steps", "period_factor", "lowest"),
}


def optimizer(recipe, model, steps_per_epoch, devices=None):
    """The optimizer of a recipe, with its schedule.

    Args:
        recipe: a `Recipe`.
        model: the network to train.
        steps_per_epoch: batches of one epoch.
        devices: `Devices` of the training, None for Keras's own choice.

    Returns:
        `keras.optimizers.Optimizer`, a new one at each call.

    >>> from keras_seg.training.recipes import recipe
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)])
    >>> optimizer(recipe("contextnet"), model, steps_per_epoch=10).epsilon
    1.0
    """
    kind, config = _kind_and_config(recipe, steps_per_epoch)
    if recipe.accumulate > 1:
        if callable(config["learning_rate"]):  # A number is the same at every batch.
            config["learning_rate"] = RatePerUpdate(config["learning_rate"], recipe.accumulate)
        config["gradient_accumulation_steps"] = recipe.accumulate
    if recipe.averaging:
        horizon = max(recipe.averaging * recipe.epochs * steps_per_epoch, 1.0)
        config |= {"use_ema": True, "ema_momentum": 1 - 1 / horizon}
    excluded = list(_excluded(model, recipe.no_decay))
    kind = with_l2(kind) if recipe.l2 else kind
    kind = with_rate_factors(kind) if recipe.rate_factors else kind
    kind = devices.optimizer(kind) if devices else kind
    made = kind.from_config(config)
    if recipe.rate_factors:
        made.rate_factors = _factors(model, recipe)
    made.exclude_from_weight_decay(var_list=excluded)
    if recipe.l2:
        made.l2, made.l2_excluded = recipe.l2, frozenset(map(id, excluded))
    return made


def _kind_and_config(recipe, steps_per_epoch):
    """Class and arguments of the optimizer without what accumulation and averaging add."""
    if isinstance(recipe.optimizer, dict):
        given = keras.optimizers.deserialize(recipe.optimizer)
        config = given.get_config()
        if isinstance(config["learning_rate"], dict):
            rate = keras.optimizers.schedules.deserialize(config["learning_rate"])
            config["learning_rate"] = rate
        return type(given), config
    # An instance's type: on torch, Keras makes one of a subclass that updates all weights at once.
    kind = type(OPTIMIZERS[recipe.optimizer]())
    rate = learning_rate(recipe, steps_per_epoch // recipe.accumulate)
    if recipe.schedule == "constant" and not recipe.warmup_epochs:
        rate = float(recipe.learning_rate)  # A number can be changed by Keras's callbacks.
    decay = recipe.weight_decay
    return kind, {"learning_rate": rate, "weight_decay": decay, **recipe.optimizer_options}


def with_l2(kind):
    """A class of optimizers that adds `l2 * w` to the gradient of each weight w.

    That is the gradient of l2 / 2 * sum(w ** 2), an L2 penalty in the loss: the optimizer divides
    it by its running mean and carries it in its momentum, like the rest of the gradient. It is
    added before clipping, after the loss scale is taken out, once per update with accumulation.
    The reported loss is without it.

    Args:
        kind: a class of `keras.optimizers.Optimizer`.

    Returns:
        a subclass. Set `l2`, and in `l2_excluded` the ids of weights without penalty.

    >>> sgd = with_l2(keras.optimizers.SGD)(0.5)
    >>> sgd.l2 = 0.1
    >>> weight = keras.Variable([2.0])
    >>> sgd.apply([keras.ops.zeros(1)], [weight])  # 2 - 0.5 * 0.1 * 2
    >>> round(float(weight[0]), 4)
    1.9
    """

    def apply(self, grads, trainable_variables=None):
        variables = trainable_variables
        if variables is None:
            variables = self._trainable_variables
        strength = self.l2 * (self.loss_scale_factor or 1.0)
        grads = [
            grad
            if grad is None or id(weight) in self.l2_excluded
            else grad + keras.ops.cast(strength * weight, grad.dtype)
            for grad, weight in zip(grads, variables, strict=True)
        ]
        return kind.apply(self, grads, trainable_variables)

    more = {"apply": apply, "l2": 0.0, "l2_excluded": frozenset()}
    return type(kind)(kind.__name__, (kind,), more)


def with_rate_factors(kind):
    """A class of optimizers that multiplies the learning rate of some weights.

    Args:
        kind: a class of `keras.optimizers.Optimizer`.

    Returns:
        a subclass. Set `rate_factors`, the factor by the id of a weight; others have 1.

    >>> sgd = with_rate_factors(keras.optimizers.SGD)(0.1)
    >>> weights = [keras.Variable([1.0]), keras.Variable([1.0])]
    >>> sgd.rate_factors = {id(weights[1]): 10.0}
    >>> sgd.apply([keras.ops.ones(1), keras.ops.ones(1)], weights)
    >>> [round(float(weight[0]), 4) for weight in weights]  # 1 - 0.1 and 1 - 10 * 0.1
    [0.9, 0.0]
    """

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        groups = {}
        for grad, weight in zip(grads, trainable_variables, strict=True):
            groups.setdefault(self.rate_factors.get(id(weight), 1.0), []).append((grad, weight))
        for factor, pairs in groups.items():
            kind._backend_update_step(
                self, *map(list, zip(*pairs, strict=True)), learning_rate * factor
            )

    more = {"_backend_update_step": _backend_update_step, "rate_factors": {}}
    return type(kind)(kind.__name__, (kind,), more)


def _factors(model, recipe):
    """The factor of the learning rate by the id of a weight; the first pattern that matches."""
    found, left = {}, set(recipe.rate_factors)
    for weight in model.trainable_variables:
        for pattern, factor in recipe.rate_factors.items():
            if re.search(pattern, weight.path):
                found[id(weight)] = float(factor)
                left.discard(pattern)
                break
    for pattern in sorted(left):
        log.warning("rate_factors: no weight of the network has a path like %r.", pattern)
    return found


def _excluded(model, kinds):
    """The weights that are not decayed: Keras can only name them by parts of their paths."""
    for weight in model.trainable_variables:
        if "vectors" in kinds and len(weight.shape) < 2:
            yield weight
        elif "bias" in kinds and weight.name in ("bias", "beta"):
            yield weight
    depthwise = keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D
    for layer in model._flatten_layers(include_self=False) if "depthwise" in kinds else ():
        if isinstance(layer, depthwise):
            yield layer.kernel
        elif hasattr(layer, "depthwise_kernel"):
            yield layer.depthwise_kernel


def learning_rate(recipe, steps_per_epoch):
    """The learning rate of a recipe by step.

    Args:
        recipe: a `Recipe` with a learning rate, not with an optimizer object.
        steps_per_epoch: updates of the weights in one epoch.

    Returns:
        a Keras schedule.

    >>> from keras_seg.training.recipes import recipe
    >>> learning_rate(recipe("contextnet"), 10).power
    0.98
    """
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    steps = max(recipe.epochs * steps_per_epoch - warmup, 1)
    options = {"warmup_steps": warmup, **recipe.schedule_options}
    for option in recipe.schedule_options:
        subject = f"option of schedule '{recipe.schedule}'"
        _check.one_of(subject, "option", option, SCHEDULE_OPTIONS[recipe.schedule])
    if recipe.schedule == "poly":
        return schedules.Poly(recipe.learning_rate, steps, **options)
    if recipe.schedule == "exponential":
        return schedules.Exponential(recipe.learning_rate, steps_per_epoch, **options)
    if recipe.schedule == "cosine":
        period = options.pop("period_epochs", None)
        if period is not None:
            options["period_steps"] = round(period * steps_per_epoch)
        return schedules.CosineRestarts(recipe.learning_rate, **{"period_steps": steps, **options})
    # A polynomial of power 0 is constant.
    return schedules.Poly(recipe.learning_rate, steps, **{**options, "power": 0})
