"""Checks of the fields of a recipe."""

import re

import keras
import numpy as np

from keras_seg import _check, losses
from keras_seg.models.registry import PARTS_TO_FREEZE

OPTIMIZERS = {
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
SCHEDULES = ("constant", "poly", "exponential", "cosine")
NO_DECAY = ("vectors", "bias", "depthwise")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# Fields that optimizer and loss objects define themselves, with their empty values.
OPTIMIZER_FIELDS = {
    "optimizer_options": {},
    "learning_rate": None,
    "schedule": None,
    "schedule_options": {},
    "warmup_epochs": None,
    "weight_decay": None,
}
DICTS = ("optimizer_options", "schedule_options", "rate_factors", "loss_options", "options")
LOSS_FIELDS = {"loss_options": {}, "label_smoothing": 0.0, "class_weights": None}


def plain(value):
    """Convert NumPy numbers to Python's, also inside lists, tuples and dicts.

    Args:
        value: any value.

    Returns:
        the value, or its copy with other numbers.

    >>> plain({"power": np.float32(0.5), "sizes": (np.int64(32), 48)})
    {'power': 0.5, 'sizes': (32, 48)}
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(part) for part in value)
    if type(value) is dict:
        return {name: plain(part) for name, part in value.items()}
    return value


def check(recipe):
    """Raise unless each field of a recipe is in its range.

    Args:
        recipe: a `Recipe`.

    Raises:
        ValueError: a field is not.

    >>> from keras_seg.training.recipes import recipe
    >>> check(recipe("small_data"))
    """
    subject = f"recipe '{recipe.name}'"
    own = _check_own(subject, recipe)
    for name in ("epochs", "batch_size", "accumulate", "validate_every"):
        _check.positive_integer(subject, name, getattr(recipe, name))
    _check.positive_integer(subject, "statistics_batches", recipe.statistics_batches, at_least=0)
    if recipe.patience is not None:
        _check.positive_integer(subject, "patience", recipe.patience)
    if not isinstance(recipe.optimizer, dict):
        _check.one_of("optimizer", "optimizer", recipe.optimizer, OPTIMIZERS)
        _check.one_of("schedule", "schedule", recipe.schedule, SCHEDULES)
    if recipe.freeze is not None:
        _check.one_of(f"part to freeze in {subject}", "freeze", recipe.freeze, PARTS_TO_FREEZE)
    _check.one_of("precision", "precision", recipe.precision, PRECISIONS)
    if recipe.prune_from is not None:
        _check.number(subject, "prune_from", recipe.prune_from, above=1)
    for name in ("label_smoothing", "averaging", "swa"):
        _check.share(subject, name, getattr(recipe, name))
    for name in ("learning_rate", "warmup_epochs", "weight_decay", "l2", "auxiliary_weight"):
        if name not in own:
            _check.number(subject, name, getattr(recipe, name), at_least=0)
    if recipe.after_pruning and recipe.prune_from is None:
        raise ValueError(
            f"`{subject}` uses after_pruning with prune_from only. Received: "
            f"after_pruning={recipe.after_pruning!r} and prune_from=None. For example, pass "
            "prune_from=2.0, or leave after_pruning out."
        )
    _check_averages(subject, recipe)
    _check_crop_size(subject, recipe.crop_size)
    _check_kinds(subject, recipe)


def _check_own(subject, recipe):
    """Names of the fields that objects of the recipe have themselves; they must be left out."""
    losses.options_of(recipe.loss)  # Raises if it is not a loss.
    own = {}
    if isinstance(recipe.optimizer, dict):
        own |= dict.fromkeys(OPTIMIZER_FIELDS, "optimizer")
    if isinstance(recipe.loss, keras.losses.Loss):
        own |= dict.fromkeys(LOSS_FIELDS, "loss")
    for name, owner in own.items():
        value = getattr(recipe, name)
        if value not in (None, {}, 0.0):
            raise ValueError(
                f"`{subject}` has {owner} as an object, which has its own {name}. Received: "
                f"{name}={value!r}. Leave it out, or pass the name of the {owner}."
            )
    return own


def _check_averages(subject, recipe):
    if recipe.averaging and recipe.swa:
        raise ValueError(
            f"`{subject}` cannot use averaging and swa together. Received: "
            f"averaging={recipe.averaging!r} and swa={recipe.swa!r}. Set one of them to 0."
        )
    given = recipe.optimizer["config"] if isinstance(recipe.optimizer, dict) else {}
    if recipe.averaging and {**given, **recipe.optimizer_options}.get("use_ema"):
        raise ValueError(
            f"`{subject}` cannot use averaging with an optimizer that averages weights itself. "
            f"Received: averaging={recipe.averaging!r} and use_ema=True. Leave use_ema out, or "
            "pass averaging=0 and keras.callbacks.SwapEMAWeights."
        )
    if recipe.swa and not recipe.statistics_batches:
        raise ValueError(
            f"`{subject}` needs statistics_batches with swa: averaged weights need new statistics "
            f"of batch normalization. Received: swa={recipe.swa!r} and statistics_batches=0. For "
            "example, pass statistics_batches=100."
        )


def _check_crop_size(subject, size):
    if size is None:
        return
    known = isinstance(size, tuple | list) and len(size) in (2, 3)
    if not known or not all(hasattr(side, "__index__") and side >= 1 for side in size):
        raise ValueError(
            f"`{subject}` needs crop_size=(height, width) as whole numbers from 1, or "
            "(depth, height, width) for volumes. "
            f"Received: crop_size={size!r}. Pass None for the pictures' own size."
        )


def _check_kinds(subject, recipe):
    """Raise unless dicts, lists and names are what they should be."""
    for name in (*DICTS, "before", "after_pruning"):
        if not isinstance(getattr(recipe, name), dict):
            raise ValueError(
                f"`{subject}` needs {name} as a dict of arguments by name. "
                f"Received: {name}={getattr(recipe, name)!r}. Pass {{}} for none."
            )
    _check_rate_factors(subject, recipe.rate_factors)
    ops = recipe.augmentation
    pairs = isinstance(ops, tuple | list) and all(callable(op) or _is_pair(op) for op in ops)
    if not pairs:
        raise ValueError(
            f"`{subject}` needs augmentation as a list of ops, or of pairs (name, arguments). "
            f"Received: augmentation={ops!r}. For example, pass [('random_flip', {{}})]."
        )
    for op in ops:
        _check_crop(subject, op, recipe.crop_size)
    weights = recipe.class_weights
    if weights is not None and (isinstance(weights, str) or not hasattr(weights, "__len__")):
        raise ValueError(
            f"`{subject}` needs class_weights as one number per class, or as arguments that "
            f"compute them. Received: class_weights={weights!r}. For example, pass "
            "{'method': 'enet'}."
        )
    kinds = recipe.no_decay
    if not isinstance(kinds, tuple | list) or not set(kinds) <= set(NO_DECAY):
        raise ValueError(
            f"`{subject}` needs no_decay as a list of kinds of weights, some of {list(NO_DECAY)}. "
            f"Received: no_decay={kinds!r}. Pass [] to decay all weights."
        )


def _check_crop(subject, op, crop_size):
    """Raise for a crop with a size of its own, in place of which `crop_size` would be used."""
    if callable(op) or "crop" not in op[0]:
        return
    sides: dict = dict(zip(("width", "height", "depth"), reversed(crop_size or ()), strict=False))
    own = {x: op[1][x] for x in ("depth", "height", "width") if x in op[1]}
    if any(sides.get(side) != value for side, value in own.items()):
        raise ValueError(
            f"`{subject}` has the size of all crops as crop_size. Received: {op[0]!r} with {own}, "
            f"and crop_size={crop_size!r}. Pass crop_size=(height, width), and ({op[0]!r}, "
            "arguments without these)."
        )


def _check_rate_factors(subject, factors):
    """Raise unless patterns have numbers."""
    for pattern, factor in factors.items():
        _check.number(subject, f"rate_factors[{pattern!r}]", factor, at_least=0)
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"`{subject}` needs regular expressions as keys of rate_factors. Received: "
                f"{pattern!r} ({error}). For example, pass {{'bias$': 2}}."
            ) from error


def _is_pair(op):
    known = isinstance(op, tuple | list) and len(op) == 2
    return known and isinstance(op[0], str) and isinstance(op[1], dict)
