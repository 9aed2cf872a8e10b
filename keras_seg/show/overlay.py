"""Colors of classes, and overlays on pictures."""

from collections.abc import Sequence

import cv2
import numpy as np

from keras_seg.colors import Palette, class_colors
from pipelines.read import InputSpec, as_image

# Color of errors: the first of these that differs clearly from all classes.
LOUD = ((225, 30, 40), (255, 0, 255), (255, 130, 0), (0, 225, 255))
FAR = 40  # in CIELAB, where black and white are 100 apart
IGNORED_BRIGHTNESS = 0.3
HATCH_BRIGHTNESS = 0.6


def overlay(image, label, palette: Palette = None, alpha: float = 0.5) -> np.ndarray:
    """Color each pixel of a picture by its class.

    Args:
        image: pixels 0..255, (h, w) or (h, w, c), or the path of a picture.
        label: class ids (h, w). Ids without a color, such as 255 for ignored pixels, are left
            uncolored, dark and hatched.
        palette: one color (r, g, b) in 0..255 per class; generated if None.
        alpha: strength of the colors, 0..1.

    Returns:
        uint8 array (h, w, 3), red, green, blue.

    Raises:
        ValueError: label and picture differ in size, or `alpha` is out of range.

    >>> image, label = np.full((1, 2, 3), 100, "uint8"), np.array([[0, 1]])
    >>> overlay(image, label, [(200, 0, 0), (0, 200, 0)])[0].tolist()
    [[150, 50, 50], [50, 150, 50]]
    """
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"`overlay` needs alpha in 0..1. Received: alpha={alpha}. "
            "0 gives the picture, 1 only the colors."
        )
    image = as_color(image)
    label = fitting(image, label, "label")
    if palette is None:
        palette = class_colors(None, int(label[label < 255].max(initial=0)) + 1)
    known = (label >= 0) & (label < len(palette))
    if len(palette) <= 256 and known.all():  # as for predictions; a table of colors is fastest
        table = np.zeros((1, 256, 3), np.uint8)
        table[0, : len(palette)] = palette
        colors = cv2.LUT(cv2.merge([label.astype(np.uint8)] * 3), table)
        return cv2.addWeighted(image, 1 - alpha, colors, alpha, 0)
    colors = np.asarray(palette, np.uint8)[np.where(known, label, 0)]
    mixed = cv2.addWeighted(image, 1 - alpha, colors, alpha, 0)
    return np.where(known[..., None], mixed, hatched(image))


def color_of_errors(palette: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Return red, or the first other bright color that is far from those of all classes.

    If there is none, the one that differs most from its nearest class.

    >>> color_of_errors([(0, 0, 0), (70, 130, 180)]), color_of_errors([(220, 20, 60)])
    ((225, 30, 40), (255, 0, 255))
    """
    nearest = np.linalg.norm(_lab(LOUD)[:, None] - _lab(palette), axis=-1).min(axis=1)
    return LOUD[int(np.minimum(nearest, FAR).argmax())]


def _lab(colors) -> np.ndarray:
    """Return colors in CIELAB, where distances match perceived differences."""
    shares = np.asarray(colors, np.float32)[np.newaxis] / 255
    return cv2.cvtColor(shares, cv2.COLOR_RGB2LAB)[0]


def as_color(image) -> np.ndarray:
    """Return red, green, blue; of many channels, the first as gray."""
    if np.ndim(image) == 3 and np.shape(image)[-1] not in (1, 3, 4):
        image = np.asarray(image)[..., :1]
    return np.ascontiguousarray(as_image(image, InputSpec(3)))


def fitting(image: np.ndarray, label, what: str) -> np.ndarray:
    """Return class ids as an array; raise if their size differs from the picture's."""
    label = np.asarray(label)
    if label.shape != image.shape[:2]:
        raise ValueError(
            f"A {what} must have one class id per pixel of its picture. Received: "
            f"shape={label.shape} for a picture of shape={image.shape}. Resize the ids with "
            "nearest neighbor, or pass their picture."
        )
    return label


def hatched(image: np.ndarray) -> np.ndarray:
    """Return the picture dark and hatched, as ignored pixels are shown."""
    height, width = image.shape[:2]
    period = max(6, min(height, width) // 40)
    diagonal = np.add.outer(np.arange(height), np.arange(width)) % period < period / 4
    brightness = np.where(diagonal, HATCH_BRIGHTNESS, IGNORED_BRIGHTNESS)
    return (image * brightness[..., None]).astype(np.uint8)
