"""Groups stay in one split, and shares are met as well as groups allow."""

import pytest

from pipelines.splits import by_groups

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


def test_shares_that_do_not_work_are_refused():
    with pytest.raises(ValueError, match=r"together at most 1. Received: splits"):
        by_groups(PAIRS, {"a": 0.9, "b": 0.2}, [0] * 100, 0)
    with pytest.raises(ValueError, match=r"at least one group. Received: 1 groups"):
        by_groups(PAIRS, {"a": 0.5, "b": 0.5}, [0] * 100, 0)
