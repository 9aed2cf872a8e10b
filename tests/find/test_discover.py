"""Classes that nobody has named: binary masks, ids, colors."""

import logging

import numpy as np
import pytest
from PIL import Image

import pipelines


def folders(root, masks):
    for part in ("images", "masks"):
        (root / part).mkdir()
    for i, mask in enumerate(masks):
        mask.save(root / f"masks/{i}.png")
        Image.new("RGB", mask.size).save(root / f"images/{i}.png")
    return root / "images", root / "masks"


def gray(values):
    return Image.fromarray(np.array(values, np.uint8))


def test_binary_masks_of_0_and_255_are_recognized_and_said_so(tmp_path, caplog):
    images, labels = folders(tmp_path, [gray([[0, 255]]), gray([[0, 0]])])
    with caplog.at_level(logging.WARNING):
        data = pipelines.from_folders(images, labels, ["field", "weed"], splits=(1.0,))
    assert data.example("train", 0)[1].tolist() == [[0, 1]]
    assert "0 is read as 'field', 255 as 'weed'" in data.notes[0]
    assert "255 as 'weed'" in caplog.text
    assert "255 as 'weed'" in str(data.check())


def test_masks_of_0_1_and_255_are_not_binary(tmp_path):
    images, labels = folders(tmp_path, [gray([[0, 255]]), gray([[1, 0]])])
    data = pipelines.from_folders(images, labels, ["field", "weed"], splits=(1.0,))
    assert data.notes == ()
    assert data.example("train", 0)[1].tolist() == [[0, 255]]


def test_ids_are_found_with_the_colors_of_their_palette(tmp_path):
    mask = Image.new("P", (3, 1))
    mask.putpalette([1, 1, 1, 2, 2, 2, 128, 0, 64, *[9] * 252 * 3, 224, 224, 192])
    mask.putdata([0, 2, 255])
    images, labels = folders(tmp_path, [mask])
    data = pipelines.from_folders(images, labels, splits=(1.0,))
    assert data.class_names == ("class 0", "class 2")
    assert data.palette == [(1, 1, 1), (128, 0, 64)]
    assert data.example("train", 0)[1].tolist() == [[0, 1, 255]]
    assert "2 classes were found in the ids of 1 masks" in data.notes[0]


def test_colors_are_found(tmp_path):
    colored = np.array([[[0, 0, 0], [128, 64, 128]]], np.uint8)
    images, labels = folders(tmp_path, [Image.fromarray(colored), gray([[255, 255]])])
    data = pipelines.from_folders(images, labels, splits=(1.0,))
    # In the order of their numbers: black, 0x804080, and white of the gray mask.
    assert data.class_names == ("#000000", "#804080", "#ffffff")
    assert data.example("train", 0)[1].tolist() == [[0, 1]]
    assert data.example("train", 1)[1].tolist() == [[2, 2]]


def test_masks_of_0_and_255_have_two_classes(tmp_path):
    images, labels = folders(tmp_path, [gray([[0, 255]])])
    data = pipelines.from_folders(images, labels, splits=(1.0,))
    assert data.class_names == ("background", "foreground")
    assert data.example("train", 0)[1].tolist() == [[0, 1]]


def test_smoothed_masks_have_too_many_colors(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    images, labels = folders(tmp_path, [Image.fromarray(noise)])
    with pytest.raises(ValueError, match=r"1..255 different colors.*smoothed, as JPEG does it"):
        pipelines.from_folders(images, labels, splits=(1.0,))


def test_unreadable_masks_are_left_to_check(tmp_path):
    images, labels = folders(tmp_path, [gray([[0, 1]]), gray([[0, 1]])])
    (labels / "1.png").write_bytes(b"no picture")
    data = pipelines.from_folders(images, labels, splits=(1.0,))
    assert data.class_names == ("class 0", "class 1")
    assert data.check().faults["path"].tolist() == [str(labels / "1.png")]
