"""SavedModel: any size, no Keras, weights once, compared with Keras."""

import importlib
import json
import logging
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from _export import NAMES, PALETTE, network
from keras import layers

from keras_seg.export import SavedModelSegmenter, onnx, saved_model

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "1"
    model = network(0)
    return model, folder, saved_model(model, folder, NAMES, PALETTE)


def test_labels_are_those_of_keras_at_any_size(exported):
    model, folder, _ = exported
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    for shape in [(2, 37, 51, 3), (1, 32, 32, 3), (1, 64, 96, 3), (1, 101, 33, 3)]:
        image = np.random.default_rng(1).integers(0, 256, shape).astype("uint8")
        labels = serve(image=tf.constant(image))["labels"].numpy()
        expected = np.argmax(model(image.astype("float32"))["logits"], -1)
        assert labels.dtype == "uint8"
        assert labels.shape == shape[:3]
        assert np.mean(labels == expected) >= 0.999
        assert len(np.unique(labels)) > 1


def test_probabilities_sum_to_one_and_give_the_same_labels(exported):
    _, folder, _ = exported
    loaded = tf.saved_model.load(str(folder)).signatures
    image = tf.constant(np.random.default_rng(1).integers(0, 256, (1, 37, 51, 3)).astype("uint8"))
    probabilities = loaded["probabilities"](image=image)["probabilities"].numpy()
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)  # Three float32 terms.
    labels = loaded["serving_default"](image=image)["labels"].numpy()
    np.testing.assert_array_equal(np.argmax(probabilities, -1), labels)


def test_report_tells_what_was_written_and_how_it_was_proven(exported):
    _, folder, report = exported
    assert report.path == folder
    assert report.agreement >= 0.999
    assert report.max_difference < 1e-4
    assert report.operations["DepthwiseConv2dNative"] == 1
    # Two of three 1x1/3x3 convolutions: the auxiliary one is gone.
    assert report.operations["Conv2D"] == 2
    assert report.inputs == {"image": "uint8 (None, None, None, 3)"}
    assert report.outputs == {"labels": "uint8 (None, None, None)"}
    assert report.signatures == ("serving_default", "encoded", "probabilities")
    assert "signatures  serving_default, encoded, probabilities\n" in str(report)
    assert report.row()["signatures"] == "serving_default, encoded, probabilities"
    assert "noise" in report.pictures
    assert "101x115" in report.pictures
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert report.num_bytes == sum(file.stat().st_size for file in files)


def test_all_signatures_share_one_set_of_weights(tmp_path):
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(512, 32, 32, padding="same")(image)
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    report = saved_model(
        model, tmp_path / "1", pictures=np.zeros((1, 32, 32, 3), "uint8"), size=(32, 32)
    )
    assert len(report.signatures) == 4
    weights = 4 * model.count_params()  # 1.6 million float32: 6.3 MB
    assert weights < report.num_bytes < 1.1 * weights


def test_nothing_is_said_of_the_draft(tmp_path, caplog):
    logger = tf.get_logger()
    before = logger.level
    logger.setLevel("INFO")
    logger.addHandler(caplog.handler)
    try:
        saved_model(network(0), tmp_path / "1")
        assert logger.level == logging.INFO
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)
    assert "Assets written" not in caplog.text


def test_names_and_palette_stand_in_the_folder(exported):
    _, folder, _ = exported
    notes = json.loads((folder / "assets.extra" / "keras_seg.json").read_text())
    assert notes["class_names"] == list(NAMES)
    assert notes["palette"] == [list(color) for color in PALETTE]
    assert (folder / "assets" / "labels.txt").read_text().split() == list(NAMES)
    colors = (folder / "assets" / "palette.csv").read_text().split()
    assert colors == ["red,green,blue", "128,64,128", "0,128,255", "0,99,0"]


