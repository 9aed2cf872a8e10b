"""ONNX files, for ONNX Runtime, Triton and whatever else reads ONNX."""

import collections
import contextlib
import json
import logging
from pathlib import Path

import numpy as np

from keras_seg.export import any_size
from keras_seg.export.onnx_runner import OnnxClassifier, OnnxSegmenter
from keras_seg.export.runner import require_package
from keras_seg.inference.export_notes import NOTES

OPSET = 18  # of 2022


def onnx(  # noqa: PLR0913 - all but two have a default
    model,
    path,
    class_names=None,
    palette=None,
    pictures=None,
    data=None,
    min_agreement=any_size.MIN_AGREEMENT,
    input_spec=None,
):
    """Write an .onnx file that takes uint8 pictures of any size and gives their label maps.

    Input `image` uint8 (b, h, w, c); outputs `labels` (b, h, w), uint8 up to 256 classes and int32
    beyond, and `logits` float32 (b, h, w, num_classes), which need not be fetched. For a model of
    volumes, all of these have a depth before the height; for a classifier, the outputs are int32
    (b,) and float32 (b, num_classes). Class names, palette and input spec are in the file's
    metadata as JSON, under "keras_seg.json". `OnnxSegmenter` and `OnnxClassifier` run the file.

    Before it is kept, it is run by ONNX Runtime and compared with the Keras model: on `data`, else
    on `pictures`, else on noise, and in each case also at an odd size if the model takes that. An
    earlier export of keras_seg of that name is replaced; any other file there is an error.

    Args:
        model: Functional or Sequential Keras model from pixels 0..255 to logits (or a dict with
            "logits"). Outputs named `aux_*` are left out.
        path: where to write, such as "model.onnx".
        class_names: names in the order of ids.
        palette: colors (r, g, b) 0..255 in the order of ids.
        pictures: uint8 pictures for the comparison, in a form that `calibration` of `tflite`
            accepts; 16 are used.
        data: batches (image, label) for the comparison, all are used; adds the mean IoU, or for
            classifiers the accuracy, of both.
        min_agreement: least share of pixels, 0..1, with the label of the Keras model.
        input_spec: how files are converted to pixels, `data.input_spec`.

    Returns:
        ExportReport.

    Raises:
        ValueError: if an argument is wrong, the backend is not TensorFlow, the model cannot be
            converted, or the export does not agree with the Keras model.
        ImportError: a package of the extra `onnx` is not installed.

    >>> report = onnx(model, "model.onnx")  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    """
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        require_package("onnx", package, "onnx")
    if Path(path).suffix != ".onnx":
        raise ValueError(
            "`onnx` writes a file that ends in .onnx. "
            f"Received: path={str(path)!r}. For example, use 'model.onnx'."
        )
    request = any_size.Request(
        model, path, class_names, palette, pictures, data, min_agreement, input_spec
    )
    kind = any_size.Format("onnx", "ONNX", _write, OnnxSegmenter, OnnxClassifier, replace=True)
    return any_size.export(kind, request)


def _write(function, file, notes):
    """Convert a `tf.function`; return the operations by name."""
    package, converter = (require_package("onnx", name, "onnx") for name in ("onnx", "tf2onnx"))
    with _quiet():
        try:
            converted, _ = converter.convert.from_function(
                function,
                input_signature=function.input_signature,
                opset=OPSET,
                custom_op_handlers={"Erfc": (_erfc, [])},
            )
        except Exception as error:  # tf2onnx raises errors of many types
            raise _unconverted(str(error).strip()[:1000]) from error
    kinds = collections.Counter(node.op_type for node in converted.graph.node)
    unknown = sorted(kind for kind in kinds if not package.defs.has(kind))
    if unknown:  # tf2onnx leaves what it does not know
        raise _unconverted(f"unknown operations {unknown}")
    converted.graph.name, converted.graph.doc_string = "keras_seg", ""  # names of functions
    package.helper.set_model_props(converted, {NOTES: json.dumps(notes, ensure_ascii=False)})
    package.checker.check_model(converted)
    package.save(converted, str(file))
    return {kind: count for kind, count in kinds.items() if kind != "Constant"}


def _erfc(context, node, name, arguments):
    """Convert the complementary error function of GELU, 1 - Erf(x), which ONNX does not have."""
    del name, arguments
    error = context.make_node("Erf", node.input)
    one = context.make_const(f"{node.name}_one", np.ones((), "float32"))
    context.remove_node(node.name)
    context.make_node("Sub", [one.output[0], error.output[0]], name=node.name, outputs=node.output)


def _unconverted(reason):
    return ValueError(
        f"`onnx` needs a model that tf2onnx can convert. tf2onnx reports: {reason}\n"
        "Replace the layers it names, or export a SavedModel instead."
    )


@contextlib.contextmanager
def _quiet():
    """Silence tf2onnx, whose errors are raised."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
