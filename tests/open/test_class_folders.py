"""One folder per class: classes, splits, batches, and errors that name files."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import pipelines
from pipelines import from_class_folders
from pipelines.read import InputSpec, read_image


def picture(path, size=(40, 32), seed=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def make(root, counts=None, ending="png"):
    for seed, (name, count) in enumerate((counts or {"cat": 10, "dog": 5}).items()):
        for i in range(count):
            picture(root / name / f"{i}.{ending}", seed=100 * seed + i)
    return root


def eval_labels(data, split):
    return np.concatenate([label.numpy() for _, label in data.eval_batches(split, 4)]).tolist()


def test_folders_are_classes_in_alphabetical_order(tmp_path):
    data = from_class_folders(
        make(tmp_path / "pets", {"dog": 2, "cat": 3, "an owl": 1}), splits=(1,)
    )
    assert (data.name, data.task, data.ignore_class) == ("pets", "classification", None)
    assert data.class_names == ("an owl", "cat", "dog")
    assert eval_labels(data, "train") == [0, 1, 1, 1, 2, 2]
    assert data.paths("train")[0] == (str(tmp_path / "pets/an owl/0.png"), "an owl")
    image, label = next(iter(data.eval_batches("train", 4)))
    assert image.shape == (4, 32, 40, 3)
    assert (label.dtype, label.shape) == ("int32", (4,))


def test_shares_hold_for_every_class(tmp_path):
    data = from_class_folders(make(tmp_path), splits=(0.6, 0.2, 0.2))
    counts = {split: data.measure(split)[1][0].tolist() for split in data.splits}
    assert counts == {"train": [6, 3], "val": [2, 1], "test": [2, 1]}  # of 10 and of 5
    again = from_class_folders(tmp_path, splits=(0.6, 0.2, 0.2))
    other = from_class_folders(tmp_path, splits=(0.6, 0.2, 0.2), seed=1)
    assert data.paths("train") == again.paths("train") != other.paths("train")


def test_split_folders_and_folders_by_split(tmp_path):
    make(tmp_path / "training", {"cat": 2, "dog": 1})
    make(tmp_path / "valid", {"dog": 2})
    found = from_class_folders(tmp_path)
    folders = {"train": tmp_path / "training", "val": tmp_path / "valid"}
    for data in (found, from_class_folders(folders)):
        assert data.splits == ("train", "val")
        assert data.class_names == ("cat", "dog")
        assert eval_labels(data, "train") == [0, 0, 1]
        assert eval_labels(data, "val") == [1, 1]


def test_folders_without_pictures_beside_train_and_val_change_nothing(tmp_path):
    make(tmp_path / "train", {"cat": 2, "dog": 1})
    make(tmp_path / "val", {"dog": 2})
    (tmp_path / "docs" / "more").mkdir(parents=True)
    (tmp_path / "docs" / "more" / "notes.txt").touch()
    data = from_class_folders(tmp_path)
    assert {split: data.num_examples(split) for split in data.splits} == {"train": 3, "val": 2}


@pytest.mark.parametrize("other", ["demo/cat", "validation/dog"])
def test_pictures_beside_train_and_val_are_refused(tmp_path, other):
    for name in ("train/cat", "val/dog", other):
        picture(tmp_path / name / "0.png")
    message = rf"no other one beside them.*Received: \['{other.split('/')[0]}'\] in "
    with pytest.raises(ValueError, match=message):
        from_class_folders(tmp_path)
    folders = {"train": tmp_path / "train", "val": tmp_path / "val"}
    assert from_class_folders(folders).class_names == ("cat", "dog")


def test_linked_folders_are_followed(tmp_path):
    make(tmp_path / "stock")
    for split, name in (("train", "cat"), ("train", "dog"), ("val", "dog")):
        (tmp_path / "pets" / split).mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / split / name).symlink_to(tmp_path / "stock" / name)
    data = from_class_folders(tmp_path / "pets")
    assert {split: data.num_examples(split) for split in data.splits} == {"train": 15, "val": 5}


def test_classes_called_like_splits_stay_classes(tmp_path):
    data = from_class_folders(make(tmp_path, {"train": 2, "bus": 2, "car": 2}), splits=(0.5, 0.5))
    assert data.class_names == ("bus", "car", "train")


def test_groups_and_lists(tmp_path):
    for name in ("cat", "dog"):
        for i in range(6):
            picture(tmp_path / name / f"cam{i % 3}_{i}.png", seed=i)
    by_group = from_class_folders(tmp_path, splits=(0.7, 0.3), group=r"(cam\d)")
    cameras = [
        {path.split("/")[-1][:4] for path, _ in by_group.paths(split)} for split in by_group.splits
    ]
    assert not cameras[0] & cameras[1]
    lists = {"train": ["cat"], "val": ["dog/cam0_0.png", "dog/cam1_1"]}
    assert eval_labels(from_class_folders(tmp_path, splits=lists), "val") == [1, 1]


def test_classes_are_ordered_renamed_joined_and_left_out(tmp_path):
    make(tmp_path, {"n01": 1, "n02": 1, "n03": 1, "misc": 1})
    order = ["n03", "misc", "n01", "n02"]
    assert from_class_folders(tmp_path, order, (1,)).class_names == tuple(order)
    names = {"n02": "hound", "n01": "tench", "n03": "hound", "misc": None}
    data = from_class_folders(tmp_path, names, (1,))
    assert data.class_names == ("hound", "tench")
    assert [name for _, name in data.paths("train")] == ["tench", "hound", "hound"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["cat"]}, r"folder of each class.*Received: the folder 'dog', for classes="),
        ({"classes": ["cat", "dog", "owl"]}, r"Received: no picture in 'owl'"),
        ({"classes": "cat"}, r"`classes` must be names of folders.*Received: classes='cat'"),
        ({"classes": 2}, r"`classes` must be names of folders.*Received: classes=2"),
        ({"splits": (0.9, 0.9)}, r"together at most 1. Received: splits="),
        ({"value_range": (9, 9)}, r"`value_range` must be two numbers"),
        ({"bands": (2,), "num_channels": 3}, r"`bands` must be one whole number from 0 for each"),
        ({"bands": ()}, r"`bands` must be one whole number.*Received: bands=\(\)"),
        ({"size": (0, 32)}, r"`size` must be \(height, width\).*Received: size=\(0, 32\)"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_class_folders(make(tmp_path), **arguments)


@pytest.mark.parametrize(
    ("folders", "options", "words"),
    [
        (lambda root: root / "nowhere", {}, r"does not exist. Received: '.*nowhere'"),
        (
            lambda root: picture(root / "loose.png").parent,
            {},
            r"in the folder of its class. Received: '.*/loose\.png'",
        ),
        (
            lambda root: {"train": root},
            {"splits": (1,)},
            r"divided already. Received: splits=\(1,\) with folders",
        ),
    ],
    ids=["missing", "loose picture", "divided"],
)
def test_folders_that_do_not_fit_are_refused_by_name(tmp_path, folders, options, words):
    make(tmp_path)
    with pytest.raises(ValueError, match=words):
        from_class_folders(folders(tmp_path), **options)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_every_cache_gives_the_same_batches(tmp_path, ending):
    data = from_class_folders(make(tmp_path, {"a": 3, "b": 3}, ending), splits=(1,))
    ways = [data.reading(cache=cache) for cache in ("memory", "disk", None)]
    batches = [next(iter(way.train_batches(6, seed=3))) for way in ways]
    for image, label in batches:
        np.testing.assert_array_equal(image, batches[0][0])
        np.testing.assert_array_equal(label, batches[0][1])
    by_pixels = {read_image(path).tobytes(): name for path, name in data.paths("train")}
    names = [by_pixels[image.numpy().tobytes()] for image in batches[0][0]]
    assert names == [data.class_names[label] for label in batches[0][1].numpy()]


@pytest.mark.parametrize("cache", ["memory", None])
def test_pictures_of_any_size_become_one(tmp_path, cache):
    picture(tmp_path / "a/wide.png", (90, 30))
    picture(tmp_path / "a/tall.png", (30, 90), seed=1)
    picture(tmp_path / "b/exact.png", (32, 48), seed=2)
    data = from_class_folders(tmp_path, splits=(1,), size=(48, 32), cache=cache)
    assert data.input_spec == InputSpec(3, size=(48, 32))
    ((image, label),) = data.eval_batches("train", 3)
    assert image.shape == (3, 48, 32, 3)
    assert label.numpy().tolist() == [0, 0, 1]
    # The picture of this size is as it was.
    np.testing.assert_array_equal(image[2], np.asarray(Image.open(tmp_path / "b/exact.png")))
    for pixels, (path, _) in zip(image, data.paths("train"), strict=True):
        np.testing.assert_array_equal(pixels, read_image(path, data.input_spec))


@pytest.mark.parametrize("cache", ["memory", None])
def test_bands_are_taken_in_their_order_and_kept(tmp_path, cache):
    files = np.random.default_rng(3).integers(0, 256, (2, 32, 40, 7)).astype(np.uint8)
    for name, values in zip(("crop", "weed"), files, strict=True):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", values)
    data = from_class_folders(tmp_path, splits=(1,), bands=[6, 0], cache=cache)
    assert (data.num_channels, data.input_spec) == (2, InputSpec(2, bands=(6, 0)))
    ((images, labels),) = data.eval_batches("train", 2)
    np.testing.assert_array_equal(images, files[..., [6, 0]])
    assert labels.numpy().tolist() == [0, 1]
    np.testing.assert_array_equal(
        read_image(data.paths("train")[1][0], data.input_spec), files[1][..., [6, 0]]
    )
    other = from_class_folders(tmp_path, splits=(1,), bands=[5, 0])
    assert other.fingerprint("train") != data.fingerprint("train")


def test_ops_move_pixels_and_leave_classes(tmp_path):
    make(tmp_path, {"a": 4, "b": 4})
    data = from_class_folders(tmp_path, splits=(1,))
    ops = [("random_scale_crop", {"height": 64, "width": 64}), ("random_rotation", {})]
    ops += [("random_flip", {}), ("class_crop", {"height": 32, "width": 32}), ("multi_scale", {})]
    plain = data.train_batches(4, seed=5, epochs=2)
    moved = data.train_batches(4, ops, seed=5, epochs=2)
    for (_, label), (image, same) in zip(plain, moved, strict=True):
        assert image.shape[0] == 4
        assert image.shape[1] == image.shape[2]
        assert label.numpy().tolist() == same.numpy().tolist()


@pytest.mark.parametrize("op", ["cutmix", "classmix", "mosaic"])
def test_ops_that_mix_pictures_are_refused(tmp_path, op):
    data = from_class_folders(make(tmp_path), splits=(1,))
    with pytest.raises(ValueError, match=rf"cannot be mixed.*Received: {op} for dataset"):
        data.train_batches(2, [(op, {})])


def test_damaged_files_are_named_or_skipped(tmp_path):
    make(tmp_path, {"cat": 3, "dog": 3})
    bad = tmp_path / "cat/1.png"
    bad.write_bytes(b"no picture")
    data = from_class_folders(tmp_path, splits=(1,))
    with pytest.raises(ValueError, match=str(bad)):
        data.train_batches(2)
    report = data.check()
    assert report.faults["path"].tolist() == [str(bad)]
    assert not report.valid
    skipping = data.reading(on_error="skip")
    assert list(skipping.skipped("train")) == [str(bad)]
    assert eval_labels(skipping, "train") == [0, 0, 1, 1, 1]
    assert skipping.measure("train")[1].tolist() == [[2, 3]]


def test_check_counts_pictures_and_finds_one_picture_in_two_classes(tmp_path):
    make(tmp_path, {"cat": 30, "dog": 2})
    shutil.copy(tmp_path / "cat/0.png", tmp_path / "dog/again.png")
    report = from_class_folders(tmp_path, splits=(1,)).check()
    assert report.classes.loc[("train", "dog"), "pictures"] == pytest.approx(3 / 33)
    assert list(report.splits.columns) == ["pictures", "sizes", "faults"]
    text = str(report)
    assert "Share of pictures by class, in percent" in text
    assert "Equal pictures with different classes (1)" in text
    assert "cat/0.png (cat) and" in text
    assert "dog/again.png (dog)" in text
    # Median frequency: the mean of 30 / 33 and 3 / 33, divided by each.
    assert report.class_weights.tolist() == pytest.approx([16.5 / 30, 16.5 / 3])


def test_check_names_classes_with_few_pictures(tmp_path):
    report = from_class_folders(make(tmp_path, {"cat": 30, "dog": 2}), splits=(1,)).check()
    assert "less than a tenth of the largest one's 30 pictures: dog (2)" in str(report)
    assert report.valid


def test_there_are_no_masks_to_repair(tmp_path):
    data = from_class_folders(make(tmp_path / "pets"), splits=(1,))
    with pytest.raises(ValueError, match=r"`fix` repairs masks. Received: 'pets', whose pictures"):
        data.check(fix=tmp_path / "fixed")


def test_class_weights_count_pictures(tmp_path):
    data = from_class_folders(make(tmp_path, {"cat": 6, "dog": 2}), splits=(1,))
    # 1 / (share * number of classes)
    assert data.class_weights("inverse") == pytest.approx([8 / 6 / 2, 8 / 2 / 2])
    assert data.class_weights("median") == pytest.approx([4 / 6, 4 / 2])


def test_fingerprint_depends_on_classes_and_size(tmp_path):
    make(tmp_path)
    data = from_class_folders(tmp_path, splits=(1,))
    same = from_class_folders(tmp_path, splits=(1,), cache=None)
    assert data.fingerprint("train") == same.fingerprint("train")
    for change in ({"size": (32, 32)}, {"classes": ["dog", "cat"]}, {"num_channels": 1}):
        other = from_class_folders(tmp_path, splits=(1,), **change)
        assert other.fingerprint("train") != data.fingerprint("train")


def test_opened_again_from_json(tmp_path):
    data = from_class_folders(make(tmp_path), splits=(0.8, 0.2), size=(32, 32))
    again = pipelines.reopen(json.loads(json.dumps(data.opened_by)))
    assert again.paths("val") == data.paths("val")
    assert again.input_spec == data.input_spec


def test_contact_sheet_has_the_class_above_each_picture(tmp_path):
    data = from_class_folders(make(tmp_path, {"cat": 2, "dog": 1}), splits=(1,))
    titles = [axes.get_title() for axes in data.show("train").axes]
    assert titles == ["cat", "cat", "dog"]
