"""Pascal VOC 2012 and lists of SBD, drawn small with the true layout."""

import numpy as np
import pytest
from PIL import Image

import pipelines


def draw(root, name, folder="SegmentationClass"):
    for path in (root / f"JPEGImages/{name}.jpg", root / f"{folder}/{name}.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 1)).save(root / f"JPEGImages/{name}.jpg")
    mask = Image.new("P", (3, 1))
    # The devkit's palette: white stands for 255, and 15 is (192, 128, 128).
    mask.putpalette([0, 0, 0, *[0] * 14 * 3, 192, 128, 128, *[0] * 239 * 3, 224, 224, 192])
    mask.putdata([0, 15, 255])
    mask.save(root / f"{folder}/{name}.png")


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOCdevkit/VOC2012"
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, names in {"train": ["2007_000032", "2007_000039"], "val": ["2007_000033"]}.items():
        for name in names:
            draw(root, name)
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    (lists / "trainval.txt").write_text("2007_000032\n2007_000033\n2007_000039\n")
    return root


def test_palette_indices_are_classes_and_the_border_is_ignored(voc):
    data = pipelines.load("pascal_voc", voc)
    assert data.num_classes == 21
    assert data.example("train", 0)[1].tolist() == [[0, 15, 255]]
    assert data.class_names[15] == "person"
    assert {split: data.num_examples(split) for split in data.splits} == {"train": 2, "val": 1}


def test_colors_follow_the_rule_of_the_devkit(voc):
    # Bit j of red, green and blue comes from bits 3j, 3j+1 and 3j+2 of the id, high bits first.
    def color(i):
        channels = [0, 0, 0]
        for j in range(8):
            for c in range(3):
                channels[c] |= (i >> (3 * j + c) & 1) << (7 - j)
        return tuple(channels)

    assert pipelines.load("pascal_voc", voc).palette == [color(i) for i in range(21)]


@pytest.mark.parametrize("up", [0, 1, 2])
def test_any_folder_of_the_archive_will_do(voc, up):
    root = [voc, voc.parent, voc.parent.parent][up]
    assert pipelines.load("pascal_voc", root).num_examples("train") == 2


def test_lists_of_sbd_take_further_masks_and_leave_validation_out(voc):
    draw(voc, "2008_000008", "SegmentationClassAug")
    listed = voc.parent / "train_aug.txt"
    listed.write_text(
        "/JPEGImages/2008_000008.jpg /SegmentationClassAug/2008_000008.png\n"
        "/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png\n"
        "/JPEGImages/2007_000033.jpg /SegmentationClassAug/2007_000033.png\n"
    )
    data = pipelines.load("pascal_voc", voc, train_list=listed)
    assert [label for _, label in data.paths("train")] == [
        str(voc / "SegmentationClassAug/2008_000008.png"),
        str(voc / "SegmentationClass/2007_000032.png"),
    ]
    assert "1 pictures of" in data.notes[0]
    assert "in split 'val' too" in data.notes[0]


def test_trainval_is_a_list_like_others(voc):
    assert pipelines.load("pascal_voc", voc, train_list="trainval").num_examples("train") == 3


def test_the_test_has_no_masks(voc):
    Image.new("RGB", (3, 1)).save(voc / "JPEGImages/2008_000006.jpg")
    (voc / "ImageSets/Segmentation/test.txt").write_text("2008_000006\n")
    data = pipelines.load("pascal_voc", voc)
    assert (data.example("test", 0)[1] == 255).all()


def test_missing_lists_and_files_are_named(voc, tmp_path):
    with pytest.raises(ValueError, match=r"list of the dataset does not exist.*trainaug\.txt"):
        pipelines.load("pascal_voc", voc, train_list="trainaug")
    (voc / "SegmentationClass/2007_000033.png").unlink()
    with pytest.raises(ValueError, match=r"does not exist. Received: .*2007_000033\.png"):
        pipelines.load("pascal_voc", voc)
    with pytest.raises(ValueError, match=r"Pascal VOC was not found. Received: root="):
        pipelines.load("pascal_voc", voc / "JPEGImages")


def test_lists_of_windows_and_a_year_before_are_read(voc):
    old = voc.parent / "VOC2007"
    (old / "JPEGImages").mkdir(parents=True)
    (old / "ImageSets/Segmentation").mkdir(parents=True)
    (old / "ImageSets/Segmentation/train.txt").write_text("000032\n")
    lists = voc / "ImageSets/Segmentation"
    (lists / "train.txt").write_bytes("\ufeff2007_000032\r\n2007_000039\r\n".encode())
    data = pipelines.load("pascal_voc", voc.parent)
    assert data.num_examples("train") == 2


def test_masks_without_a_palette_are_the_same(voc):
    """SegmentationClassAug as it is passed around has gray index masks."""
    draw(voc, "2008_000008", "SegmentationClassAug")
    Image.fromarray(np.array([[0, 15, 255]], np.uint8)).save(
        voc / "SegmentationClassAug/2008_000008.png"
    )
    (voc / "ImageSets/Segmentation/trainaug.txt").write_text("2007_000032\n2008_000008\n")
    data = pipelines.load("pascal_voc", voc, train_list="trainaug")
    assert data.example("train", 1)[1].tolist() == [[0, 15, 255]]
