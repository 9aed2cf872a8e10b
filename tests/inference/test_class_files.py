"""A classifier's table of classes for files."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keras_seg.inference.class_files import predict_classes
from keras_seg.inference.classifier import Classifier

COLORS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def classifier():
    """The color channel with the largest mean is the class; its margin decides the probability."""
    image = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    return Classifier(keras.Model(image, x), COLORS)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures" / "inside"
    folder.mkdir(parents=True)
    for channel, name in enumerate(COLORS):
        pixels = np.zeros((20, 30, 3), "uint8")
        pixels[..., channel] = 255
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder.parent


def test_every_picture_has_a_row_with_its_classes(classifier, pictures, tmp_path):
    path = predict_classes(classifier, [pictures], tmp_path / "out")
    table = pd.read_csv(path)
    assert path == tmp_path / "out" / "classes.csv"
    assert [name.split("/")[-1] for name in table["picture"]] == [
        "blue.png",
        "green.png",
        "red.png",
    ]
    assert table["class"].tolist() == ["blue", "green", "red"]
    # softmax of logits (1, 0, 0): e / (e + 2) and 1 / (e + 2)
    np.testing.assert_allclose(table["probability"], 0.576117, atol=1e-5)
    np.testing.assert_allclose(table["probability_3"], 0.211942, atol=1e-5)


def test_files_are_not_replaced(classifier, pictures, tmp_path):
    (tmp_path / "classes.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"does not replace files.*classes\.csv.*--overwrite"):
        predict_classes(classifier, [pictures], tmp_path)
    assert (tmp_path / "classes.csv").read_text() == "mine"
    predict_classes(classifier, [pictures / "inside" / "red.png"], tmp_path, overwrite=True)
    assert len(pd.read_csv(tmp_path / "classes.csv")) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.png", "nowhere.png', which does not exist"),
        ("notes.txt", "notes.txt', no picture"),
        ("empty", "empty', a folder without pictures"),
    ],
)
def test_what_is_no_picture_is_refused(classifier, tmp_path, name, words):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=words):
        predict_classes(classifier, [tmp_path / name], tmp_path)
