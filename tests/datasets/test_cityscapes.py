"""Cityscapes, drawn small with the true layout."""

import numpy as np
import pytest
from PIL import Image

import pipelines

# Train ids 0..18 by label id, as the owners' cityscapesScripts have them.
TRAIN_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
ALL_IDS = np.tile(np.arange(34, dtype=np.uint8), (2, 1))


@pytest.fixture
def folder(tmp_path):
    tmp_path = tmp_path / "cityscapes"
    cities = {"train": "aachen", "val": "frankfurt", "test": "berlin"}
    for split, city in cities.items():
        for i in range(2):
            name = f"{split}/{city}/{city}_00000{i}_000019"
            image = tmp_path / f"leftImg8bit/{name}_leftImg8bit.png"
            mask = tmp_path / f"gtFine/{name}_gtFine_labelIds.png"
            for path in (image, mask):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (34, 2), (i, 0, 0)).save(image)
            Image.fromarray(ALL_IDS).save(mask)
            Image.new("RGBA", (34, 2)).save(str(mask).replace("labelIds", "color"))
            Image.new("I;16", (34, 2)).save(str(mask).replace("labelIds", "instanceIds"))
    return tmp_path


def test_34_ids_become_19_classes(folder):
    data = pipelines.load("cityscapes", folder)
    assert data.num_classes == 19
    assert data.splits == ("train", "val", "test")
    wanted = [TRAIN_IDS.index(i) if i in TRAIN_IDS else 255 for i in range(34)]
    assert data.example("train", 0)[1][0].tolist() == wanted
    assert (data.class_names[0], data.class_names[18]) == ("road", "bicycle")
    assert data.palette[13] == (0, 0, 142)  # car


def test_cities_may_be_links_to_another_disk(folder):
    city = folder / "leftImg8bit/train/aachen"
    city.rename(folder / "elsewhere")
    city.symlink_to(folder / "elsewhere")
    assert pipelines.load("cityscapes", folder).num_examples("train") == 2


def test_classes_have_seven_categories(folder):
    categories = pipelines.load("cityscapes", folder).categories
    assert set(categories.values()) == {
        "flat", "construction", "object", "nature", "sky", "human", "vehicle"
    }  # fmt: skip
    assert categories["rider"] == "human"
    assert list(categories.values()).count("vehicle") == 6


def test_the_test_has_no_labels(folder):
    data = pipelines.load("cityscapes", folder)
    assert data.paths("test")[0][1] == ""
    _, label = next(iter(data.eval_batches("test", 2)))
    assert (label.numpy() == 255).all()
    assert data.check().faults.empty


def test_the_folder_above_will_do(folder):
    assert pipelines.load("cityscapes", folder.parent).paths("val")[0][0].startswith(str(folder))


def test_a_picture_without_mask_is_named(folder):
    mask = folder / "gtFine/val/frankfurt/frankfurt_000001_000019_gtFine_labelIds.png"
    mask.unlink()
    with pytest.raises(
        ValueError, match=r"does not exist.*frankfurt_000001_000019_gtFine_labelIds"
    ):
        pipelines.load("cityscapes", folder)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Cityscapes was not found. Received: root=.*leftImg8bit"):
        pipelines.load("cityscapes", tmp_path)
    for part in ("leftImg8bit", "gtFine"):
        (tmp_path / part).mkdir()
    with pytest.raises(ValueError, match=r"No split of Cityscapes has pictures. Received: root="):
        pipelines.load("cityscapes", tmp_path)


def test_archives_may_be_unpacked_into_folders_of_their_own(folder, tmp_path):
    """Each zip has a license beside its folder; Macs leave `__MACOSX` and `._` files."""
    for part, archive in (("leftImg8bit", "leftImg8bit_trainvaltest"), ("gtFine", "gtFine (1)")):
        (tmp_path / "zips" / archive).mkdir(parents=True)
        (folder / part).rename(tmp_path / "zips" / archive / part)
        (tmp_path / "zips" / archive / "license.txt").touch()
        junk = tmp_path / "zips/__MACOSX" / part / "train/aachen"
        junk.mkdir(parents=True)
        (junk / "._aachen_000000_000019_leftImg8bit.png").write_bytes(b"Mac OS X")
    pictures = tmp_path / "zips/leftImg8bit_trainvaltest/leftImg8bit"
    (pictures / "train/aachen/._aachen_000000_000019_leftImg8bit.png").write_bytes(b"Mac OS X")
    (pictures / "train_extra/bamberg").mkdir(parents=True)
    Image.new("RGB", (34, 2)).save(
        pictures / "train_extra/bamberg/bamberg_000000_000000_leftImg8bit.png"
    )
    data = pipelines.load("cityscapes", tmp_path / "zips")
    assert {split: data.num_examples(split) for split in data.splits} == {
        "train": 2, "val": 2, "test": 2
    }  # fmt: skip
    assert data.example("val", 0)[1].max() == 255
