import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from _process import run_on
from PIL import Image

import keras_seg
import pipelines
from keras_seg.find_run import find_run
from keras_seg.run import Run
from keras_seg.run_files import (
    calibration_pictures,
    pick_examples,
    picture_size,
    read_history,
    write_text,
)
from keras_seg.training.plain_data import PlainData


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5, 32, 48, 3)).astype("uint8")
    images[:, 0, 0, 0] = range(5)
    labels = (images[..., 0] > 128).astype("uint8")
    splits = {"train": (images, labels), "val": (images[:2], labels[:2])}
    return pipelines.Dataset.from_arrays("toy", ["dark", "light"], None, splits)


def make_run(folder):
    """A run as `fit` leaves it, without a training."""
    folder.mkdir(parents=True)
    image = keras.Input((None, None, 3), name="image")
    keras.Model(image, keras.layers.Conv2D(2, 1)(image)).save(folder / "model.keras")
    settings = {
        "class_names": ["dark", "light"],
        "palette": [[0, 0, 0], [255, 255, 255]],
        "crop_size": [32, 48],
        "epochs_done": 2,
        "best": {"epoch": 2, "val_mean_iou": 0.25},
        "setup": {"data": "toy"},
    }
    (folder / "run.json").write_text(json.dumps(settings))
    rows = "loss,epoch,learning_rate,val_mean_iou,iou/dark,iou/light\n"
    (folder / "history.csv").write_text(rows + "0.5,1,0.1,0.2,0.2,\n0.4,2,0.1,0.25,0.25,\n")
    return folder


@pytest.fixture
def run(tmp_path, data):
    return Run(make_run(tmp_path / "runs" / "tiny-toy"), data)


def test_run_says_what_it_is(run):
    assert repr(run).endswith("tiny-toy': 2 epochs, mean IoU 0.2500>")
    assert run.history["val_mean_iou"].tolist() == [0.2, 0.25]
    assert run.history["iou/light"].isna().all()


def test_segmenter_knows_names_and_colors(run):
    segmenter = run.segmenter()
    assert segmenter.class_names == ("dark", "light")
    assert segmenter.palette == [(0, 0, 0), (255, 255, 255)]
    assert run.model is segmenter.model


def test_scores_are_kept_by_split(run, data):
    scores = run.evaluate()
    assert scores.confusion.sum() == 2 * 32 * 48
    assert (run.folder / "scores.csv").is_file()
    assert run.evaluate("train", batch_size=2).confusion.sum() == 5 * 32 * 48
    assert (run.folder / "scores_train.csv").is_file()


def test_scores_of_other_data_do_not_replace_those_of_the_training(run, data):
    run.evaluate()
    own = (run.folder / "scores.csv").read_bytes()
    image, label = data.example("val", 0)
    splits = {"val": (image[np.newaxis], label[np.newaxis])}
    other = pipelines.Dataset.from_arrays("elsewhere", data.class_names, None, splits)
    run.evaluate(data=other)
    assert (run.folder / "scores.csv").read_bytes() == own
    assert (run.folder / "scores_elsewhere.csv").is_file()


def test_figures_are_kept_in_the_run(run):
    run.show(num_images=1)
    run.show_curves()
    names = {path.name for path in (run.folder / "figures").iterdir()}
    assert {"val.png", "curves.png"} <= names


def test_examples_are_spread_evenly(data):
    images, labels = pick_examples(data, "train", 3)
    assert [image[0, 0, 0] for image in images] == [0, 2, 4]
    assert labels[0].shape == (32, 48)
    assert len(pick_examples(data, "val", 9)[0]) == 2


