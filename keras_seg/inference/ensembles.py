"""Test-time augmentation and ensembles."""

import math
from fractions import Fraction

import cv2
import numpy as np

from keras_seg.inference.predictor import Predictor, require_predictor, share_properties

LARGEST_STRIDE = 256  # pixels; beyond it, tiles follow the network's own stride
MOST_CHANNELS = 128  # that OpenCV 5 resizes at a time; ADE20K has 150 classes


def augmented(segmenter, flips="horizontal", scales=(1.0,)):
    """Average a segmenter's predictions over flipped and resized copies of a picture.

    This is test-time augmentation: the probabilities of each copy are transformed back to the
    shape of the picture and averaged. The number of forward passes is flips times scales.

    Args:
        segmenter: a `Segmenter`, or an object with its interface.
        flips: "horizontal" (or True) adds the horizontal flip; "all" adds the vertical flip and
            both together, for pictures without a fixed orientation, such as aerial ones, and for
            volumes all eight flips along three axes; None (or False) adds nothing.
        scales: scale factors of the copies, such as (0.75, 1.0, 1.25), or a single one.

    Returns:
        An object with the interface of `Segmenter`: call, labels, probabilities, tiles, show.

    Raises:
        ValueError: if `flips` is unknown, `scales` is empty or not positive, or the network has a
            fixed input size and `scales` contains values other than 1.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> both = augmented(Segmenter(model), flips=True, scales=(1.0, 1.5))
    >>> both(np.zeros((37, 51, 3), "uint8")).shape
    (37, 51)
    """
    return Augmented(segmenter, flips, scales)


def ensemble(segmenters, weights=None):
    """Average the probabilities of several segmenters.

    Args:
        segmenters: two or more `Segmenter` objects, or others with that interface, for the same
            classes in the same order.
        weights: weight of each segmenter, 0 or more; equal weights if None.

    Returns:
        An object with the interface of `Segmenter`: call, labels, probabilities, tiles, show.

    Raises:
        ValueError: if the list is empty, classes, channels or sizes differ, or `weights` does not
            have one valid entry per segmenter. On a call: if the label maps' sizes differ.
        TypeError: if `segmenters` is not a list of segmenters.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> both = ensemble([Segmenter(model), Segmenter(model)])
    >>> both(np.zeros((37, 51, 3), "uint8")).shape
    (37, 51)
    """
    return Ensemble(segmenters, weights)


class Augmented(Predictor):
    """See `augmented`."""

    def __init__(self, segmenter, flips, scales):
        require_predictor("augmented", segmenter)
        self.segmenter = segmenter
        if isinstance(flips, bool):
            flips = "horizontal" if flips else None
        kinds = {None: 1, "horizontal": 2, "all": 2**segmenter.dimensions}
        if flips not in list(kinds):
            raise ValueError(
                "`augmented` needs flips 'horizontal', 'all' or None. "
                f"Received: flips={flips!r}. Choose 'all' only for pictures without a fixed "
                "orientation."
            )
        # Axes to flip in (b, h, w, c) or (b, d, h, w, c): none, the width, the height, ...
        axes = range(segmenter.dimensions, 0, -1)
        self.flips = [
            tuple(axis for place, axis in enumerate(axes) if number >> place & 1)
            for number in range(kinds[flips])
        ]
        self.scales = tuple(np.atleast_1d(scales).tolist())
        numbers = all(isinstance(scale, int | float) for scale in self.scales)
        positive = numbers and all(0 < scale < math.inf for scale in self.scales)
        if not self.scales or not positive:
            raise ValueError(
                "`augmented` needs at least one scale, each above 0. "
                f"Received: scales={scales!r}. For example, pass (0.75, 1.0, 1.25)."
            )
        if segmenter.fixed_size and set(self.scales) != {1}:
            fixed = "x".join(map(str, segmenter.fixed_size))
            raise ValueError(
                f"This model was built for pictures of {fixed} pixels only. "
                f"Received: scales={scales!r}. Leave scales at (1.0,), or build the model with "
                "input_shape=(None, None, channels)."
            )
        share_properties(self, segmenter)
        self.output_stride = _stride_of(segmenter.output_stride, self.scales)

    def _probabilities(self, batch):
        total = np.zeros((*batch.shape[:-1], self.num_classes), np.float32)
        for scale in self.scales:
            resized = _resized(batch, tuple(max(1, round(n * scale)) for n in batch.shape[1:-1]))
            for axes in self.flips:
                turned = np.ascontiguousarray(np.flip(resized, axes))
                found = np.flip(self.segmenter.probabilities(turned), axes)
                total += _resized(found, batch.shape[1:-1])
        return total / (len(self.scales) * len(self.flips))


