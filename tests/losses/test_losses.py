import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg.losses import SparseCrossEntropy, labels_like, valid_pixels, weighted_mean

LN2, LN3 = math.log(2), math.log(3)
TOLERANCE = 1e-6  # A few float32 operations on numbers around 1.


def loss_and_gradient(loss, labels, logits):
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(labels, logits)
    return float(value), tape.gradient(value, logits).numpy()


def some_pixels():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, 4, 5)).astype("uint8")
    return labels, random.normal(size=(2, 4, 5, 3)).astype("float32")


def test_undecided_logits_cost_the_logarithm_of_the_number_of_classes():
    loss = SparseCrossEntropy(num_classes=2)
    assert float(loss(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 2)))) == pytest.approx(LN2)


def test_value_is_the_mean_over_the_pixels_that_count():
    # Softmax of (ln 3, 0) is (3/4, 1/4): -ln is ln 4 - ln 3 for class 0 and ln 4 for class 1.
    logits = np.array([[[[LN3, 0], [LN3, 0], [LN3, 0]]]], "float32")
    labels = np.array([[[0, 1, 255]]], "uint8")
    expected = (math.log(4) - LN3 + math.log(4)) / 2
    assert float(SparseCrossEntropy(2)(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


def test_ignored_pixels_change_neither_loss_nor_gradient():
    labels, logits = some_pixels()
    labels[0, 1:3] = 255
    loss = SparseCrossEntropy(3, label_smoothing=0.1, class_weights=[1, 2, 3])
    value, gradient = loss_and_gradient(loss, labels, logits)
    other = logits.copy()
    other[0, 1:3] = 1e4
    other_value, other_gradient = loss_and_gradient(loss, labels, other)
    assert other_value == value
    np.testing.assert_array_equal(other_gradient, gradient)
    assert not gradient[0, 1:3].any()


def test_infinite_logits_of_ignored_pixels_do_not_reach_the_loss():
    labels = np.array([[[0, 255]]], "uint8")
    logits = np.array([[[[0, 0], [np.inf, -np.inf]]]], "float32")
    assert float(SparseCrossEntropy(2)(labels, logits)) == pytest.approx(LN2)


def test_all_pixels_ignored_give_zero_and_no_gradient():
    _, logits = some_pixels()
    value, gradient = loss_and_gradient(SparseCrossEntropy(3), np.full((2, 4, 5), 255), logits)
    assert value == 0
    assert not gradient.any()


def test_no_class_is_ignored_when_ignore_class_is_none():
    value = SparseCrossEntropy(2, ignore_class=None)(np.ones((1, 1, 2)), np.zeros((1, 1, 2, 2)))
    assert float(value) == pytest.approx(LN2)


def test_class_weights_weigh_the_mean():
    # Losses ln 4 - ln 3 (class 0, weight 1) and ln 4 (class 1, weight 3), divided by 1 + 3.
    logits = np.array([[[[LN3, 0], [LN3, 0]]]], "float32")
    labels = np.array([[[0, 1]]], "uint8")
    expected = (math.log(4) - LN3 + 3 * math.log(4)) / 4
    for scale in (1, 10):
        loss = SparseCrossEntropy(2, class_weights=np.array([1, 3]) * scale)
        assert float(loss(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


def test_class_of_weight_zero_counts_for_nothing():
    labels, logits = some_pixels()
    weighted = SparseCrossEntropy(3, class_weights=[1, 0, 1])(labels, logits)
    ignored = SparseCrossEntropy(3)(np.where(labels == 1, 255, labels), logits)
    assert float(weighted) == pytest.approx(float(ignored), abs=TOLERANCE)


def test_label_smoothing_is_cross_entropy_with_smoothed_targets():
    # Targets 0.9 + 0.1/2 and 0.1/2; softmax (3/4, 1/4).
    logits = np.array([[[[LN3, 0]]]], "float32")
    expected = -0.95 * math.log(3 / 4) - 0.05 * math.log(1 / 4)
    loss = SparseCrossEntropy(2, label_smoothing=0.1)
    assert float(loss(np.array([[[0]]]), logits)) == pytest.approx(expected, abs=TOLERANCE)


def test_value_is_that_of_keras_on_labels_without_ignored_pixels():
    labels, logits = some_pixels()
    reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    value = SparseCrossEntropy(3)(labels, logits)
    assert float(value) == pytest.approx(float(reference), abs=TOLERANCE)


def test_logits_of_half_precision_are_summed_in_single():
    # 300 x 300 pixels of ln 2: a float16 sum would end at 65504.
    logits = keras.ops.zeros((1, 300, 300, 2), "float16")
    value = SparseCrossEntropy(2)(np.zeros((1, 300, 300), "uint8"), logits)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(LN2, abs=1e-4)  # 90,000 float32 additions.


def test_large_logits_stay_finite():
    value = SparseCrossEntropy(2)(np.array([[[1]]]), np.array([[[[1e4, -1e4]]]], "float32"))
    assert float(value) == pytest.approx(2e4)


def test_smaller_logits_are_compared_with_labels_under_their_centers():
    # Cells of 2x2 pixels have their center at the corner that four pixels share: (1, 1), (1, 3).
    labels = np.full((1, 2, 4), 255, "uint8")
    labels[0, 1, 1], labels[0, 1, 3] = 0, 1
    logits = np.array([[[[LN3, 0], [0, LN3]]]], "float32")
    expected = math.log(4) - LN3
    assert float(SparseCrossEntropy(2)(labels, logits)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("size", "cells"), [(37, 5), (51, 7), (33, 32), (8, 8)])
def test_labels_like_takes_the_pixel_under_each_center(size, cells):
    # Rounded down: (i + 1/2) times size, by cells.
    expected = [int((2 * i + 1) * size / (2 * cells)) for i in range(cells)]
    labels = np.tile(np.arange(size), (1, size, 1))
    found = labels_like(labels, np.zeros((1, cells, cells, 2)))
    assert np.array(found)[0, 0].tolist() == expected


def test_labels_like_works_while_sizes_are_unknown():
    shape = [tf.TensorSpec((None, None, None), tf.uint8), tf.TensorSpec((None, None, None, 3))]
    function = tf.function(labels_like, input_signature=shape)
    labels = tf.cast(tf.reshape(tf.range(16), (1, 4, 4)), "uint8")
    assert function(labels, tf.zeros((1, 2, 2, 3))).numpy().tolist() == [[[5, 7], [13, 15]]]
    assert function(labels, tf.zeros((1, 4, 4, 3))).numpy().tolist() == labels.numpy().tolist()


def test_valid_pixels_count_once():
    label, counts = valid_pixels(np.array([[1, 7]], "uint8"), 7)
    assert np.array(label).tolist() == [[1, 0]]
    assert np.array(counts).tolist() == [[1, 0]]


def test_weighted_mean_divides_by_the_weights():
    values, weights = keras.ops.array([1.0, 4.0, np.nan]), keras.ops.array([3.0, 1.0, 0.0])
    assert float(weighted_mean(values, weights)) == 7 / 4


def test_loss_trains_a_model_and_survives_saving(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
    model.compile("sgd", SparseCrossEntropy(2, label_smoothing=0.1, class_weights=[1, 2]))
    model.fit(np.ones((2, 4, 4, 3)), np.zeros((2, 4, 4), "uint8"), verbose=0)
    model.save(tmp_path / "model.keras")
    loss = keras.saving.load_model(tmp_path / "model.keras").loss
    assert loss.get_config() == model.loss.get_config()


@pytest.mark.parametrize(
    ("num_classes", "options", "words"),
    [
        (3, {"class_weights": [1, 2]}, r"one weight per class, 3 in all.*with 2 numbers"),
        (0, {}, "needs num_classes to be a whole number"),
        (3, {"label_smoothing": 1.0}, "needs label_smoothing from 0 below 1"),
    ],
)
def test_arguments_out_of_range_are_refused(num_classes, options, words):
    with pytest.raises(ValueError, match=words):
        SparseCrossEntropy(num_classes, **options)
