"""Oxford-IIIT Pet, drawn small with the true layout."""

import numpy as np
import pytest
from PIL import Image

import pipelines


@pytest.fixture
def folder(tmp_path):
    tmp_path = tmp_path / "pets"
    (tmp_path / "images").mkdir(parents=True)
    (tmp_path / "annotations/trimaps").mkdir(parents=True)
    for name in ("Abyssinian_100", "Abyssinian_101", "beagle_1"):
        Image.new("RGB", (3, 1)).save(tmp_path / f"images/{name}.jpg")
        trimap = Image.fromarray(np.array([[1, 2, 3]], np.uint8))
        trimap.save(tmp_path / f"annotations/trimaps/{name}.png")
        # The archive was packed on a Mac.
        (tmp_path / f"annotations/trimaps/._{name}.png").write_bytes(b"Mac OS X")
    (tmp_path / "images/Abyssinian_100.mat").write_bytes(b"MATLAB 5.0")
    header = "#Image CLASS-ID SPECIES BREED ID\n"
    lists = tmp_path / "annotations"
    (lists / "list.txt").write_text(header)
    (lists / "trainval.txt").write_text("Abyssinian_100 1 1 1\nAbyssinian_101 1 1 1\n")
    (lists / "test.txt").write_text("beagle_1 5 2 4\n")
    return tmp_path


def test_trimaps_count_from_one(folder):
    data = pipelines.load("oxford_pets", folder)
    assert data.class_names == ("foreground", "background", "border")
    assert data.example("train", 0)[1].tolist() == [[0, 1, 2]]
    assert (data.num_examples("train"), data.num_examples("test")) == (2, 1)


def test_the_border_may_be_ignored(folder):
    data = pipelines.load("oxford_pets", folder.parent, border="ignore")
    assert data.num_classes == 2
    assert data.example("test", 0)[1].tolist() == [[0, 1, 255]]
    with pytest.raises(ValueError, match=r"`border` must be 'class' or 'ignore'. Received"):
        pipelines.load("oxford_pets", folder, border="blur")


def test_missing_files_are_named(folder):
    (folder / "images/beagle_1.jpg").unlink()
    with pytest.raises(ValueError, match=r"does not exist. Received: .*beagle_1\.jpg"):
        pipelines.load("oxford_pets", folder)
    (folder / "annotations/trainval.txt").unlink()
    with pytest.raises(ValueError, match=r"list of the dataset does not exist.*trainval\.txt"):
        pipelines.load("oxford_pets", folder)
    with pytest.raises(ValueError, match=r"Oxford-IIIT Pet was not found. Received: root="):
        pipelines.load("oxford_pets", folder / "images")


def test_both_archives_may_be_wrapped_once_more(folder):
    """As Kaggle packs them, and Windows unpacks them: `images/images` and its like."""
    for part in ("images", "annotations"):
        (folder / part).rename(folder / "inner")
        (folder / part).mkdir()
        (folder / "inner").rename(folder / part / part)
    assert pipelines.load("oxford_pets", folder).num_examples("train") == 2


def test_pictures_that_are_no_jpeg_in_spite_of_their_name_are_read(folder):
    """Some of Abyssinian and Egyptian_Mau are GIF or PNG files; others have four colors."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1, 3, 3), np.uint8))
    noise.convert("P").save(folder / "images/Abyssinian_100.jpg", "GIF")
    noise.convert("RGBA").save(folder / "images/Abyssinian_101.jpg", "PNG")
    noise.convert("CMYK").save(folder / "images/beagle_1.jpg", "JPEG")
    data = pipelines.load("oxford_pets", folder)
    report = data.check()
    assert report.faults.empty
    image, _ = next(iter(data.train_batches(2)))
    assert image.shape == (2, 1, 3, 3)
    assert np.array_equal(data.example("train", 1)[0], np.asarray(noise))  # alpha is left out
    assert data.example("test", 0)[0].shape == (1, 3, 3)
