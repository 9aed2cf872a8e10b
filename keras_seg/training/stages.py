"""The trainings of one call of `fit`: those before the main one, and the main one."""

import dataclasses

from keras_seg import models
from keras_seg.training.recipe import Recipe, changed


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training; it starts from the best weights of the one before it.

    Attributes:
        recipe: its `Recipe`.
        suffix: added to the name of its run; "" for the main training.
        pruned_from: factor of the width of the network of the stage before, if this one's is
            narrower; else None.
    """

    recipe: Recipe
    suffix: str = ""
    pruned_from: float | None = None

    @property
    def is_last(self):
        """Whether this is the main training."""
        return not self.suffix


def stages(recipe, model):
    """The trainings of a recipe, in order.

    Args:
        recipe: a `Recipe`.
        model: name of an architecture, or a `keras.Model`.

    Returns:
        list of `Stage`.

    >>> [x.suffix for x in stages(Recipe("a", 9, 4, prune_from=2.0), "contextnet_cn14")]
    ['width2', 'width1.5', 'width1.25', '']
    """
    if recipe.prune_from is None:
        return [*_before(recipe, "before"), Stage(recipe)]
    factors = _factors(recipe.prune_from)
    alone = {"prune_from": None, "after_pruning": {}}
    width = _width(recipe, model)
    wide = [
        changed(recipe, {**alone, "options": {**recipe.options, "width": width * factor}})
        for factor in factors
    ]
    later = {**recipe.after_pruning, "before": {}}
    pruned = [changed(one, later) for one in wide[1:]] + [changed(recipe, recipe.after_pruning)]
    suffixes = [f"width{factor:g}" for factor in factors]
    return [
        *_before(wide[0], f"{suffixes[0]}-before"),
        Stage(wide[0], suffixes[0]),
        *(Stage(*one) for one in zip(pruned, [*suffixes[1:], ""], factors, strict=True)),
    ]


def _before(recipe, suffix):
    return [Stage(recipe.first(), suffix)] if recipe.before else []


def _factors(first):
    """Factors of the width: the first, then half and a quarter of the way from 1 to it.

    ContextNet's paper prunes from 2 to 1.5, 1.25 and 1 times the width.
    """
    return [1 + (first - 1) * share for share in (1.0, 0.5, 0.25)]


def _width(recipe, model):
    """The width of the network itself."""
    return recipe.options.get("width", models.options(model)["width"])
