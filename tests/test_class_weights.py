"""Class weights: formulas by hand, and the figures that others computed of CamVid."""

import math

import numpy as np
import pytest

import pipelines
from pipelines.class_weights import METHODS, class_weights

# Pixels of the 367 training masks of CamVid, classes 0..10 and void, as counted by others.
CAMVID = [
    10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877, 405385,
    184967, 2503995,
]  # fmt: skip
# Median-frequency weights of the same masks.
CAMVID_MEDIAN = [
    0.2793, 0.2017, 4.7865, 0.1490, 1.0000, 0.4217, 3.8467, 1.9736, 0.7889, 6.3747, 8.8587,
]  # fmt: skip


def test_inverse_frequency():
    # Shares 1/2, 1/4, 1/4 of three classes: 1 / (3 * share).
    np.testing.assert_allclose(class_weights(np.array([2, 1, 1]), "inverse"), [2 / 3, 4 / 3, 4 / 3])


def test_median_frequency_counts_only_pictures_that_show_the_class():
    # Two pictures of 10 pixels. Class 0: 12 of 20; class 1: 2 of 10; class 2: 6 of 20.
    counts = np.array([[6, 2, 2], [6, 0, 4]])
    # Median of 0.6, 0.2 and 0.3 is 0.3.
    np.testing.assert_allclose(class_weights(counts, "median"), [0.5, 1.5, 1.0])


def test_median_frequency_counts_ignored_pixels_of_those_pictures():
    counts = np.zeros((2, 256))
    counts[0, [0, 1, 255]] = 4, 1, 5  # class 1: 1 of 10
    counts[1, [0, 255]] = 8, 2  # class 0: 12 of 20
    weights = class_weights(counts, "median")
    np.testing.assert_allclose(weights[:2], [0.35 / 0.6, 0.35 / 0.1])
    assert len(weights) == 255
    assert (weights[2:] == 0).all()


def test_enet_weights():
    weights = class_weights(np.array([3, 1]), "enet")
    np.testing.assert_allclose(weights, [1 / math.log(1.77), 1 / math.log(1.27)])
    np.testing.assert_allclose(class_weights(np.array([3, 1]), c=2.0)[0], 1 / math.log(2.75))


def test_effective_number():
    # beta = 0.9: (1 - 0.9^1) = 0.1 and (1 - 0.9^2) = 0.19; 1/0.1 and 1/0.19, mean 1.
    expected = np.array([1 / 0.19, 1 / 0.1])
    weights = class_weights(np.array([2, 1]), "effective", beta=0.9)
    np.testing.assert_allclose(weights, expected / expected.mean())
    own = class_weights(np.array(CAMVID[:11]), "effective")
    assert own[10] > 5 * own[3]


@pytest.mark.parametrize("method", METHODS)
def test_rarer_classes_weigh_more_and_absent_ones_nothing(method):
    weights = class_weights(np.array([50, 0, 5, 500]), method)
    assert weights[1] == 0
    assert weights[2] > weights[0] > weights[3] > 0
    assert np.isfinite(weights).all()


def test_enet_weights_of_camvid_follow_from_its_counts():
    weights = class_weights(np.array(CAMVID[:11]), "enet")
    share = 20076880 / 60913605  # road, of all that is not void
    assert weights[3] == pytest.approx(1 / math.log(1.02 + share))


@pytest.mark.long
def test_median_frequencies_of_camvid_are_the_known_ones(camvid):
    data = pipelines.load("camvid", camvid)
    _, counts = data.measure("train")
    assert counts.sum(axis=0)[:11].tolist() == CAMVID[:11]
    assert counts[:, 255].sum() == CAMVID[11]
    np.testing.assert_allclose(class_weights(data, "median"), CAMVID_MEDIAN, atol=5e-5)
    np.testing.assert_allclose(
        data.class_weights("inverse"), class_weights(np.array(CAMVID[:11]), "inverse")
    )


def test_a_dataset_weighs_its_training_pictures():
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[0, :4] = 1
    splits = {"train": (np.zeros((2, 8, 8, 3), np.uint8), labels)}
    data = pipelines.Dataset.from_arrays("toy", ["a", "b"], None, splits)
    # Shares 3/4 and 1/4.
    assert data.class_weights("inverse") == pytest.approx([2 / 3, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], "focal"), r"`method` must be one of .*Received: method='focal'"),
        (([1, 2], "enet", 1.0), r"`c` must be above 1.*Received: c=1.0"),
        (([1, 2], "effective", 1.02, 1.0), r"`beta` must be between 0 and 1. Received: beta=1.0"),
        (([0, 0],), r"some must be there. Received: an array of shape \(1, 2\) with a sum of 0"),
        (([[[1]]],), r"Pixels are counted per class"),
    ],
)
def test_what_makes_no_weights_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        class_weights(*arguments)
