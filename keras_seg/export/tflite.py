"""TFLite files for phones and small computers, run by LiteRT."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from keras_seg import _check
from keras_seg.export import (
    comparison,
    conversion,
    edit,
    exportable,
    flatbuffer,
    metadata,
    picture_batches,
    publish,
    quantizers,
)
from keras_seg.export.report import ExportReport
from keras_seg.inference.litert import LiteRTClassifier, LiteRTSegmenter

NUM_CALIBRATION = 100
NUM_COMPARED = 16
MAX_IOU_DROP = 0.015
# Agreement of correct conversions; int8 differs where two classes have nearly the same score.
MIN_AGREEMENT = {"fp32": 0.999, "fp16": 0.995, "int8_weights": 0.98, "int8": 0.95}
OUTPUTS = ("scores", "labels", "both")
INPUT_TYPES = ("float32", "uint8")


def tflite(  # noqa: PLR0913 - all but two have a default
    model,
    path,
    mode="fp32",
    *,
    size=None,
    calibration=None,
    data=None,
    class_names=None,
    palette=None,
    min_agreement=None,
    input_spec=None,
    outputs="scores",
    input_type=None,
    quantizer="tensorflow",
):
    """Write a .tflite file of one picture size, with operations built into LiteRT only.

    The input is one picture `image` (1, height, width, c), the output `logits`
    (1, height, width, num_classes), for a classifier (1, num_classes):
    - "fp32", "fp16": float32 pixels 0..255 and float32 logits; "fp16" halves the file.
    - "int8_weights": the same with kernels in 8 bits, a quarter of the size; computation stays in
      floating point, and no calibration is needed.
    - "int8": uint8 pixels 0..255 and uint8 logits (their scale and zero point are in the file and
      do not change the argmax); per-channel weights and all computation in 8 bits. Smallest, and
      fastest on CPUs.
    The output is scores by default because GPU delegates and MediaPipe do not support argmax.
    Volumes are not supported: LiteRT has no 3D pooling.
    `LiteRTSegmenter` takes uint8 pictures and returns label maps for all of them;
    `LiteRTClassifier` returns class ids.
    MediaPipe's ImageSegmenter and Android's tools find normalization, activation and class names in
    the file's metadata.

    Before it is kept, the file is run by LiteRT and compared with the Keras model: on `data`, else
    on `calibration`, else on noise. An earlier export of keras_seg of that name is replaced; any
    other file there is an error. Class names and palette are appended as a zip archive
    (`labels.txt`, `keras_seg.json`), which runtimes ignore.

    Args:
        model: Functional or Sequential Keras model from pixels 0..255 to logits (or a dict with
            "logits"). Outputs named `aux_*` are left out.
        path: where to write, such as "model.tflite".
        mode: "fp32", "fp16", "int8_weights" or "int8".
        size: (height, width) of the pictures, at least 32; optional if the model has a fixed size.
        calibration: training pictures, for int8: uint8 array (n, h, w, c), or an iterable of
            pictures, of batches, or of batches (image, label). The first 100 are used, resized.
            Not needed for the network of `keras_seg.finetune_int8`, which has its ranges.
        data: batches (image, label) for the comparison, not those of `calibration`; resized to
            `size`. Adds the mean IoU of both, which may drop by at most 0.015 for int8, and that
            of the Keras model on the pictures at their own size.
        class_names: names in the order of ids.
        palette: colors (r, g, b) 0..255 in the order of ids.
        input_spec: how files are converted to pixels, `data.input_spec`; stored for programs that
            read files.
        min_agreement: least share of pixels with the label of the Keras model. Defaults to 0.999
            for fp32, 0.995 for fp16, 0.98 for int8_weights and 0.95 for int8 without `data`; with
            it, only the mean IoU is checked for int8.
        outputs: "scores"; "labels" for label maps (1, height, width), uint8 up to 256 classes and
            int32 beyond, of a classifier int32 (1,); or "both", as the signatures "scores" and
            "labels" on one set of weights, which MediaPipe refuses.
        input_type: dtype of the input, "float32" or "uint8". None for uint8 of "int8", which has
            no other, and else float32: GPU delegates do not support uint8.
        quantizer: what finds the ranges of an int8 file. "tensorflow": its converter, from the
            smallest and the largest value in any picture. "ai-edge": the package
            ai-edge-quantizer, as a moving average over the pictures. "best": both write a file,
            and the better one is kept, by mean IoU (classifiers: accuracy) on `data`, else by the
            agreement with the Keras model; the report has both scores.

    Returns:
        ExportReport.

    Raises:
        ValueError: if an argument is wrong, the backend is not TensorFlow, LiteRT lacks an
            operation, or the export does not agree with the Keras model.
        ImportError: if `quantizer` needs ai-edge-quantizer, which is not installed.

    >>> report = tflite(model, "model.tflite", size=(360, 480))  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    """
    _check.one_of("mode of `tflite`", "mode", mode, MIN_AGREEMENT)
    _check.one_of("outputs of `tflite`", "outputs", outputs, OUTPUTS)
    input_type = _input_type(mode, input_type)
    names = quantizers.names_of(quantizer, mode)
    exportable.require_tensorflow("tflite")
    _check.share("tflite", "min_agreement", min_agreement or 0, below_one=False)
    exported = exportable.logits_model(model)
    shape = _input_shape(exported, size)
    notes = exportable.class_notes(exported.output_shape[-1], class_names, palette)
    notes["input_spec"] = exportable.spec_notes(exported, input_spec)
    notes["num_classes"] = exported.output_shape[-1]
    simulated = _is_simulated(exported, mode, quantizer)
    pictures = _pictures(mode, calibration, shape, simulated)
    with (
        publish.published("tflite", _checked(path)) as draft,
        tempfile.TemporaryDirectory() as folder,
    ):
        files = {name: Path(folder, f"{name}.tflite") for name in names}

        def write(name):
            file = files[name]
            conversion.convert(exported, file, mode, shape, pictures[:NUM_CALIBRATION], name)
            _require_integer(file, mode, name)
            _finish(file, mode, outputs, input_type, notes)
            flatbuffer.require_builtin(file)
            flatbuffer.require_merged(file)

        made = quantizers.written(names, write)
        classes = len(exported.output_shape) == 2
        runner = LiteRTClassifier if classes else LiteRTSegmenter
        segmenters = {name: runner(files[name]) for name in made}
        batches, words = _comparison_batches(shape, pictures[-NUM_COMPARED:], data, classes)
        functions = _functions(exported)
        found = comparison.compare_each(
            lambda image: functions("logits", image),
            {name: segmenter.labels_and_scores for name, segmenter in segmenters.items()},
            batches,
            words,
            any_size=None in exported.input_shape[1:3],
        )
        best, choice = quantizers.choice(quantizer, names, found)
        comparison.require("tflite", path, found[best], **_limits(mode, data, min_agreement))
        shutil.copyfile(files[best], draft)
        publish.write_notes(draft, notes | choice)
        num_bytes = draft.stat().st_size
        operations = flatbuffer.operations(draft)
    parts = (operations, *segmenters[best].signature())
    return ExportReport(
        Path(path), f"TFLite {mode}", num_bytes, *parts, **vars(found[best]), **choice
    )


def _input_type(mode, input_type):
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


def _finish(file, mode, outputs, input_type, notes):
    """Give the converter's file its inputs, outputs and metadata."""
    content = edit.File(file)
    if mode == "int8_weights":
        content.quantize_weights()
    if mode == "int8":
        content.give_uint8_scores()
    if input_type == "uint8":
        content.take_uint8()
    if outputs == "scores":
        content.name_scores()
    else:
        content.give_labels(keep_scores=outputs == "both")
    described = metadata.segmenter_metadata(
        [edit.LABELS if outputs == "labels" else edit.SCORES],
        notes["input_spec"]["channels"],
        input_type == "float32",
        notes["class_names"] is not None,
        content.gives_maps(),
    )
    content.add_metadata(metadata.NAME, described)
    content.write(file)


