"""The small drawn dataset of the other tests: its content, and that it can be learned."""

import numpy as np
import pytest

import pipelines


def test_the_same_arguments_give_the_same_pictures_and_another_seed_others():
    first, again, other = (pipelines.shapes(num_images=4, seed=seed) for seed in (0, 0, 1))
    for split in ("train", "val", "test"):
        image, label = first.example(split, 0)
        np.testing.assert_array_equal(again.example(split, 0)[0], image)
        np.testing.assert_array_equal(again.example(split, 0)[1], label)
        assert not np.array_equal(other.example(split, 0)[0], image)
    assert not np.array_equal(first.example("val", 0)[0], first.example("test", 0)[0])


def test_more_pictures_continue_what_fewer_began():
    few, many = pipelines.shapes(num_images=4), pipelines.shapes(num_images=10)
    np.testing.assert_array_equal(few.example("train", 1)[0], many.example("train", 1)[0])
    assert (many.num_examples("train"), many.num_examples("val")) == (6, 2)


@pytest.mark.parametrize(("size", "channels", "classes"), [
    ((40, 56), 3, 4), ((32, 48), 1, 13), ((32, 32), 5, 2), ((32, 36, 40), 2, 4),
])  # fmt: skip
def test_size_channels_and_classes_are_as_asked_for(size, channels, classes):
    data = pipelines.shapes(3, size, num_channels=channels, num_classes=classes)
    image, label = data.example("train", 0)
    assert (image.shape, image.dtype) == ((*size, channels), np.uint8)
    assert (label.shape, label.dtype) == (size, np.uint8)
    assert data.num_classes == len(set(data.class_names)) == classes
    assert label.max() < classes


@pytest.mark.parametrize("channels", [1, 3])
def test_the_nearest_color_tells_the_classes(channels):
    """So a network of one 1x1 convolution can learn it: this is what "in a few steps" means."""
    data = pipelines.shapes(num_images=12, num_channels=channels)
    pairs = [data.example("train", index) for index in range(data.num_examples("train"))]
    pixels = np.concatenate([image.reshape(-1, channels) for image, _ in pairs]).astype(float)
    labels = np.concatenate([label.ravel() for _, label in pairs])
    means = np.stack([pixels[labels == index].mean(axis=0) for index in range(4)])
    nearest = np.linalg.norm(pixels[:, None] - means, axis=-1).argmin(axis=-1)
    assert (nearest == labels).mean() == 1.0
    assert (np.bincount(labels) > 300).all()  # Every class is there.


@pytest.mark.parametrize(("arguments", "error", "words"), [
    ({"num_classes": 1}, ValueError, r"num_classes to be a whole number from 2 to 13.*classes=1\."),
    ({"num_classes": 14}, ValueError, r"from 2 to 13. Received: num_classes=14"),
    ({"num_channels": 0}, ValueError, r"num_channels to be a whole number from 1.*channels=0"),
    ({"num_channels": 2.5}, ValueError, r"Received: num_channels=2\.5"),
    ({"num_images": 2}, ValueError, r"at least 3 pictures.*num_images=2"),
    ({"size": (16, 64)}, ValueError, r"at least 32 on all sides. Received: size=\(16, 64\)"),
    ({"size": 64}, TypeError, r"size=\(height, width\) as 2 whole numbers. Received: size=64"),
])  # fmt: skip
def test_arguments_out_of_range_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        pipelines.shapes(**arguments)
