"""Class weights for losses, from the pixels of the training pictures.

For pictures with one class each, pictures are counted instead of pixels.
"""

import numpy as np

from pipelines.examples import Examples
from pipelines.find.classes import IGNORE_CLASS

METHODS = ("inverse", "median", "enet", "effective")


def class_weights(
    data: Examples | np.ndarray,
    method: str = "enet",
    c: float = 1.02,
    beta: float | None = None,
) -> np.ndarray:
    """Return one weight per class; rare classes have larger weights.

    With p the class's share of all pixels that are not ignored:

    - "inverse": 1 / (p * number of classes that occur): 1 if all classes are equally frequent.
    - "median": median frequency balancing as in SegNet (arXiv 1511.00561): the median of f over
      the classes, divided by f; f is the class's share of all pixels, ignored ones too, of the
      pictures that show it.
    - "enet": 1 / ln(c + p), ENet (arXiv 1606.02147), at most 1 / ln(c).
    - "effective": (1 - beta) / (1 - beta ** n) for n pixels, scaled to a mean of 1 (Cui et al.,
      arXiv 1901.05555).

    Args:
        data: a dataset, whose split "train" is counted; or pixel counts as returned by
            `Dataset.measure`: per picture and class (n, num_classes), or summed over pictures
            (num_classes,), where "median" assumes that every picture shows every class. In a table
            with 256 columns the last one counts ignored pixels.
        method: one of the four above.
        c: constant of "enet", above 1.
        beta: constant of "effective", 0 < beta < 1; None for 1 - 1 / (mean pixels per class), so
            that weights differ little among classes above the mean, and more among those below.

    Returns:
        float64 (num_classes,), or (255,) for tables with 256 columns; 0 for classes without pixels.

    Raises:
        ValueError: if the method is unknown, a constant is out of range, or nothing was counted.

    >>> class_weights(np.array([75, 25]), "inverse").round(3).tolist()
    [0.667, 2.0]
    """
    _check(method, c, beta)
    counts, everything = _counts(data)
    pixels = counts.sum(axis=0)
    shares = pixels / max(pixels.sum(), 1)
    known = pixels > 0
    weights = np.zeros(len(pixels))
    if method == "inverse":
        weights[known] = 1 / (known.sum() * shares[known])
    elif method == "median":
        weights = median_frequency(pixels, (counts > 0).T.astype(float) @ everything)
    elif method == "enet":
        weights[known] = 1 / np.log(c + shares[known])
    else:
        log_beta = np.log1p(-1 / max(pixels[known].mean(), 2)) if beta is None else np.log(beta)
        weights[known] = 1 / -np.expm1(pixels[known] * log_beta)
        weights /= weights[known].mean()
    return weights


def median_frequency(pixels: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Return SegNet's weights: the median of the classes' frequencies, divided by each.

    Args:
        pixels: pixels of each class (num_classes,).
        around: all pixels, ignored ones too, of the pictures that show the class (num_classes,).

    Returns:
        float64 (num_classes,); 0 for classes without a pixel.

    >>> median_frequency(np.array([50, 25, 0]), np.array([100, 100, 0])).tolist()
    [0.75, 1.5, 0.0]
    """
    frequency = pixels / np.maximum(around, 1)
    known = frequency > 0
    weights = np.zeros(len(frequency))
    if known.any():
        weights[known] = np.median(frequency[known]) / frequency[known]
    return weights


def _check(method: str, c: float, beta: float | None) -> None:
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {METHODS}. Received: method={method!r}. "
            'Leave it out for "enet".'
        )
    if not c > 1:
        raise ValueError(
            f"`c` must be above 1, so that weights are bounded. Received: c={c!r}. ENet uses 1.02."
        )
    if beta is not None and not 0 < beta < 1:
        raise ValueError(
            f"`beta` must be between 0 and 1. Received: beta={beta!r}. Leave it out, or give for "
            "example 0.999."
        )


def _counts(data) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels per picture and class, and all pixels of each picture."""
    num_classes = None
    if hasattr(data, "measure"):
        num_classes, data = data.num_classes, data.measure("train")[1]
    counts = np.atleast_2d(np.asarray(data, np.float64))
    everything = counts.sum(axis=-1)
    if counts.shape[-1] == IGNORE_CLASS + 1 and num_classes != counts.shape[-1]:
        counts = counts[..., :IGNORE_CLASS]
    counts = counts[..., :num_classes]
    if counts.ndim != 2 or counts.min(initial=0) < 0 or counts.sum() == 0:
        raise ValueError(
            "Pixels are counted per class, or per picture and class, and some must be there. "
            f"Received: an array of shape {counts.shape} with a sum of {counts.sum():g}. "
            "Give a dataset, or counts as `Dataset.measure` returns them."
        )
    return counts, everything
