import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from keras_seg import callbacks, schedules

X, Y = np.ones((4, 1), "float32"), np.full((4, 1), 2.0, "float32")


def tiny(optimizer="sgd", loss="mse"):
    """One weight w that starts at 0: the answer to 1 is w."""
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(optimizer, loss)
    return model


def fit(model, *used, epochs=2, batch_size=4):
    return model.fit(
        X, Y, batch_size, epochs, callbacks=list(used), verbose=0, shuffle=False
    ).history


def weight(model):
    return float(np.squeeze(model.get_weights()[0]))


class Logged(keras.callbacks.Callback):
    """Puts one given value per epoch into the logs, for the callbacks behind it."""

    def __init__(self, values, name="val_mean_iou"):
        super().__init__()
        self.values, self.name = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


class Seen(keras.callbacks.Callback):
    """Remembers what it is asked for at the end of each epoch or before each step."""

    def __init__(self, look, at="on_epoch_end"):
        super().__init__()
        self.values = []
        setattr(self, at, lambda *_, **__: self.values.append(look(self.model)))


def validation(found, truth, **options):
    pictures = np.zeros((1, 1, len(truth), 3), "uint8")
    batches = [(pictures, np.array([[truth]], "uint8"))]
    labels = lambda image: np.array([[found]], "uint8")  # noqa: E731
    return callbacks.ValidationIoU(labels, batches, ["road", "sky"], **options)


def test_validation_measures_iou_of_each_class_by_name():
    # road: 1 right, union 2; sky: 1 right, union 2. One pixel is ignored.
    measured = validation([0, 0, 1, 1], [0, 1, 1, 255])
    history = fit(tiny(), measured, epochs=1)
    assert history["iou/road"] == [0.5]
    assert history["iou/sky"] == [0.5]
    assert history["val_mean_iou"] == [0.5]
    assert history["val_pixel_accuracy"] == [2 / 3]


def test_validation_adds_batches_up_before_it_divides():
    pictures = np.zeros((1, 1, 4, 3), "uint8")
    batches = [(pictures, np.array([[truth]], "uint8")) for truth in ([0, 0, 0, 0], [1, 0, 0, 0])]
    zeros = lambda image: np.zeros((1, 1, 4), "uint8")  # noqa: E731
    logs = {}
    callbacks.ValidationIoU(zeros, batches, ["road", "sky"]).on_epoch_end(0, logs)
    assert logs["val_mean_iou"] == (7 / 8 + 0) / 2


def test_validation_every_few_epochs_measures_nothing_in_between():
    seen = Logged([0.0] * 4, "other")
    history = fit(tiny(), validation([0], [0], every=2), seen, epochs=4)
    assert len(history["val_mean_iou"]) == 2


def test_averaged_weights_are_in_the_model_between_epochs_and_raw_ones_while_training():
    # Loss (w - 2)^2, gradient 2 (w - 2), rate 1/4: w goes 0, 1, 1.5, 1.75, 1.875.
    # Average of momentum 1/2, beginning with the first w: 1, 1.25, 1.5, 1.6875.
    optimizer = keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.5)
    model = tiny(optimizer)
    trained = Seen(weight, at="on_train_batch_end")
    shown = Seen(weight)
    fit(model, trained, callbacks.AveragedWeights(), shown, epochs=2, batch_size=2)
    assert trained.values == [1, 1.5, 1.75, 1.875]
    assert shown.values == [1.25, 1.6875]
    assert weight(model) == 1.6875


def test_raw_weights_are_kept_while_averaged_ones_are_in_the_model():
    model = tiny(keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.5))
    averaged = callbacks.AveragedWeights()
    fit(model, averaged, epochs=1, batch_size=2)
    assert float(np.squeeze(averaged.raw[0])) == 1.5


def test_best_weights_are_saved_when_the_measure_is_better_than_before():
    saved = []
    model = tiny(keras.optimizers.SGD(0.25))
    best = callbacks.BestWeights(lambda: saved.append(weight(model)))
    fit(model, Logged([0.2, 0.1, 0.2, 0.3, math.nan]), best, epochs=5)
    assert saved == [1, 1.875]  # After epochs 1 and 4: w is 1, 1.5, 1.75, 1.875.
    assert best.best == 0.3


def test_best_of_earlier_epochs_stands_when_training_goes_on():
    saved = []
    best = callbacks.BestWeights(lambda: saved.append(1), best=0.5)
    fit(tiny(), Logged([0.5, 0.6]), best, epochs=2)
    assert saved == [1]


def test_early_stopping_waits_its_patience_after_the_best_epoch():
    history = fit(
        tiny(), Logged([0.1, 0.4, 0.3, 0.4, 0.9]), callbacks.EarlyStopping(patience=2), epochs=5
    )
    assert len(history["loss"]) == 4  # Epochs 3 and 4 are no better than epoch 2.


def test_early_stopping_remembers_the_epochs_before_a_pause():
    stopping = callbacks.EarlyStopping(patience=2, history=[0.4, 0.3])
    history = fit(tiny(), Logged([0.2, 0.9]), stopping, epochs=2)
    assert len(history["loss"]) == 1


def test_early_stopping_counts_only_epochs_with_a_measure():
    stopping = callbacks.EarlyStopping(patience=1)
    history = fit(tiny(), Logged([0.4, math.nan, 0.5]), stopping, epochs=3)
    assert len(history["loss"]) == 3
    assert len(fit(tiny(), callbacks.EarlyStopping(patience=1), epochs=3)["loss"]) == 3


