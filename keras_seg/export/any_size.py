"""Exports of any size of picture that other programs than TensorFlow run: ONNX and OpenVINO."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_seg import _check
from keras_seg.export import comparison, exportable, picture_batches, publish
from keras_seg.export.report import ExportReport
from keras_seg.export.signatures import label_type

MIN_AGREEMENT = 0.999


class Request(NamedTuple):
    """What the user of `onnx` or `openvino` asked for, by the names of the arguments."""

    model: Any
    path: Any
    class_names: Any
    palette: Any
    pictures: Any
    data: Any
    min_agreement: float
    input_spec: Any


class Format(NamedTuple):
    """A kind of export.

    Attributes:
        subject: name of the function that writes it.
        name: its name in the report.
        write: function of (`tf.function`, path, notes) that returns the operations by name.
        segmenter: class that runs it.
        classifier: class that runs it, for one class per picture.
        replace: whether an earlier export is replaced.
    """

    subject: str
    name: str
    write: Callable
    segmenter: type
    classifier: type
    replace: bool


def export(kind, request):
    """Convert a model, run the result and compare it with the Keras model, then publish it.

    Args:
        kind: `Format`.
        request: `Request`.

    Returns:
        ExportReport.

    Raises:
        ValueError: if an argument is wrong, the backend is not TensorFlow, the model cannot be
            converted, or the export does not agree with the Keras model.
    """
    exportable.require_tensorflow(kind.subject)
    _check.share(kind.subject, "min_agreement", request.min_agreement, below_one=False)
    model = exportable.logits_model(request.model)
    exportable.require_no_simulation(kind.subject, model)
    classes = len(model.output_shape) == 2
    notes = exportable.class_notes(model.output_shape[-1], request.class_names, request.palette)
    notes["input_spec"] = exportable.spec_notes(model, request.input_spec)
    batches, words = picture_batches.comparison_batches(
        kind.subject, model, request.pictures, request.data
    )
    with publish.published(kind.subject, request.path, kind.replace) as draft:
        operations = kind.write(_function(model), draft, notes)
        runner = (kind.classifier if classes else kind.segmenter)(draft)
        found = comparison.compare(
            lambda image: np.asarray(model(image.astype("float32"), training=False)),
            runner.labels_and_scores,
            batches,
            words,
        )
        comparison.require(kind.subject, request.path, found, request.min_agreement)
        files = draft.rglob("*") if draft.is_dir() else [draft]
        num_bytes = sum(file.stat().st_size for file in files if file.is_file())
    parts = (operations, *runner.signature())
    return ExportReport(Path(request.path), kind.name, num_bytes, *parts, **vars(found))


def _function(model):
    """The `tf.function` from uint8 pictures to labels and logits, which converters read."""
    import tensorflow as tf

    shape = (None, *model.input_shape[1:])
    with _inlined():
        logits = exportable.frozen(model, shape, "uint8")

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, "image")], autograph=False)
    def serve(image):
        scores = logits(image)
        labels = tf.argmax(scores, axis=-1, output_type=tf.int32)
        return {"labels": tf.cast(labels, label_type(model)), "logits": scores}

    return serve


@contextlib.contextmanager
def _inlined():
    """Trace what Keras compiles with XLA, grouped convolutions on CPUs, as plain operations."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
