"""int8 files of ai-edge-quantizer, and the better one of two."""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from _export import NAMES, PALETTE, network
from keras import layers

from keras_seg.export import (
    LiteRTSegmenter,
    comparison,
    exportable,
    flatbuffer,
    quantizers,
    simulation,
    tflite,
)
from keras_seg.inference.export_notes import read_notes

pytestmark = pytest.mark.export
SIZE = (64, 80)


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3)).astype("uint8")


def compared(agreement, mean_iou=None, accuracy=None):
    return comparison.Comparison(
        "9 pictures", agreement, 0.0, mean_iou, mean_iou, accuracy=accuracy
    )


@pytest.fixture
def installed():
    pytest.importorskip("ai_edge_quantizer", reason="needs pip install keras_seg[ai-edge]")


@pytest.fixture(scope="module")
def model():
    return network(0)


@pytest.mark.parametrize(
    ("tensorflow", "ai_edge", "better", "scores"),
    [
        (compared(0.9), compared(0.8), "tensorflow", (0.9, 0.8)),
        (compared(0.9, 0.5), compared(0.8, 0.6), "ai-edge", (0.5, 0.6)),
        (compared(0.9, 0.5), compared(0.95, 0.5), "ai-edge", (0.5, 0.5)),
        (compared(0.9, accuracy=0.7), compared(0.95, accuracy=0.6), "tensorflow", (0.7, 0.6)),
    ],
)
def test_scores_on_labels_decide_and_then_the_agreement(tensorflow, ai_edge, better, scores):
    found = {"tensorflow": tensorflow, "ai-edge": ai_edge}
    best, words = quantizers.choice("best", tuple(found), found)
    assert best == words["quantizer"] == better
    assert tuple(words["quantizer_scores"].values()) == scores
    del found[better]
    best, words = quantizers.choice("best", ("tensorflow", "ai-edge"), found)
    assert [best] == list(found)
    assert words["quantizer_scores"][better] is None


def test_a_quantizer_that_fails_is_named_and_the_other_goes_on(caplog):
    def write(name):
        if name != "tensorflow":
            raise ValueError(f"{name} has no LEAKY_RELU")

    assert quantizers.written(("tensorflow", "ai-edge"), write) == ["tensorflow"]
    assert "no file of quantizer='ai-edge' to compare: ai-edge has no LEAKY_RELU" in caplog.text
    with pytest.raises(ValueError, match="other has no LEAKY_RELU"):
        quantizers.written(("other", "ai-edge"), write)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"quantizer": "aiedge"}, r"Unknown quantizer.*quantizer='aiedge'"),
        ({"mode": "fp16", "quantizer": "best"}, r"for mode='int8' only.*'best' with mode='fp16'"),
    ],
)
def test_wrong_arguments_are_named(model, tmp_path, arguments, words):
    arguments = {"mode": "int8", "size": SIZE, "calibration": pictures(2), **arguments}
    with pytest.raises(ValueError, match=words):
        tflite(model, tmp_path / "model.tflite", **arguments)


@pytest.mark.parametrize("quantizer", ["ai-edge", "best"])
def test_without_the_package_an_error_says_what_to_install(model, tmp_path, monkeypatch, quantizer):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(
        ImportError, match=r'package ai_edge_quantizer.*pip install "keras_seg\[ai-'
    ):
        tflite(model, tmp_path / "m.tflite", "int8", size=SIZE, quantizer=quantizer)


def test_learned_ranges_have_no_other_quantizer(model, tmp_path, monkeypatch):
    monkeypatch.setattr(quantizers, "require_package", lambda *words: None)
    monkeypatch.setattr(simulation, "is_simulated", lambda model: True)
    with pytest.raises(ValueError, match=r"`finetune_int8` as they were.*quantizer='best'"):
        tflite(model, tmp_path / "m.tflite", "int8", size=SIZE, quantizer="best")


def test_a_file_that_keeps_floats_names_the_other_quantizer(monkeypatch):
    monkeypatch.setattr(flatbuffer, "float_operations", lambda file: {"LEAKY_RELU": ["leaky"]})
    with pytest.raises(ValueError, match=r"ai-edge-quantizer has in 8 bits.*LEAKY_.*'tensorflow'"):
        flatbuffer.require_integer("model.tflite", "ai-edge")


