import os
import shutil

import numpy as np
import pytest
from PIL import Image

import pipelines


def draw(folder, image=0, label=0):
    for part, value in (("images", image), ("masks", label)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for index in range(3):
            Image.new("L", (32, 32), value).save(folder / part / f"{index}.png")
    return folder


def fingerprint(folder, classes=3, **options):
    splits = {"train": 1.0}
    data = pipelines.from_folders(
        folder / "images", folder / "masks", classes, splits=splits, **options
    )
    return data.fingerprint("train")


def test_fingerprint_does_not_depend_on_the_folder_and_the_time(tmp_path):
    first = fingerprint(draw(tmp_path / "a"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*.png"):
        os.utime(path, (0, 0))
    assert fingerprint(tmp_path / "b") == first


@pytest.mark.parametrize("changes", [{"image": 1}, {"label": 1}])
def test_fingerprint_changes_with_pictures_and_masks(tmp_path, changes):
    first = fingerprint(draw(tmp_path))
    assert fingerprint(draw(tmp_path, **changes)) != first


def test_fingerprint_changes_with_what_is_read_out_of_the_files(tmp_path):
    draw(tmp_path)
    found = [
        fingerprint(tmp_path),
        fingerprint(tmp_path, classes={0: "class 0", 1: "class 1", 2: "class 2", 7: "class 2"}),
        fingerprint(tmp_path, value_range=(0, 100)),
    ]
    assert len(set(found)) == 3


def test_no_file_is_decoded(tmp_path):
    draw(tmp_path)
    data = pipelines.from_folders(tmp_path / "images", tmp_path / "masks", 3)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no picture")
    assert len(data.fingerprint("train")) == 32


def test_fingerprint_of_arrays_changes_with_one_value():
    images, labels = np.zeros((2, 32, 32, 3), "uint8"), np.zeros((2, 32, 32), "uint8")
    found = []
    for value in (0, 0, 1):
        labels = labels.copy()
        labels[1, 5, 5] = value
        splits = {"train": (images, labels)}
        data = pipelines.Dataset.from_arrays("toy", ["a", "b"], None, splits)
        found.append(data.fingerprint("train"))
    assert found[0] == found[1] != found[2]


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="has no split 'tset'"):
        pipelines.street_scenes(num_images=3, size=(32, 32), seed=0).fingerprint("tset")
