"""The report: every kind of fault in a data set is found, and named by its path."""

import hashlib

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines import Dataset, from_folders
from pipelines.check.examine import fingerprint
from pipelines.read import limits

CLASSES = ["sky", "road"]


def scene(number, size=(64, 48)):
    """A picture that looks like no other: eight bright and dark blobs."""
    random = np.random.default_rng(number)
    small = random.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def folder(tmp_path):
    """Eight pairs for training and four for validation, all sound."""
    for split, count in (("train", 8), ("val", 4)):
        for i in range(count):
            mask = np.zeros((48, 64), np.uint8)
            mask[24:] = 1
            save(scene(i + 100 * count), tmp_path / f"images/{split}/{i}.png")
            save(mask, tmp_path / f"masks/{split}/{i}.png")
    return tmp_path


def opened(folder, classes=CLASSES, **options):
    return from_folders(folder / "images", folder / "masks", classes, **options)


def fingerprint_of(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def test_a_sound_dataset_is_healthy(folder):
    report = opened(folder).check()
    assert report.valid
    assert report.faults.empty
    assert report.duplicates.empty
    text = str(report)
    assert "8 in train, 4 in val): every file was read, no faults" in text
    # Each of two classes fills half of every picture: both weigh the same.
    assert report.class_weights.tolist() == [1.0, 1.0]
    assert report.crop == (32, 64)
    assert isinstance(report.findings, pd.DataFrame)


def test_every_kind_of_fault_is_named_by_its_path(folder):
    truncated = folder / "images/train/1.png"
    truncated.write_bytes(truncated.read_bytes()[:300])
    (folder / "images/train/2.png").write_text("Dear reader")
    save(np.zeros((47, 64), np.uint8), folder / "masks/train/3.png")
    save(np.full((48, 64), 7, np.uint8), folder / "masks/train/4.png")
    data = opened(folder)
    (folder / "masks/val/0.png").unlink()
    report = data.check()
    assert not report.valid
    found = {(row.split, row.kind, row.path) for row in report.faults.itertuples()}
    assert found == {
        ("train", "unreadable", str(truncated)),
        ("train", "unreadable", str(folder / "images/train/2.png")),
        ("train", "size mismatch", str(folder / "masks/train/3.png")),
        ("train", "unknown ids", str(folder / "masks/train/4.png")),
        ("val", "missing", str(folder / "masks/val/0.png")),
    }
    text = str(report)
    assert "5 files cannot be used" in text
    for _, _, path in found:
        assert path in text
    assert f"{folder}/masks/train/4.png (ids [7])" in text


def test_a_size_that_differs_is_the_fault_of_the_file_that_differs_from_the_others(folder):
    picture, mask = folder / "images/train/1.png", folder / "masks/train/1.png"
    save(scene(1)[:40], picture)
    save(np.zeros((40, 64), np.uint8), folder / "masks/train/2.png")
    report = opened(folder).check()
    assert report.faults[["path", "detail"]].to_numpy().tolist() == [
        [str(picture), f"(40, 64), its mask {str(mask)!r} (48, 64)"],
        [
            str(folder / "masks/train/2.png"),
            f"(40, 64), its picture {str(folder / 'images/train/2.png')!r} (48, 64)",
        ],
    ]
    assert "Pictures and masks of different sizes (2)" in str(report)


def test_masks_of_jpeg_and_files_beyond_the_limits_are_reported(folder):
    mask = folder / "masks/train/0.png"
    Image.open(mask).save(mask, "JPEG")
    with limits(max_pixels=48 * 64 - 1):
        report = opened(folder).check()
    assert set(report.faults["kind"]) == {"too large"}
    assert "declare more pixels or bytes than the limits allow (24)" in str(report)
    report = opened(folder).check()
    assert report.faults[["kind", "path"]].to_numpy().tolist() == [["JPEG mask", str(mask)]]
    assert "Masks that are JPEG files, which change the values of pixels (1)" in str(report)
    assert "convert('L').point(lambda v: 255 * (v > 127)).save('mask.png')" in str(report)


def test_masks_of_colors_for_classes_by_id_come_with_what_to_do(folder):
    mask = folder / "masks/train/0.png"
    save(np.full((48, 64, 3), (255, 0, 0), np.uint8), mask)
    text = str(opened(folder).check())
    assert f"{mask} (colors)" in text
    assert "or give `classes` as {(red, green, blue): name} or as a table of colors" in text


def test_picture_and_mask_may_both_be_faulty(folder):
    for part in ("images", "masks"):
        (folder / f"{part}/train/0.png").write_bytes(b"")
    assert opened(folder).check().faults["path"].tolist() == [
        str(folder / "images/train/0.png"), str(folder / "masks/train/0.png")
    ]  # fmt: skip


def test_one_truncated_png_among_many_stops_training_with_its_path(folder):
    path = folder / "images/train/5.png"
    path.write_bytes(path.read_bytes()[:200])
    data = opened(folder)
    with pytest.raises(ValueError, match=r"cannot be read.*train/5\.png"):
        data.train_batches(2)
    assert data.check().faults["path"].tolist() == [str(path)]


def test_equal_pictures_in_two_splits_are_leaks(folder):
    save(scene(800), folder / "images/val/1.png")  # picture 0 of train is scene(800)
    report = opened(folder).check()
    row = report.duplicates.iloc[0]
    assert (row["split"], row["other_split"], row["equal"]) == ("train", "val", True)
    assert row["path"] == str(folder / "images/train/0.png")
    assert row["other_path"] == str(folder / "images/val/1.png")
    assert not report.valid
    assert "Equal pictures in different splits (1)" in str(report)


def test_pictures_that_look_alike_are_found_whatever_their_size(folder):
    brighter = np.clip(scene(803, (128, 96)).astype(int) + 12, 0, 255).astype(np.uint8)
    cv2.imwrite(str(folder / "images/val/2.jpg"), brighter[..., ::-1])
    (folder / "images/val/2.png").unlink()
    save(np.zeros((96, 128), np.uint8), folder / "masks/val/2.png")
    duplicates = opened(folder).check().duplicates
    assert duplicates[["path", "other_path", "equal"]].to_numpy().tolist() == [
        [str(folder / "images/train/3.png"), str(folder / "images/val/2.jpg"), False]
    ]


def test_skipped_files_do_not_shift_the_names_of_others(folder, tmp_path):
    """Of twelve pictures in file order, the first of each split cannot be read."""
    for split in ("train", "val"):
        (folder / f"images/{split}/0.png").write_bytes(b"")
    save(scene(806), folder / "images/val/2.png")  # picture 6 of train
    brighter = np.clip(scene(803).astype(int) + 12, 0, 255).astype(np.uint8)
    save(brighter, folder / "images/val/3.png")  # looks like picture 3 of train
    save(np.full((48, 64), 255, np.uint8), folder / "masks/train/7.png")
    report = opened(folder).reading(on_error="skip").check(fix=tmp_path / "new")
    images = folder / "images"
    columns = ["path", "other_path", "equal"]
    assert report.duplicates[columns].to_numpy().tolist() == [
        [str(images / "train/6.png"), str(images / "val/2.png"), True],
        [str(images / "train/3.png"), str(images / "val/3.png"), False],
    ]
    assert report.void_only.to_numpy().tolist() == [["train", str(images / "train/7.png")]]
    kept = [path.removeprefix(f"{images}/train/") for path, _ in report.fixed.paths("train")]
    assert kept == ["1.png", "2.png", "3.png", "4.png", "5.png", "7.png"]


def test_equal_pictures_within_a_split_are_a_notice(folder):
    save(scene(801), folder / "images/train/6.png")
    report = opened(folder).check()
    assert report.valid
    assert "Duplicate pictures within a split (1)" in str(report)


def test_binary_and_smoothed_masks_are_recognized(folder):
    half = np.zeros((48, 64), np.uint8)
    half[24:] = 255
    save(half, folder / "masks/train/0.png")
    smooth = cv2.GaussianBlur(half, (9, 9), 3)
    save(smooth, folder / "masks/train/1.png")
    kinds = opened(folder, ["a", "b", "c"], ignore=()).check().faults["kind"].tolist()
    assert kinds == ["0/255 mask", "0/255 mask, smoothed"]


def test_anti_aliased_colors_are_recognized(folder):
    table = {(0, 0, 0): "sky", (200, 40, 120): "road"}
    for path in folder.glob("masks/*/*.png"):
        mask = np.zeros((48, 64, 3), np.uint8)
        cv2.circle(mask, (32, 24), 15, (200, 40, 120), -1)
        save(mask, path)
    smooth = cv2.GaussianBlur(mask, (5, 5), 1)
    save(smooth, folder / "masks/val/3.png")
    report = opened(folder, table).check()
    assert report.faults[["kind", "path"]].to_numpy().tolist() == [
        ["smoothed mask", str(folder / "masks/val/3.png")]
    ]
    assert "Masks that look anti-aliased" in str(report)


def test_a_notebook_shows_the_report_as_tables(folder):
    for i in range(6):
        (folder / f"images/train/{i}.png").write_bytes(b"<b>")
    report = opened(folder).check()
    shown = report._repr_html_()
    # Splits, findings to fix, notices and shares; of 6 damaged files five are listed.
    assert shown.count("<table") == shown.count("</table>") >= 3
    assert "6 files cannot be used" in shown
    assert "and 1 more" in shown
    assert "4.png" in shown
    assert "5.png" not in shown


def test_masks_of_nothing_but_zero_and_ignored_are_suspicious():
    images = np.stack([scene(i) for i in range(2)])
    labels = np.zeros((2, 48, 64), np.uint8)
    labels[:, :9] = 255
    report = Dataset.from_arrays("toy", CLASSES, None, {"train": (images, labels)}).check()
    assert "they may be 0/255 masks" in str(report)
    assert not report.valid


def test_pictures_of_nothing_but_void_are_listed(folder):
    save(np.full((48, 64), 255, np.uint8), folder / "masks/val/3.png")
    report = opened(folder).check()
    assert report.void_only.to_numpy().tolist() == [["val", str(folder / "images/val/3.png")]]
    assert "Pictures in which all pixels are ignored (1)" in str(report)


def test_rare_classes_and_much_void_are_said(folder):
    for i in range(8):
        mask = np.full((48, 64), 255, np.uint8)
        mask[:10] = 0
        mask[0, 0] = i == 0
        save(mask, folder / f"masks/train/{i}.png")
    text = str(opened(folder).check())
    # 38 of 48 rows are void; one pixel of 8 * 640 is road.
    assert "79 % of the pixels of 'train' are ignored" in text
    assert "Rare classes in 'train', by pixels: road (0.020 %)" in text


def test_class_weights_are_median_frequency(folder):
    for i in range(8):
        mask = np.zeros((48, 64), np.uint8)
        mask[:12] = i < 4
        save(mask, folder / f"masks/train/{i}.png")
    # road: 4 pictures with a quarter each: 1/4 of their pixels. sky: 4 * 3/4 + 4 of 8: 7/8.
    # The median of both is 9/16: road 9/16 * 4 = 2.25, sky 9/16 * 8/7.
    weights = opened(folder).check().class_weights
    assert weights["road"] == pytest.approx(2.25)
    assert weights["sky"] == pytest.approx(9 / 14)


def test_class_weights_are_those_of_the_dataset_with_ignored_pixels_too(folder):
    for i in range(8):
        mask = np.zeros((48, 64), np.uint8)
        mask[:12] = i < 4
        mask[24:] = 255
        save(mask, folder / f"masks/train/{i}.png")
    # Of all pixels: road 1/4 of 4 pictures; sky 4 * 1/4 + 4 * 1/2 of 8, which is 3/8. The median
    # of both is 5/16.
    data = opened(folder)
    weights = dict(zip(data.class_names, data.class_weights("median"), strict=True))
    assert weights == pytest.approx({"road": 5 / 4, "sky": 5 / 6})
    assert dict(data.check().class_weights) == pytest.approx(weights)


def test_fix_writes_repaired_masks_elsewhere_and_touches_nothing(folder, tmp_path):
    table = {0: "sky", 1: "road"}
    broken = folder / "images/train/1.png"
    broken.write_bytes(broken.read_bytes()[:300])
    save(
        np.repeat([[0], [1]], [12, 12], 0).repeat(32, 1).astype(np.uint8),
        folder / "masks/train/2.png",
    )
    save(np.full((48, 40), 1, np.uint8), folder / "masks/train/3.png")  # of another shape
    strange = np.zeros((48, 64), np.uint8)
    strange[:8] = 9
    save(strange, folder / "masks/train/4.png")
    save(
        np.where(np.arange(48)[:, None] < 24, 0, 255).repeat(64, 1).astype(np.uint8),
        folder / "masks/train/5.png",
    )
    save(scene(400), folder / "images/train/0.png")  # picture 0 of val
    before = fingerprint_of(folder)
    data = opened(folder, table, ignore=())
    report = data.check(fix=tmp_path / "new")
    fixed = report.fixed
    after = fingerprint_of(folder)
    assert [entry for entry in after if not entry[0].startswith(str(tmp_path / "new"))] == before
    assert fixed.num_examples("train") == 5  # without the leak, the broken one, the odd shape
    assert fixed.check().faults.empty
    names = [path.split("/")[-1] for path, _ in fixed.paths("train")]
    assert names == ["2.png", "4.png", "5.png", "6.png", "7.png"]
    assert np.bincount(fixed.example("train", 0)[1].ravel()).tolist() == [24 * 64, 24 * 64]
    assert (fixed.example("train", 1)[1][:8] == 255).all()
    assert np.bincount(fixed.example("train", 2)[1].ravel()).tolist() == [24 * 64, 24 * 64]
    done = pd.read_csv(tmp_path / "new/repairs.csv")
    assert len(done) == 6
    assert "A repaired dataset is in `report.fixed`" in str(report)
    assert next(iter(fixed.train_batches(5)))[1].shape == (5, 48, 64)


def test_fix_resizes_jpeg_masks_of_black_and_white(folder, tmp_path):
    for path in folder.glob("masks/*/*.png"):
        half = np.zeros((48, 64), np.uint8)
        half[24:] = 255
        if path.name == "1.png":
            half = half[::2, ::2]
        Image.fromarray(half).save(path.with_suffix(".jpg"), quality=95)
        path.unlink()
    data = opened(folder, {0: "sky", 255: "road"}, ignore=())
    report = data.check(fix=tmp_path / "new")
    assert set(report.faults["kind"]) == {"size mismatch"}
    assert report.fixed.num_examples("train") == 8
    label = report.fixed.example("train", 1)[1]
    assert (label == np.repeat([0, 1], 24)[:, None]).all()


def test_fix_gives_smoothed_colors_their_nearest_class(folder, tmp_path):
    table = {(0, 0, 0): "sky", (200, 40, 120): "road"}
    for path in folder.glob("masks/*/*.png"):
        mask = np.zeros((48, 64, 3), np.uint8)
        cv2.circle(mask, (32, 24), 15, (200, 40, 120), -1)
        save(cv2.GaussianBlur(mask, (5, 5), 1), path)
    wanted = mask[..., 0] == 200
    fixed = opened(folder, table).check(fix=tmp_path / "new").fixed
    # A soft edge is a pixel wide: at most the circle's rim, 2 * pi * 15 of 48 * 64 pixels.
    assert ((fixed.example("val", 0)[1] == 1) != wanted).mean() < 0.03


def test_fix_needs_a_new_folder_and_files(folder, tmp_path):
    with pytest.raises(ValueError, match=r"new or empty folder. Received: fix=.*not empty"):
        opened(folder).check(fix=folder)
    arrays = np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 32, 32), np.uint8)
    toy = Dataset.from_arrays("toy", ["sky"], None, {"train": arrays})
    with pytest.raises(ValueError, match=r"`fix` supports datasets of files only. Received: 'toy'"):
        toy.check(fix=tmp_path / "new")


def test_fingerprints_differ_for_different_pictures():
    prints = [fingerprint(scene(i)) for i in range(50)]
    bits = [bin(a ^ b).count("1") for i, a in enumerate(prints) for b in prints[:i]]
    assert min(bits) > 6
    assert bin(fingerprint(scene(3)) ^ fingerprint(scene(3, (128, 96)))).count("1") <= 6


@pytest.mark.long
def test_check_reads_the_real_camvid(camvid):
    import pipelines

    report = pipelines.load("camvid", camvid).check()
    assert report.splits["pictures"].to_dict() == {"train": 367, "val": 101}
    assert report.faults.empty
    assert report.duplicates.empty