@pytest.mark.long
def test_files_keep_the_contract(installed, model, tmp_path):
    """Dark pictures have ranges of 0..63: brighter ones must not be clipped."""
    path = tmp_path / "model.tflite"
    report = tflite(
        model, path, "int8", size=SIZE, calibration=pictures(6) // 4, class_names=NAMES,
        palette=PALETTE, min_agreement=0.5, outputs="both", quantizer="ai-edge",
    )  # fmt: skip
    assert (report.quantizer, list(report.quantizer_scores)) == ("ai-edge", ["ai-edge"])
    assert read_notes(path)["quantizer_scores"] == report.quantizer_scores
    assert report.inputs == {"image": "uint8 (1, 64, 80, 3)"}
    assert set(flatbuffer.tensor_types(path)) == {"UINT8", "INT8", "INT32"}
    # As TensorFlow's file, in two signatures: conversions of pixels and scores, two argmax.
    kinds = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 4, "RESIZE_BILINEAR": 2, "QUANTIZE": 4}
    assert report.operations == kinds | {"ARG_MAX": 1, "CAST": 1}
    segmenter, images = LiteRTSegmenter(path), pictures(2, seed=9)
    assert (segmenter.size, segmenter.class_names) == (SIZE, list(NAMES))
    assert segmenter.palette == [list(color) for color in PALETTE]
    assert segmenter._input["quantization"] == (1.0, 0)
    labels = segmenter.labels(images)
    np.testing.assert_array_equal(labels, segmenter.scores(images).argmax(-1))
    assert labels.dtype == "uint8"


@pytest.mark.long
def test_the_better_file_is_kept(installed, model, tmp_path, monkeypatch):
    """Its scores are those of `tflite` with each quantizer alone, and of the file itself."""
    saved, save = [], exportable.save

    def counted_save(folder, signatures, **options):
        saved.append(folder)
        save(folder, signatures, **options)

    monkeypatch.setattr(exportable, "save", counted_save)
    images = pictures(3, seed=9)
    # Any labels: with those of Keras itself, noise on random weights would lose too much.
    truth = np.random.default_rng(4).integers(0, 3, images.shape[:3]).astype("uint8")
    data = [(images, truth)]
    given = {"mode": "int8", "size": SIZE, "calibration": pictures(6), "min_agreement": 0.5}
    alone = {
        name: tflite(model, tmp_path / f"{name}.tflite", quantizer=name, data=data, **given)
        for name in ("tensorflow", "ai-edge")
    }
    assert len(saved) == 2
    path = tmp_path / "best.tflite"
    best = tflite(model, path, quantizer="best", data=iter(data), **given)
    assert len(saved) == 3, "both quantizers take the same SavedModel"
    assert best.quantizer_scores == {name: report.mean_iou for name, report in alone.items()}
    assert best.mean_iou == max(best.quantizer_scores.values())
    files = [LiteRTSegmenter(file) for file in (path, tmp_path / f"{best.quantizer}.tflite")]
    np.testing.assert_array_equal(files[0].scores(images), files[1].scores(images))
    metric = keras.metrics.MeanIoU(3, sparse_y_pred=True)
    metric.update_state(truth, files[0].scores(images).argmax(-1))
    assert float(metric.result()) == pytest.approx(best.mean_iou, abs=1e-3)


@pytest.mark.long
def test_an_operation_that_one_quantizer_lacks_leaves_the_other(installed, tmp_path, caplog):
    """ai-edge-quantizer 0.10 has no LEAKY_RELU in 8 bits, TensorFlow has."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = layers.LeakyReLU(name="leaky")(layers.Conv2D(8, 3, padding="same")(image))
    model = keras.Model(image, layers.Conv2D(3, 1)(x))
    given = {"mode": "int8", "size": SIZE, "calibration": pictures(4), "min_agreement": 0.5}
    with pytest.raises(ValueError, match=r"ai-edge-quantizer has in 8 bits.*LEAKY_RELU of"):
        tflite(model, tmp_path / "model.tflite", quantizer="ai-edge", **given)
    assert list(tmp_path.iterdir()) == []
    report = tflite(model, tmp_path / "model.tflite", quantizer="best", **given)
    assert report.quantizer == "tensorflow"
    assert report.quantizer_scores["ai-edge"] is None
    assert "no file of quantizer='ai-edge'" in caplog.text


@pytest.mark.long
def test_what_the_package_reports_is_in_the_error(installed, model, tmp_path, monkeypatch):
    convert = importlib.import_module("keras_seg.export.conversion")
    command = convert._command

    def without_pictures(script, words):
        if script == "ai_edge_process.py":
            Path(words[-1]).unlink()  # the calibration
        return command(script, words)

    monkeypatch.setattr(convert, "_command", without_pictures)
    with pytest.raises(
        ValueError, match=r"ai-edge-quantizer can quantize(?s:.)*FileNotFoundError(?s:.)*exit"
    ):
        tflite(
            model, tmp_path / "model.tflite", "int8", size=SIZE, calibration=pictures(4),
            quantizer="ai-edge",
        )  # fmt: skip


@pytest.mark.long
def test_classifiers_have_both_quantizers(installed, tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(8, 3, 2, activation="relu")(x)
    model = keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))
    images = pictures(8, seed=3)
    truth = np.argmax(model(images.astype("float32")), -1).astype("int32")
    report = tflite(
        model, tmp_path / "model.tflite", "int8", size=SIZE, calibration=pictures(6),
        data=[(images, truth)], min_agreement=0.1, quantizer="best",
    )  # fmt: skip
    assert set(report.quantizer_scores) == {"tensorflow", "ai-edge"}
    assert report.accuracy == max(report.quantizer_scores.values())
    assert "(accuracy: tensorflow" in str(report)
