import keras
import numpy as np
import pytest
import tensorflow as tf
from _training import CLASSES, squares, tiny

import keras_seg
import pipelines


@pytest.fixture(scope="module")
def data():
    splits = {"train": squares(8, 0), "val": squares(2, 1)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


@pytest.mark.long
def test_rates_rise_by_the_same_factor_until_the_loss_runs_away(data):
    model = tiny()
    before = model.get_weights()
    found = keras_seg.find_learning_rate(
        model, data, optimizer="sgd", batch_size=2, lowest=1e-3, highest=1e7, steps=60
    )
    rates = found.table["learning_rate"]
    assert len(found.table) < 60
    assert rates[0] == pytest.approx(1e-3)
    # 10 powers of ten in 59 steps.
    np.testing.assert_allclose(rates[1:].to_numpy() / rates[:-1].to_numpy(), 10 ** (10 / 59))
    lowest = found.table["smoothed"].idxmin()
    assert rates[0] <= found.suggestion <= rates[lowest]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
def test_suggestion_learns_faster_than_one_far_below_it(data, tmp_path):
    options = {"optimizer": "sgd", "batch_size": 2, "averaging": 0.0, "schedule": "constant"}
    start = tiny()
    found = keras_seg.find_learning_rate(start, data, highest=1e3, steps=50, **options)
    losses = []
    for rate in (found.suggestion, found.suggestion / 100):
        model = keras.models.clone_model(start)
        model.set_weights(start.get_weights())
        folder = tmp_path / f"{rate}"
        options |= {"warmup_epochs": 0, "epochs": 3, "learning_rate": rate}
        losses.append(keras_seg.fit(model, data, folder=folder, **options).history["loss"].iloc[-1])
    assert losses[0] < losses[1]


@pytest.mark.long
def test_running_mean_is_corrected_for_its_start(data):
    table = keras_seg.find_learning_rate(tiny(), data, batch_size=2, steps=10).table
    # 0.1 * loss / (1 - 0.9), and for the second (0.09 * first + 0.1 * second) / (1 - 0.81).
    first, second = table["loss"][:2]
    assert table["smoothed"][0] == pytest.approx(first)
    assert table["smoothed"][1] == pytest.approx((0.09 * first + 0.1 * second) / 0.19)


@pytest.mark.long
def test_figure_marks_the_suggestion(data):
    found = keras_seg.find_learning_rate(tiny(), data, batch_size=2, steps=10)
    axes = found.show().axes[0]
    assert axes.get_xscale() == "log"
    assert f"{found.suggestion:.2g}" in axes.get_title()
    assert f"{found.suggestion:.2g}" in repr(found)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 9}, {"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}, {"highest": "1"}],
)
def test_ranges_that_cannot_be_are_refused(data, wrong):
    with pytest.raises(ValueError, match=r"at least 10 steps and 0 < lowest < highest. Received"):
        keras_seg.find_learning_rate(tiny(), data, **wrong)


def test_optimizers_that_are_objects_are_refused(data):
    with pytest.raises(ValueError, match=r"optimizer by name.*Received: a Lion object. Pass opti"):
        keras_seg.find_learning_rate(tiny(), data, optimizer=keras.optimizers.Lion(1e-4))


@pytest.mark.long
def test_classifiers_of_small_pictures_are_tried_as_fit_trains_them():
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1)).astype("uint8")
    splits = {"train": (images, np.arange(4) % 2)}
    digits = pipelines.Dataset.from_arrays("digits", ["even", "odd"], None, splits)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    options = {"batch_size": 2, "augmentation": [], "steps": 10, "highest": 1e-3}
    assert len(keras_seg.find_learning_rate(model, digits, **options).table) == 10


@pytest.mark.long
def test_loss_that_is_never_finite_is_said_so(data):
    model = tiny()
    model.layers[-1].bias.assign([np.nan] * 3)
    with pytest.raises(ValueError, match=r"finite at first. Received: one that was not after 0"):
        keras_seg.find_learning_rate(model, data, batch_size=2)


def test_training_batches_that_a_filter_took_are_no_endless_search():
    image, label = np.zeros((4, 32, 32, 3), "uint8"), np.zeros((4, 32, 32), "uint8")
    batches = tf.data.Dataset.from_tensor_slices((image, label)).filter(lambda _, y: y[0, 0] > 0)
    with pytest.raises(
        ValueError, match=r"at least one picture. Received: data 'data' whose split"
    ):
        keras_seg.find_learning_rate(tiny(), (batches.batch(2), None))


def test_seed_below_0_is_refused(data):
    with pytest.raises(ValueError, match=r"needs seed to be a whole number of at least 0"):
        keras_seg.find_learning_rate(tiny(), data, seed=-1)
