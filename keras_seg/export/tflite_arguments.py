"""The arguments of `tflite`, checked and completed."""

from pathlib import Path

import numpy as np

from keras_seg import _check
from keras_seg.export import picture_batches

NUM_CALIBRATION = 100
NUM_COMPARED = 16
MAX_IOU_DROP = 0.015
# Agreement of correct conversions; int8 differs where two classes have nearly the same score.
MIN_AGREEMENT = {"fp32": 0.999, "fp16": 0.995, "int8_weights": 0.98, "int8": 0.95}
OUTPUTS = ("scores", "labels", "both")
INPUT_TYPES = ("float32", "uint8")


def completed_input_type(mode, input_type):
    """The dtype of the file's input."""
    if input_type is None:
        return "uint8" if mode == "int8" else "float32"
    _check.one_of("input_type of `tflite`", "input_type", input_type, INPUT_TYPES)
    if mode == "int8" and input_type != "uint8":
        raise ValueError(
            "`tflite` writes int8 files that take uint8 pixels. "
            f"Received: input_type={input_type!r} with mode='int8'. Leave it out, or use "
            "mode='int8_weights'."
        )
    return input_type


def checked_path(path):
    """The path, which ends in .tflite."""
    if Path(path).suffix != ".tflite":
        raise ValueError(
            "`tflite` writes a file that ends in .tflite. "
            f"Received: path={str(path)!r}. For example, use 'model.tflite'."
        )
    return path


def input_shape(model, size):
    """(height, width, channels) of the file's input."""
    if len(model.input_shape) != 4:
        raise ValueError(
            "`tflite` exports models of pictures (b, h, w, c): LiteRT has no pooling of volumes. "
            f"Received: model={model.name!r} for volumes, input={model.input_shape}. "
            "Export a SavedModel instead."
        )
    height, width, channels = model.input_shape[1:]
    fixed = (height, width)
    listed = isinstance(size, tuple | list)
    chosen: tuple = fixed if size is None else tuple(size) if listed else ()
    smallest = 32 if len(model.output_shape) > 2 else 1
    whole = len(chosen) == 2 and all(hasattr(n, "__index__") and n >= smallest for n in chosen)
    if not whole or any(n is not None and n != m for n, m in zip(fixed, chosen, strict=True)):
        raise ValueError(
            f"`tflite` needs size=(height, width) of at least {smallest} pixels, equal to that "
            f"of the model if it is fixed. Received: size={size}, model "
            f"input={model.input_shape[1:]}. For example, pass size=(360, 480)."
        )
    return (int(chosen[0]), int(chosen[1]), channels)


def is_simulated(model, mode, quantizer):
    """Whether a model has the ranges of an int8 file already; it has no other files."""
    from keras_seg.export import simulation  # imports Keras

    simulated = simulation.is_simulated(model)
    if simulated and mode != "int8":
        raise ValueError(
            "`tflite` writes a network from `finetune_int8` with mode='int8', for which it was "
            f"trained. Received: mode={mode!r} for {model.name!r}. Export the network from which "
            "the fine-tuning started."
        )
    if simulated and quantizer != "tensorflow":
        raise ValueError(
            "`tflite` takes the ranges of a network from `finetune_int8` as they were learned, and "
            f"has no other quantizer for it. Received: quantizer={quantizer!r} for {model.name!r}. "
            "Leave it out."
        )
    return simulated


def pictures_of(mode, calibration, shape, simulated):
    """Pictures for calibration; the last ones are for the comparison."""
    if calibration is not None:
        return picture_batches.take_pictures(
            "tflite", calibration, NUM_CALIBRATION + NUM_COMPARED, shape
        )
    if mode == "int8" and not simulated:
        raise ValueError(
            "`tflite` needs training pictures to find the ranges of an int8 file. "
            "Received: calibration=None. Pass about 100 of them, for example "
            "calibration=data.train_batches(4)."
        )
    return []


def comparison_batches(shape, pictures, data, classes):
    """Batches for the comparison, and their description."""
    if data is not None:
        batches = picture_batches.labeled_batches("tflite", data, shape, shape[:2], classes)
        return batches, "labeled pictures"
    words = "calibration pictures" if pictures else "noise pictures"
    return [
        (picture[np.newaxis], None, None) for picture in pictures or picture_batches.noise(4, shape)
    ], words


def limits(mode, data, min_agreement):
    """The limits for the comparison."""
    by_iou = mode == "int8" and data is not None
    if min_agreement is None and not by_iou:
        min_agreement = MIN_AGREEMENT[mode]
    return {"min_agreement": min_agreement, "max_iou_drop": MAX_IOU_DROP if by_iou else None}
