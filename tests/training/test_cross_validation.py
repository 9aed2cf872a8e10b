"""Scores over held-out folds."""

import numpy as np
import pytest
from _training import tiny

import keras_seg
import pipelines
from keras_seg.scores import Scores
from keras_seg.training.cross_validation import CrossValidation

# IoU by hand: 6/8 and 2/4, mean 0.625; 3/4 and 0/1, mean 0.375.
FIRST = Scores(np.array([[6, 2], [0, 2]]), ["road", "sky"])
SECOND = Scores(np.array([[3, 1], [0, 0]]), ["road", "sky"])


def test_mean_and_spread_are_over_folds():
    found = CrossValidation([None, None], [FIRST, SECOND], [("a",), ("b",)])
    assert found.mean == pytest.approx(0.5)
    assert found.spread == pytest.approx(0.25 / 2**0.5)  # sqrt(2 * 0.125 ** 2 / (2 - 1))
    table = found.table
    assert table.loc["road"].tolist()[:3] == pytest.approx([0.75, 0.75, 0.75])
    assert table.loc["mean IoU", ["fold 1", "fold 2", "mean"]].tolist() == [0.625, 0.375, 0.5]
    assert table.loc["sky", "mean"] == pytest.approx(0.25)
    # The sum: road 9 of 12, sky 2 of 5.
    assert found.pooled.iou.tolist() == pytest.approx([9 / 12, 2 / 5])
    assert "2 folds: 50.0 % ± 17.7" in repr(found)
    assert "50.0 % ± 17.7" in found._repr_html_()
    assert "<th>mean IoU</th>" in found._repr_html_()


@pytest.mark.long
def test_scores_are_those_of_pictures_that_were_not_trained_on(tmp_path, monkeypatch):
    """The network is a small one, by a name that `fit` builds it from."""
    data = pipelines.shapes(num_images=6, size=(32, 32), seed=0)
    folds, seen = data.folds(num_folds=3), []
    real = keras_seg.training.fit.fit

    def small(name, fold, recipe, **arguments):
        assert name == "contextnet_cn14"
        seen.append([fold.paths("train"), fold.paths("held_out")])
        model = tiny(num_classes=data.num_classes)
        return real(model, fold, recipe, **arguments)

    monkeypatch.setattr("keras_seg.training.cross_validation.fit", small)
    found = keras_seg.cross_validate(
        "contextnet_cn14", folds, epochs=1, batch_size=2, folder=tmp_path
    )
    assert len({run.folder for run in found.runs}) == 3
    assert found.groups == [fold.held_out_groups for fold in folds]
    for run, fold, scores in zip(found.runs, folds, found.scores, strict=True):
        assert "val_mean_iou" not in run.history  # Not seen to choose an epoch either.
        pairs = [fold.example("held_out", i) for i in range(fold.num_examples("held_out"))]
        images, labels = [image for image, _ in pairs], np.stack([label for _, label in pairs])
        predicted = np.stack([run.segmenter()(image) for image in images])
        expected = keras_seg.metrics.confusion_matrix(labels, predicted, data.num_classes)
        np.testing.assert_array_equal(scores.confusion, np.array(expected))
    for train, held in seen:
        assert not set(train) & set(held)
    mean = np.mean([run.segmenter().probabilities(images[0]) for run in found.runs], axis=0)
    both = found.segmenter().probabilities(images[0])
    np.testing.assert_allclose(both, mean, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "number", "error", "message"),
    [
        (tiny(), 2, TypeError, "needs its name. Received: model=a keras.Model"),
        (7, 2, TypeError, "Received: model=7"),
        ("unet", 1, ValueError, "two or more data sets.*data.folds"),
        ("unet", None, ValueError, "two or more data sets.*shapes"),
    ],
)
def test_other_arguments_are_refused(model, number, error, message):
    data = pipelines.shapes(num_images=4, size=(32, 32), seed=0)
    folds = [data, data] if number is None else data.folds(num_folds=2)[:number]
    with pytest.raises(error, match=message):
        keras_seg.cross_validate(model, folds)
