"""Cross-validation: train on each fold of a data set, and score the pictures held out."""

import dataclasses
import html

import keras
import numpy as np
import pandas as pd

from keras_seg.inference import ensemble
from keras_seg.scores import Scores
from keras_seg.training.fit import fit

HELD_OUT = "held_out"


@dataclasses.dataclass
class CrossValidation:
    """Scores on the held-out pictures of each fold.

    Attributes:
        runs: one `keras_seg.Run` per fold.
        scores: one `keras_seg.scores.Scores` per fold.
        groups: the groups held out, one tuple per fold.

    >>> scores = [Scores(np.array([[6, 2], [0, 2]]), ["road", "sky"]),
    ...           Scores(np.array([[3, 1], [0, 1]]), ["road", "sky"])]
    >>> found = CrossValidation([], scores, [("monday",), ("tuesday",)])
    >>> found.mean  # (6 / 8 + 2 / 4) / 2 and (3 / 4 + 1 / 2) / 2
    0.625
    >>> found.pooled.iou.tolist()  # 9 / 12 and 3 / 6
    [0.75, 0.5]
    """

    runs: list
    scores: list
    groups: list

    @property
    def mean(self):
        """Mean over the folds of the mean IoU, 0..1."""
        return float(np.mean([x.mean_iou for x in self.scores]))

    @property
    def spread(self):
        """Standard deviation over the folds of the mean IoU (divided by n - 1)."""
        return float(np.std([x.mean_iou for x in self.scores], ddof=1))

    @property
    def pooled(self):
        """`Scores` of the held-out pictures of all folds, from the sum of their confusions."""
        confusion = np.sum([x.confusion for x in self.scores], axis=0)
        return Scores(confusion, self.scores[0].class_names)

    @property
    def table(self):
        """IoU, 0..1: a row per class and "mean IoU", a column per fold, then mean and spread."""
        columns = {
            f"fold {number}": pd.Series([*x.iou, x.mean_iou])
            for number, x in enumerate(self.scores, start=1)
        }
        table = pd.DataFrame(columns)
        table.index = pd.Index([*self.scores[0].class_names, "mean IoU"], name="class")
        mean, spread = table.mean(axis=1), table.std(axis=1)
        return table.assign(mean=mean, spread=spread)

    def segmenter(self):
        """The networks of all folds as one segmenter, which averages their probabilities.

        No picture of the data set is held out of it: its own score cannot be measured here.
        """
        return ensemble([run.segmenter() for run in self.runs])

    def _summary(self):
        return (
            f"Mean IoU on held-out pictures of {len(self.runs)} folds: {100 * self.mean:.1f} % "
            f"± {100 * self.spread:.1f}"
        )

    def __repr__(self):
        return f"{self._summary()}\n{(100 * self.table).round(1).to_string()}"

    def _repr_html_(self):
        return f"<p>{html.escape(self._summary())}</p>{(100 * self.table).round(1).to_html()}"


def cross_validate(model, folds, recipe="small_data", **arguments):
    """Train a network on each fold, and score it on the pictures that are held out.

    Held-out pictures are not seen in training, also not to choose an epoch: each network has the
    weights of its last epoch. An interrupted call continues when it is repeated.

    Args:
        model: name of an architecture, see `keras_seg.models.names()`.
        folds: list of data sets with the splits "train" and "held_out", such as
            `data.folds(group="auto")`.
        recipe: see `keras_seg.fit`.
        **arguments: other arguments of `keras_seg.fit`, such as epochs=20 or folder="runs".

    Returns:
        `CrossValidation`: scores of each fold, their mean and spread, and the runs.

    Raises:
        TypeError: the model is not a name: one model cannot be trained for each fold anew.
        ValueError: there are fewer than two folds, one has no split "held_out", it is not a data
            set for segmentation, or an argument of `fit` is not usable.

    >>> import pipelines
    >>> data = pipelines.load("camvid", "path/to/CamVid")  # doctest: +SKIP
    >>> folds = data.folds(group="auto", num_folds=None)  # doctest: +SKIP
    >>> found = cross_validate("contextnet_cn14", folds, epochs=50)  # doctest: +SKIP
    >>> found.mean, found.spread  # doctest: +SKIP
    """
    if not isinstance(model, str):
        kind = "a keras.Model" if isinstance(model, keras.Model) else repr(model)
        raise TypeError(
            "`cross_validate` trains a new network for each fold and needs its name. Received: "
            f"model={kind}. Pass a name from keras_seg.models.names()."
        )
    folds = list(folds)
    kinds = [HELD_OUT in fold.splits and fold.task == "segmentation" for fold in folds]
    if len(folds) < 2 or not all(kinds):
        raise ValueError(
            "`cross_validate` needs two or more data sets with pictures and masks in the splits "
            f"'train' and 'held_out'. Received: {folds}. Use `data.folds(...)`."
        )
    runs = [fit(model, fold, recipe, **arguments) for fold in folds]
    scores = [run.evaluate(HELD_OUT) for run in runs]
    return CrossValidation(runs, scores, [fold.held_out_groups for fold in folds])