@pytest.mark.long
def test_answers_where_keras_cannot_be_imported(exported, tmp_path):
    model, folder, _ = exported
    image = np.random.default_rng(3).integers(0, 256, (1, 37, 51, 3)).astype("uint8")
    np.save(tmp_path / "image.npy", image)
    program = f"""
import sys
for name in ("keras", "tf_keras", "keras_seg"):
    sys.modules[name] = None  # Makes importing it an error, and finding it fail.
import numpy as np, tensorflow as tf
serve = tf.saved_model.load({str(folder)!r}).signatures["serving_default"]
labels = serve(image=tf.constant(np.load({str(tmp_path / "image.npy")!r})))["labels"]
np.save({str(tmp_path / "labels.npy")!r}, labels.numpy())
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=tmp_path)
    expected = np.argmax(model(image.astype("float32"))["logits"], -1)
    assert np.mean(np.load(tmp_path / "labels.npy") == expected) >= 0.999


@pytest.mark.long
def test_saved_model_cli_runs_it(exported, tmp_path):
    _, folder, _ = exported
    np.save(tmp_path / "image.npy", np.full((1, 40, 48, 3), 128, "uint8"))
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run"]
    command += ["--dir", str(folder), "--tag_set", "serve", "--signature_def", "serving_default"]
    command += ["--inputs", f"image={tmp_path / 'image.npy'}", "--outdir", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert np.load(tmp_path / "labels.npy").shape == (1, 40, 48)


def test_data_gives_the_mean_iou_of_both(tmp_path):
    model = network(0)
    images = [np.random.default_rng(n).integers(0, 256, (2, 33, 40 + n, 3)) for n in range(2)]
    images = [image.astype("uint8") for image in images]
    # Keras's own answers as truth: its mean IoU is 1.
    truth = [np.argmax(model(image.astype("float32"))["logits"], -1) for image in images]
    report = saved_model(model, tmp_path / "1", data=list(zip(images, truth, strict=True)))
    assert report.keras_mean_iou == 1.0
    assert report.mean_iou == pytest.approx(1.0, abs=1e-3)
    assert report.pictures.startswith("5 labeled pictures")  # 2 x 2, and one of odd size.


def test_networks_that_take_only_some_sizes_are_compared_at_these(tmp_path):
    image = keras.Input((None, None, 3))
    x = layers.Conv2DTranspose(4, 2, 2)(layers.MaxPooling2D()(image))
    model = keras.Model(image, layers.Conv2D(3, 1)(layers.Concatenate()([x, image])))
    report = saved_model(model, tmp_path / "1")
    assert report.agreement == 1
    assert report.pictures == "4 noise pictures; the model does not take 101x115"
    assert "encoded" in report.signatures
    pictures = np.zeros((1, 32, 33, 3), "uint8")
    with pytest.raises(ValueError, match=r"must take the pictures.*\(32, 33, 3\).*Concatenate"):
        saved_model(model, tmp_path / "2", pictures=pictures)


@pytest.mark.parametrize("write", [saved_model, onnx])
def test_layers_that_need_a_known_size_are_named(write, tmp_path):
    if write is onnx:
        pytest.importorskip("tf2onnx", reason="needs pip install keras_seg[onnx]")
    image = keras.Input((None, None, 3))
    x = layers.UpSampling2D(interpolation="bilinear")(layers.Conv2D(3, 1, 2)(image))
    words = r"for an unknown size\..*model='upper' with.*UpSampling2D.*keras\.Input\(\(h, w, c\)\)"
    with pytest.raises(ValueError, match=words):
        write(keras.Model(image, x, name="upper"), tmp_path / "model.onnx")


def test_a_damaged_folder_is_named(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"abc")
    with pytest.raises(
        ValueError, match=r"whole SavedModel folder\. Received: path='.*', which Tensor"
    ):
        SavedModelSegmenter(tmp_path)


def test_mixed_precision_model_is_exported_in_float32(tmp_path):
    report = saved_model(network(0, dtype="mixed_bfloat16"), tmp_path / "1")
    assert report.agreement >= 0.999


def test_nothing_is_replaced_and_the_next_version_is_named(exported):
    model, folder, _ = exported
    before = (folder / "saved_model.pb").read_bytes()
    with pytest.raises(ValueError, match=r"replaces nothing.*/1', which exists.*write to '.*/2'"):
        saved_model(model, folder)
    assert (folder / "saved_model.pb").read_bytes() == before
    assert [file.name for file in folder.parent.iterdir()] == ["1"]


def test_failed_comparison_raises_and_leaves_nothing(tmp_path, monkeypatch):
    module = importlib.import_module("keras_seg.export.saved_model")
    write = module.write
    wrong = module.exportable.logits_model(network(7))
    monkeypatch.setattr(module, "write", lambda model, *rest: write(wrong, *rest))
    with pytest.raises(ValueError, match=r"labels as in Keras on at least 99.90%.*Nothing was wr"):
        saved_model(network(0), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_encoded_labels_that_differ_are_an_error(tmp_path, monkeypatch):
    module = importlib.import_module("keras_seg.export.encoded")
    decoded = module.decoded
    monkeypatch.setattr(module, "decoded", lambda *given: decoded(*given)[::-1])
    with pytest.raises(ValueError, match=r"equal labels from .*agreement=0\.\d+ on noise of \(101"):
        saved_model(network(0), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"min_agreement": 99.9}, "min_agreement"),
        ({"size": 64}, r"needs size=\(height, width\) in pixels.*Received: size=64"),
        ({"size": (64, 0)}, r"Received: size=\(64, 0\)"),
        ({"palette": [(0, 0, 0), (0, 0, 256), (1, 1, 1)]}, r"colors.*Received: \(0, 0, 256\)"),
        ({"palette": [(0, 0), (0, 0), (1, 1)]}, r"colors.*Received: \(0, 0\)"),
        ({"palette": [0.5, 0.5, 1]}, r"colors.*Received: 0\.5"),
    ],
)
def test_wrong_arguments_are_named_before_any_work(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        saved_model(network(0), tmp_path / "1", **arguments)
    assert list(tmp_path.iterdir()) == []
