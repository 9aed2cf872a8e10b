"""What finds the ranges of an int8 .tflite file, and which of two files is the better one."""

import logging

from keras_seg import _check
from keras_seg.export.runner import require_package

log = logging.getLogger("keras_seg")
QUANTIZERS = ("tensorflow", "ai-edge", "best")


def names_of(quantizer, mode):
    """The quantizers that write a file each.

    Args:
        quantizer: "tensorflow", "ai-edge" or "best".
        mode: mode of `tflite`.

    Returns:
        tuple of "tensorflow" and "ai-edge".

    Raises:
        ValueError: unknown, or not for this mode.
        ImportError: ai-edge-quantizer is not installed.

    >>> names_of("tensorflow", "int8")
    ('tensorflow',)
    """
    _check.one_of("quantizer of `tflite`", "quantizer", quantizer, QUANTIZERS)
    if quantizer == "tensorflow":
        return ("tensorflow",)
    if mode != "int8":
        raise ValueError(
            "`tflite` uses other quantizers than TensorFlow for mode='int8' only. "
            f"Received: quantizer={quantizer!r} with mode={mode!r}. Leave it out."
        )
    require_package("tflite", "ai_edge_quantizer", "ai-edge")
    return ("tensorflow", "ai-edge") if quantizer == "best" else (quantizer,)


def written(names, write):
    """Write a file with each quantizer.

    Args:
        names: quantizers, from `names_of`.
        write: callable that writes the file of one of them.

    Returns:
        list of those that wrote one. A warning says why another one did not.

    Raises:
        ValueError: none did; that of the first.
    """
    errors = {}
    for name in names:
        try:
            write(name)
        except ValueError as error:
            errors[name] = error
    if len(errors) == len(names):
        raise errors[names[0]]
    for name, error in errors.items():
        log.warning("There is no file of quantizer='%s' to compare: %s", name, error)
    return [name for name in names if name not in errors]


def choice(quantizer, names, found):
    """The quantizer with the better file, and what the report says about it.

    Args:
        quantizer: "tensorflow", "ai-edge" or "best".
        names: quantizers that were to write a file, from `names_of`.
        found: {name: `comparison.Comparison`} of those that did.

    Returns:
        (name, fields of `ExportReport`). The better file is the one with the higher mean IoU, or
        accuracy, on labeled pictures; where there are none or these are equal, the one that agrees
        best with the Keras model.
    """
    best = max(found, key=lambda name: (_score(found[name]), found[name].agreement))
    if quantizer == "tensorflow":
        return best, {}
    scores = {name: _score(found[name]) if name in found else None for name in names}
    return best, {"quantizer": best, "quantizer_scores": scores}


def _score(found):
    """Mean IoU on labeled pictures, of classifiers accuracy; without labels the agreement."""
    if found.mean_iou is not None:
        return found.mean_iou
    return found.agreement if found.accuracy is None else found.accuracy
