"""TFLite files for phones and small computers, run by LiteRT."""

import shutil
import tempfile
from pathlib import Path

from keras_seg import _check
from keras_seg.export import (
    comparison,
    conversion,
    edit,
    exportable,
    flatbuffer,
    metadata,
    publish,
    quantizers,
)
from keras_seg.export import tflite_arguments as given
from keras_seg.export.report import ExportReport
from keras_seg.inference.litert import LiteRTClassifier, LiteRTSegmenter


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
    _check.one_of("mode of `tflite`", "mode", mode, given.MIN_AGREEMENT)
    _check.one_of("outputs of `tflite`", "outputs", outputs, given.OUTPUTS)
    input_type = given.completed_input_type(mode, input_type)
    names = quantizers.names_of(quantizer, mode)
    exportable.require_tensorflow("tflite")
    _check.share("tflite", "min_agreement", min_agreement or 0, below_one=False)
    exported = exportable.logits_model(model)
    shape = given.input_shape(exported, size)
    notes = exportable.class_notes(exported.output_shape[-1], class_names, palette)
    notes["input_spec"] = exportable.spec_notes(exported, input_spec)
    notes["num_classes"] = exported.output_shape[-1]
    simulated = given.is_simulated(exported, mode, quantizer)
    pictures = given.pictures_of(mode, calibration, shape, simulated)
    with (
        publish.published("tflite", given.checked_path(path)) as draft,
        tempfile.TemporaryDirectory() as folder,
    ):
        files = {name: Path(folder, f"{name}.tflite") for name in names}
        calibrating = pictures[: given.NUM_CALIBRATION]
        source = conversion.source(exported, folder, mode, shape, calibrating)

        def write(name):
            file = files[name]
            conversion.convert(source, file, name)
            if mode == "int8":
                flatbuffer.require_integer(file, name)
            _finish(file, mode, outputs, input_type, notes)
            flatbuffer.require_builtin(file)
            flatbuffer.require_merged(file)

        made = quantizers.written(names, write)
        classes = len(exported.output_shape) == 2
        runner = LiteRTClassifier if classes else LiteRTSegmenter
        segmenters = {name: runner(files[name]) for name in made}
        batches, words = given.comparison_batches(
            shape, pictures[-given.NUM_COMPARED :], data, classes
        )
        functions = _functions(exported)
        found = comparison.compare_each(
            lambda image: functions("logits", image),
            {name: segmenter.labels_and_scores for name, segmenter in segmenters.items()},
            batches,
            words,
            any_size=None in exported.input_shape[1:3],
        )
        best, choice = quantizers.choice(quantizer, names, found)
        comparison.require("tflite", path, found[best], **given.limits(mode, data, min_agreement))
        shutil.copyfile(files[best], draft)
        publish.write_notes(draft, notes | choice)
        num_bytes = draft.stat().st_size
        operations = flatbuffer.operations(draft)
    parts = (operations, *segmenters[best].signature())
    return ExportReport(
        Path(path), f"TFLite {mode}", num_bytes, *parts, **vars(found[best]), **choice
    )


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
