"""Training curves, and scores of classes by epoch."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_seg.show.figures import NotebookFigure

IOU, ACCURACY = "val_mean_iou", "val_accuracy"
# The first line's name, the second line's column and its name.
LINES = {
    IOU: ("mean IoU", "val_pixel_accuracy", "pixel accuracy"),
    ACCURACY: ("top-1 accuracy", "val_top5_accuracy", "top-5 accuracy"),
}


def show_curves(history: pd.DataFrame) -> Figure:
    """Draw the curves of a training: loss, mean IoU or accuracy, learning rate, scores by class.

    Args:
        history: one row per epoch, with the columns that `fit` writes: epoch, loss,
            learning_rate, val_mean_iou, and where known val_loss, seconds, `iou/<class name>`; of
            classifiers val_accuracy, val_top5_accuracy and `accuracy/<class name>`.

    Returns:
        Figure, with the epoch of the best mean IoU or accuracy marked.

    Raises:
        ValueError: there is no epoch, or no column `loss`.

    >>> history = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.5], "val_mean_iou": [0.2, 0.3]})
    >>> [axes.get_ylabel() for axes in show_curves(history).axes]
    ['loss', 'mean IoU']
    """
    if "loss" not in history or not len(history):
        raise ValueError(
            "`show_curves` needs at least one epoch and a column 'loss'. Received: "
            f"{len(history)} epochs with columns {list(history.columns)}. Pass `run.history`."
        )
    if "epoch" in history:
        history = history.set_index("epoch")
    monitor = _monitor(history)
    measure = "accuracy" if monitor == ACCURACY else "IoU"
    classes = history.filter(regex=f"^{measure.lower()}/").dropna(how="all")
    classes.columns = classes.columns.str.replace("^[a-z]+/", "", regex=True)
    top = [name for name in ("loss", monitor, "learning_rate") if name in history]
    below = 0.28 * classes.shape[1] + 1.1 if classes.size else 0
    figure = NotebookFigure(figsize=(12, 3.2 + below), dpi=110, layout="constrained")
    upper, lower = figure, None
    if below:
        parts = figure.add_gridspec(2, 1, height_ratios=[3.2, below])
        upper, lower = figure.add_subfigure(parts[0]), figure.add_subfigure(parts[1])
    best = _best_epoch(history)
    for name, axes in zip(top, np.ravel(upper.subplots(1, len(top))), strict=True):
        draw = {"loss": _draw_loss, IOU: _draw_score, ACCURACY: _draw_score}
        draw.get(name, _draw_rate)(axes, history)
        if best is not None:
            axes.axvline(best, color="0.6", linestyle=":", zorder=0)
        _number_epochs(axes, history.index)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    if lower is not None:
        _draw_classes(lower, classes, classes.index[-1] if best is None else best, measure)
    figure.suptitle(_headline(history, best), fontsize=11)
    return figure


def _best_epoch(history: pd.DataFrame):
    """Return the epoch of the best score, None if it was never measured."""
    monitor = _monitor(history)
    known = history.reindex(columns=[monitor]).dropna()
    return known.index[known[monitor].argmax()] if len(known) else None


def _monitor(history: pd.DataFrame) -> str:
    """Return the column by which the best weights were chosen."""
    return ACCURACY if ACCURACY in history else IOU


def _headline(history: pd.DataFrame, best) -> str:
    words = [f"{len(history)} epoch" + "s" * (len(history) > 1)]
    if best is not None:
        monitor = _monitor(history)
        words.append(f"best {LINES[monitor][0]} {history[monitor][best]:.4f} in epoch {best}")
    if "seconds" in history:
        words.append(f"{history['seconds'].median():.3g} s per epoch")
    return "  ·  ".join(words)


def _number_epochs(axes: Axes, epochs: pd.Index) -> None:
    axes.set(xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_line(axes: Axes, history: pd.DataFrame, name: str, **options) -> None:
    values = history[[name]].dropna()
    axes.plot(values.index, values[name], marker="o" if len(values) < 15 else "", ms=4, **options)


def _draw_loss(axes: Axes, history: pd.DataFrame) -> None:
    _draw_line(axes, history, "loss", label="training")
    if "val_loss" in history:
        _draw_line(axes, history, "val_loss", label="validation")
        axes.legend(frameon=False)
    axes.set_ylabel("loss")


def _draw_score(axes: Axes, history: pd.DataFrame) -> None:
    monitor = _monitor(history)
    name, second, second_name = LINES[monitor]
    _draw_line(axes, history, monitor, label=name, color="tab:green")
    if second in history:
        _draw_line(axes, history, second, label=second_name, color="tab:gray")
        axes.legend(framealpha=1, edgecolor="none", loc="lower right")
    best = _best_epoch(history)
    if best is not None:
        axes.plot([best], history.loc[[best], monitor], "*", ms=13, color="tab:red")
    axes.set(ylabel=f"{name}, {second_name}" if second in history else name, ylim=(0, 1))


def _draw_rate(axes: Axes, history: pd.DataFrame) -> None:
    _draw_line(axes, history, "learning_rate", color="tab:purple")
    axes.set_ylabel("learning rate")


def _draw_classes(figure, classes: pd.DataFrame, epoch, measure: str) -> None:
    """Draw the score of each class by epoch as colors, and that of one epoch as bars."""
    epoch = epoch if epoch in classes.index else classes.index[-1]
    by_epoch, bars = figure.subplots(1, 2, width_ratios=[2, 1])
    step = 0.5 if len(classes) == 1 else float(np.diff(classes.index).min()) / 2
    extent = (classes.index[0] - step, classes.index[-1] + step, classes.shape[1] - 0.5, -0.5)
    values = classes.T.to_numpy(dtype=float)
    shades = by_epoch.imshow(
        values, aspect="auto", vmin=0, vmax=1, extent=extent, interpolation="nearest"
    )
    figure.colorbar(shades, ax=by_epoch, label=f"{measure} on validation", pad=0.01, fraction=0.05)
    by_epoch.axvline(epoch, color="white", linestyle=":")
    by_epoch.set(yticks=range(classes.shape[1]), yticklabels=classes.columns)
    _number_epochs(by_epoch, classes.index)
    chosen = classes.loc[epoch].to_numpy(dtype=float)
    bars.barh(range(len(chosen)), np.nan_to_num(chosen), color="tab:green", height=0.7)
    for row, value in enumerate(chosen):
        text = "never occurs" if np.isnan(value) else f"{value:.2f}"
        bars.text(np.nan_to_num(value) + 0.015, row, text, va="center", fontsize=9)
    bars.set(
        ylim=(len(chosen) - 0.5, -0.5),
        xlim=(0, 1.12),
        xlabel=f"{measure} in epoch {epoch}",
        yticks=[],
    )
    bars.spines[["top", "right"]].set_visible(False)
