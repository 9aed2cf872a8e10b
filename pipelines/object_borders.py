"""U-Net's pixel weights, which are large between objects that nearly touch."""

from collections.abc import Sequence
from numbers import Real

import cv2
import numpy as np

from pipelines.find.classes import IGNORE_CLASS


def touching_weights(
    label: np.ndarray,
    objects: np.ndarray | None = None,
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] | None = None,
) -> np.ndarray:
    """Return the weight of each pixel in the loss: w_c + w0 * exp(-(d1 + d2)**2 / (2 * sigma**2)).

    Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, arXiv 1505.04597, section 3, equation 2: d1 and
    d2 are the distances to the borders of the nearest and of the second nearest cell. The border of
    a cell consists of its pixels with one of four neighbors outside of the cell; distances are
    Euclidean, between the centers of pixels, and exact. With fewer than two cells the second term
    is 0.

    `keras_seg.fit` takes the weights as the third part of the batches of plain tf.data datasets;
    the losses "cross_entropy", "focal" and "boundary" use them.

    Args:
        label: integer class ids (h, w); 0 is the background, 255 is ignored.
        objects: integer ids of the cells (h, w), 0 outside of them; touching cells need different
            ids. None takes the 4-connected components of each class except the background.
        w0: additional weight where the borders of two cells meet, 0 or more.
        sigma: range of this weight in pixels, above 0.
        class_weights: w_c, one weight per class; None for 1.

    Returns:
        float32 (h, w).

    Raises:
        ValueError: shapes differ, a number is out of range, or a class has no weight.

    >>> label = np.array([[1, 1, 0, 2, 2]])
    >>> touching_weights(label)[0].astype(float).round(2).tolist()  # between them, d1 = d2 = 1
    [8.26, 10.23, 10.23, 10.23, 8.26]
    """
    label = np.asarray(label)
    objects = connected_areas(label) if objects is None else np.asarray(objects)
    _check(label, objects, w0, sigma)
    nearest = np.full((2, *label.shape), np.inf, np.float32)
    for number in np.unique(objects[objects > 0]):
        inside = objects == number
        border = inside & ~_surrounded(inside)
        if border.any():
            # The distance of each pixel to the nearest zero.
            found = cv2.distanceTransform(
                (~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
            )
            nearest = np.sort(np.concatenate([nearest, found[None]]), axis=0)[:2]
    near = w0 * np.exp(-(nearest.sum(0) ** 2) / (2 * sigma**2))
    return (_weights_of_classes(label, class_weights) + near).astype(np.float32)


def connected_areas(label: np.ndarray) -> np.ndarray:
    """Label the 4-connected components of each class except the background.

    Args:
        label: integer class ids (h, w); 0 is the background, 255 is ignored.

    Returns:
        int32 (h, w), 0 outside of all components.

    >>> connected_areas(np.array([[1, 0, 1], [1, 0, 2]])).tolist()
    [[1, 0, 2], [1, 0, 3]]
    """
    numbers = np.zeros(label.shape, np.int32)
    for class_id in np.unique(label):
        if class_id in (0, IGNORE_CLASS):
            continue
        _, found = cv2.connectedComponents((label == class_id).astype(np.uint8), connectivity=4)
        numbers += np.where(found > 0, found + numbers.max(), 0).astype(np.int32)
    return numbers


def _surrounded(inside):
    """Pixels whose four neighbors belong to the same cell; the picture's edge is no border."""
    wide = np.pad(inside, 1, constant_values=True)
    return wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]


def _weights_of_classes(label, class_weights):
    if class_weights is None:
        return np.ones(label.shape, np.float32)
    known = label[label != IGNORE_CLASS]
    if known.size and known.max() >= len(class_weights):
        raise ValueError(
            "`touching_weights` needs one weight per class. Received: class_weights with "
            f"{len(class_weights)} numbers, and a label map with class {known.max()}. Pass one for "
            "each."
        )
    table = np.ones(max(256, len(class_weights)), np.float32)
    table[: len(class_weights)] = class_weights
    return table[label]


def _check(label, objects, w0, sigma):
    """Raise for arrays of other shapes or types, and for numbers out of range."""
    integer = all(np.issubdtype(x.dtype, np.integer) for x in (label, objects))
    if label.ndim != 2 or label.shape != objects.shape or not integer:
        raise ValueError(
            "`touching_weights` needs integer label and objects of one shape (h, w). Received: "
            f"label {label.dtype} {label.shape} and objects {objects.dtype} {objects.shape}. Pass "
            "one picture at a time."
        )
    if not all(isinstance(x, Real) and 0 <= float(x) < np.inf for x in (w0, sigma)) or sigma == 0:
        raise ValueError(
            "`touching_weights` needs w0 from 0 and sigma above 0 pixels. Received: "
            f"w0={w0!r}, sigma={sigma!r}. The paper has 10 and 5."
        )
