"""Ops on batches, found by scan: pictures and masks move together, between pictures too."""

import numpy as np
import pytest
import tensorflow as tf
from _ops import BATCHED, HEIGHT, STEP, WIDTH, coordinates, names

from pipelines import ops

COUNT = 4


def batch(seed=(0, 1), count=COUNT):
    """Pictures that hold 4 x row, 4 x column and their own number; the masks hold rows."""
    image, rows, _ = coordinates()
    images = np.tile(image, (count, 1, 1, 1))
    images[..., 2] = np.arange(count)[:, None, None] * 60
    # The number of the picture is in the mask too: rows are even in even pictures.
    labels = np.tile(rows // 2 * 2, (count, 1, 1)) + (np.arange(count) % 2)[:, None, None]
    return {
        "image": tf.constant(images),
        "label": tf.constant(labels.astype(np.uint8)),
        "seed": tf.constant(seed, tf.int32),
    }


@pytest.mark.parametrize("factory", BATCHED, ids=names)
def test_op_gives_the_same_in_a_graph_as_eagerly(factory):
    op = factory()
    eager = op(batch())
    (mapped,) = list(tf.data.Dataset.from_tensors(batch()).map(op))
    np.testing.assert_array_equal(mapped["image"], eager["image"])
    np.testing.assert_array_equal(mapped["label"], eager["label"])


@pytest.mark.parametrize("factory", BATCHED, ids=names)
def test_op_keeps_types_and_gives_pictures_and_masks_one_size(factory):
    result = factory()(batch())
    assert result["image"].dtype == tf.uint8
    assert result["label"].dtype == tf.uint8
    assert result["image"].shape == (*result["label"].shape, 3)
    assert len(result["label"]) == COUNT


@pytest.mark.parametrize("factory", BATCHED, ids=names)
def test_mask_holds_only_ids_of_the_input(factory):
    given = batch()
    given["label"] = tf.where(given["label"] < 20, tf.constant(3, tf.uint8), np.uint8(17))
    for seed in range(3):
        given["seed"] = tf.constant((0, seed))
        assert set(np.unique(factory()(given)["label"]).tolist()) <= {3, 17}


@pytest.mark.parametrize("factory", [f for f in BATCHED if f is not ops.multi_scale], ids=names)
def test_mask_comes_from_the_same_pixel_of_the_same_picture(factory):
    for seed in range(4):
        result = factory(1.0)(batch((5, seed)))
        rows = result["image"].numpy()[..., 0] // STEP
        numbers = result["image"].numpy()[..., 2] // 60
        np.testing.assert_array_equal(result["label"], rows // 2 * 2 + numbers % 2)
        assert any(len(np.unique(number)) > 1 for number in numbers)


@pytest.mark.parametrize("factory", BATCHED, ids=names)
def test_same_seed_gives_the_same_and_another_seed_something_else(factory):
    op = factory()
    results = [op(batch((1, i // 2)))["image"].numpy().tobytes() for i in range(16)]
    assert results[::2] == results[1::2]
    assert len(set(results)) > 1


@pytest.mark.parametrize("factory", BATCHED, ids=names)
def test_op_takes_a_batch_of_one(factory):
    result = factory()(batch(count=1))
    assert result["image"].shape == (*result["label"].shape, 3)


@pytest.mark.parametrize("factory", [ops.cutmix, ops.classmix, ops.mosaic], ids=names)
def test_probability_zero_changes_nothing(factory):
    np.testing.assert_array_equal(factory(0.0)(batch())["image"], batch()["image"])
    with pytest.raises(ValueError, match=r"needs probability in 0..1. Received: probability=2"):
        factory(2)


def test_cutmix_pastes_one_rectangle():
    for seed in range(8):
        numbers = ops.cutmix(1.0)(batch((2, seed)))["image"].numpy()[..., 2] // 60
        for index, picture in enumerate(numbers):
            other = picture == (index + 1) % COUNT
            assert (other | (picture == index)).all()
            rows, columns = other.any(axis=1), other.any(axis=0)
            assert other.sum() == rows.sum() * columns.sum()


def test_cutmix_pastes_half_of_the_picture_on_average():
    seeds = [batch((3, seed)) for seed in range(40)]
    numbers = np.stack([ops.cutmix(1.0)(b)["image"].numpy()[..., 2] // 60 for b in seeds])
    share = (numbers != np.arange(COUNT)[:, None, None]).mean()
    # 160 draws of a uniform share: 0.5 +- 4 * 0.289 / sqrt(160).
    assert 0.41 < share < 0.59


def test_classmix_pastes_half_of_the_classes_and_never_ignored_pixels():
    label = np.zeros((2, 8, 8), np.uint8)
    label[0], label[1, :, :2], label[1, :, 2:4] = 9, 1, 2
    label[1, :, 4:6], label[1, :, 6:] = 3, 255
    given = {"image": tf.constant(label[..., None]), "label": tf.constant(label), "seed": (0, 3)}
    seen = set()
    for seed in range(8):
        mixed = ops.classmix(1.0)({**given, "seed": (0, seed)})["label"].numpy()
        pasted = set(np.unique(mixed[0]).tolist()) - {9}
        assert len(pasted) == 2  # of 1, 2, 3: half, rounded up
        assert 255 not in pasted
        assert (mixed[1] == 9).all()
        seen |= pasted
    assert seen == {1, 2, 3}


def test_classmix_pastes_classes_of_the_next_picture():
    label = np.repeat(np.arange(3, dtype=np.uint8), 16).reshape(3, 4, 4)
    given = {"image": tf.constant(label[..., None]), "label": tf.constant(label), "seed": (0, 3)}
    # A picture of one class is pasted whole, and the first one follows the last.
    assert ops.classmix(1.0)(given)["label"].numpy()[:, 0, 0].tolist() == [1, 2, 0]


def test_mosaic_shows_four_pictures():
    numbers = ops.mosaic(1.0)(batch())["image"].numpy()[..., 2] // 60
    for index, picture in enumerate(numbers):
        corners = [picture[0, 0], picture[0, -1], picture[-1, 0], picture[-1, -1]]
        assert corners == [(index + i) % COUNT for i in range(4)]


def test_multi_scale_sizes_are_multiples_and_vary():
    sizes = {ops.multi_scale(0.5, 2.0, 8)(batch((0, i)))["label"].shape[1:] for i in range(20)}
    assert len(sizes) > 3
    for height, width in sizes:
        assert height % 8 == width % 8 == 0
        assert 0.4 * HEIGHT <= height <= 2.1 * HEIGHT
        assert 0.4 * WIDTH <= width <= 2.1 * WIDTH


def test_multi_scale_keeps_masks_on_their_pixels():
    image, rows, _ = coordinates()
    given = {"image": image[None], "label": rows[None], "seed": (0, 4)}
    result = ops.multi_scale(1.5, 1.5, 4)(given)
    assert result["label"].shape == (1, 60, 84)
    distance = result["image"].numpy()[..., 0] / STEP - result["label"].numpy()
    assert np.abs(distance).max() <= 0.5 + 0.5 / STEP


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"low": 2.0, "high": 1.0}, r"`multi_scale` needs 0 < low <= high"),
        ({"multiple": 0}, r"multiple as a whole number from 1 up. Received: mul"),
    ],
)
def test_multi_scale_checks_its_numbers(options, words):
    with pytest.raises(ValueError, match=words):
        ops.multi_scale(**options)


def test_ops_on_batches_stand_last():
    with pytest.raises(ValueError, match=r"must come last.*after op number 0.*Move cutmix"):
        ops.resolve([ops.cutmix(), ops.random_flip()])
    with pytest.raises(ValueError, match=r"Unknown op\. Did you mean 'cutmix'\? Received: 'cutmx'"):
        ops.resolve([("cutmx", {})])
    assert len(ops.resolve([("random_flip", {}), ("cutmix", {"probability": 1.0})])) == 2
