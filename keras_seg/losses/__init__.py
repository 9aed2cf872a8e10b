"""Losses of logits; ignored pixels enter neither the numerator nor the denominator.

All take integer labels (b, h, w) and logits (b, h, w, num_classes), or volumes (b, d, h, w) and
(b, d, h, w, num_classes). Logits may be smaller than the labels, as auxiliary heads give them:
`fit` gives every head the same loss, times the recipe's `auxiliary_weight`.

With labels that are neither of 0..num_classes - 1 nor ignored the loss is nan, or an error of the
backend.
"""

import inspect

import keras

from keras_seg import _check
from keras_seg.losses.base import PixelLoss
from keras_seg.losses.boundary import BoundaryCrossEntropy
from keras_seg.losses.combined import WeightedSum
from keras_seg.losses.cross_entropy import FocalLoss, SparseCrossEntropy
from keras_seg.losses.hard_pixels import OhemCrossEntropy
from keras_seg.losses.lovasz import LovaszSoftmax
from keras_seg.losses.pixels import labels_like, valid_pixels, weighted_mean
from keras_seg.losses.region import DiceLoss, TverskyLoss

LOSSES = {
    "cross_entropy": SparseCrossEntropy,
    "focal": FocalLoss,
    "ohem": OhemCrossEntropy,
    "dice": DiceLoss,
    "tversky": TverskyLoss,
    "lovasz": LovaszSoftmax,
    "boundary": BoundaryCrossEntropy,
}

__all__ = [
    "LOSSES",
    "BoundaryCrossEntropy",
    "DiceLoss",
    "FocalLoss",
    "LovaszSoftmax",
    "OhemCrossEntropy",
    "PixelLoss",
    "SparseCrossEntropy",
    "TverskyLoss",
    "WeightedSum",
    "build",
    "labels_like",
    "names",
    "options_of",
    "valid_pixels",
    "weighted_mean",
]


def names():
    """The names of all losses.

    Returns:
        Sorted list of str.

    >>> names()
    ['boundary', 'cross_entropy', 'dice', 'focal', 'lovasz', 'ohem', 'tversky']
    """
    return sorted(LOSSES)


def build(loss, num_classes, ignore_class=255, **options):
    """A loss by its name, or a weighted sum of several.

    Args:
        loss: one of `names()`; or a list of pairs (weight, name) for a weighted sum; or a Keras
            loss, which is returned unchanged.
        num_classes: classes, without the ignored one.
        ignore_class: label id to ignore.
        **options: the loss's own arguments, such as class_weights=[...] or gamma=1; in a sum each
            part gets those that it takes. For separate options build each part first: [(1.0,
            SparseCrossEntropy(11)), (0.5, DiceLoss(11, class_weights=[0, 1, ...]))].

    Returns:
        `keras.losses.Loss`.

    Raises:
        ValueError: a name or an option is unknown, or a value is out of range.
        TypeError: `loss` is none of the above.

    >>> build("focal", num_classes=11, gamma=1.0).gamma
    1.0
    >>> [weight for weight, _ in build([(1.0, "cross_entropy"), (0.5, "dice")], 11).parts]
    [1.0, 0.5]
    """
    known = options_of(loss)
    if options and not known:
        raise ValueError(
            "`losses.build` gives options only to losses that it builds by name. Received: "
            f"{sorted(options)} with loss={loss!r}. Pass them to the loss itself."
        )
    for option in options:
        _check.one_of(f"option of loss {loss!r}", "option", option, known)
    if isinstance(loss, list | tuple):
        return WeightedSum(
            (weight, _build_one(part, num_classes, ignore_class, options)) for weight, part in loss
        )
    return _build_one(loss, num_classes, ignore_class, options)


def options_of(loss):
    """Names of the options that `build` takes for a loss.

    Args:
        loss: as `build` takes it.

    Returns:
        set of str: what at least one loss given by name takes; empty if none is given by name.

    Raises:
        ValueError: a name is not known.
        TypeError: `loss` is not an argument of `build`.

    >>> sorted(options_of("focal"))
    ['class_weights', 'gamma', 'name']
    """
    if isinstance(loss, keras.losses.Loss):
        return set()
    if isinstance(loss, list | tuple):
        return set().union(*(options_of(part) for _, part in map(_check_pair, loss)))
    if not isinstance(loss, str):
        raise TypeError(
            "`losses.build` needs a name, a Keras loss, or a list of pairs (weight, name or loss). "
            f"Received: loss={loss!r}. Names: {names()}."
        )
    _check.one_of("loss", "loss", loss, LOSSES)
    return set(inspect.signature(LOSSES[loss]).parameters) - {"num_classes", "ignore_class"}


def _build_one(loss, num_classes, ignore_class, options):
    """Build one part by name with its options, or return it unchanged."""
    if not isinstance(loss, str):
        return loss
    known = options_of(loss)
    options = {option: value for option, value in options.items() if option in known}
    return LOSSES[loss](num_classes, ignore_class, **options)


def _check_pair(part):
    if not isinstance(part, list | tuple) or len(part) != 2 or isinstance(part[1], list | tuple):
        raise TypeError(
            "`losses.build` needs pairs (weight, name or loss) in a list of losses. "
            f"Received: {part!r}. For example, pass [(1.0, 'cross_entropy'), (0.5, 'dice')]."
        )
    return part
