"""The dataset object: what it says about itself, its report, its contact sheet."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import pipelines
from pipelines.find.classes import distinct_colors


def toy(**changes):
    images = np.zeros((4, 32, 40, 3), np.uint8)
    labels = np.zeros((4, 32, 40), np.uint8)
    labels[0, :16] = 1
    labels[1, :8] = 255
    splits = {"train": (images, labels), "val": (images[:2], labels[:2] * 0)}
    arguments = {"class_names": ["sky", "road"], "palette": None, "splits": splits} | changes
    return pipelines.Dataset.from_arrays("toy", **arguments)


def test_dataset_says_what_it_is():
    data = toy()
    assert (data.name, data.num_classes, data.num_channels) == ("toy", 2, 3)
    assert data.class_names == ("sky", "road")
    assert data.ignore_class == 255
    assert data.splits == ("train", "val")
    assert data.num_examples("train") == len(data.paths("train")) == 4
    assert repr(data) == "<Dataset 'toy': 2 classes, train=4, val=2>"


def test_unknown_split_is_refused_with_those_that_exist():
    message = r"Dataset 'toy' has no split 'test'. Received: split='test'. Available: \['train'"
    for call in (toy().paths, toy().num_examples, toy().eval_batches, toy().show):
        with pytest.raises(ValueError, match=message):
            call("test")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 7), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 8, 8), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8), np.int64)),
        (np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 8, 8), np.uint8)),
        (np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8), np.uint8)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels):
    with pytest.raises(ValueError, match=r"Arrays need images uint8.*Received.*toy/train"):
        toy(splits={"train": (images, labels)})


def test_check_counts_pixels_and_pictures():
    report = toy().check()
    train = report.classes.loc["train"]
    # 4 pictures of 32 rows: road has 16 of 128 - 8 rows that are not ignored.
    assert train.loc["road", "pixels"] == pytest.approx(16 / 120)
    assert train.loc["sky", "pixels"] == pytest.approx(104 / 120)
    assert train.loc["road", "pictures"] == pytest.approx(1 / 4)
    assert report.splits.loc["train", "ignored"] == pytest.approx(8 / 128)
    assert report.splits.loc["train", "sizes"] == "32x40"
    assert report.absent == {"train": [], "val": ["road"]}
    assert "Split 'val' has no pictures of: road" in str(report)


def test_show_draws_each_picture_once():
    figure = toy().show(num_images=3)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 3
    assert len(toy().show("val", num_images=8).axes) == 2
    with pytest.raises(ValueError, match=r"`num_images` must be in 1.."):
        toy().show(num_images=0)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_show_draws_pictures_that_are_not_rgb(channels):
    splits = {"train": (np.zeros((1, 8, 8, channels), np.uint8), np.zeros((1, 8, 8), np.uint8))}
    assert len(toy(splits=splits).show().axes) == 1


def test_generated_colors_differ_and_stay_the_same():
    colors = distinct_colors(60)
    assert colors == distinct_colors(60)
    assert len(set(colors)) == 60


def test_importing_pipelines_does_not_import_tensorflow():
    import subprocess
    import sys

    code = "import sys, pipelines; pipelines.load; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


COLOR, GRAY, IDS = (np.zeros((1, 8, 8, *channels), np.uint8) for channels in ((3,), (1,), ()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"splits": {"train": (COLOR, IDS + 2)}},
            r"class ids 0..1, or 255.*ids \[2\] in 'toy/train'",
        ),
        ({"palette": [(0, 0, 0)]}, "one color per class. Received: 1 colors for 2"),
        (
            {"splits": {"train": (COLOR, IDS), "val": (GRAY, IDS)}},
            "same number of channels. Received: .*'val': 1",
        ),
        ({"splits": {}}, "at least one split"),
    ],
)
def test_datasets_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        toy(**arguments)
