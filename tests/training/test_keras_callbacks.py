"""Keras's own callbacks in `fit`: each sees the logs it expects and does its work."""

import inspect

import keras
import pandas as pd
import pytest
from _training import CLASSES, squares, tiny

import keras_seg
import pipelines

# Callbacks that need a server or a package of their own, and those that `fit` is tested with in
# other ways: `History` and `CallbackList` belong to every training.
ELSEWHERE = {"Callback", "CallbackList", "History", "RemoteMonitor", "OrbaxCheckpoint"}


@pytest.fixture(scope="module")
def data():
    splits = {"train": squares(4, 0), "val": squares(2, 1)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


def made(folder):
    """One of each, with the folder that it writes to."""
    return {
        "BackupAndRestore": lambda x: x(folder / "backup"),
        "CSVLogger": lambda x: x(folder / "log.csv"),
        "EarlyStopping": lambda x: x("val_mean_iou", mode="max", patience=5),
        "LambdaCallback": lambda x: x(on_epoch_end=lambda epoch, logs: None),
        "LearningRateScheduler": lambda x: x(lambda epoch, rate: rate / 2),
        "ModelCheckpoint": lambda x: x(
            folder / "{epoch}-{val_mean_iou:.2f}.keras", "val_mean_iou", mode="max"
        ),
        "ProgbarLogger": lambda x: x(),
        "ReduceLROnPlateau": lambda x: x("val_mean_iou", mode="max"),
        "SwapEMAWeights": lambda x: x(swap_on_epoch=True),
        "TensorBoard": lambda x: x(folder / "board"),
        "TerminateOnNaN": lambda x: x(),
    }


def names():
    known = inspect.getmembers(keras.callbacks, inspect.isclass)
    return sorted(name for name, _ in known if name not in ELSEWHERE)


def test_every_callback_of_keras_is_tried(tmp_path):
    assert set(names()) <= set(made(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_callback_of_keras_works(name, data, tmp_path):
    make = made(tmp_path)[name]
    if name == "TensorBoard":
        pytest.importorskip("tensorboard")
    changes = {"schedule": "constant", "warmup_epochs": 0}
    if name == "SwapEMAWeights":
        changes = {"optimizer": keras.optimizers.Adam(1e-3, use_ema=True), "averaging": 0.0}
    run = keras_seg.fit(
        tiny(),
        data,
        folder=tmp_path / "runs",
        epochs=2,
        batch_size=2,
        callbacks=make(getattr(keras.callbacks, name)),
        **changes,
    )
    assert run.history["epoch"].tolist() == [1, 2]
    if name == "CSVLogger":
        table = pd.read_csv(tmp_path / "log.csv")
        assert table["epoch"].tolist() == [0, 1]
        assert [column for column in table if column.startswith("epoch")] == ["epoch"]
    if name == "ModelCheckpoint":
        assert len(list(tmp_path.glob("[12]-*.keras"))) == 2
    if name == "LearningRateScheduler":
        first, second = run.history["learning_rate"]
        assert second == pytest.approx(first / 2)


@pytest.mark.parametrize("name", ["LearningRateScheduler", "ReduceLROnPlateau"])
@pytest.mark.parametrize(
    ("changes", "received"),
    [
        ({}, "schedule='poly' and warmup_epochs=2"),
        ({"warmup_epochs": 0}, "schedule='poly' and warmup_epochs=0"),
        ({"schedule": "constant"}, "schedule='constant' and warmup_epochs=2"),
    ],
)
def test_callbacks_that_set_the_learning_rate_need_a_number(
    name, changes, received, data, tmp_path
):
    callback = made(tmp_path)[name](getattr(keras.callbacks, name))
    with pytest.raises(
        ValueError,
        match=rf"`{name}` needs a learning rate that is a number.*recipe with {received}",
    ):
        keras_seg.fit(tiny(), data, folder=tmp_path / "runs", callbacks=callback, **changes)
    assert not (tmp_path / "runs").exists()


def test_the_schedule_of_an_optimizer_object_refuses_them_too(data, tmp_path):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    callback = keras.callbacks.ReduceLROnPlateau("val_mean_iou", mode="max")
    changes = {"optimizer": keras.optimizers.SGD(rate), "callbacks": [callback]}
    with pytest.raises(ValueError, match="`ReduceLROnPlateau` needs a learning rate"):
        keras_seg.fit(tiny(), data, folder=tmp_path, **changes)
