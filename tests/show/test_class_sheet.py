"""Contact sheets of pictures with one class each."""

import numpy as np
import pytest

import pipelines
from pipelines.show.class_sheet import varied


@pytest.mark.parametrize(
    ("class_ids", "count", "expected"),
    [
        (np.arange(22) % 3, 8, [3, 3, 2]),  # every third picture is of the same class
        (np.repeat([0, 1, 2], [50, 1, 49]), 3, [1, 1, 1]),
        (np.repeat([0, 1, 2], [50, 1, 49]), 7, [3, 1, 3]),
        (np.repeat([0, 1], [2, 1]), 8, [2, 1]),
    ],
)
def test_every_class_is_shown_as_often(class_ids, count, expected):
    chosen = varied(class_ids, count)
    assert sorted(set(chosen)) == list(chosen)
    assert sorted(np.bincount(class_ids[chosen])) == sorted(expected)


def test_few_pictures_are_of_different_classes():
    chosen = varied(np.repeat(np.arange(100), 10), 12)
    assert len(set(chosen // 10)) == 12


def test_show_titles_pictures_by_their_class():
    images = np.zeros((22, 8, 8, 3), "uint8")
    splits = {"train": (images, np.arange(22) % 3)}
    data = pipelines.Dataset.from_arrays("cyclic", ["a", "b", "c"], None, splits)
    titles = [axes.get_title() for axes in data.show(num_images=8).axes]
    assert len(titles) == 8
    assert set(titles) == {"a", "b", "c"}
