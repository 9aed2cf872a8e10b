"""Anybody's folders: pictures find their masks, splits work, faults are named."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines import from_csv, from_folders
from pipelines.find.pairs import match_folders
from pipelines.open.reopen import reopen
from pipelines.read import FileFault

CLASSES = ["background", "road", "car"]


def picture(path, size=(8, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


def mask(path, value=0, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


def make_folders(root, count=10):
    for i in range(count):
        picture(root / f"images/{i}.png")
        mask(root / f"masks/{i}.png", i % 3)
    return root / "images", root / "masks"


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("a.jpg", "a.png"),
        ("a.bmp", "a_label.bmp"),
        ("a.jpeg", "a_mask.png"),
        ("a.png", "a_gt.png"),
        ("0001TP_006690.png", "0001TP_006690_L.png"),
        ("scene_L.png", "scene_L.png"),
        ("a_leftImg8bit.png", "a_gtFine_labelIds.png"),
        ("town/deep/a.png", "town/deep/a_labelIds.png"),
    ],
)
def test_masks_are_found_by_name(tmp_path, image, label):
    picture(tmp_path / "x" / image)
    mask(tmp_path / "y" / label)
    pairs = match_folders(tmp_path / "x", tmp_path / "y")
    assert pairs == [(str(tmp_path / "x" / image), str(tmp_path / "y" / label))]


def test_a_folder_of_pictures_outweighs_the_end_of_a_name(tmp_path):
    for name in ("car_m", "car_f", "note_l"):
        picture(tmp_path / f"images/{name}.png")
        mask(tmp_path / f"masks/{name}.png")
    names = [(a.split("/")[-1], b.split("/")[-1]) for a, b in match_folders(tmp_path, tmp_path)]
    assert names == [(f"{x}.png", f"{x}.png") for x in ("car_f", "car_m", "note_l")]
    assert match_folders(tmp_path, tmp_path)[0][0] == str(tmp_path / "images/car_f.png")


def test_masks_in_a_folder_of_pictures_are_known_by_their_names(tmp_path):
    picture(tmp_path / "images/a.png")
    mask(tmp_path / "images/a_mask.png")
    assert match_folders(tmp_path, tmp_path) == [
        (str(tmp_path / "images/a.png"), str(tmp_path / "images/a_mask.png"))
    ]


@pytest.mark.parametrize("absolute", ["images", "masks"])
def test_masks_within_the_pictures_may_be_named_by_another_path(tmp_path, monkeypatch, absolute):
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        picture(tmp_path / f"all/{i}.png")
        mask(tmp_path / f"all/masks/{i}.png")
    folders = ["all", tmp_path / "all/masks"]
    if absolute == "images":
        folders = [tmp_path / "all", "all/masks"]
    pairs = match_folders(*folders)
    assert pairs == [(f"{folders[0]}/{i}.png", f"{folders[1]}/{i}.png") for i in range(2)]


def test_a_table_with_ids_and_colors_is_read_by_color_if_the_first_masks_are_black(tmp_path):
    table = pd.DataFrame({"name": ["sky", "road"], "id": [7, 8], "color": ["#000000", "#804080"]})
    for i in range(40):
        picture(tmp_path / f"images/{i:02d}.png")
        color = (128, 64, 128) if i == 39 else (0, 0, 0)
        picture(tmp_path / f"masks/{i:02d}.png")
        Image.new("RGB", (8, 6), color).save(tmp_path / f"masks/{i:02d}.png")
    data = from_folders(tmp_path / "images", tmp_path / "masks", table, splits={"train": 1.0})
    assert [int(data.example("train", i)[1][0, 0]) for i in (0, 39)] == [0, 1]


def test_one_folder_may_hold_both(tmp_path):
    for i in range(2):
        picture(tmp_path / f"{i}.jpg")
        mask(tmp_path / f"{i}.png")
        picture(tmp_path / f"b{i}.png")
        mask(tmp_path / f"b{i}_mask.png")
    names = [(a.split("/")[-1], b.split("/")[-1]) for a, b in match_folders(tmp_path, tmp_path)]
    assert names == [
        ("0.jpg", "0.png"), ("1.jpg", "1.png"), ("b0.png", "b0_mask.png"), ("b1.png", "b1_mask.png")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda images, labels: (labels / "7.png").unlink(),
            r"Every picture needs a mask.*7\.png.*1 such pictures",
        ),
        (
            lambda images, labels: (images / "7.png").unlink(),
            r"Every mask needs a picture.*7\.png",
        ),
        (
            lambda images, labels: mask(labels / "7_gt.png"),
            r"Two files stand for the same example.*7",
        ),
        (
            lambda images, labels: picture(images / "7.jpg"),
            r"Two files stand for the same example.*7\.",
        ),
    ],
    ids=["picture alone", "mask alone", "two masks", "two pictures"],
)
def test_pictures_and_masks_that_are_no_pairs_are_named(tmp_path, change, words):
    images, labels = make_folders(tmp_path)
    change(images, labels)
    with pytest.raises(ValueError, match=words):
        from_folders(images, labels, CLASSES)


def test_files_without_partner_are_left_out_on_request(tmp_path):
    images, labels = make_folders(tmp_path)
    (labels / "7.png").unlink()
    (images / "3.png").unlink()
    data = from_folders(images, labels, CLASSES, splits=(1.0,), on_unmatched="skip")
    assert data.num_examples("train") == 8
    assert data.unmatched == (str(images / "7.png"), str(labels / "3.png"))
    assert "Files without a partner, which are left out (2)" in str(data.check())
    with pytest.raises(ValueError, match=r"`on_unmatched` must be 'error' or 'skip'. Received"):
        from_folders(images, labels, CLASSES, on_unmatched="maybe")


def test_folders_with_no_name_in_common_are_refused(tmp_path):
    picture(tmp_path / "images/a.png")
    mask(tmp_path / "masks/b.png")
    words = (
        r"need names in common. Received: no pair in '.*images' and '.*masks', but '.*a.png' and"
    )
    with pytest.raises(ValueError, match=words):
        from_folders(tmp_path / "images", tmp_path / "masks", CLASSES, on_unmatched="skip")
    mask(tmp_path / "masks/a.png")
    words = r"Received: '.*b.png' without a picture in '.*images' \(1 such masks beside 1 pairs\)"
    with pytest.raises(ValueError, match=words):
        from_folders(tmp_path / "images", tmp_path / "masks", CLASSES)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        ("images", "nowhere", r"does not exist. Received: .*nowhere"),
        ("empty", "masks", r"has no pictures. Received: .*empty"),
        ({"train": "a"}, "masks", r"must both be folders, or both be \{split: folder\}"),
    ],
    ids=str,
)
def test_folders_that_are_missing_or_empty_or_half_divided_are_refused(
    tmp_path, monkeypatch, images, labels, words
):
    make_folders(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words):
        from_folders(images, labels, CLASSES)


def test_shares_divide_at_random_and_the_same_way_each_time(tmp_path):
    images, labels = make_folders(tmp_path)
    data = from_folders(images, labels, CLASSES, splits={"train": 0.6, "val": 0.4}, seed=3)
    assert [data.num_examples(split) for split in data.splits] == [6, 4]
    again = from_folders(images, labels, CLASSES, splits=(0.6, 0.4), seed=3)
    assert data.paths("val") == again.paths("val")
    other = from_folders(images, labels, CLASSES, splits=(0.6, 0.4), seed=4)
    assert data.paths("val") != other.paths("val")
    assert not set(data.paths("train")) & set(data.paths("val"))


def test_without_a_word_splits_are_eight_one_one_or_the_subfolders(tmp_path):
    images, labels = make_folders(tmp_path)
    data = from_folders(images, labels, CLASSES)
    assert {split: data.num_examples(split) for split in data.splits} == {
        "train": 8, "val": 1, "test": 1
    }  # fmt: skip
    for split, count in (("train", 2), ("valid", 1)):
        for i in range(count):
            picture(tmp_path / f"b/images/{split}/{i}.png")
            mask(tmp_path / f"b/masks/{split}/{i}.png")
    data = from_folders(tmp_path / "b/images", tmp_path / "b/masks", CLASSES)
    assert data.splits == ("train", "val")
    assert data.num_examples("train") == 2


def test_lists_and_files_of_names_divide(tmp_path):
    images, labels = make_folders(tmp_path)
    (tmp_path / "val.txt").write_text("images/4.png\n\n5\n")
    splits = {"train": ["0", "1.png"], "val": tmp_path / "val.txt"}
    data = from_folders(images, labels, CLASSES, splits=splits)
    assert [a.split("/")[-1] for a, _ in data.paths("train")] == ["0.png", "1.png"]
    assert [a.split("/")[-1] for a, _ in data.paths("val")] == ["4.png", "5.png"]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": 0.9, "val": 0.2}, r"together at most 1. Received: splits"),
        ({"train": 1.0, "val": 0.0}, r"above 0"),
        ((), r"Shares are for train, val, test"),
        ((0.2, 0.2, 0.2, 0.2), r"Shares are for train, val, test"),
        ({"train": ["0", "nobody"]}, r"has no pair in the folders. Received: 'nobody'"),
        ({"train": ["0"], "val": ["0"]}, r"is in 'train' already. Received: '0'"),
        ({"train": "no/such.txt"}, r"must be a text file or a list.*no/such\.txt"),
        ({"train": ["0"], "val": []}, r"Split 'val' of dataset .* has no pictures"),
    ],
)
def test_splits_that_do_not_work_are_refused(tmp_path, splits, message):
    images, labels = make_folders(tmp_path)
    with pytest.raises(ValueError, match=message):
        from_folders(images, labels, CLASSES, splits=splits)


def test_fewer_pictures_than_splits_are_refused(tmp_path):
    images, labels = make_folders(tmp_path, count=2)
    with pytest.raises(ValueError, match=r"at least one picture. Received: 2 pictures"):
        from_folders(images, labels, CLASSES)


def test_three_pictures_fill_three_splits(tmp_path):
    data = from_folders(*make_folders(tmp_path, count=3), CLASSES)
    assert [data.num_examples(split) for split in data.splits] == [1, 1, 1]


def test_a_mask_of_another_size_is_named(tmp_path):
    images, labels = make_folders(tmp_path)
    mask(labels / "3.png", size=(8, 7))
    data = from_folders(images, labels, CLASSES, splits=(1.0,))
    with pytest.raises(ValueError, match=r"size of its picture.*3\.png.*\(6, 8\).*\(7, 8\)"):
        data.train_batches(1)


def test_an_unknown_id_is_named_with_its_file(tmp_path):
    images, labels = make_folders(tmp_path)
    mask(labels / "3.png", 77)
    data = from_folders(images, labels, CLASSES, splits=(1.0,))
    with pytest.raises(ValueError, match=r"neither classes nor ignored: \[77\].*3\.png"):
        data.train_batches(1)
    assert data.check().faults["path"].tolist() == [str(labels / "3.png")]
    ignoring = from_folders(images, labels, CLASSES, splits=(1.0,), ignore=(77, 255))
    assert (ignoring.example("train", 3)[1] == 255).all()


def test_ids_that_jump_become_positions(tmp_path):
    images, labels = make_folders(tmp_path, count=1)
    mask(labels / "0.png", 24)
    data = from_folders(images, labels, {7: "road", 24: "rider"}, splits=(1.0,))
    assert data.class_names == ("road", "rider")
    assert (data.example("train", 0)[1] == 1).all()


def test_classes_may_be_a_number(tmp_path):
    data = from_folders(*make_folders(tmp_path), 3)
    assert data.class_names == ("class 0", "class 1", "class 2")
    assert len(set(data.palette)) == 3


@pytest.mark.parametrize("classes", [[], ["a", "a"], 0, 256])
def test_classes_need_names_of_their_own(tmp_path, classes):
    with pytest.raises(ValueError, match=r"1..255 classes, each with its own name. Received"):
        from_folders(*make_folders(tmp_path), classes)


def test_gray_pictures_stay_gray_unless_one_has_color(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png", mode="L")
        mask(tmp_path / f"{i}_mask.png")
    assert from_folders(tmp_path, tmp_path, CLASSES).num_channels == 1
    assert from_folders(tmp_path, tmp_path, CLASSES, num_channels=3).num_channels == 3
    picture(tmp_path / "0.png", mode="RGB")
    data = from_folders(tmp_path, tmp_path, CLASSES, splits=(1.0,))
    assert data.num_channels == 3
    assert data.example("train", 1)[0].shape == (6, 8, 3)


def test_an_unreadable_picture_is_named_before_training(tmp_path):
    images, labels = make_folders(tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(noise).save(images / "5.png")
    content = (images / "5.png").read_bytes()
    (images / "5.png").write_bytes(content[: len(content) // 2])
    data = from_folders(images, labels, CLASSES, splits=(1.0,))
    with pytest.raises(ValueError, match=r"cannot be read.*5\.png"):
        data.train_batches(2)


def test_the_name_is_that_of_the_folder(tmp_path):
    images, labels = make_folders(tmp_path / "pets")
    assert from_folders(images, labels, CLASSES).name == "pets"


def test_sixteen_bit_ids_are_mapped(tmp_path):
    images, labels = make_folders(tmp_path, count=1)
    Image.fromarray(np.full((6, 8), 3000, np.uint16)).save(labels / "0.png")
    data = from_folders(images, labels, {3000: "tree"}, splits=(1.0,))
    assert (data.example("train", 0)[1] == 0).all()


def test_color_coded_masks_are_read_with_a_table(tmp_path):
    images, labels = make_folders(tmp_path, count=1)
    Image.new("RGB", (8, 6), (128, 64, 128)).save(labels / "0.png")
    table = {(0, 0, 0): None, (60, 40, 222): "pavement", (128, 64, 128): "road"}
    data = from_folders(images, labels, table, splits=(1.0,))
    assert data.class_names == ("pavement", "road")
    assert data.palette == [(60, 40, 222), (128, 64, 128)]
    assert (data.example("train", 0)[1] == 1).all()


def test_ids_from_one_up_are_read_with_an_offset(tmp_path):
    images, labels = make_folders(tmp_path, count=3)  # masks of 0, 1 and 2
    data = from_folders(images, labels, ["cat", "dog"], splits=(1.0,), label_offset=1)
    assert [int(data.example("train", i)[1][0, 0]) for i in range(3)] == [255, 0, 1]


def test_folders_of_channels_become_one_picture(tmp_path):
    images, labels = make_folders(tmp_path)
    for i in range(10):
        Image.new("L", (8, 6), i).save(images / f"{i}.png")
        picture(tmp_path / f"nir/{i}.tif", mode="L")
    data = from_folders([images, tmp_path / "nir"], labels, CLASSES, splits=(0.5, 0.5))
    assert data.num_channels == 2
    image, _ = next(iter(data.train_batches(2)))
    assert image.shape == (2, 6, 8, 2)
    (tmp_path / "nir/3.tif").unlink()
    with pytest.raises(ValueError, match=r"Every picture needs a mask.*3\.png"):
        from_folders([images, tmp_path / "nir"], labels, CLASSES)


def test_deep_pictures_of_twelve_bits_are_stretched(tmp_path):
    images, labels = make_folders(tmp_path, count=1)
    Image.fromarray(np.full((6, 8), 4095, np.uint16)).save(images / "0.png")
    data = from_folders(images, labels, CLASSES, splits=(1.0,), value_range=(0, 4095))
    assert (data.example("train", 0)[0] == 255).all()
    plain = from_folders(images, labels, CLASSES, splits=(1.0,))
    assert (plain.example("train", 0)[0] == 16).all()  # 4095 / 257 = 15.9
    assert "nearly black" in str(plain.check())
    with pytest.raises(ValueError, match=r"the lower one first. Received: value_range=\(9, 0\)"):
        from_folders(images, labels, CLASSES, value_range=(9, 0))


def test_groups_stay_together(tmp_path):
    for i in range(12):
        picture(tmp_path / f"images/patient{i // 3}_slice{i}.png")
        mask(tmp_path / f"masks/patient{i // 3}_slice{i}.png")
    images, labels = tmp_path / "images", tmp_path / "masks"
    for group in (r"patient(\d+)", lambda key: key.split("_")[0], [i // 3 for i in range(12)]):
        data = from_folders(images, labels, CLASSES, splits=(0.5, 0.5), group=group)
        patients = [{path.split("patient")[1][0] for path, _ in data.paths(s)} for s in data.splits]
        assert len(patients[0] & patients[1]) == 0
        assert [len(part) for part in patients] == [2, 2]
    with pytest.raises(ValueError, match=r"`group` must match.*Received: group='night'"):
        from_folders(images, labels, CLASSES, group="night")
    with pytest.raises(ValueError, match=r"at least one group. Received: 1 groups"):
        from_folders(images, labels, CLASSES, group="patient")


def test_pictures_of_mixed_channels_are_refused(tmp_path):
    images, labels = make_folders(tmp_path, count=2)
    (images / "0.png").unlink()
    np.save(images / "0.npy", np.zeros((6, 8, 7), np.uint8))
    with pytest.raises(ValueError, match=r"same number of channels. Received: .*\[3, 7\]"):
        from_folders(images, labels, CLASSES, splits=(1.0,))


def test_bands_are_taken_in_their_order_and_kept(tmp_path):
    images, labels = make_folders(tmp_path, count=4)
    for i in range(4):
        (images / f"{i}.png").unlink()
        np.save(images / f"{i}.npy", np.arange(6 * 8 * 7, dtype=np.uint8).reshape(6, 8, 7) // 2)
    data = from_folders(images, labels, CLASSES, splits=(0.5, 0.5), bands=[6, 0])
    assert (data.num_channels, data.input_spec.bands) == (2, (6, 0))
    # Number 7 * pixel + band, halved.
    assert data.example("val", 0)[0][0, :3].tolist() == [[3, 0], [6, 3], [10, 7]]
    other = from_folders(images, labels, CLASSES, splits=(0.5, 0.5), bands=[5, 0])
    assert data.fingerprint("val") != other.fingerprint("val")
    assert reopen(json.loads(json.dumps(data.opened_by))).input_spec == data.input_spec
    (table := tmp_path / "rows.csv").write_text("image,mask,split\nimages/0.npy,masks/0.png,train")
    assert from_csv(table, CLASSES, bands=(6, 0)).input_spec == data.input_spec
    with pytest.raises(FileFault, match=r"must have the bands \(7, 0\).*7 channels in .*0\.npy"):
        from_csv(table, CLASSES, bands=(7, 0)).example("train", 0)


@pytest.mark.parametrize("options", [
    {"bands": 5}, {"bands": ()}, {"bands": (1, -1)}, {"bands": (1, 2), "num_channels": 3}
])  # fmt: skip
def test_bands_are_whole_numbers_one_for_each_channel(tmp_path, options):
    with pytest.raises(ValueError, match=r"`bands` must be one whole number.*Received: bands="):
        from_folders(*make_folders(tmp_path, count=2), CLASSES, **options)


def test_one_picture_of_other_channels_than_most_is_a_fault_of_its_own(tmp_path):
    images, labels = make_folders(tmp_path, count=4)
    (images / "0.png").unlink()
    np.save(images / "0.npy", np.zeros((6, 8, 7), np.uint8))
    data = from_folders(images, labels, CLASSES, splits=(1.0,))
    assert data.num_channels == 3
    faults = data.check().faults
    assert faults[["path", "detail"]].to_numpy().tolist() == [[str(images / "0.npy"), "7 channels"]]


def test_notes_say_that_names_were_matched_by_their_rest(tmp_path):
    for part in ("ct", "truth"):
        (tmp_path / part).mkdir()
        for i in range(4):
            Image.new("L", (32, 32)).save(tmp_path / part / f"{part}_patch_{i}.png")
    data = from_folders(tmp_path / "ct", tmp_path / "truth", ["soil", "crop"], splits=(0.5, 0.5))
    (note,) = data.notes
    assert "matched without the words that only one of the two has" in note
    assert "ct_patch_0.png' and '" in note
    assert note.rstrip(".") in str(data.check())

    folders = {"train": tmp_path / "ct"}, {"train": tmp_path / "truth"}
    assert from_folders(*folders, ["soil", "crop"]).notes == (note,)