def test_only_the_files_of_the_examples_are_read(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for index in range(5):
            Image.new("L", (32, 32), index).save(tmp_path / part / f"{index}.png")
    folders = tmp_path / "images", tmp_path / "masks"
    data = pipelines.from_folders(*folders, 5, splits={"train": 1.0})
    # By the order of the split, which shares shuffle: the second and the fourth are not wanted.
    for index in (1, 3):
        Path(data.paths("train")[index][0]).write_bytes(b"no picture any more")
    images, labels = pick_examples(data, "train", 3)
    assert [image.max() for image in images] == [label.max() for label in labels]
    assert len(images) == 3


@pytest.mark.parametrize(
    ("method", "arguments"), [("evaluate", ()), ("show", ()), ("export_tflite", ("int8",))]
)
def test_method_that_needs_pictures_says_so(run, method, arguments):
    with pytest.raises(ValueError, match=rf"`Run\.{method}` needs the pictures.*Open the run with"):
        getattr(Run(run.folder), method)(*arguments)


def sized(*widths):
    """A data set of plain batches, one picture each, 40 high."""
    import tensorflow as tf

    def batches():
        for width in widths:
            yield np.zeros((1, 40, width, 3), "uint8"), np.zeros((1, 40, width), "uint8")

    spec = (
        tf.TensorSpec((None, None, None, 3), "uint8"),
        tf.TensorSpec((None, None, None), "uint8"),
    )
    made = tf.data.Dataset.from_generator(batches, output_signature=spec)
    return PlainData(made.apply(tf.data.experimental.assert_cardinality(len(widths))))


def test_the_most_common_size_of_the_validation_pictures_is_the_size_of_a_data_set(data):
    assert picture_size(sized(50, 60, 50, 70)) == (40, 50)
    assert picture_size(data) == (32, 48)
    files = np.zeros((3, 33, 35, 3), "uint8"), np.zeros((3, 33, 35), "uint8")
    splits = {"train": files, "val": tuple(x[:, :, :34] for x in files)}
    assert picture_size(pipelines.Dataset.from_arrays("a", ["b"], None, splits)) == (33, 34)


def test_plain_data_is_read_no_further_than_calibration_needs():
    # The third picture cannot be read into labels of its size.
    def broken():
        yield from ((np.zeros((1, 40, 40, 3), "uint8"), None),) * 2
        raise AssertionError("read too far")

    class Plain:
        def eval_batches(self, split, batch_size):
            return broken()

    assert len(calibration_pictures(Plain(), 2)) == 2


@pytest.fixture
def exports(monkeypatch):
    """What `keras_seg.export.tflite` is asked for: names and sizes."""
    asked = []
    monkeypatch.setattr(
        keras_seg.export, "tflite", lambda model, path, size, **_: asked.append((path.name, size))
    )
    return asked


def change_settings(run, **changes):
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_tflite_takes_whole_pictures_by_default(run, exports):
    change_settings(run, crop_size=[32, 32], picture_size=[64, 96])
    Run(run.folder).export_tflite("fp32")
    assert exports == [("model_fp32.tflite", (64, 96))]
    change_settings(run, picture_size=None)
    Run(run.folder, run.data).export_tflite("fp32")  # The pictures of the data set are 32x48.
    assert exports[1] == ("model_fp32.tflite", (32, 48))


def test_tflite_of_a_run_without_known_pictures_says_that_it_takes_crops(run, exports, caplog):
    change_settings(run, crop_size=[32, 32])
    Run(run.folder).export_tflite("fp16")
    assert exports == [("model_fp16.tflite", (32, 32))]
    assert "takes 32x32, the crop size of the training. Pass `size`" in caplog.text


def test_files_of_two_sizes_have_two_names(run, exports):
    change_settings(run, picture_size=[64, 96])
    again = Run(run.folder)
    for size in ((64, 96), [64, 96], (360, 480)):
        again.export_tflite("fp32", size=size)
    assert [name for name, _ in exports] == [
        "model_fp32.tflite",
        "model_fp32.tflite",
        "model_fp32_360x480.tflite",
    ]


def test_the_quantizer_is_that_of_each_size(run, monkeypatch):
    asked = []
    monkeypatch.setattr(
        keras_seg.export,
        "tflite",
        lambda model, path, size, quantizer, **_: asked.append((path.name, quantizer)),
    )
    run.export_tflite("int8", [(64, 96), (32, 48)], num_calibration=1, quantizer="best")
    assert asked == [("model_int8_64x96.tflite", "best"), ("model_int8.tflite", "best")]
    run.export_tflite("int8", num_calibration=1)
    assert asked[2] == ("model_int8.tflite", "tensorflow")


def test_files_of_other_kinds_have_other_names_and_sizes_may_be_several(run, exports):
    change_settings(run, picture_size=[64, 96])
    again = Run(run.folder)
    again.export_tflite("fp16", outputs="labels", input_type="uint8")
    assert len(again.export_tflite("fp16", size=[(64, 96), (32, 48)], outputs="both")) == 2
    assert exports == [
        ("model_fp16_labels_uint8.tflite", (64, 96)),
        ("model_fp16_both.tflite", (64, 96)),
        ("model_fp16_32x48_both.tflite", (32, 48)),
    ]


@pytest.mark.long
@pytest.mark.export
def test_onnx_is_one_file_and_openvino_has_versions(run):
    for package in ("onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs pip install keras_seg[onnx,openvino]")
    reports = [run.export_onnx(), run.export_openvino(), run.export_openvino()]
    names = [str(report.path.relative_to(run.folder)) for report in reports]
    assert names == ["model.onnx", "openvino/1", "openvino/2"]
    expected = run.evaluate("val").mean_iou  # the two pictures of "val"
    for report in reports:
        assert report.mean_iou == pytest.approx(expected, abs=1e-4)
        assert report.pictures.startswith("3 labeled pictures")


def test_a_data_set_with_other_classes_is_refused(run, data):
    pairs = tuple(map(np.stack, pick_examples(data, "val", 2)))
    other = pipelines.Dataset.from_arrays("other", ["light", "dark"], None, {"val": pairs})
    words = r"the run's classes, in their order.*'other' with \['light', 'dark'\]"
    with pytest.raises(ValueError, match=words):
        Run(run.folder, other)
    with pytest.raises(ValueError, match=words):
        run.evaluate(data=other)


def test_pictures_can_be_given_later(run, data):
    assert Run(run.folder).evaluate(data=data).confusion.sum() > 0


@pytest.mark.parametrize("name", [None, 3, ["a"]])
def test_a_run_is_found_by_a_name(name):
    with pytest.raises(TypeError, match=r"by its name or by the path.*Received: name="):
        keras_seg.load(name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, r"needs a folder with a run\.json.*Received: folder="),
        ("{half", r"must be JSON.*Received: '.*run\.json' \(Expecting"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path, settings, words):
    if settings is not None:
        (tmp_path / "run.json").write_text(settings)
    with pytest.raises(ValueError, match=words):
        Run(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a zip file"),
        (b"no network", "it is not a zip file"),
        (None, "it is not a zip file"),  # the first half of the file
        (b"PK\x05\x06" + bytes(18), r"config\.json"),  # a zip file without members
    ],
)
def test_a_damaged_network_is_named(run, content, reason):
    path = run.folder / "model.keras"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    for use in (lambda: Run(run.folder).segmenter(), lambda: keras_seg.load(run.folder)):
        with pytest.raises(
            ValueError, match=rf"must be complete.*Received: '.*model\.keras' \(.*{reason}"
        ):
            use()


