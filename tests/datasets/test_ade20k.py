"""ADE20K of the scene parsing challenge, drawn small with the true layout."""

import numpy as np
import pytest
from PIL import Image

import pipelines


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "ADEChallengeData2016"
    for split, name in (("training", "ADE_train_0000000"), ("validation", "ADE_val_0000000")):
        for part in ("images", "annotations"):
            (root / part / split).mkdir(parents=True)
        for i in (1, 2):
            Image.new("RGB", (151, 1)).save(root / f"images/{split}/{name}{i}.jpg")
            ids = np.arange(151, dtype=np.uint8)[None]
            Image.fromarray(ids).save(root / f"annotations/{split}/{name}{i}.png")
    (root / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n")
    return root


def test_ids_from_1_to_150_are_classes_and_zero_is_ignored(folder):
    data = pipelines.load("ade20k", folder)
    assert data.num_classes == 150
    assert data.example("train", 0)[1][0].tolist() == [255, *range(150)]
    assert (data.num_examples("train"), data.num_examples("val")) == (2, 2)


def test_names_and_colors_are_the_owners(folder):
    data = pipelines.load("ade20k", folder.parent)
    assert data.class_names[:3] == ("wall", "building", "sky")
    assert data.class_names[149] == "flag"
    assert data.class_names[57] == "pillow"
    assert data.palette[0] == (120, 120, 120)
    assert data.palette[2] == (6, 230, 230)
    assert len(set(data.class_names)) == 150


def test_pictures_of_the_test_have_no_masks(folder):
    (folder.parent / "release_test/testing").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder.parent / "release_test/testing/ADE_test_00000001.jpg")
    data = pipelines.load("ade20k", folder.parent)
    assert data.paths("test")[0][1] == ""


def test_ids_beyond_are_named(folder):
    path = folder / "annotations/training/ADE_train_00000002.png"
    Image.new("L", (151, 1), 151).save(path)
    faults = pipelines.load("ade20k", folder).check().faults
    assert faults[["kind", "path"]].to_numpy().tolist() == [["unknown ids", str(path)]]


def test_broken_layouts_are_refused(folder):
    (folder / "annotations/validation/ADE_val_00000002.png").unlink()
    with pytest.raises(ValueError, match=r"does not exist. Received: .*ADE_val_00000002\.png"):
        pipelines.load("ade20k", folder)
    with pytest.raises(ValueError, match=r"ADE20K was not found"):
        pipelines.load("ade20k", folder / "images")


def test_the_archive_as_it_unpacks(folder):
    (folder.parent / "__MACOSX/ADEChallengeData2016/images/training").mkdir(parents=True)
    (folder.parent / "__MACOSX/ADEChallengeData2016/annotations/training").mkdir(parents=True)
    (folder / "sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")
    (folder / "images/training/._ADE_train_00000001.jpg").write_bytes(b"Mac OS X")
    (folder / "images/training/Thumbs.db").write_bytes(b"junk")
    Image.new("L", (151, 1)).save(folder / "images/training/ADE_train_00000002.jpg")  # a gray one
    data = pipelines.load("ade20k", folder.parent)
    assert data.num_examples("train") == 2
    assert data.example("train", 1)[0].shape == (1, 151, 3)


@pytest.mark.parametrize(
    "files",
    [
        ["index_ade20k.mat", "images/training/a/abbey/ADE_train_00000970.jpg"],
        ["index_ade20k.pkl", "images/ADE/training/urban/street/ADE_train_00016858.jpg"],
    ],
)
def test_the_full_dataset_is_refused_with_a_hint(tmp_path, files):
    for file in files:
        path = tmp_path / "ADE20K_2016_07_26" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(ValueError, match=r"more than 3000. Fetch ADEChallengeData2016\.zip"):
        pipelines.load("ade20k", tmp_path)
