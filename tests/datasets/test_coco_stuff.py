"""COCO-Stuff 164k, drawn small with the true layouts."""

import numpy as np
import pytest
from _mat_files import matrix, write
from PIL import Image

import pipelines


def draw(root, images, masks):
    for split in ("train2017", "val2017"):
        (root / images / split).mkdir(parents=True, exist_ok=True)
        (root / masks / split).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 1)).save(root / images / split / "000000000009.jpg")
        # person, teddy bear, toothbrush, wood; unlabeled
        ids = np.array([[0, 87, 89, 181, 255]], np.uint8)
        Image.fromarray(ids).save(root / masks / split / "000000000009.png")
    return root


@pytest.mark.parametrize("images", ["images", "."])
@pytest.mark.parametrize("masks", ["stuffthingmaps", "annotations", "stuffthingmaps_trainval2017"])
def test_index_masks_have_171_classes(tmp_path, images, masks):
    data = pipelines.load("coco_stuff", draw(tmp_path, images, masks))
    assert data.num_classes == 171
    label = data.example("val", 0)[1][0].tolist()
    names = [data.class_names[i] for i in label if i != 255]
    assert names == ["person", "teddy bear", "toothbrush", "wood"]
    assert label[-1] == 255


def test_there_are_80_things_and_91_stuff(tmp_path):
    data = pipelines.load("coco_stuff", draw(tmp_path, "images", "stuffthingmaps"))
    assert data.class_names.index("toothbrush") == 79
    assert data.class_names.index("banner") == 80
    assert "street sign" not in data.class_names


def test_pictures_of_the_test_have_no_masks(tmp_path):
    draw(tmp_path, "images", "stuffthingmaps")
    (tmp_path / "images/test2017").mkdir()
    Image.new("RGB", (5, 1)).save(tmp_path / "images/test2017/000000000001.jpg")
    data = pipelines.load("coco_stuff", tmp_path)
    assert data.splits == ("train", "val", "test")
    assert (data.example("test", 0)[1] == 255).all()


def test_broken_layouts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"COCO-Stuff was not found. Received: root="):
        pipelines.load("coco_stuff", tmp_path)
    draw(tmp_path, "images", "stuffthingmaps")
    Image.new("RGB", (5, 1)).save(tmp_path / "images/val2017/000000000010.jpg")
    with pytest.raises(ValueError, match=r"does not exist. Received: .*000000000010\.png"):
        pipelines.load("coco_stuff", tmp_path)


def test_archives_unpacked_on_top_of_each_other_are_told_apart(tmp_path):
    """`train2017.zip` and `stuffthingmaps_trainval2017.zip` hold folders of the same names."""
    data = pipelines.load("coco_stuff", draw(tmp_path / "coco", ".", ".").parent)
    assert {split: data.num_examples(split) for split in data.splits} == {"train": 1, "val": 1}
    assert data.example("train", 0)[1][0, -1] == 255


def test_coco_annotations_and_other_masks_beside_them_are_left_alone(tmp_path):
    draw(tmp_path, "images", "annotations")
    (tmp_path / "annotations/instances_train2017.json").write_text("{}")
    masks = tmp_path / "annotations/train2017"
    Image.new("L", (5, 1)).save(masks / "000000000009_labelTrainIds.png")
    Image.new("L", (5, 1)).save(tmp_path / "images/train2017/000000000009.jpg")  # a gray one
    data = pipelines.load("coco_stuff", tmp_path)
    assert data.paths("train")[0][1] == str(masks / "000000000009.png")
    assert data.num_channels == 3


@pytest.fixture
def ten_thousand(tmp_path):
    """Version 1.1 of the 10k set."""
    root = tmp_path / "cocostuff-10k-v1.1"
    names = {"train": "COCO_train2014_000000000077", "test": "COCO_train2014_000000000349"}
    for part in ("images", "annotations", "imageLists"):
        (root / part).mkdir(parents=True)
    for split, name in names.items():
        (root / f"imageLists/{split}.txt").write_text(f"{name}\n")
        Image.new("RGB", (4, 1)).save(root / f"images/{name}.jpg")
        # unlabeled, person, teddy bear, wood: the owners' numbers, which begin at 1
        write(root / f"annotations/{name}.mat",
              matrix("S", np.array([[0, 1, 88, 182]], np.uint16)),
              matrix("regionLabelsStuff", np.ones((3, 1))))  # fmt: skip
    (root / "imageLists/all.txt").write_text("".join(f"{name}\n" for name in names.values()))
    return root


def test_ten_thousand_have_masks_in_matlab_files(ten_thousand):
    data = pipelines.load("coco_stuff", ten_thousand.parent)
    assert data.splits == ("train", "test")
    assert data.num_classes == 171
    label = data.example("test", 0)[1][0].tolist()
    assert label[0] == 255
    assert [data.class_names[i] for i in label[1:]] == ["person", "teddy bear", "wood"]
    assert data.check().faults.empty