def test_run_without_a_finished_epoch_has_no_network_yet(run):
    (run.folder / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"no model\.keras\. Call `keras_seg\.fit` again"):
        Run(run.folder).segmenter()


def test_trained_network_is_loaded_by_name_or_path(run, monkeypatch):
    picture = np.zeros((37, 51, 3), "uint8")
    assert keras_seg.load(run.folder)(picture).shape == (37, 51)
    (run.folder.parent / "saved_models").mkdir()
    run.folder.rename(run.folder.parent / "saved_models" / "tiny-toy")
    monkeypatch.chdir(run.folder.parent)
    assert keras_seg.load("tiny-toy")(picture).shape == (37, 51)


@pytest.mark.long
def test_keras_itself_opens_the_file_once_it_knows_our_layers():
    code = """
import sys, keras, keras_seg.layers
assert keras.saving.load_model(sys.argv[1]).output_shape[-1] == 11
"""
    run_on("tensorflow", code, find_run("contextnet_cn14-camvid") / "model.keras")


def test_unknown_run_is_refused_with_those_there_are(run, monkeypatch, tmp_path):
    (tmp_path / "saved_models").mkdir()
    run.folder.rename(tmp_path / "saved_models" / "tiny-toy")
    monkeypatch.chdir(tmp_path)
    words = r"Unknown run\. Did you mean 'tiny-toy'\?.*'tiny_toy'.*in another folder, pass its path"
    with pytest.raises(ValueError, match=words):
        find_run("tiny_toy")


