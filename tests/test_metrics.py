import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg.metrics import MeanIoU, confusion_matrix, iou_from_confusion, mean_iou

# truth      0 0 0 1 1 2 2 (255)
# prediction 0 0 1 1 0 2 1   0
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 255], "uint8")
PREDICTIONS = np.array([0, 0, 1, 1, 0, 2, 1, 0], "uint8")
CONFUSION = [[2, 1, 0], [1, 1, 0], [0, 1, 1]]
# intersections 2, 1, 1; unions 3 + 3 - 2, 2 + 3 - 1, 2 + 1 - 1
IOU = [2 / 4, 1 / 4, 1 / 2]


def one_hot(predictions, num_classes):
    return np.eye(num_classes, dtype="float32")[predictions]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint16", "int64"])
def test_confusion_counts_truth_by_row_and_prediction_by_column(dtype):
    found = confusion_matrix(LABELS.astype(dtype), PREDICTIONS.astype(dtype), 3)
    assert found.dtype == np.int64
    assert found.tolist() == CONFUSION


@pytest.mark.parametrize("ignore_class", [255, 2, None])
def test_fast_way_for_bytes_counts_as_the_general_way(ignore_class):
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, (3, 17, 19)).astype("uint8")
    predictions = random.integers(0, 5, (3, 17, 19)).astype("uint8")
    if ignore_class is not None:
        labels[random.random(labels.shape) < 0.3] = ignore_class
        predictions[labels == ignore_class] = 77  # What is ignored may be anything.
    fast = confusion_matrix(labels, predictions, 5, ignore_class)
    general = confusion_matrix(labels.astype("int32"), predictions, 5, ignore_class)
    np.testing.assert_array_equal(fast, general)
    kept = np.ones(labels.shape, bool) if ignore_class is None else labels != ignore_class
    assert fast.sum() == kept.sum()


def test_more_classes_than_a_byte_holds_can_be_counted():
    labels = np.array([0, 299, 65535], "uint16")
    found = confusion_matrix(labels, np.array([0, 299, 1], "uint16"), 300, ignore_class=65535)
    assert found.shape == (300, 300)
    assert found[299, 299] == found[0, 0] == 1
    assert found.sum() == 2
    assert confusion_matrix(LABELS, PREDICTIONS, 300).shape == (300, 300)


def test_class_that_occurs_nowhere_is_nan_and_left_out_of_the_mean():
    confusion = np.array([[2, 1, 0], [1, 0, 0], [0, 0, 0]])
    # 2 / (3 + 3 - 2) and 0 / (1 + 1 - 0); the third occurs in neither.
    np.testing.assert_array_equal(iou_from_confusion(confusion), [0.5, 0, np.nan])
    assert mean_iou(confusion) == 0.25


def test_mean_of_no_class_is_nan():
    assert np.isnan(mean_iou(np.zeros((3, 3))))


def test_iou_by_hand():
    assert iou_from_confusion(CONFUSION).tolist() == IOU
    assert mean_iou(CONFUSION) == sum(IOU) / 3


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
@pytest.mark.parametrize(("label", "prediction"), [(2, 0), (0, 2), (0, 255), (9, 0)])
def test_ids_that_are_no_class_are_refused(dtype, label, prediction):
    worst = max(label, prediction)
    with pytest.raises(ValueError, match=rf"ids of 0\.\.1.*Received: id {worst}\. Map other"):
        confusion_matrix(np.array([label], dtype), np.array([prediction], dtype), 2)


def test_metric_gives_the_mean_of_the_confusion_matrix():
    metric = MeanIoU(3)
    for part in (slice(0, 3), slice(3, None)):
        metric.update_state(LABELS[None, part], one_hot(PREDICTIONS[None, part], 3))
    assert keras.ops.convert_to_numpy(metric.confusion).tolist() == CONFUSION
    assert float(metric.result()) == pytest.approx(mean_iou(CONFUSION), abs=1e-7)  # float32


def test_perfect_score_is_exactly_one():
    random = np.random.default_rng(0)
    labels = random.integers(0, 11, (2, 37, 51)).astype("uint8")
    metric = MeanIoU(19)
    metric.update_state(labels, one_hot(labels, 19))
    assert float(metric.result()) == 1.0


def test_metric_of_nothing_is_zero_and_reset_forgets():
    metric = MeanIoU(2)
    assert float(metric.result()) == 0.0
    metric.update_state([[0]], [[[0.0, 1.0]]])
    metric.reset_state()
    metric.update_state([[0]], [[[1.0, 0.0]]])
    assert float(metric.result()) == 1.0


def test_metric_without_an_ignored_class_counts_all():
    metric = MeanIoU(2, ignore_class=None)
    metric.update_state([[0, 1]], [[[1.0, 0.0], [1.0, 0.0]]])
    # Class 0: 1 / 2, class 1: 0 / 1.
    assert float(metric.result()) == 0.25


