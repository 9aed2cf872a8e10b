"""Batches: the same seed gives the same ones, nothing is lost, sizes fit."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import pipelines
from pipelines import ops

AUGMENT = [ops.random_scale_crop(32, 32), ops.random_flip(), ops.color_jitter()]


def numbered(count=10, size=(32, 40)):
    """A dataset whose picture number i is filled with i, and so is its mask."""
    values = np.arange(count, dtype=np.uint8)
    images = np.tile(values[:, None, None, None], (1, *size, 3))
    labels = np.tile(values[:, None, None], (1, *size))
    names = [f"number {i}" for i in range(count)]
    splits = {"train": (images, labels), "val": (images, labels)}
    return pipelines.Dataset.from_arrays("numbers", names, None, splits)


def bytes_of(batches):
    return [(image.numpy().tobytes(), label.numpy().tobytes()) for image, label in batches]


def order_of(batches):
    return [int(i) for _, label in batches for i in label.numpy()[:, 0, 0]]


@pytest.fixture
def mixed_sizes(tmp_path):
    """Five pairs of files: 32x40, 36x48, 32x40, 36x48, 32x40."""
    for i, size in enumerate([(40, 32), (48, 36), (40, 32), (48, 36), (40, 32)]):
        Image.new("RGB", size, (i, i, i)).save(tmp_path / f"{i}.png")
        Image.new("L", size, i).save(tmp_path / f"{i}_mask.png")
    names = [str(i) for i in range(5)]
    return pipelines.from_folders(tmp_path, tmp_path, names, splits={"train": names})


def test_same_arguments_give_the_same_batches():
    first = bytes_of(numbered().train_batches(3, AUGMENT, seed=5, epochs=2))
    assert first == bytes_of(numbered().train_batches(3, AUGMENT, seed=5, epochs=2))
    assert first != bytes_of(numbered().train_batches(3, AUGMENT, seed=6, epochs=2))


def test_batches_do_not_depend_on_the_number_of_threads():
    data = numbered()
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    many = data.train_batches(3, AUGMENT, epochs=2)
    assert bytes_of(many) == bytes_of(many.with_options(options))


def test_a_resumed_training_sees_the_batches_it_would_have_seen():
    data = numbered()
    whole = bytes_of(data.train_batches(3, AUGMENT, epochs=4))
    assert whole[6:] == bytes_of(data.train_batches(3, AUGMENT, first_epoch=2, epochs=2))


def test_every_epoch_has_every_picture_once_in_another_order():
    order = order_of(numbered().train_batches(5, epochs=2))
    assert sorted(order[:10]) == list(range(10))
    assert sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    assert order[:10] != list(range(10))


def test_an_epoch_has_whole_batches_only():
    batches = numbered().train_batches(4, epochs=3)
    assert batches.cardinality() == 6  # 3 epochs of 10 // 4
    assert [len(image) for image, _ in batches] == [4] * 6


def test_the_same_picture_is_augmented_differently_in_another_epoch():
    data = numbered(count=1)
    first, second = bytes_of(data.train_batches(1, AUGMENT, epochs=2))
    assert first != second


def test_batches_are_uint8_and_their_shape_is_known():
    image, label = numbered().train_batches(4, AUGMENT).element_spec
    assert (image.dtype, label.dtype) == (tf.uint8, tf.uint8)
    assert image.shape == (4, 32, 32, 3)
    assert label.shape == (4, 32, 32)
    image, _ = numbered().train_batches(4).element_spec
    assert image.shape == (4, 32, 40, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch_size": 11},
            r"batch_size=11, and dataset '.*' has 10 in split 'train'. Give batch_size=10 or",
        ),
        ({"batch_size": 0}, r"`batch_size` must be in 1..10"),
        ({"batch_size": 1, "seed": -1}, r"`seed` must be in 0..2147483647"),
        ({"batch_size": 1, "epochs": 0}, r"`epochs` must be in 1.."),
        ({"batch_size": 1, "first_epoch": -1}, r"`first_epoch` must be in 0.."),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        numbered().train_batches(**arguments)


def test_numbers_that_are_not_whole_are_refused():
    with pytest.raises(TypeError, match=r"`batch_size` must be a whole number. Received"):
        numbered().train_batches(2.5)


def test_batches_of_different_sizes_are_refused_before_training(mixed_sizes):
    with pytest.raises(ValueError, match=r"must have the same size.*batch_size=2.*random_crop"):
        mixed_sizes.train_batches(2, [ops.random_flip()])
    with pytest.raises(ValueError, match="must have the same size"):
        numbered().train_batches(2, [ops.random_scale()])


def test_different_sizes_train_after_a_crop_or_one_by_one(mixed_sizes):
    ((image, label),) = mixed_sizes.train_batches(5, [ops.random_crop(32, 32)])
    assert image.shape == (5, 32, 32, 3)
    assert sorted(label.numpy().max(axis=(1, 2)).tolist()) == [0, 1, 2, 3, 4]
    assert len(list(mixed_sizes.train_batches(1))) == 5


def test_eval_batches_keep_order_size_and_every_picture():
    batches = list(numbered().eval_batches("val", 4))
    assert [len(image) for image, _ in batches] == [4, 4, 2]
    assert order_of(batches) == list(range(10))
    image, label = batches[0]
    np.testing.assert_array_equal(image.numpy()[..., 0], label)


def test_eval_batches_hold_equal_sizes_only(mixed_sizes):
    batches = list(mixed_sizes.eval_batches("train", 2))
    assert order_of(batches) == [0, 2, 1, 3, 4]
    assert [image.shape[1:3] for image, _ in batches] == [(32, 40), (36, 48), (32, 40)]
    assert mixed_sizes.eval_order("train", 2) == [0, 2, 1, 3, 4]
    assert mixed_sizes.eval_order("train", 1) == [0, 1, 2, 3, 4]


def test_copies_of_a_picture_share_a_batch_and_differ():
    batches = numbered().train_batches(4, [ops.gaussian_noise(50), ops.repeat_augment(2)], epochs=2)
    assert batches.cardinality() == 4
    order = order_of(numbered().train_batches(4, [ops.repeat_augment(2)], epochs=2))
    assert order[::2] == order[1::2]
    assert len(set(order[:8])) == 4
    for image, _ in batches:
        assert len({picture.tobytes() for picture in image.numpy()}) == 4


def test_one_copy_is_the_same_as_none():
    data = numbered()
    once = bytes_of(data.train_batches(3, [*AUGMENT, ops.repeat_augment(1)]))
    assert once == bytes_of(data.train_batches(3, AUGMENT))


@pytest.mark.long
def test_ops_on_batches_come_after_batching():
    mixed = list(numbered().train_batches(5, [*AUGMENT, ops.classmix(1.0)], epochs=2))
    plain = list(numbered().train_batches(5, AUGMENT, epochs=2))
    for (_, label), (_, before) in zip(mixed, plain, strict=True):
        # Each mask has one class, and half of one class, rounded up, is all of it.
        expected = np.roll(before.numpy(), -1, axis=0)  # the next picture
        void = expected == 255
        np.testing.assert_array_equal(label.numpy(), np.where(void, before, expected))


@pytest.mark.long
def test_ops_on_batches_work_in_a_pipeline():
    data, many = numbered(), [*AUGMENT, ops.mosaic(), ops.cutmix(), ops.multi_scale(multiple=8)]
    whole = bytes_of(data.train_batches(5, many, epochs=3))
    assert len(set(whole)) == 6
    assert whole[4:] == bytes_of(data.train_batches(5, many, first_epoch=2, epochs=1))
    image, label = data.train_batches(5, many).element_spec
    assert image.shape == (5, None, None, 3)
    assert label.shape == (5, None, None)


def test_pairs_of_name_and_arguments_are_ops():
    named = [("random_flip", {"probability": 1.0}), ("cutmix", {"probability": 1.0})]
    made = [ops.random_flip(1.0), ops.cutmix(1.0)]
    data = numbered()
    assert bytes_of(data.train_batches(5, named)) == bytes_of(data.train_batches(5, made))


@pytest.mark.long
def test_pictures_are_drawn_as_often_as_their_weights_say():
    data = numbered(count=8)
    data._sources["train"].weights = np.array([4.0, 1, 1, 1, 1, 1, 1, 2])
    orders = [order_of(data.train_batches(8, seed=seed)) for seed in range(20)]
    counts = np.bincount(np.concatenate(orders), minlength=8)
    # 8 draws an epoch, weights sum to 12: 2.67 of the first, 0.67 of a middle, 1.33 of the last.
    assert all(2 <= order.count(0) <= 3 for order in orders)
    assert all(1 <= order.count(7) <= 2 for order in orders)
    assert abs(counts[0] - 53.3) < 10
    assert abs(counts[1:7].mean() - 13.3) < 3


def test_a_picture_that_is_drawn_twice_is_augmented_differently():
    data = numbered(count=4)
    data._sources["train"].weights = np.array([9.0, 1, 1, 1])
    ((image, label),) = data.train_batches(4, [ops.gaussian_noise(50)])
    assert label.numpy()[:, 0, 0].tolist().count(0) >= 3
    assert len({picture.tobytes() for picture in image.numpy()}) == 4
    again = data.train_batches(4, [ops.gaussian_noise(50)])
    assert bytes_of(again) == [(image.numpy().tobytes(), label.numpy().tobytes())]
