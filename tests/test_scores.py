import numpy as np
import pandas as pd
import pytest

from keras_seg.scores import Scores, evaluate_segmenter

# Truth in rows, prediction in columns.
BLACK = np.zeros((1, 2, 2), np.uint8)
#            road  car  bus  sky
CONFUSION = np.array(
    [
        [60, 20, 0, 0],
        [10, 5, 5, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ],
    np.int64,
)
NAMES = ["road", "car", "bus", "sky"]


@pytest.fixture
def scores():
    return Scores(CONFUSION, NAMES)


def test_table_has_one_named_row_per_class(scores):
    # road: 60 / (80 + 70 - 60); car: 5 / (20 + 25 - 5); bus: 0 / 5; sky never occurs.
    np.testing.assert_allclose(scores.table["iou"], [60 / 90, 5 / 40, 0, np.nan])
    # Twice the right ones over true and called so: 120 / (80 + 70), 10 / (20 + 25), 0 / 5.
    np.testing.assert_allclose(scores.table["dice"], [120 / 150, 10 / 45, 0, np.nan])
    np.testing.assert_allclose(scores.table["precision"], [60 / 70, 5 / 25, 0, np.nan])
    np.testing.assert_allclose(scores.table["recall"], [60 / 80, 5 / 20, np.nan, np.nan])
    assert scores.table["pixels"].to_dict() == {"road": 80, "car": 20, "bus": 0, "sky": 0}


def test_a_class_that_never_occurs_is_left_out_of_the_mean(scores):
    assert scores.mean_iou == pytest.approx((60 / 90 + 5 / 40 + 0) / 3)


def test_pixel_accuracy_counts_right_pixels(scores):
    assert scores.pixel_accuracy == pytest.approx(65 / 100)


def test_frequent_classes_weigh_more_in_the_frequency_weighted_iou(scores):
    assert scores.frequency_weighted_iou == pytest.approx(0.8 * 60 / 90 + 0.2 * 5 / 40)


def test_mistakes_within_a_category_count_as_right(scores):
    merged = scores.by_category({"road": "flat", "car": "vehicle", "bus": "vehicle", "sky": "sky"})
    assert merged.class_names == ["flat", "vehicle", "sky"]
    # vehicle: truth 20, called so 30, both 10 (car called car, car called bus).
    np.testing.assert_allclose(merged.iou, [60 / 90, 10 / 40, np.nan])


def test_csv_holds_the_table_and_the_mean(scores, tmp_path):
    scores.save_csv(tmp_path / "new" / "scores.csv")
    read = pd.read_csv(tmp_path / "new" / "scores.csv", index_col="class")
    assert list(read.index) == [*NAMES, "mean"]
    assert list(read.columns) == ["iou", "dice", "precision", "recall", "pixels"]
    np.testing.assert_allclose(read["iou"].iloc[:4], scores.iou, atol=1e-6)  # Six digits kept.
    assert read.loc["mean", "iou"] == pytest.approx(scores.mean_iou, abs=1e-6)
    assert read.loc["mean", "dice"] == pytest.approx((120 / 150 + 10 / 45 + 0) / 3, abs=1e-6)
    assert read.loc["mean", "pixels"] == 100


def test_printed_scores_name_classes_and_percent(scores):
    text = str(scores)
    assert "66.67 %" in text
    assert "mean IoU 26.39%" in text  # (66.67 + 12.5 + 0) / 3
    assert "nan" not in text


def test_notebook_table_escapes_names():
    html = Scores(np.eye(2, dtype=np.int64), ["<b>", "sky"])._repr_html_()
    assert "&lt;b&gt;" in html
    assert "100.00 %" in html


def test_evaluate_adds_up_batches_of_different_sizes():
    rng = np.random.default_rng(0)
    batches, truth, found = [], [], []
    for shape in [(2, 5, 7), (1, 3, 4), (3, 5, 7)]:
        label = rng.integers(0, 3, shape).astype(np.uint8)
        label[0, 0, :2] = 255
        predicted = rng.integers(0, 3, shape).astype(np.uint8)
        batches.append((predicted[..., None], label))
        truth.append(label.ravel())
        found.append(predicted.ravel())
    truth, found = np.concatenate(truth), np.concatenate(found)
    expected = [[np.sum((truth == t) & (found == p)) for p in range(3)] for t in range(3)]
    scores = evaluate_segmenter(lambda pixels: pixels[..., 0], batches, ["a", "b", "c"])
    assert scores.confusion.tolist() == expected
    assert scores.confusion.dtype == np.int64


def test_ignored_pixels_do_not_change_scores():
    truth = np.array([[[0, 1, 7, 7]]], np.uint8)
    for wrong in (0, 1):
        found = np.array([[[0, 1, wrong, wrong]]], np.uint8)
        scores = evaluate_segmenter(
            lambda _, f=found: f, [(truth, truth)], ["a", "b"], ignore_class=7
        )
        assert scores.mean_iou == 1.0


def test_pictures_without_any_known_pixel_give_nan_and_no_warning():
    truth = np.full((1, 2, 2), 255, np.uint8)
    scores = evaluate_segmenter(lambda pixels: np.zeros_like(truth), [(truth, truth)], ["a", "b"])
    assert np.isnan([scores.mean_iou, scores.pixel_accuracy, scores.frequency_weighted_iou]).all()
    assert "nan" in str(scores)


def test_a_tf_data_dataset_of_unknown_length_can_be_evaluated():
    tf = pytest.importorskip("tensorflow")
    label = np.array([[[0, 1]]], np.uint8)
    data = tf.data.Dataset.from_tensors((label[..., None], label)).filter(lambda *_: True)
    scores = evaluate_segmenter(lambda pixels: pixels[..., 0], data, ["a", "b"], progress=True)
    assert scores.mean_iou == 1.0


def test_names_must_be_one_per_picture():
    truth = np.zeros((2, 1, 2), "uint8")
    batches = [(truth[..., None], truth)]
    with pytest.raises(ValueError, match=r"one name per picture. Received: 1 names for 2 pictures"):
        evaluate_segmenter(lambda pixels: pixels[..., 0], batches, ["road"], names=["a"])
    assert evaluate_segmenter(lambda pixels: pixels[..., 0], batches, ["road"]).pictures.empty


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (
            lambda: Scores(CONFUSION, NAMES).by_category(
                {"road": "flat", "car": "vehicle", "bus": "vehicle"}
            ),
            r"none for \['sky'\]",
        ),
        (lambda: Scores(CONFUSION, ["road", "car"]), r"shape=\(4, 4\) for 2 class names"),
        (
            lambda: evaluate_segmenter(
                lambda _: np.zeros((1, 2, 2, 3)), [(BLACK, BLACK)], ["a", "b", "c"]
            ),
            "Take the argmax",
        ),
        (
            lambda: evaluate_segmenter(lambda _: BLACK, [(BLACK, BLACK + 9)], ["a", "b"]),
            "Received: id 9",
        ),
        (lambda: evaluate_segmenter(lambda pixels: pixels, [], ["a", "b"]), "at least one batch"),
    ],
)
def test_wrong_arguments_are_refused(score, message):
    with pytest.raises(ValueError, match=message):
        score()