def test_counting_is_exact_beyond_what_float32_holds():
    metric = MeanIoU(2)
    # float32 does not tell 2**24 from 2**24 + 1.
    metric.confusion.assign(np.array([[2**24, 0], [0, 0]]))
    metric.update_state([[0, 0, 0]], [[[1.0, 0.0]] * 3])
    assert int(keras.ops.convert_to_numpy(metric.confusion)[0, 0]) == 2**24 + 3
    labels = np.zeros(2**24 + 3, "uint8")
    assert confusion_matrix(labels, labels, 2)[0, 0] == 2**24 + 3


@pytest.mark.parametrize("jit", [False, True])
def test_metric_counts_in_a_graph_of_unknown_size(jit):
    metric = MeanIoU(3)
    shapes = [tf.TensorSpec((None, None), tf.uint8), tf.TensorSpec((None, None, 3))]
    update = tf.function(metric.update_state, input_signature=shapes, jit_compile=jit)
    update(LABELS[None], one_hot(PREDICTIONS[None], 3))
    assert keras.ops.convert_to_numpy(metric.confusion).tolist() == CONFUSION


def test_metric_works_in_fit_and_survives_saving(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=[MeanIoU(2, ignore_class=None)])
    history = model.fit(np.ones((2, 4, 4, 3)), np.zeros((2, 4, 4)), verbose=0).history
    assert history["mean_iou"][0] in (0.0, 1.0)  # All pixels are alike.
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert "mean_iou" in again.evaluate(
        np.ones((2, 4, 4, 3)), np.zeros((2, 4, 4)), verbose=0, return_dict=True
    )


@pytest.mark.parametrize("label", [2, -1, 254])
def test_labels_that_are_no_ids_are_refused_by_metric_and_matrix(label):
    labels, logits = np.array([[0, 1, label, 255]]), np.zeros((1, 4, 2), "float32")
    metric = MeanIoU(2)
    metric.update_state(labels, logits)
    with pytest.raises(ValueError, match=r"of 0\.\.1 .*or ignore_class=255. Received: 1 pixels"):
        metric.result()
    with pytest.raises(ValueError, match=rf"needs ids of 0\.\.1 .*Received: id {label}"):
        confusion_matrix(labels, logits.argmax(-1), 2)
    metric.reset_state()
    metric.update_state(labels[:, :2], logits[:, :2])
    assert float(metric.result()) == 0.25  # Class 0: 1 of 2, class 1: 0 of 1.


def test_labels_that_are_no_ids_give_nan_in_a_graph():
    metric = MeanIoU(2)

    @tf.function
    def step(labels):
        metric.update_state(labels, tf.zeros((1, 2, 2)))
        return metric.result()

    assert float(step(tf.constant([[0, 1]]))) == 0.25
    assert np.isnan(step(tf.constant([[0, 2]])))


@pytest.mark.parametrize("ignore_class", [2**24 + 1, 255.0, "255"])
def test_ids_to_ignore_that_float32_does_not_hold_are_refused(ignore_class):
    with pytest.raises(ValueError, match=r"`MeanIoU` needs ignore_class to be a whole number"):
        MeanIoU(2, ignore_class)


@pytest.mark.parametrize(
    ("labels", "predictions", "error", "message"),
    [
        ([0, 0, 0, 0], [0, 0, 0], ValueError, "same shape. Received: 4 labels and 3 predictions"),
        ([2_000_000_000], [0], ValueError, "Received: id 2000000000"),  # without a huge table
        ([-1], [0], ValueError, "Received: id -1"),
        ([0], [0.3], TypeError, "predictions of dtype float64. Take the argmax"),
    ],
)
def test_what_is_no_id_is_refused(labels, predictions, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(np.array(labels), np.array(predictions), 2)


def test_metric_needs_classes():
    with pytest.raises(ValueError, match="`MeanIoU` needs num_classes to be a whole number"):
        MeanIoU(0)


@pytest.mark.parametrize(
    ("labels", "logits"),
    [
        ((1, 2, 8), (1, 2, 8, 4)),  # Class 3 was counted in the row of the next label.
        ((1, 2, 8), (1, 2, 8, 1)),  # The argmax of one value is always 0.
        ((1, 2, 8), (1, 8, 2, 2)),
        ((1, 4, 4), (1, 1, 1, 2)),  # One score was compared with all pixels.
        ((1, 4, 4), (1, 2, 2, 2)),
    ],
)
def test_logits_of_other_classes_or_sizes_are_refused(labels, logits):
    with pytest.raises(ValueError, match=r"logits \(b, h, w, 2\) of the same size. Received: "):
        MeanIoU(num_classes=2).update_state(np.zeros(labels, "uint8"), np.zeros(logits, "float32"))


def test_labels_with_a_last_axis_of_one_are_counted():
    metric = MeanIoU(num_classes=3)
    metric.update_state(LABELS[None, :, None], one_hot(PREDICTIONS, 3)[None])
    assert np.asarray(metric.confusion).tolist() == CONFUSION
