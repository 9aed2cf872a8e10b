"""The learning-rate range test: suggest a learning rate before training."""

import dataclasses
import itertools
import math

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from keras_seg import _check
from keras_seg.training import recipes
from keras_seg.training.arguments import check_used, cropped, usable, used
from keras_seg.training.network import batches_for, compile_network, network_for

# A loss that is this many times the best one so far has diverged.
DIVERGED = 4.0
SMOOTHING = 0.9


@dataclasses.dataclass(frozen=True, repr=False)
class LearningRates:
    """The result of a learning-rate range test.

    Attributes:
        table: pandas DataFrame with one row per step: learning_rate, loss, and smoothed, the
            loss's running mean.
        suggestion: the rate at which the smoothed loss falls fastest by the logarithm of the
            rate: a good one for a training with a warm-up and a decay.
    """

    table: pd.DataFrame
    suggestion: float

    def __repr__(self):
        return f"<LearningRates: {len(self.table)} steps, suggestion {self.suggestion:.2g}>"

    def show(self):
        """The loss by learning rate, with the suggestion marked, as a matplotlib Figure."""
        from keras_seg.show.figures import NotebookFigure

        figure = NotebookFigure(figsize=(7, 3.5), dpi=110, layout="constrained")
        axes = figure.subplots()
        axes.plot(self.table["learning_rate"], self.table["loss"], color="0.75", label="loss")
        axes.plot(self.table["learning_rate"], self.table["smoothed"], label="smoothed")
        axes.axvline(self.suggestion, color="0.4", linestyle=":", label="suggestion")
        # Values after the divergence would compress the rest of the curve.
        axes.set_ylim(0, 1.1 * self.table["smoothed"].iloc[: len(self.table) // 2].max())
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        axes.set_title(f"Learning-rate range test: {self.suggestion:.2g}")
        return figure


def find_learning_rate(
    model, data, recipe="small_data", *, lowest=1e-6, highest=1.0, steps=100, seed=0, **changes
):
    """Try rising learning rates for a few steps each, and suggest one.

    The rate rises by the same factor with every step, until the loss diverges. The network's
    weights are restored afterwards; a built model has another optimizer and loss then, and must be
    compiled again before `model.fit`.

    L. N. Smith: Cyclical Learning Rates for Training Neural Networks, WACV 2017, arXiv
    1506.01186, section 3.3.

    Args:
        model: name of an architecture, or a `keras.Model`, as for `keras_seg.fit`.
        data: a data set, as for `keras_seg.fit`.
        recipe: a name or a `Recipe`; its optimizer (given by name), loss, batch size and crop size
            are used.
        lowest: the first learning rate, above 0.
        highest: the last learning rate.
        steps: steps from the lowest to the highest, at least 10.
        seed: 0..2**31 - 1.
        **changes: fields of the recipe in place of its own.

    Returns:
        `LearningRates`: a table, a suggestion and a figure.

    Raises:
        ValueError: an argument is out of range, the optimizer is an object, or the loss was never
            finite.

    >>> import pipelines
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> data = pipelines.shapes(num_images=8, size=(32, 32), seed=0)
    >>> len(find_learning_rate(model, data, batch_size=2, steps=10, highest=1e-2).table)
    10
    """
    _check.positive_integer("find_learning_rate", "steps", steps)
    _check.positive_integer("find_learning_rate", "seed", seed, at_least=0)
    numbers = all(isinstance(rate, int | float) for rate in (lowest, highest))
    if steps < 10 or not numbers or not 0 < lowest < highest < math.inf:
        raise ValueError(
            "`find_learning_rate` needs at least 10 steps and 0 < lowest < highest. "
            f"Received: steps={steps!r}, lowest={lowest!r}, highest={highest!r}."
        )
    # One step is one epoch of a schedule that multiplies the rate with each.
    factor = (highest / lowest) ** (1 / (steps - 1))
    rising = {"schedule": "exponential", "schedule_options": {"rate": factor}, "warmup_epochs": 0}
    rising |= {"learning_rate": lowest, "accumulate": 1, "before": {}}
    rising |= {"prune_from": None, "after_pruning": {}}
    recipe = recipes.recipe(recipe, **changes)
    if isinstance(recipe.optimizer, dict):
        raise ValueError(
            "`find_learning_rate` needs an optimizer by name, whose learning rate it sets. "
            f"Received: a {recipe.optimizer['class_name']} object. Pass optimizer='adamw', 'sgd' "
            "or 'rmsprop'; the rate for another optimizer is another one."
        )
    recipe = recipes.recipe(recipe, **rising)
    check_used(data, model, changes)
    data = usable(data, model, recipe)
    recipe = used(recipe, data, model)
    keras.utils.set_random_seed(seed)
    recipe = cropped(recipe, data, model)
    network = network_for(model, data, recipe)
    before = [np.array(keras.ops.convert_to_numpy(x)) for x in network.variables]
    try:
        table = _rising(network, data, recipe, np.geomspace(lowest, highest, steps), seed)
    finally:
        for variable, value in zip(network.variables, before, strict=True):
            variable.assign(value)
    return LearningRates(table, _steepest(table))


def _rising(network, data, recipe, rates, seed):
    """Train with one rate after the other, on batches without end."""
    compile_network(network, data, recipe, steps=1)
    rows, mean, best = [], 0.0, math.inf
    batches = _endless(network, data, recipe, seed)
    for step, rate in enumerate(tqdm(rates, desc="learning rates", unit="step", leave=False)):
        loss = float(np.ravel(network.train_on_batch(*next(batches)))[0])
        if not math.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING ** (step + 1))  # As Adam corrects its running means.
        rows.append({"learning_rate": rate, "loss": loss, "smoothed": smoothed})
        best = min(best, smoothed)
        if smoothed > DIVERGED * best:
            break
    if len(rows) < 3:
        raise ValueError(
            "`find_learning_rate` needs a loss that is finite at first. Received: one that was "
            f"not after {len(rows)} steps, from lowest={rates[0]:.2g} on. Lower `lowest`, and look "
            "at the pictures with data.show()."
        )
    return pd.DataFrame(rows)


def _endless(network, data, recipe, seed):
    for epoch in itertools.count():
        empty = True
        for batch in batches_for(network, data, recipe, seed, epoch, 1):
            empty = False
            yield batch
        if empty:  # The next epoch would be, too, and so on for ever.
            raise ValueError(
                "`find_learning_rate` needs at least one training batch. Received: data "
                f"'{data.name}' that gave none in epoch {epoch + 1}. Check what removes pictures, "
                "such as a filter."
            )


def _steepest(table):
    """The rate at the steepest fall of the smoothed loss, before its lowest point."""
    lowest = max(int(table["smoothed"].idxmin()), 2)
    falling = table.iloc[: lowest + 1]
    slope = np.gradient(falling["smoothed"], np.log(falling["learning_rate"]))
    return float(falling["learning_rate"].iloc[int(np.argmin(slope))])
