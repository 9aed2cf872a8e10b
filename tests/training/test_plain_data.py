import numpy as np
import pytest
import tensorflow as tf

from keras_seg.training.plain_data import PlainData


def batches(count=5, batch_size=2, labels=None):
    images = np.arange(count, dtype="uint8")[:, None, None, None] * np.ones((32, 32, 3), "uint8")
    labels = np.zeros((count, 32, 32), "uint8") if labels is None else labels
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch_size)


def test_plain_batches_have_the_face_of_a_data_set():
    data = PlainData(batches(5), batches(3), num_classes=4)
    assert data.splits == ("train", "val")
    assert (data.num_classes, data.num_channels, data.ignore_class) == (4, 3, 255)
    assert len(data.class_names) == len(set(data.palette)) == 4
    assert all(0 <= part <= 255 for color in data.palette for part in color)
    assert (len(data.paths("train")), len(data.paths("val"))) == (5, 3)


def names(train):
    return [name for name, _ in PlainData(train, num_classes=4).paths("train")]


def test_training_pictures_are_named_after_what_they_and_their_labels_hold():
    marked = np.zeros((5, 32, 32), "uint8")
    marked[3, 9, 9] = 1
    assert names(batches(5)) == names(batches(5)) == names(batches(5, batch_size=3))
    assert names(batches(5)) != names(batches(5, labels=marked))
    assert names(batches(5)) != names(batches(5).map(lambda image, label: (image + 1, label)))
    assert len(set(names(batches(5)))) == 5


def test_names_of_training_pictures_do_not_follow_the_order():
    assert names(batches(5).unbatch().shuffle(5, seed=1).batch(2)) == names(batches(5))


def test_pictures_that_change_at_random_are_only_counted():
    rng = np.random.default_rng(0)

    def noisy():
        for image, label in batches(3).as_numpy_iterator():
            yield image + rng.integers(0, 99, image.shape, "uint8"), label

    changing = tf.data.Dataset.from_generator(noisy, output_signature=batches(3).element_spec)
    changing = changing.apply(tf.data.experimental.assert_cardinality(2))
    assert names(changing) == ["train 0", "train 1", "train 2"]


def test_training_batches_come_as_given_once_per_epoch():
    data = PlainData(batches(5), num_classes=4)
    assert int(data.train_batches(99, epochs=3).cardinality()) == 3 * 3
    first = [image[0, 0, 0, 0].numpy() for image, _ in data.train_batches(99, epochs=2)]
    assert first == [0, 2, 4, 0, 2, 4]


def test_evaluation_batches_can_be_taken_apart():
    data = PlainData(batches(5), batches(3), num_classes=4)
    assert [image.shape[0] for image, _ in data.eval_batches("val", 1)] == [1, 1, 1]
    assert [image.shape[0] for image, _ in data.eval_batches("val", 8)] == [2, 1]


def test_class_weights_are_those_of_enet():
    labels = np.zeros((4, 32, 32), "uint8")
    labels[0], labels[1] = 1, 255  # A third of what counts is class 1; class 2 does not occur.
    data = PlainData(batches(4, labels=labels), num_classes=3)
    expected = 1 / np.log(1.1 + np.array([2 / 3, 1 / 3, 0]))
    np.testing.assert_allclose(data.class_weights(method="enet", c=1.1), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        batches().unbatch(),
        batches().map(lambda image, label: image),
        batches().map(lambda image, label: (image, label[..., None])),
        [1, 2],
    ],
    ids=["no batches", "no labels", "labels with a last axis", "no dataset"],
)
def test_other_elements_are_refused(wrong):
    with pytest.raises(ValueError, match=r"needs batches of .*Received: train batches of .*Use \."):
        PlainData(wrong, num_classes=3)


@pytest.mark.parametrize("types", [("float32", "uint8"), ("uint8", "float32")])
def test_other_types_are_refused_before_a_training(types):
    def converted(image, label):
        return tf.cast(image, types[0]), tf.cast(label, types[1])

    with pytest.raises(ValueError, match=r"needs uint8 pictures.*val batches of .*float32.*cast"):
        PlainData(batches(), batches().map(converted), num_classes=3)


def test_names_and_class_weights_take_one_pass_and_a_look():
    seen = []

    def counted():
        for image, label in batches(100).unbatch().as_numpy_iterator():
            seen.append(image)
            yield image, label

    spec = batches().unbatch().element_spec
    train = tf.data.Dataset.from_generator(counted, output_signature=spec).batch(2)
    data = PlainData(train.apply(tf.data.experimental.assert_cardinality(50)), num_classes=2)
    data.class_weights()
    assert len(data.paths("train")) == 100
    assert len(seen) < 200


@pytest.mark.parametrize("wrong", [-1, 4])
def test_ids_that_are_no_class_are_refused(wrong):
    labels = np.full((4, 32, 32), wrong, "int32")
    with pytest.raises(ValueError, match=rf"ids 0\.\.3, and 255.*Received: ids {wrong}\.\.{wrong}"):
        PlainData(batches(4, labels=labels), num_classes=4).paths("train")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: PlainData(batches(), num_classes=3).class_weights("median"),
            "Unknown way to weigh classes of plain tf.data",
        ),
        (
            lambda: PlainData(batches(), num_classes=3).eval_batches("val"),
            r"Unknown split of the data.*Available: \['train'\]",
        ),
        (
            lambda: PlainData(batches(), batches().repeat(), num_classes=3),
            "finite number of batches.*val batches without end. Leave out",
        ),
        (
            lambda: PlainData(batches().take(0), num_classes=3),
            "at least one.*train batches without any picture",
        ),
        (
            lambda: PlainData(batches().map(half_as_wide), num_classes=4).paths("train"),
            r"training label of \(16, 32\) for a picture of \(32, 32",
        ),
    ],
)
def test_batches_that_do_not_fit_are_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def half_as_wide(image, label):
    return image, label[:, ::2]
