"""One drawn shape per picture."""

import numpy as np
import pytest

import pipelines


def draw(**arguments):
    return pipelines.load("single_shapes", **arguments)


def test_same_seed_same_pictures():
    first, again, other = (draw(num_images=4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.example("val", 0)[0], again.example("val", 0)[0])
    assert (first.example("val", 0)[0] != other.example("val", 0)[0]).any()


def test_classes_occur_and_no_color_tells_them_apart():
    data = draw(num_images=400)
    counts = data.measure("train")[1][0]
    assert data.num_classes == len(counts) == 10
    assert counts.tolist() == [28] * 10
    # Mean color by class: with 28 pictures a class, means of uniform colors differ by chance only.
    images, labels = zip(*(data.example("train", i) for i in range(280)), strict=True)
    means = np.array([np.mean(image, axis=(0, 1)) for image in images])
    by_class = np.array([means[np.array(labels) == i].mean(axis=0) for i in range(10)])
    # Standard deviation of a picture's mean is at most 255 / sqrt(12) = 74; of 28, 14; 4 of these.
    assert np.abs(by_class - means.mean(axis=0)).max() < 56


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 11}, r"num_classes to be a whole number from 2 to 10. Received"),
        ({"num_channels": 0}, r"num_channels to be a whole number from 1 to 64"),
        ({"size": (16, 32)}, r"at least 32 on all sides"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(num_images=4, **arguments)