def test_history_of_a_run_without_one_is_empty(tmp_path):
    assert len(read_history(tmp_path)) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EmptyDataError"),
        (b"\xff\xfe\0junk", "UnicodeDecodeError"),
        (b'"x', "ParserError"),
        (b"loss\n0.5\n", "KeyError"),
        (b"epoch,loss\none,0.5\n", "ValueError"),
    ],
)
def test_a_damaged_history_is_named(tmp_path, content, reason):
    (tmp_path / "history.csv").write_bytes(content)
    words = rf"one row per epoch.*Received: '.*history\.csv' \({reason}: .*or delete it"
    with pytest.raises(ValueError, match=words):
        read_history(tmp_path)


def test_history_is_read_exactly_as_it_was_written(tmp_path):
    values = np.random.default_rng(0).random(1000)
    table = pd.DataFrame({"epoch": np.arange(1, 1001), "loss": values})
    write_text(tmp_path / "history.csv", table.to_csv(index=False))
    assert read_history(tmp_path)["loss"].tolist() == values.tolist()


def test_text_is_written_at_once_and_leaves_nothing_else(tmp_path):
    write_text(tmp_path / "run.json", "old")
    write_text(tmp_path / "run.json", "straße")
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == "straße"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_pictures_are_listed_and_shown_from_the_worst_on(run, data):
    table = run.evaluate("val").pictures
    assert sorted(table["picture"]) == sorted(str(path) for path, _ in data.paths("val"))
    assert table["mean_iou"].is_monotonic_increasing
    # Each picture scored alone.
    index = [str(path) for path, _ in data.paths("val")].index(table["picture"][0])
    image, truth = data.example("val", index)
    found = run.segmenter()(image)
    ious = [
        ((found == c) & (truth == c)).sum() / ((found == c) | (truth == c)).sum() for c in (0, 1)
    ]
    assert table["mean_iou"][0] == pytest.approx(np.mean(ious))
    assert table["pixel_accuracy"][0] == pytest.approx((found == truth).mean())
    run.show_worst("val", 1)
    assert (run.folder / "figures" / "val_worst.png").is_file()


def test_the_worst_picture_is_shown_where_sizes_differ(run, tmp_path, monkeypatch):
    for i, height in enumerate([32, 48, 32]):
        mask = np.zeros((height, 32), np.uint8)
        mask[: 20 * (i == 2)] = 1  # all that the network below does not find
        for part, array in (("images", np.full((height, 32, 3), i, np.uint8)), ("masks", mask)):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / part / f"{i}.png")
    folders = tmp_path / "images", tmp_path / "masks"
    data = pipelines.from_folders(*folders, ["dark", "light"], splits={"val": 1.0})

    class Dark:
        def labels(self, pixels):
            return np.zeros(pixels.shape[:3], np.uint8)

        def __call__(self, picture):
            return np.zeros(picture.shape[:2], np.uint8)

    run._predictors.update(keras=Dark(), auto=Dark())
    shown = []
    monkeypatch.setattr(run, "_keep", lambda *_: None)
    monkeypatch.setattr(run, "_figure", lambda images, truths: shown.extend(images))
    run.show_worst("val", 1, data)
    assert [int(image.max()) for image in shown] == [2]


def test_run_names_its_network_and_encoder(run):
    run.settings["architecture"] = "unet"
    run.settings["setup"]["recipe"] = {"name": "mine", "options": {"encoder": "resnet50"}}
    assert "tiny-toy': unet with encoder resnet50, 2 epochs" in repr(run)
    table = run._repr_html_()
    assert "<table" in table
    assert "resnet50" in table


def test_a_model_file_is_loaded_as_its_run_or_without_names(run, tmp_path):
    assert keras_seg.load(run.folder / "model.keras").class_names == ("dark", "light")
    alone = tmp_path / "alone.keras"
    alone.write_bytes((run.folder / "model.keras").read_bytes())
    labels = keras_seg.load(alone)(np.zeros((32, 48, 3), "uint8"))
    assert labels.shape == (32, 48)
    with pytest.raises(ValueError, match=r"without a run.json beside it. Pass the run's folder"):
        keras_seg.load(tmp_path / "none.keras")
