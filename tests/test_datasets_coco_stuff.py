"""COCO-Stuff 164k, drawn small with the true layouts."""

import numpy as np
import pytest
from PIL import Image

import pipelines


def draw(root, images, masks):
    for split in ("train2017", "val2017"):
        (root / images / split).mkdir(parents=True, exist_ok=True)
        (root / masks / split).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 1)).save(root / images / split / "000000000009.jpg")
        # person, teddy bear, toothbrush, wood; unlabelled
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
