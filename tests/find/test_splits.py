"""Splits by folders, lists and groups: shares are met as well as whole groups allow."""

import pytest

from pipelines.find.splits import by_groups, by_lists, by_subfolders, groups_of

PAIRS = [(f"{i}.jpg", f"{i}.png") for i in range(100)]


def test_shares_are_met_with_small_groups():
    parts = by_groups(
        PAIRS, {"train": 0.8, "val": 0.1, "test": 0.1}, [i // 2 for i in range(100)], 0
    )
    assert [len(part) for part in parts.values()] == [80, 10, 10]
    assert len({pair for part in parts.values() for pair in part}) == 100


def test_every_split_gets_a_group_even_beside_a_large_one():
    groups = ["big"] * 98 + ["small", "tiny"]
    parts = by_groups(PAIRS, {"train": 0.8, "val": 0.1, "test": 0.1}, groups, 0)
    assert [len(part) for part in parts.values()] == [98, 1, 1]


def test_the_seed_decides():
    groups = [i // 5 for i in range(100)]
    one, two, again = (by_groups(PAIRS, {"a": 0.5, "b": 0.5}, groups, seed) for seed in (1, 2, 1))
    assert one == again
    assert one != two


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"a": 0.9, "b": 0.2}, r"together at most 1. Received: splits"),
        ({"a": 0.5, "b": 0.5}, r"at least one group. Received: 1 groups"),
    ],
)
def test_shares_that_do_not_work_are_refused(shares, words):
    with pytest.raises(ValueError, match=words):
        by_groups(PAIRS, shares, [0] * 100, 0)


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("uavid_train/seq1/Images", "uavid_valid/seq16/Images"),
        ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1-2_Validation_Input"),
        ("DUTS-TR/DUTS-TR-Image", "DUTS-val/DUTS-val-Image"),
    ],
)
def test_folders_say_splits_as_words_of_their_names(train, val):
    parts = by_subfolders([(f"{train}/1.jpg", "1"), (f"{val}/1.jpg", "2")], "")
    assert parts == {"train": [(f"{train}/1.jpg", "1")], "val": [(f"{val}/1.jpg", "2")]}
    assert by_subfolders([(f"{train}/1.jpg", "1"), ("more/1.jpg", "2")], "") is None
    assert by_subfolders([("BraTS20_Training_001/1.jpg", "1")], "") is None


def test_pictures_beside_folders_of_splits_are_refused():
    pairs = [(f"{folder}1.jpg", folder) for folder in ("train/", "val/", "demo/", "")]
    for others in (pairs[2:3], pairs[3:], pairs[2:]):
        message = rf"all of them must be. Received: {len(others)} pictures elsewhere, such as '"
        with pytest.raises(ValueError, match=message):
            by_subfolders([*pairs[:2], *others], "")
    lists = {"train": ["train"], "val": ["val"]}
    assert by_lists(pairs, lists, "") == {"train": pairs[:1], "val": pairs[1:2]}


FRAMES = [(f"{town}/{video}/0.jpg", f"{town}/{video}/0.png") for town in "ab" for video in "xy"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a/x/0.jpg a/x/0.png", "b/y/0.jpg b/y/0.png"], [0, 3]),  # RELLIS
        (["b"], [2, 3]),
        (["a/y", "b/x"], [1, 2]),  # DAVIS lists its videos
    ],
)
def test_lists_name_pictures_with_their_folders_or_folders(names, found):
    assert by_lists(FRAMES, {"train": names}, "")["train"] == [FRAMES[i] for i in found]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": ["0"]}, r"'train' may be any of 4; put its folder before .*Received: '0'"),
        ({"train": ["a/x"], "val": ["a"]}, r"'val' is in 'train' already. Received: 'a'"),
        ({"train": ["c"]}, r"'train' has no pair in the folders. Received: 'c'"),
    ],
)
def test_lists_that_do_not_work_are_refused(lists, message):
    with pytest.raises(ValueError, match=message):
        by_lists(FRAMES, lists, "")


def test_a_group_that_is_no_regular_expression_is_refused():
    words = r"must be a regular expression. Received: group='\(\\\\d' \(missing \), unterminated"
    with pytest.raises(ValueError, match=words):
        groups_of(FRAMES, r"(\d", "")
