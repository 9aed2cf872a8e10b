"""Arrays of pictures with one class each."""

import numpy as np
import pytest

from pipelines import Dataset

IMAGES = np.arange(6 * 32 * 32, dtype=np.uint8).reshape(6, 32, 32, 1)


def dataset(images=IMAGES, labels=(0, 1, 2, 0, 1, 2), names=("a", "b", "c")):
    return Dataset.from_arrays("toy", names, None, {"train": (images, np.array(labels))})


def test_labels_without_axes_make_a_classification_dataset():
    data = dataset()
    assert (data.task, data.ignore_class, data.num_channels) == ("classification", None, 1)
    assert [int(label) for _, batch in data.eval_batches("train", 4) for label in batch] == [
        0, 1, 2, 0, 1, 2
    ]  # fmt: skip
    image, label = data.example("train", 2)
    assert image.shape == (32, 32, 1)
    assert label == 2
    assert data.paths("train")[1] == ("toy/train/00001", "b")
    assert data.measure("train")[1].tolist() == [[2, 2, 2]]


def test_shuffled_batches_keep_picture_and_class_together():
    images = np.zeros((8, 32, 32, 1), np.uint8)
    images += np.arange(8, dtype=np.uint8)[:, None, None, None]
    data = dataset(images, range(8), [str(i) for i in range(8)])
    for image, label in data.train_batches(4, seed=1, epochs=3):
        assert image[:, 0, 0, 0].numpy().tolist() == label.numpy().tolist()


def test_more_classes_than_masks_can_hold():
    # 255 is an id like any other here, and 299 does not fit into 8 bits.
    data = dataset(labels=[254, 255, 256, 299, 0, 1], names=[f"class {i}" for i in range(300)])
    ((_, label),) = data.eval_batches("train", 6)
    assert label.numpy().tolist() == [254, 255, 256, 299, 0, 1]
    assert len(data.class_weights()) == 300
    report = data.check()
    assert report.classes.loc[("train", "class 299"), "pictures"] == pytest.approx(1 / 6)


def test_256_classes_have_256_weights():
    data = dataset(labels=[255, 255, 0, 0, 1, 1], names=[f"class {i}" for i in range(256)])
    # 1 / (share * 3 classes that occur), 0 for classes without pictures
    weights = data.class_weights("inverse")
    assert len(weights) == 256
    assert weights[255] == weights[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[..., 0], [0] * 6, r"images uint8 \(n, h, w, c\).*uint8 \(6, 32, 32\).*last axis"),
        (IMAGES.astype("float32"), [0] * 6, r"Received: images float32"),
        (IMAGES, [0.0] * 6, r"labels float64 \(6,\) in 'toy/train'"),
        (IMAGES, [0] * 5, r"labels int64 \(5,\)"),
        (IMAGES, [0, 1, 2, 3, 0, 0], r"class ids 0..2. Received: ids \[3\] in 'toy/train'"),
        (IMAGES, [0, -1, 0, 0, 0, 0], r"Received: ids \[-1\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        dataset(images, labels)


def test_splits_are_all_of_masks_or_all_of_classes():
    images = np.zeros((2, 32, 32, 1), np.uint8)
    splits = {"train": (images, np.zeros(2, int)), "val": (images, images[..., 0])}
    with pytest.raises(ValueError, match=r"masks={'train': False, 'val': True} in dataset 'toy'"):
        Dataset.from_arrays("toy", ["a"], None, splits)


def test_fingerprint_depends_on_pictures_and_classes():
    first = dataset().fingerprint("train")
    assert first == dataset().fingerprint("train")
    assert first != dataset(labels=(0, 1, 2, 0, 1, 1)).fingerprint("train")
    assert first != dataset(images=255 - IMAGES).fingerprint("train")
