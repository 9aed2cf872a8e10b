"""Classes: ids in files become ids in batches, by number or by color."""

import numpy as np
import pytest

from pipelines.find.classes import Classes, color_codes
from pipelines.read.faults import COLORS, UNKNOWN_IDS, FileFault


def test_ids_of_one_name_are_one_class_and_none_is_ignored():
    classes = Classes.make({7: "road", 8: "road", 24: "rider", 3: None})
    assert classes.names == ("road", "rider")
    labels = classes.from_file_ids(np.array([[7, 8, 24, 3, 255]]), "a.png")
    assert labels.tolist() == [[0, 0, 1, 255, 255]]
    assert labels.dtype == np.uint8


@pytest.mark.parametrize("ids", [[-1, 0], [0, 9], [0, 4000], [254, 0]])
def test_unknown_ids_are_named_with_the_file(ids):
    with pytest.raises(
        FileFault, match=r"neither classes nor ignored: \[.*Received: 'a\.png'"
    ) as info:
        Classes.make(["road"]).from_file_ids(np.array([ids]), "a.png")
    assert info.value.kind == UNKNOWN_IDS
    assert info.value.path == "a.png"
    assert set(info.value.values) == set(ids) - {0}


def test_unknown_ids_and_colors_are_ignored_on_request():
    loose = Classes(("road",), ((1, 2, 3),), (0,), colors=(((1, 2, 3), 0),), strict=False)
    assert loose.from_file_ids(np.array([[0, 9, -4, 999]]), "").tolist() == [[0, 255, 255, 255]]
    pixels = np.array([[[1, 2, 3], [3, 2, 1]]], np.uint8)
    assert loose.from_colors(pixels, "").tolist() == [[0, 255]]


def test_colors_become_classes():
    colors = (((128, 64, 0), 1), ((0, 0, 0), 0), ((9, 9, 9), 255))
    classes = Classes(("void", "road"), ((0, 0, 0), (128, 64, 0)), (0, 1), colors=colors)
    pixels = np.array([[[128, 64, 0], [0, 0, 0], [9, 9, 9]]], np.uint8)
    assert classes.from_colors(pixels, "").tolist() == [[1, 0, 255]]
    with pytest.raises(FileFault, match=r"unknown colors: \[\(1, 1, 1\)\].*b\.png") as info:
        classes.from_colors(np.ones((2, 2, 3), np.uint8), "b.png")
    assert info.value.kind == COLORS


def test_color_codes_are_three_bytes():
    assert color_codes(np.array([[[1, 2, 3]]], np.uint8)).tolist() == [[0x010203]]


@pytest.mark.parametrize("ignored", [(0, 255), (0, 1)])
def test_an_id_that_is_ignored_has_no_name(ignored):
    message = r"either ignored or a class. Received: ignored ids .*\[0.*also \['a'.*leave the id"
    with pytest.raises(ValueError, match=message):
        Classes.make(["a", "b", "c"], ignored)


def test_255_may_be_a_class():
    assert Classes.make({0: "a", 255: "b"}).ignored_ids == ()


def test_a_palette_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"one color per class. Received: 1 colors for 2"):
        Classes.make(["a", "b"], palette=[(0, 0, 0)])


def test_ids_of_classes_must_fit_into_files():
    # A color of three bytes is the largest number that a mask holds: 2**24 - 1.
    words = r"Ids of classes must be in 0\.\.16777215\. Received: .*-1"
    with pytest.raises(ValueError, match=words):
        Classes.make({0: "background", -1: "road"})


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (300, r"Received: 300 names, 300 of them different: .*'class 11'\] and 288 more. Give the"),
        (["sky", "sky", "road"], r"3 names, 2 of them different: \['sky', 'sky', 'road'\]. Give"),
        (0, r"Received: 0 names, 0 of them different: \[\]. Give"),
    ],
)
def test_too_many_classes_and_double_names_are_counted(classes, words):
    with pytest.raises(ValueError, match=words):
        Classes.make(classes)