class Ensemble(Predictor):
    """See `ensemble`."""

    def __init__(self, segmenters, weights):
        if isinstance(segmenters, Predictor) or not hasattr(segmenters, "__iter__"):
            raise TypeError(
                "`ensemble` needs a list of segmenters. Received: one value of type "
                f"{type(segmenters).__name__}. Pass a list such as [Segmenter(a), Segmenter(b)]."
            )
        self.segmenters = tuple(segmenters)
        for segmenter in self.segmenters:
            require_predictor("ensemble", segmenter)
        if not self.segmenters:
            raise ValueError(
                "`ensemble` needs at least one segmenter. Received: none. "
                "Pass a list such as [Segmenter(a), Segmenter(b)]."
            )
        for what in ("class_names", "num_channels", "dimensions", "fixed_size", "input_spec"):
            values = [getattr(segmenter, what) for segmenter in self.segmenters]
            if any(value != values[0] for value in values):
                raise ValueError(
                    f"`ensemble` needs segmenters with the same {what}. Received: {values}. "
                    "Remove those that differ, or train all of them on one data set."
                )
        given = np.ones(len(self.segmenters)) if weights is None else np.asarray(weights)
        numbers = given.dtype.kind in "uif" and np.isfinite(given).all() and (given >= 0).all()
        if given.shape != (len(self.segmenters),) or not numbers or not given.any():
            raise ValueError(
                f"`ensemble` needs a weight of 0 or more for each of {len(self.segmenters)} "
                f"segmenters, not all 0. Received: weights={weights!r}. Pass one number for each."
            )
        self.weights = (given / given.sum()).astype(np.float32)
        share_properties(self, self.segmenters[0])
        self.output_stride = math.lcm(*(one.output_stride for one in self.segmenters))

    def _probabilities(self, batch):
        total = None
        for weight, segmenter in zip(self.weights, self.segmenters, strict=True):
            if not weight:
                continue
            found = weight * segmenter.probabilities(batch)
            if total is not None and found.shape != total.shape:
                raise ValueError(
                    "`ensemble` needs segmenters whose label maps have the same size. Received: "
                    f"label maps of {_text(total)} and of {_text(found)} for a picture of "
                    f"{_text(batch)}. Enlarge the smaller network's logits to its input's size."
                )
            total = found if total is None else total + found
        return total


def _text(batch):
    return "x".join(map(str, batch.shape[1:-1]))


def _stride_of(stride, scales):
    """The fewest pixels that are a multiple of the stride at every scale, if they are few."""
    needed = stride * math.lcm(
        *(Fraction(scale).limit_denominator(100).denominator for scale in scales)
    )
    return needed if needed <= LARGEST_STRIDE else stride


def _resized(batch, size):
    """Return (b, *size, c): bilinear, and smaller pixels as means where the picture shrinks."""
    if batch.shape[1:-1] == size:
        return batch
    if len(size) == 3:
        return _resized_volumes(batch, size)
    channels = batch.shape[-1]
    if channels > MOST_CHANNELS:
        starts = range(0, channels, MOST_CHANNELS)
        parts = [_resized(batch[..., start : start + MOST_CHANNELS], size) for start in starts]
        return np.concatenate(parts, axis=-1)
    smaller = size[0] < batch.shape[1]
    method = cv2.INTER_AREA if smaller and batch.dtype == np.uint8 else cv2.INTER_LINEAR
    resized = [
        cv2.resize(np.ascontiguousarray(one), size[::-1], interpolation=method) for one in batch
    ]
    return np.stack(resized).reshape(len(batch), *size, -1)


def _resized_volumes(batch, size):
    """Return (b, *size, c), linear along each axis between the centers of pixels."""
    values = batch.astype(np.float32)
    for axis, new in enumerate(size, start=1):
        old = values.shape[axis]
        centers = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        first = centers.astype(int)
        share = (centers - first).astype(np.float32).reshape(-1, *[1] * (4 - axis))
        before, after = (np.take(values, np.minimum(first + k, old - 1), axis) for k in (0, 1))
        values = before + share * (after - before)
    return np.rint(values).astype(np.uint8) if batch.dtype == np.uint8 else values
