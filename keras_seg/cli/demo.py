"""The demo: train, score, draw and export, and compare all exports."""

import numpy as np
import pandas as pd

import keras_seg
from keras_seg.export import LiteRTSegmenter
from keras_seg.scores import evaluate_segmenter

FLOOR_MEAN_IOU = 0.4  # a good run reaches 0.5, an untrained network 0.05
MIN_AGREEMENT = 0.999
MAX_INT8_DROP = 0.02


def demo(data, folder, changes, say):
    """Train on a data set, and compare the predictions of all exports.

    Args:
        data: a data set with splits train, val and test, all pictures of one size.
        folder: folder for runs.
        changes: arguments of `fit`, such as {"epochs": 12}.
        say: function that shows a text, such as `print`.

    Returns:
        pandas DataFrame: mean IoU and agreement with Keras of each form.

    Raises:
        ValueError: the network did not learn, or an export does not agree.
    """
    say(data.check())
    run = keras_seg.fit("contextnet_cn14", data, folder=folder, tag="demo", **changes)
    say(f"\nScores on the test pictures:\n{run.evaluate('test')}")
    run.show("test")
    forms = {"Keras": run.segmenter().labels}
    for report, labels in _exports(run):
        say(f"\n{report}")
        forms[report.format] = labels
    table = _compare(forms, data)
    say(f"\nOn the same test pictures:\n{table.map('{:.2%}'.format).to_string()}")
    _require_sound(table)
    say(f"\nEverything is in {run.folder}: model, scores.csv, figures, SavedModel, TFLite.")
    return table


def _exports(run):
    """Each export's report, and its function from a uint8 batch to labels."""
    import tensorflow as tf

    report = run.export_saved_model()
    serve = tf.saved_model.load(str(report.path)).signatures["serving_default"]
    yield report, lambda image: serve(image=tf.constant(image))["labels"].numpy()
    for mode in ("fp32", "int8"):
        report = run.export_tflite(mode)
        yield report, LiteRTSegmenter(report.path).labels


def _compare(forms, data, batch_size=8):
    """Mean IoU of each form on the test pictures, and its share of pixels as in Keras."""
    batches = [(np.asarray(i), np.asarray(t)) for i, t in data.eval_batches("test", batch_size)]
    expected = [forms["Keras"](image) for image, _ in batches]
    rows = {}
    for name, labels in forms.items():
        found = [labels(image) for image, _ in batches]
        same = [np.mean(one == other) for one, other in zip(found, expected, strict=True)]
        answers = iter(found)
        scores = evaluate_segmenter(
            lambda _, answers=answers: next(answers), batches, data.class_names
        )
        rows[name] = {"mean IoU": scores.mean_iou, "pixels as in Keras": float(np.mean(same))}
    return pd.DataFrame.from_dict(rows, orient="index")


def _require_sound(table):
    """Raises unless the network learned and its forms agree."""
    scores, agreement = table["mean IoU"], table["pixels as in Keras"]
    exact = [name for name in table.index if "int8" not in name]
    if agreement[exact].min() < MIN_AGREEMENT:
        raise ValueError(
            f"All exports must agree with the Keras model on {MIN_AGREEMENT:.1%} of pixels. "
            f"Received: {agreement.to_dict()}. Please report this."
        )
    if scores["Keras"] - scores.min() > MAX_INT8_DROP:
        raise ValueError(
            f"An export may lose {MAX_INT8_DROP} mean IoU at most. "
            f"Received: {scores.to_dict()}. Please report this."
        )
    if scores["Keras"] < FLOOR_MEAN_IOU:
        raise ValueError(
            f"The network should reach a mean IoU of {FLOOR_MEAN_IOU}. "
            f"Received: {scores['Keras']:.3f}. Train for more epochs: --epochs."
        )
