"""Scores of files, servers and functions: those of the Keras model."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from _export import NAMES, PALETTE, network
from PIL import Image

import keras_seg
import pipelines
from keras_seg import export
from keras_seg.cli.main import main
from keras_seg.evaluation import is_run, kind_of, open_network

SIZE = (64, 96)


@pytest.fixture(scope="module")
def data():
    pictures, labels = _pictures(3, SIZE)
    return pipelines.Dataset.from_arrays("toy", NAMES, PALETTE, {"val": (pictures, labels)})


def _pictures(count, size):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (count, *size, 3)).astype("uint8")
    return pictures, (pictures[..., 0] // 100).astype("uint8")


@pytest.fixture(scope="module")
def model():
    return network(0)


@pytest.fixture(scope="module")
def expected(model, data):
    return keras_seg.evaluate(keras_seg.Segmenter(model, NAMES), data)


@pytest.fixture(scope="module")
def tflite(model, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "model.tflite"
    batches = data.eval_batches("val", 1)
    return export.tflite(model, path, size=SIZE, class_names=NAMES, data=batches)


def test_a_segmenter_has_the_scores_of_its_labels(model, data, expected):
    pictures, labels = _pictures(3, SIZE)
    logits = np.asarray(model(pictures.astype("float32"))["logits"])
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (labels.ravel(), logits.argmax(-1).ravel()), 1)
    assert np.abs(expected.confusion - confusion).sum() <= 2  # a tie may be broken otherwise
    assert expected.pictures["picture"].nunique() == 3


def test_a_function_of_one_picture_can_be_scored(model, data, expected):
    segmenter = keras_seg.Segmenter(model)
    assert keras_seg.evaluate(lambda picture: segmenter(picture), data).mean_iou == pytest.approx(
        expected.mean_iou
    )


@pytest.mark.export
@pytest.mark.long
def test_a_tflite_file_has_the_scores_of_keras_and_of_its_report(tflite, data, expected):
    scores = keras_seg.evaluate(str(tflite.path), data)
    assert scores.mean_iou == pytest.approx(tflite.mean_iou, abs=1e-9)
    assert scores.mean_iou == pytest.approx(expected.mean_iou, abs=1e-4)
    assert list(scores.class_names) == list(NAMES)


@pytest.mark.export
@pytest.mark.parametrize(
    ("write", "name", "opened"),
    [
        pytest.param("onnx", "model.onnx", "model.onnx", marks=pytest.mark.long),
        ("openvino", "1", "1/model.xml"),
        pytest.param("openvino", "1", "1", marks=pytest.mark.long),
        pytest.param("saved_model", "1", "1", marks=pytest.mark.long),
    ],
)
def test_other_exports_have_the_scores_of_keras(
    write, name, opened, model, data, expected, tmp_path
):
    if write != "saved_model":
        pytest.importorskip(write, reason=f"needs pip install keras_seg[{write}]")
    getattr(export, write)(model, tmp_path / name, NAMES, PALETTE)
    scores = keras_seg.evaluate(tmp_path / opened, data, batch_size=2)
    assert scores.mean_iou == pytest.approx(expected.mean_iou, abs=1e-4)
    assert scores.pictures["picture"].tolist() == expected.pictures["picture"].tolist()


@pytest.mark.export
@pytest.mark.long
def test_a_file_of_another_size_is_scored_at_the_size_of_the_pictures(tflite):
    pictures, labels = _pictures(2, (128, 192))
    large = pipelines.Dataset.from_arrays("large", NAMES, PALETTE, {"val": (pictures, labels)})
    scores = keras_seg.evaluate(tflite.path, large)
    assert scores.confusion.sum() == 2 * 128 * 192
    # Each pixel of the file's label map becomes 2 x 2 pixels.
    small = export.LiteRTSegmenter(tflite.path).labels(_halves(pictures))
    found = small.repeat(2, 1).repeat(2, 2)
    assert scores.pixel_accuracy == pytest.approx(np.mean(found == labels), abs=1e-3)


def _halves(pictures):
    """Means of 2 x 2 pixels, which bilinear resizing to half the size gives."""
    means = pictures.reshape(len(pictures), 64, 2, 96, 2, 3).mean((2, 4))
    return np.floor(means + 0.5).astype("uint8")


@pytest.mark.export
@pytest.mark.long
def test_files_of_classifiers_have_the_accuracy_of_keras(tmp_path):
    image = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(image))
    model = keras.Model(image, keras.layers.Dense(3)(x))
    random = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 256, (32, 32, 3)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    data = pipelines.from_class_folders(tmp_path / "pictures", NAMES, splits=(0.5, 0.5))
    expected = keras_seg.evaluate(keras_seg.Classifier(model, NAMES), data)
    assert expected.top_5 == 1.0
    export.tflite(model, tmp_path / "model.tflite", class_names=NAMES)
    export.saved_model(model, tmp_path / "1", NAMES)
    for name in ("model.tflite", "1"):
        scores = keras_seg.evaluate(tmp_path / name, data)
        np.testing.assert_array_equal(scores.confusion, expected.confusion)


@pytest.mark.export
@pytest.mark.long
def test_the_command_scores_files_with_the_data_set_of_their_run(tflite, tmp_path, capsys):
    pictures, labels = _pictures(3, SIZE)
    for part, arrays in (("images", pictures), ("masks", labels)):
        (tmp_path / part).mkdir()
        for number, array in enumerate(arrays):
            Image.fromarray(array).save(tmp_path / part / f"{number}.png")
    data = pipelines.from_folders(
        tmp_path / "images", tmp_path / "masks", NAMES, splits={"val": 1.0}
    )
    (tmp_path / "run.json").write_text(json.dumps({"opened_by": data.opened_by}))
    path = shutil.copy(tflite.path, tmp_path / "model.tflite")
    assert main(["evaluate", str(path)]) == 0
    assert f"mean IoU {tflite.mean_iou:.2%}" in capsys.readouterr().out


def _mixed_sizes(folder):
    """Pictures 0 to 3 of 32x32, 48x32, 32x32 and 48x32; picture i has i rows of class 1."""
    for i in range(4):
        height = 48 if i % 2 else 32
        mask = np.zeros((height, 32), np.uint8)
        mask[:i] = 1
        for part, array in (
            ("images", np.full((height, 32, 3), 80 * i, np.uint8)),
            ("masks", mask),
        ):
            (folder / part).mkdir(exist_ok=True)
            Image.fromarray(array).save(folder / part / f"{i}.png")
    return pipelines.from_folders(folder / "images", folder / "masks", NAMES, splits={"val": 1.0})


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_scores_name_the_right_pictures_where_sizes_differ(tmp_path, batch_size):
    data = _mixed_sizes(tmp_path)
    scores = keras_seg.evaluate(lambda x: np.zeros(x.shape[:2], "uint8"), data, "val", batch_size)
    found = {Path(x.picture).stem: x.pixel_accuracy for x in scores.pictures.itertuples()}
    # All pixels but those of i rows are right.
    assert found == pytest.approx({"0": 1, "1": 47 / 48, "2": 30 / 32, "3": 45 / 48})


def test_accuracy_names_the_right_pictures_where_sizes_differ(tmp_path):
    for i in range(4):
        (tmp_path / NAMES[i % 2]).mkdir(exist_ok=True)
        pixels = np.full((48 if i in (1, 2) else 32, 32, 3), i, np.uint8)
        Image.fromarray(pixels).save(tmp_path / NAMES[i % 2] / f"{i}.png")
    data = pipelines.from_class_folders(tmp_path, NAMES[:2], splits={"val": 1.0})

    class Network:
        def logits(self, pixels):  # The first class is the likelier, the brighter the picture is.
            bright = pixels.mean((1, 2, 3))
            return np.stack([bright, 0 * bright], axis=-1)

    pictures = keras_seg.evaluate(Network(), data, "val", 2).pictures
    found = {Path(x.picture).stem: (x.truth, x.probability) for x in pictures.itertuples()}
    likely = [1 / (1 + np.exp(-i)) for i in range(4)]
    assert {name: truth for name, (truth, _) in found.items()} == {
        "0": NAMES[0], "1": NAMES[1], "2": NAMES[0], "3": NAMES[1],
    }  # fmt: skip
    assert {name: share for name, (_, share) in found.items()} == pytest.approx(
        {"0": likely[0], "1": 1 - likely[1], "2": likely[2], "3": 1 - likely[3]}
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.tflite", ".tflite"), ("a.onnx", ".onnx"), ("1/model.xml", ".xml"), ("a.keras", None)],
)
def test_files_are_known_by_their_ending(path, kind):
    assert kind_of(path) == kind
    assert is_run(path) == (kind is None)


def test_other_classes_are_refused(model, data):
    words = r"the network's classes, in their order\. Received: data 'toy' with \['road', 'sky'"
    for names in (("sky", "road", "tree"), ("road", "sky")):
        other = lambda picture: None  # noqa: E731
        other.class_names = names
        with pytest.raises(ValueError, match=words):
            keras_seg.evaluate(other, data)
    for number in (2, 4):
        nameless = lambda picture: None  # noqa: E731
        nameless.class_names, nameless.num_classes = None, number
        with pytest.raises(ValueError, match=rf"{words}.* for a network with {number} classes\. R"):
            keras_seg.evaluate(nameless, data)
    # Names that a network without names has are not compared.
    keras_seg.evaluate(keras_seg.Segmenter(model), data)


def test_what_is_no_network_is_refused(data):
    with pytest.raises(TypeError, match=r"`evaluate` needs a network as a path.*Received: int"):
        keras_seg.evaluate(3, data)
    with pytest.raises(ValueError, match="which is not a file"):
        open_network("no.tflite")