def _functions(model):
    from keras_seg.inference.compiled import CompiledFunctions  # imports Keras

    return CompiledFunctions(model, freeze=True)


def _checked(path):
    if Path(path).suffix != ".tflite":
        raise ValueError(
            "`tflite` writes a file that ends in .tflite. "
            f"Received: path={str(path)!r}. For example, use 'model.tflite'."
        )
    return path


def _input_shape(model, size):
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


def _is_simulated(model, mode, quantizer):
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


def _pictures(mode, calibration, shape, simulated):
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


def _require_integer(file, mode, quantizer="tensorflow"):
    """Raise if an int8 file still computes in floating point somewhere, or LiteRT cannot run it."""
    if mode != "int8":
        return
    floats = flatbuffer.float_operations(file)
    if floats:
        words = "; ".join(f"{name} of {_listed(outputs)}" for name, outputs in floats.items())
        other = quantizer != "tensorflow"
        advice = "quantizer='tensorflow' or " if other else ""
        raise ValueError(
            "`tflite` needs a model whose every operation "
            f"{'ai-edge-quantizer' if other else 'LiteRT'} has in 8 bits for mode='int8'. "
            f"Received: operations that stay in floating point: {words}. "
            f"Use {advice}mode='fp16', or replace the layers named."
        )
    empty = flatbuffer.empty_maps(file)
    if empty:
        raise ValueError(
            "`tflite` needs maps with a range of values for mode='int8'. "
            f"Received: maps that are 0 for all calibration pictures: {_listed(empty)}. "
            "Train the model first, pass more and other pictures as calibration, or use "
            "mode='fp16'."
        )


def _listed(names):
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more


def _comparison_batches(shape, pictures, data, classes):
    """Batches for the comparison, and their description."""
    if data is not None:
        batches = picture_batches.labeled_batches("tflite", data, shape, shape[:2], classes)
        return batches, "labeled pictures"
    words = "calibration pictures" if pictures else "noise pictures"
    return [
        (picture[np.newaxis], None, None) for picture in pictures or picture_batches.noise(4, shape)
    ], words


def _limits(mode, data, min_agreement):
    """The limits for the comparison."""
    by_iou = mode == "int8" and data is not None
    if min_agreement is None and not by_iou:
        min_agreement = MIN_AGREEMENT[mode]
    return {"min_agreement": min_agreement, "max_iou_drop": MAX_IOU_DROP if by_iou else None}
