"""Top-1, top-5 and accuracy by class; what a run of a classifier reports."""

import keras
import numpy as np
import pandas as pd
import pytest
from _classifiers import CLASSES, arrays, trained

import keras_seg
import pipelines
from keras_seg.accuracy import Accuracy, evaluate_classifier, ranks_of
from keras_seg.find_run import find_run

#              found: a  b  c
CONFUSION = np.array([[3, 1, 0],
                      [1, 1, 0],
                      [0, 0, 0]])  # fmt: skip


def test_scores_from_a_confusion_matrix():
    scores = Accuracy(CONFUSION, ["a", "b", "c"], top_5=1.0)
    assert scores.top_1 == 4 / 6
    # c never occurs and is left out of the mean: (3 / 4 + 1 / 2) / 2
    assert scores.mean_class_accuracy == 0.625
    table = scores.table
    assert table["accuracy"].tolist()[:2] == [0.75, 0.5]
    assert table["precision"].tolist()[:2] == [3 / 4, 1 / 2]
    assert table["f1"].tolist()[:2] == [6 / 8, 2 / 4]
    assert table.loc["c", ["accuracy", "precision", "f1"]].isna().all()
    assert scores.matrix.loc["a", "b"] == 1
    assert "top-1 accuracy 66.67%" in repr(scores)
    assert "<table" in scores._repr_html_()


def test_ranks_and_top_5_are_those_of_keras():
    random = np.random.default_rng(0)
    labels, logits = random.integers(0, 20, 300), random.normal(size=(300, 20)).astype("float32")
    ranks = ranks_of(labels, logits)
    for k in (1, 5):
        hits = keras.metrics.sparse_top_k_categorical_accuracy(labels, logits, k=k)
        assert np.mean(ranks <= k) == pytest.approx(float(np.mean(hits)))
    batches = [(np.zeros((100, 4, 4, 3), "uint8"), labels[i : i + 100]) for i in (0, 100, 200)]
    parts = iter(np.split(logits, 3))
    names = [f"class {i}" for i in range(20)]
    scores = evaluate_classifier(lambda _: next(parts), batches, names)
    assert scores.top_5 == pytest.approx(np.mean(ranks <= 5))
    assert scores.confusion.sum() == 300


def test_equal_scores_rank_as_argmax_chooses():
    assert ranks_of(np.array([0, 1]), np.zeros((2, 2))).tolist() == [1, 2]


def test_pictures_with_the_least_probable_truth_come_first():
    # Probabilities of the truth: 1 / 4 and 3 / 4.
    logits = np.log([[3.0, 1.0], [3.0, 1.0]])
    batches = [(np.zeros((2, 4, 4, 3), "uint8"), np.array([0, 1]))]
    pictures = evaluate_classifier(lambda _: logits, batches, ["a", "b"], ["x", "y"]).pictures
    assert pictures["picture"].tolist() == ["y", "x"]
    assert pictures["probability"].tolist() == pytest.approx([0.25, 0.75])
    assert pictures.loc[0, ["truth", "found", "rank"]].tolist() == ["b", "a", 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Accuracy(CONFUSION, ["a"], 1.0), r"one row per class.*shape=\(3, 3\) for 1"),
        (lambda: evaluate_classifier(None, [], ["a"]), r"at least one batch. Received: none"),
        (
            lambda: evaluate_classifier(
                lambda _: np.zeros((1, 1)), [(np.zeros((1, 2, 2, 1)), np.zeros(1, int))], ["a"], []
            ),
            r"one name per picture. Received: 0 names for 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_run_is_scored_and_described():
    run = trained()
    scores = run.evaluate("val")
    assert scores.top_1 == scores.top_5 == 1.0
    saved = pd.read_csv(run.folder / "scores.csv", index_col=0)
    assert saved.loc["all", ["accuracy", "pictures"]].tolist() == [1.0, 6.0]
    matrix = pd.read_csv(run.folder / "scores_confusion.csv", index_col=0)
    assert matrix.to_numpy().tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    card = keras_seg.card.write_card(run).read_text()
    assert "| class | accuracy | f1 | precision |" in card
    assert "chosen by top-1 accuracy on the validation pictures" in card
    assert "confusion" not in card


def test_figures_of_a_run():
    run = trained()
    curves, pictures = run.show("val")
    assert "top-1 accuracy, top-5 accuracy" in [axes.get_ylabel() for axes in curves.axes]
    # Pictures 0, 2, 3 and 5 of 6, whose classes are 0, 2, 0, 2.
    found = [axes.get_title().split()[0] for axes in pictures.axes]
    assert found == ["red", "blue", "red", "blue"]
    assert len(run.show_worst("val", 3).axes) == 3
    assert (run.folder / "figures/val_worst.png").is_file()


def test_a_run_refuses_the_other_task():
    run = trained()
    with pytest.raises(ValueError, match=r"`Run.segmenter` is for segmentation.*classifier\(\)"):
        run.segmenter()
    masks = pipelines.shapes(num_images=4, size=(32, 32))
    with pytest.raises(ValueError, match=r"data for classification.*'shapes' for segmentation"):
        run.evaluate("val", masks)
    with pytest.raises(ValueError, match=r"`Run.classifier` is for classification"):
        keras_seg.Run(find_run("contextnet_cn14-camvid")).classifier()


def test_a_run_is_loaded_as_a_classifier():
    run = trained()
    classifier = keras_seg.load(run.folder)
    image, label = arrays().example("val", 2)
    assert isinstance(classifier, keras_seg.Classifier)
    assert classifier.class_names == tuple(CLASSES)
    assert classifier(image) == label
