"""Folds for cross-validation."""

import itertools

import numpy as np
import pytest
from PIL import Image

from pipelines import Dataset, from_folders

NAMES = [f"{drive}_{frame:03}" for drive in ("day1", "day2", "dusk") for frame in range(4)]


def toy(count=12, **splits):
    """Pictures whose pixels are their number."""
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 32, 32, 3), "uint8"
    )
    labels = np.zeros((count, 32, 32), np.uint8)
    return Dataset.from_arrays("toy", ["sky"], None, {"train": (images, labels), **splits})


@pytest.fixture
def drives(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in NAMES:
            Image.new("L", (32, 32)).save(tmp_path / folder / f"{name}.png")
    return from_folders(tmp_path / "images", tmp_path / "masks", ["sky"], splits=(1.0,))


def numbers(fold, split):
    return [int(fold.example(split, i)[0][0, 0, 0]) for i in range(fold.num_examples(split))]


def names(fold, split):
    return sorted(picture.split("/")[-1][:-4] for picture, _ in fold.paths(split))


@pytest.mark.parametrize("num_folds", [2, 5, 12])
def test_every_picture_is_held_out_once(num_folds):
    folds = toy().folds(num_folds=num_folds)
    held = [numbers(fold, "held_out") for fold in folds]
    assert sorted(itertools.chain(*held)) == list(range(12))
    assert len(folds) == num_folds
    assert max(map(len, held)) - min(map(len, held)) <= 1
    for fold, numbers_held in zip(folds, held, strict=True):
        assert sorted(numbers(fold, "train") + numbers_held) == list(range(12))


def test_division_follows_from_the_seed():
    first, again, other = (
        [numbers(fold, "held_out") for fold in toy().folds(num_folds=3, seed=seed)]
        for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    "group",
    ["auto", r"(\w+)_", lambda path: path.split("_")[0], [name[:4] for name in NAMES]],
    ids=["auto", "pattern", "function", "list"],
)
def test_a_group_is_held_out_as_a_whole(drives, group):
    folds = drives.folds(group=group, num_folds=None)
    assert [fold.held_out_groups for fold in folds] == [("day1",), ("day2",), ("dusk",)]
    for fold, drive in zip(folds, ("day1", "day2", "dusk"), strict=True):
        assert names(fold, "held_out") == [name for name in NAMES if name.startswith(drive)]
        assert names(fold, "train") == [name for name in NAMES if not name.startswith(drive)]


def test_pictures_that_look_alike_are_a_group():
    rng = np.random.default_rng(0)
    views = rng.integers(0, 256, (3, 4, 4, 3)).repeat(10, axis=1).repeat(10, axis=2)
    # Each view four times, with noise of at most 3 of 255; the noise is averaged over cells.
    images = (views.repeat(4, axis=0).clip(3, 252) + rng.integers(-3, 4, (12, 40, 40, 3))).astype(
        "uint8"
    )
    order = rng.permutation(12)
    data = Dataset.from_arrays(
        "views", ["sky"], None, {"train": (images[order], np.zeros((12, 40, 40), np.uint8))}
    )
    folds = data.folds(group="near_duplicates", num_folds=None)
    paths = [path for path, _ in data.paths("train")]
    held = [{int(order[paths.index(p)]) // 4 for p, _ in x.paths("held_out")} for x in folds]
    assert sorted(map(tuple, held)) == [(0,), (1,), (2,)]


def test_fewer_folds_than_groups_keep_groups_whole(drives):
    folds = drives.folds(group="auto", num_folds=2)
    assert sorted(len(names(fold, "held_out")) for fold in folds) == [4, 8]
    assert sorted(itertools.chain(*(fold.held_out_groups for fold in folds))) == [
        "day1",
        "day2",
        "dusk",
    ]


def test_folds_are_data_sets_of_their_own(drives):
    folds = drives.folds(group="auto", num_folds=None)
    assert [fold.name for fold in folds] == [f"{drives.name}-fold{i}" for i in (1, 2, 3)]
    digests = [fold.fingerprint(split) for fold in folds for split in fold.splits]
    assert len(set(digests)) == 6  # Each part is another set of pictures.
    again = drives.folds(group="auto", num_folds=None)[0]
    assert again.fingerprint("train") == digests[0]
    assert drives.splits == ("train",)
    assert drives.held_out_groups == ()
    assert drives.opened_by is not None
    assert folds[0].opened_by is None  # Opened again, it would be the whole.


def test_pictures_that_are_skipped_shift_no_group(drives, tmp_path):
    (tmp_path / "masks" / "day1_001.png").write_bytes(b"no picture")
    data = drives.reading(on_error="skip")
    groups = [picture.split("/")[-1][:4] for picture, _ in data.paths("train")]
    for group in ("auto", groups):
        folds = data.folds(group=group, num_folds=None)
        assert names(folds[0], "held_out") == ["day1_000", "day1_002", "day1_003"]
        assert names(folds[1], "held_out") == [name for name in NAMES if name.startswith("day2")]


def test_batches_of_a_fold_are_its_pictures():
    fold = toy().folds(num_folds=4)[0]
    seen = [int(image[0, 0, 0, 0]) for image, _ in fold.eval_batches("held_out", 1)]
    assert seen == numbers(fold, "held_out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_folds": 1}, "needs 2 folds or more.*num_folds=1 and 12 groups"),
        ({"num_folds": 13}, "num_folds=13 and 12 groups"),
        ({"num_folds": 2.5}, "num_folds=2.5"),
        ({"group": ["a"] * 12, "num_folds": None}, "num_folds=None and 1 groups, such as.*'a'"),
        ({"group": ["a", "b"]}, "one group for each picture. Received: 2 groups for 12"),
        ({"group": "night"}, "must match the path of every picture.*'night'"),
        ({"group": "auto"}, 'group="auto" needs pictures whose names.*Received: 1 groups for 12'),
        ({"split": "val"}, "no split 'val'"),
    ],
)
def test_divisions_that_are_not_possible_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        toy().folds(**options)


def test_joined_splits_are_trained_on_and_gone():
    images, labels = np.full((3, 32, 32, 3), 200, np.uint8), np.zeros((3, 32, 32), np.uint8)
    data = toy(4, val=(images, labels), test=(images[:1], labels[:1]))
    joined = data.joined("val")
    assert numbers(joined, "train") == [0, 1, 2, 3, 200, 200, 200]
    assert (joined.splits, joined.name) == (("train", "test"), "toy-train-val")
    assert joined.paths("train") == data.paths("train") + data.paths("val")
    assert data.splits == ("train", "val", "test")
    assert data.num_examples("train") == 4
    assert joined.opened_by is None
    assert joined.fingerprint("train") != data.fingerprint("train")


def test_joined_pictures_keep_their_weights_and_classes():
    ids = np.array([0, 1, 1])
    images = np.zeros((3, 32, 32, 3), np.uint8)
    data = Dataset.from_arrays("toy", ["cat", "dog"], None, dict.fromkeys("ab", (images, ids)))
    joined = data.with_sources({"train": data._source("a"), "val": data._source("b")}).joined("val")
    assert [int(joined.example("train", i)[1]) for i in range(6)] == [0, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("splits", [(), ("val", "val"), ("train",)])
def test_joined_needs_different_splits(splits):
    data = toy(4, val=(np.zeros((1, 32, 32, 3), "uint8"), np.zeros((1, 32, 32), "uint8")))
    with pytest.raises(ValueError, match=r"`joined` needs one or more different splits.*'val'"):
        data.joined(*splits)
    with pytest.raises(ValueError, match="has no split 'test'"):
        data.joined("test")
