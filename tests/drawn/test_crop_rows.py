"""Drawn fields: soil nearly everywhere, crop in rows, few weeds. See also test_drawn_datasets."""

import numpy as np
import pytest

from pipelines.datasets.crop_rows import crop_rows

SOIL, CROP, WEED = range(3)


def all_labels(**options):
    data = crop_rows(**options)
    return np.stack([data.example("train", i)[1] for i in range(data.num_examples("train"))])


@pytest.mark.long
def test_weeds_are_few_and_soil_is_most():
    # What the notebook on imbalance is about.
    labels = all_labels(num_images=40, size=(96, 128))
    shares = np.bincount(labels.ravel(), minlength=3) / labels.size
    assert shares[SOIL] > 0.8
    assert 0.005 < shares[WEED] < shares[CROP] < 0.15


def test_crop_stands_in_rows():
    # Rows are at most 14 degrees from upright. Along the best of such slants, a third of all
    # columns hold no crop. Plants thrown down at random would leave e ** -n of them bare, with n
    # plants over a column: two or three in these pictures, so about a tenth.
    bare = []
    for label in all_labels(num_images=20, size=(128, 128), seed=1):
        rows, columns = np.nonzero(label == CROP)
        shares = []
        for slope in np.tan(np.radians(range(-14, 15, 2))):
            filled = np.unique(np.floor(columns + slope * rows))
            shares.append(1 - len(filled) / (filled[-1] - filled[0] + 1))
        bare.append(max(shares))
    assert np.median(bare) > 1 / 3


def test_a_picture_shows_a_meter_whatever_its_size():
    # So a plant is four times as large, in pixels, in a picture with twice the side: its share of
    # the picture is the same.
    small = (all_labels(num_images=20, size=(64, 64), seed=2) == CROP).mean()
    large = (all_labels(num_images=20, size=(128, 128), seed=2) == CROP).mean()
    assert 0.8 < small / large < 1.25
