"""Scores of classifiers, from one confusion matrix over a whole set and the ranks of the truth."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from keras_seg import metrics

TOP = 5


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Accuracy:
    """Scores of a classifier, computed from one confusion matrix.

    Args:
        confusion: pictures, int64 (num_classes, num_classes); rows are the truth, columns the
            prediction.
        class_names: one name per class.
        top_5: share of pictures whose class is among the five most probable ones, 0..1.
        pictures: pandas DataFrame with a row per picture, the worst first: picture, truth, found,
            rank (1 for the most probable class) and probability of the truth. Empty without names.

    Raises:
        ValueError: if the matrix is not square, or does not have one row per name.

    >>> scores = Accuracy(np.array([[3, 1], [0, 4]]), ["cat", "dog"], 1.0)
    >>> scores.top_1, scores.table["accuracy"].tolist()  # 7 of 8; 3 of 4 cats, 4 of 4 dogs
    (0.875, [0.75, 1.0])
    """

    confusion: np.ndarray
    class_names: Sequence[str]
    top_5: float
    pictures: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)

    def __post_init__(self):
        if self.confusion.shape != (len(self.class_names),) * 2:
            raise ValueError(
                "`Accuracy` needs a square confusion matrix with one row per class. Received: "
                f"shape={self.confusion.shape} for {len(self.class_names)} class names. "
                "Pass the names of all classes."
            )

    @property
    def top_1(self) -> float:
        """Share of pictures whose class is the most probable one, 0..1."""
        return float(metrics.share(np.trace(self.confusion), self.confusion.sum()))

    @property
    def mean_class_accuracy(self) -> float:
        """Mean of the accuracy over the classes that occur, 0..1; each class has equal weight."""
        return mean_class_accuracy(self.confusion)

    @property
    def table(self) -> pd.DataFrame:
        """One row per class: accuracy (recall), precision and f1 in 0..1, and the true pictures."""
        right, pictures = np.diag(self.confusion), self.confusion.sum(axis=1)
        found = self.confusion.sum(axis=0)
        columns = {
            "accuracy": metrics.share(right, pictures),
            "precision": metrics.share(right, found),
            "f1": metrics.share(2 * right, pictures + found),
            "pictures": pictures,
        }
        return pd.DataFrame(columns, index=pd.Index(self.class_names, name="class"))

    @property
    def matrix(self) -> pd.DataFrame:
        """The confusion matrix with names: rows are the truth, columns the prediction."""
        names = list(self.class_names)
        return pd.DataFrame(self.confusion, pd.Index(names, name="truth"), columns=names)

    def save_csv(self, path: str | Path) -> None:
        """Write the table as a CSV file, with the whole set as its last row.

        The confusion matrix is written beside it: `scores_confusion.csv` beside `scores.csv`.

        Args:
            path: the file; missing folders are created, an earlier file is replaced.
        """
        path, table = Path(path), self.table
        whole = {**table.mean().to_dict(), "accuracy": self.top_1, "pictures": self.confusion.sum()}
        last = pd.DataFrame([whole], index=pd.Index(["all"], name="class"))
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.concat([table, last.astype({"pictures": np.int64})]).to_csv(path, float_format="%.6f")
        self.matrix.to_csv(path.with_name(f"{path.stem}_confusion.csv"))

    def _summary(self) -> str:
        return (
            f"top-1 accuracy {self.top_1:.2%}, top-5 accuracy {self.top_5:.2%}, "
            f"mean over classes {self.mean_class_accuracy:.2%}, {self.confusion.sum()} pictures"
        )

    def _texts(self) -> pd.DataFrame:
        texts = self.table
        shares = texts.columns[:-1]
        texts[shares] = texts[shares].map(lambda x: "-" if np.isnan(x) else f"{100 * x:.2f} %")
        return texts

    def __repr__(self):
        return f"{self._texts().rename_axis(None).to_string()}\n{self._summary()}"

    def _repr_html_(self) -> str:
        """The table and the confusion matrix for a notebook."""
        return f"<p>{self._summary()}</p>{self._texts().to_html()}{self.matrix.to_html()}"


def evaluate_classifier(
    logits: Callable[[np.ndarray], np.ndarray],
    batches: Iterable,
    class_names: Sequence[str],
    names: Sequence[str] | None = None,
) -> Accuracy:
    """Compare predictions with the truth over a whole set of pictures.

    Args:
        logits: function of uint8 pixels (b, h, w, c) that returns logits (b, num_classes), such as
            `Classifier(model).logits`.
        batches: pairs of pictures (b, h, w, c) and true class ids (b,), such as
            `data.eval_batches("val", batch_size=8)`.
        class_names: one name per class.
        names: one name per picture, in the order of the batches; gives `Accuracy.pictures`.

    Returns:
        `Accuracy`.

    Raises:
        ValueError: there is no batch, an id is not a class, or not one name per
            picture.

    >>> batches = [(np.zeros((2, 32, 32, 3), "uint8"), np.array([1, 0]))]
    >>> scores = evaluate_classifier(lambda x: np.array([[0, 1], [0, 2.0]]), batches, ["a", "b"])
    >>> scores.top_1
    0.5
    """
    total = operator.length_hint(batches) or None
    truths, scores = [], []
    for image, label in tqdm(batches, "evaluate", total, disable=None, leave=False, unit="batch"):
        truths.append(np.asarray(label))
        scores.append(np.asarray(logits(np.asarray(image))))
    if not truths:
        raise ValueError(
            "`evaluate_classifier` needs at least one batch. Received: none. Check the split's "
            "name; an iterator can be used only once."
        )
    truth, score = np.concatenate(truths), np.concatenate(scores)
    found = score.argmax(axis=-1)
    confusion = metrics.confusion_matrix(truth, found, len(class_names), ignore_class=None)
    ranks = ranks_of(truth, score)
    pictures = _pictures(names, truth, score, ranks, tuple(class_names))
    return Accuracy(confusion, tuple(class_names), float(np.mean(ranks <= TOP)), pictures)


def ranks_of(labels, scores) -> np.ndarray:
    """Return the rank of the true class by score: 1 if it is the highest.

    Of equal scores, the class with the lower id comes first, as in argmax.

    Args:
        labels: class ids (b,).
        scores: logits or probabilities (b, num_classes).

    Returns:
        int64 (b,).

    >>> ranks_of(np.array([0, 1]), np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])).tolist()
    [3, 2]
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = (scores == own) & (np.arange(scores.shape[1]) < labels[:, None])
    return 1 + np.sum((scores > own) | before, axis=1)


def mean_class_accuracy(confusion) -> float:
    """Return the mean of the accuracy over the classes that occur, nan if there is none.

    >>> mean_class_accuracy(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))  # 3 / 4 and 4 / 4
    0.875
    """
    accuracy = metrics.share(np.diag(confusion), np.sum(confusion, axis=1))
    known = ~np.isnan(accuracy)
    return float(accuracy[known].mean()) if known.any() else float("nan")


def _pictures(names, truth, scores, ranks, class_names) -> pd.DataFrame:
    """One row per picture, sorted by the probability of the true class, the lowest first."""
    if names is None:
        return pd.DataFrame()
    if len(names) != len(truth):
        raise ValueError(
            "`evaluate_classifier` needs one name per picture. Received: "
            f"{len(names)} names for {len(truth)} pictures. Pass the names of one split."
        )
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    own = np.take_along_axis(shifted, truth[:, None], axis=1)[:, 0] / shifted.sum(axis=1)
    table = pd.DataFrame(
        {
            "picture": list(names),
            "truth": [class_names[i] for i in truth],
            "found": [class_names[i] for i in scores.argmax(axis=1)],
            "rank": ranks,
            "probability": own,
        }
    )
    return table.sort_values("probability", kind="stable", ignore_index=True)
