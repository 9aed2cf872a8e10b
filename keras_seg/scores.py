"""Scores by class name, from one confusion matrix over a whole set."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from keras_seg import metrics


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Scores:
    """Scores of a segmentation, computed from one confusion matrix.

    Args:
        confusion: pixels, int64 (num_classes, num_classes); rows are the truth, columns the
            prediction, ignored pixels are in neither.
        class_names: one name per class.
        pictures: pandas DataFrame with a row per picture, the worst first: picture, mean_iou over
            the classes that occur in it, and pixel_accuracy, in 0..1. Empty without names.

    Raises:
        ValueError: if the matrix is not square, or does not have one row per name.

    >>> scores = Scores(np.array([[6, 2], [0, 2]]), ["road", "sky"])
    >>> scores.mean_iou, scores.pixel_accuracy  # (6 / 8 + 2 / 4) / 2 and 8 / 10
    (0.625, 0.8)
    """

    confusion: np.ndarray
    class_names: Sequence[str]
    pictures: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)

    def __post_init__(self):
        if self.confusion.shape != (len(self.class_names),) * 2:
            raise ValueError(
                "`Scores` needs a square confusion matrix with one row per class. Received: "
                f"shape={self.confusion.shape} for {len(self.class_names)} class names. "
                "Pass the names of all classes but the ignored one."
            )

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union by class, 0..1; nan for a class that never occurs."""
        return metrics.iou_from_confusion(self.confusion)

    @property
    def dice(self) -> np.ndarray:
        """Dice by class, 2 TP / (2 TP + FP + FN), 0..1, also named F1; nan as for IoU."""
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return metrics.share(2 * np.diag(self.confusion), both)

    @property
    def mean_iou(self) -> float:
        """Mean of the IoU over the classes that occur in truth or prediction, 0..1."""
        return metrics.mean_iou(self.confusion)

    @property
    def pixel_accuracy(self) -> float:
        """Share of correctly classified pixels, 0..1."""
        return float(metrics.share(np.trace(self.confusion), self.confusion.sum()))

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean of the IoU, each class weighted with its share of the true pixels, 0..1."""
        pixels = self.confusion.sum(axis=1)
        return float(metrics.share(np.nansum(self.iou * pixels), pixels.sum()))

    @property
    def table(self) -> pd.DataFrame:
        """One row per class: iou, dice, precision and recall in 0..1, and the true pixels.

        Precision is the share of the pixels predicted as a class that belong to it; recall, or
        class accuracy, is the share of the pixels of a class that are predicted as it.
        """
        right = np.diag(self.confusion)
        pixels = self.confusion.sum(axis=1)
        columns = {
            "iou": self.iou,
            "dice": self.dice,
            "precision": metrics.share(right, self.confusion.sum(axis=0)),
            "recall": metrics.share(right, pixels),
            "pixels": pixels,
        }
        return pd.DataFrame(columns, index=pd.Index(self.class_names, name="class"))

    def by_category(self, categories: Mapping[str, str]) -> "Scores":
        """Scores of coarser classes: confusion within a category is not an error.

        Args:
            categories: the category of each class, by name.

        Returns:
            `Scores` whose classes are the categories.

        Raises:
            ValueError: a class has no category.

        >>> confusion = np.array([[3, 1, 0], [1, 3, 0], [0, 2, 2]])
        >>> scores = Scores(confusion, ["car", "bus", "sky"])
        >>> merged = scores.by_category({"car": "vehicle", "bus": "vehicle", "sky": "sky"})
        >>> merged.confusion.tolist()
        [[8, 0], [2, 2]]
        """
        missing = [name for name in self.class_names if name not in categories]
        if missing:
            raise ValueError(
                "`by_category` needs a category for each class. "
                f"Received: none for {missing}. Add them to `categories`."
            )
        wanted = [categories[name] for name in self.class_names]
        names = list(dict.fromkeys(wanted))
        member = np.array([[category == name for category in wanted] for name in names], np.int64)
        return Scores(member @ self.confusion @ member.T, names)

    def save_csv(self, path: str | Path) -> None:
        """Write the table as a CSV file, with the mean over the classes as its last row.

        Args:
            path: the file; missing folders are created, an earlier file is replaced.
        """
        table = self.table
        means = {**table.mean().to_dict(), "iou": self.mean_iou, "pixels": table["pixels"].sum()}
        last = pd.DataFrame([means], index=pd.Index(["mean"], name="class"))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        pd.concat([table, last.astype({"pixels": np.int64})]).to_csv(path, float_format="%.6f")

    def _summary(self) -> str:
        return (
            f"mean IoU {self.mean_iou:.2%}, pixel accuracy {self.pixel_accuracy:.2%}, "
            f"frequency-weighted IoU {self.frequency_weighted_iou:.2%}"
        )

    def _texts(self) -> pd.DataFrame:
        """The table as text: percent, share of the pixels, a dash for unknown values."""
        shares = self.table
        shares["pixels"] = metrics.share(shares["pixels"].to_numpy(), self.confusion.sum())
        return shares.map(lambda share: "-" if np.isnan(share) else f"{100 * share:.2f} %")

    def __repr__(self):
        return f"{self._texts().rename_axis(None).to_string()}\n{self._summary()}"

    def _repr_html_(self) -> str:
        """The table for a notebook, with a bar behind each IoU."""
        rows = []
        for (name, texts), iou in zip(self._texts().iterrows(), self.iou, strict=True):
            width = 0 if np.isnan(iou) else 100 * iou
            bar = f"background:linear-gradient(90deg,#7db8e888 {width:.1f}%,transparent 0)"
            cells = "".join(f"<td>{text}</td>" for text in texts.iloc[1:])
            rows.append(
                f"<tr><th style='text-align:left'>{escape(str(name))}</th>"
                f"<td style='min-width:9em;{bar}'>{texts.iloc[0]}</td>{cells}</tr>"
            )
        header = "".join(f"<th>{name}</th>" for name in ("", *self.table.columns))
        return f"<p>{self._summary()}</p><table><tr>{header}</tr>{''.join(rows)}</table>"


def evaluate_segmenter(
    predict: Callable[[np.ndarray], np.ndarray],
    batches: Iterable,
    class_names: Sequence[str],
    ignore_class: int = 255,
    progress: bool | None = None,
    names: Sequence[str] | None = None,
) -> Scores:
    """Compare predictions with the truth over a whole set of pictures.

    Args:
        predict: function of uint8 pixels (b, h, w, c) that returns class ids (b, h, w), such as
            `Segmenter(model).labels`.
        batches: pairs of pictures (b, h, w, c) and true class ids (b, h, w), such as
            `data.eval_batches("val", batch_size=4)`; sizes may differ from batch to batch.
        class_names: one name per class, without the ignored one.
        ignore_class: label id to ignore.
        progress: show a progress bar; None shows one in a terminal or notebook only.
        names: one name per picture, in the order of the batches; gives `Scores.pictures`.

    Returns:
        `Scores`: a table by class name, mean IoU and more.

    Raises:
        ValueError: there is no batch, predictions have another shape than the truth, or an id is
            not a class.

    >>> truth = np.array([[[0, 1], [1, 255]]], "uint8")
    >>> batches = [(truth[..., None], truth)]
    >>> found = np.ones((1, 2, 2), "uint8")
    >>> evaluate_segmenter(lambda pixels: found, batches, ["road", "sky"]).mean_iou
    0.3333333333333333
    """
    num_classes = len(class_names)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    count, rows = 0, []
    total = operator.length_hint(batches) or None
    hide = None if progress is None else not progress
    bar = tqdm(batches, "evaluate", total, disable=hide, leave=False, unit="batch")
    for image, label in bar:
        count += 1
        label = np.asarray(label)
        predicted = np.asarray(predict(np.asarray(image)))
        if predicted.shape != label.shape:
            raise ValueError(
                "`predict` must return one class id per pixel, in the shape of the truth. "
                f"Received: shape={predicted.shape} for truth of shape={label.shape}. "
                "Take the argmax of logits, and keep the pictures' size."
            )
        if names is None:
            confusion += metrics.confusion_matrix(label, predicted, num_classes, ignore_class)
        for truth, found in zip(label, predicted, strict=True) if names is not None else ():
            one = metrics.confusion_matrix(truth, found, num_classes, ignore_class)
            confusion += one
            rows.append((metrics.mean_iou(one), float(metrics.share(np.trace(one), one.sum()))))
    if not count:
        raise ValueError(
            "`evaluate_segmenter` needs at least one batch. Received: none. Check the split's name "
            "and files; an iterator can be used only once."
        )
    return Scores(confusion, tuple(class_names), _pictures(names, rows))


def _pictures(names, rows):
    """One row per picture, the worst first; those without a labeled pixel last."""
    if names is None:
        return pd.DataFrame()
    if len(names) != len(rows):
        raise ValueError(
            "`evaluate_segmenter` needs one name per picture. Received: "
            f"{len(names)} names for {len(rows)} pictures. Pass the names of one split."
        )
    table = pd.DataFrame(rows, columns=["mean_iou", "pixel_accuracy"])
    table.insert(0, "picture", list(names))
    return table.sort_values("mean_iou", kind="stable", ignore_index=True)
