"""CamVid as SegNet's authors published it, drawn small with the true layout."""

import numpy as np
import pytest
from PIL import Image

import pipelines

NAMES = [
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Two training pictures and one for validation, 6x12 pixels, all ids in every mask."""
    for split, names in (("train", ["0001TP_1", "0001TP_2"]), ("val", ["0016E5_1"])):
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}annot").mkdir()
        for name in names:
            Image.new("RGB", (12, 6)).save(tmp_path / split / f"{name}.png")
            mask = np.tile(np.arange(12, dtype=np.uint8), (6, 1))
            Image.fromarray(mask).save(tmp_path / f"{split}annot" / f"{name}.png")
    return tmp_path


def test_eleven_classes_have_names_and_void_is_ignored(folder):
    data = pipelines.load("camvid", folder)
    assert list(data.class_names) == NAMES
    assert data.palette[0] == (128, 128, 128)
    assert data.palette[3] == (128, 64, 128)
    assert data.splits == ("train", "val")
    _, label = data.example("val", 0)
    assert label[0].tolist() == [*range(11), 255]


def test_lists_of_public_copies_carry_other_prefixes(folder):
    (folder / "train.txt").write_text(
        "/SegNet/CamVid/train/0001TP_2.png /SegNet/CamVid/trainannot/0001TP_2.png\n"
    )
    data = pipelines.load("camvid", folder)
    assert data.paths("train") == [
        (str(folder / "train/0001TP_2.png"), str(folder / "trainannot/0001TP_2.png"))
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train/0001TP_9.png trainannot/0001TP_9.png", r"does not exist.*0001TP_9\.png.*line 1"),
        ("train/0001TP_1.png", r"a picture and a mask in each line.*train\.txt', line 1"),
    ],
)
def test_broken_lists_are_refused_by_line(folder, line, message):
    (folder / "train.txt").write_text(line)
    with pytest.raises(ValueError, match=message):
        pipelines.load("camvid", folder)


def test_an_empty_list_is_refused(folder):
    (folder / "val.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"Split 'val' of dataset 'camvid' has no pictures"):
        pipelines.load("camvid", folder)


def test_an_id_beyond_void_is_named(folder):
    Image.new("L", (12, 6), 12).save(folder / "trainannot/0001TP_1.png")
    with pytest.raises(ValueError, match=r"ids that are no class.*\[12\].*0001TP_1\.png"):
        pipelines.load("camvid", folder).train_batches(1)


def test_a_folder_without_splits_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"No split of CamVid was found. Received: root="):
        pipelines.load("camvid", tmp_path)


def test_cache_is_memory_or_none(folder):
    assert pipelines.load("camvid", folder, cache=None).num_examples("train") == 2
    with pytest.raises(ValueError, match=r"`cache` must be 'memory' or None. Received"):
        pipelines.load("camvid", folder, cache="moon")


def test_the_real_camvid_has_367_and_101_pairs(camvid):
    data = pipelines.load("camvid", camvid)
    assert (data.num_examples("train"), data.num_examples("val")) == (367, 101)
    image, label = next(iter(data.eval_batches("val", 4)))
    assert image.shape == (4, 360, 480, 3)
    assert label.shape == (4, 360, 480)