def rates(callback, epochs, optimizer=None):
    seen = Seen(lambda model: float(model.optimizer.learning_rate.numpy()), "on_train_batch_begin")
    fit(tiny(optimizer or keras.optimizers.SGD(0.8)), callback, seen, epochs=epochs)
    return seen.values


def test_exponential_decay_is_the_schedule_of_that_name():
    schedule = schedules.Exponential(0.8, steps_per_epoch=1, rate=0.5)
    expected = [float(schedule(step)) for step in range(4)]
    assert rates(callbacks.ExponentialDecay(0.5), 4) == pytest.approx(expected, rel=1e-6)


def test_exponential_decay_rises_first_when_it_warms_up():
    # 0.8 * 1/3, 0.8 * 2/3, then 0.8, 0.4.
    expected = [0.8 / 3, 1.6 / 3, 0.8, 0.4]
    found = rates(callbacks.ExponentialDecay(0.5, warmup_epochs=2), 4)
    assert found == pytest.approx(expected, rel=1e-6)


def test_exponential_decay_takes_a_rate_of_its_own():
    decay = callbacks.ExponentialDecay(0.5, initial_learning_rate=0.1)
    assert rates(decay, 2) == pytest.approx([0.1, 0.05], rel=1e-6)


@pytest.mark.parametrize("rate", [0, -0.5, 1.01, math.nan])
def test_exponential_decay_needs_a_rate_of_up_to_one(rate):
    with pytest.raises(
        ValueError, match=r"needs rate to be a finite number above 0 and up to 1. Received: rate="
    ):
        callbacks.ExponentialDecay(rate)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops_training_and_says_where(bad):
    model = tiny()
    breaks = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch and model.set_weights([np.array([[bad]])])
    )
    stop = callbacks.StopOnBadLoss("Weights are in 'here'.")
    words = (
        r"finite loss\. Received: loss=(nan|inf) in epoch 2, step 1\. Weights are in 'here'\. "
        r"Lower the learning rate"
    )
    with pytest.raises(FloatingPointError, match=words):
        fit(model, breaks, stop, epochs=3, batch_size=2)


def test_overlays_are_written_every_few_epochs(tmp_path):
    drawn = callbacks.Overlays(lambda: Figure((1, 1)), tmp_path / "figures", every=2)
    fit(tiny(), drawn, epochs=5)
    written = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert written == ["epoch_0002.png", "epoch_0004.png"]


def test_progress_bar_says_loss_and_scores_by_name(capsys):
    bar = callbacks.ProgressBar(epochs=2, steps_per_epoch=1)
    values = [Logged([0.25, 0.125]), Logged([0.5, 0.25], "iou/road")]
    fit(tiny(keras.optimizers.SGD(0.25)), *values, bar)
    lines = capsys.readouterr().out.strip().splitlines()
    # Losses: the squares of 0 - 2 and of 1 - 2.
    assert lines[0].startswith(
        "Epoch 1/2 | loss 4.0000 | mean IoU 0.2500 (best 0.2500) | road 0.50"
    )
    assert lines[1].startswith(
        "Epoch 2/2 | loss 1.0000 | mean IoU 0.1250 (best 0.2500) | road 0.25"
    )


def test_progress_bar_works_without_validation(capsys):
    fit(tiny(), callbacks.ProgressBar(epochs=1), epochs=1)
    assert "mean IoU" not in capsys.readouterr().out


def test_progress_bar_says_that_the_first_step_is_compiled(capsys):
    bar = callbacks.ProgressBar(epochs=2, steps_per_epoch=1)
    shown = []
    seen = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: shown.append(capsys.readouterr().err)
    )
    fit(tiny(), bar, seen)
    assert "Epoch 1/2:   0%" in shown[0]
    assert "compiling the first step" in shown[0]
    assert "Epoch 2/2:   0%" in shown[1]
    assert "compiling" not in shown[1].split("Epoch 2/2")[1]


def test_validation_has_a_bar(monkeypatch):
    shown = []

    def bar(batches, *args, **options):
        shown.append((*args, options["total"]))
        return batches

    monkeypatch.setattr("keras_seg.training.bars.tqdm", bar)
    labels = np.zeros((1, 4, 4), "uint8")
    pictures = tf.data.Dataset.from_tensors((labels[..., None], labels)).repeat(3)
    callbacks.ValidationIoU(lambda image: image[..., 0], pictures, ["a"]).on_epoch_end(0, {})
    assert shown == [("Validation", 3)]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: validation([0], [255]).on_epoch_end(0, {}),
            "pixels with a class.*ignore_class=255",
        ),
        (
            lambda: callbacks.ValidationIoU(None, [], ["road"]).on_epoch_end(0, {}),
            "needs pixels with a class",
        ),
        (lambda: validation([0], [0], every=0), "`ValidationIoU` needs every"),
        (lambda: callbacks.EarlyStopping(0), "`EarlyStopping` needs patience"),
        (lambda: callbacks.Overlays(None, "figures", every=0.5), "`Overlays` needs every"),
        (lambda: callbacks.ExponentialDecay(0.9, warmup_epochs=-1), "warmup_epochs to be a whole"),
        (
            lambda: callbacks.ExponentialDecay(0.9, initial_learning_rate="1"),
            "needs initial_learning_rate to be a finite number",
        ),
        (
            lambda: rates(
                callbacks.ExponentialDecay(), 1, keras.optimizers.SGD(schedules.Poly(0.1, 10))
            ),
            r"learning rate is a number.*Use `keras_seg\.schedules",
        ),
    ],
)
def test_wrong_arguments_are_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()
