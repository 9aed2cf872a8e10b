"""Trainings that continue or start over: changed data, edited files, kills, two trainings."""

import json

import keras
import numpy as np
import pytest
from _training import CLASSES, Breaks, Epochs, check_same, squares

import keras_seg
import pipelines
from keras_seg.training import run_folder, state
from keras_seg.training import session as session_file

ONE = {"epochs": 1, "batch_size": 2, "averaging": 0.0, "augmentation": ()}


def linear(seed=7, name="linear"):
    """One convolution with dropout, whose state also decides the weights."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Dropout(0.2)(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Conv2D(3, 1, name="logits")(x), name=name)


def arrays(train=0, val=1):
    splits = {"train": squares(4, train), "val": squares(2, val)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


@pytest.fixture(scope="module")
def data():
    return arrays()


@pytest.mark.long
def test_changed_data_and_first_weights_are_another_run(data, tmp_path, caplog):
    first = keras_seg.fit(linear(), data, folder=tmp_path, **ONE)
    again = [
        keras_seg.fit(linear(), arrays(), folder=tmp_path, **ONE),
        keras_seg.fit(linear(), arrays(train=2), folder=tmp_path, **ONE),
        keras_seg.fit(linear(), arrays(val=2), folder=tmp_path, **ONE),
        keras_seg.fit(linear(seed=8), data, folder=tmp_path, **ONE),
    ]
    names = ["linear-toy", "linear-toy-2", "linear-toy-3", "linear-toy-4"]
    assert first.folder.name == "linear-toy"
    assert [run.folder.name for run in again] == names
    for words in ("content of the training", "content of the validation", "first weights"):
        assert words in caplog.text


def test_finished_run_is_recognized_without_decoding_the_pictures(data, tmp_path, monkeypatch):
    keras_seg.fit(linear(), data, folder=tmp_path, **ONE)
    fresh = arrays()
    monkeypatch.setattr(fresh, "_store", None)  # What decodes a whole split.
    assert keras_seg.fit(linear(), fresh, folder=tmp_path, **ONE).folder.name == "linear-toy"


@pytest.mark.long
@pytest.mark.parametrize("damage", [lambda text: text.split("\n")[0], lambda text: "\udcff\0half"])
def test_edited_history_changes_nothing_of_the_training(data, tmp_path, damage):
    changes = {**ONE, "epochs": 3}
    whole = keras_seg.fit(linear(), data, folder=tmp_path / "a", **changes)
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(linear(), data, folder=tmp_path / "b", callbacks=Breaks(3, 1), **changes)
    path = tmp_path / "b" / "linear-toy" / "history.csv"
    path.write_text(damage(path.read_text()), errors="surrogateescape")
    trained = Epochs()
    again = keras_seg.fit(linear(), data, folder=tmp_path / "b", callbacks=trained, **changes)
    assert trained.seen == [3]
    check_same(whole, again)


@pytest.mark.long
def test_kill_before_the_first_score_can_be_continued(data, tmp_path, monkeypatch):
    changes = {**ONE, "epochs": 3, "validate_every": 2}
    save = state.save

    def killed(path, model, epochs_done, *more):
        if epochs_done == 2:
            raise KeyboardInterrupt
        save(path, model, epochs_done, *more)

    with monkeypatch.context() as patch:
        patch.setattr(state, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            keras_seg.fit(linear(), data, folder=tmp_path, **changes)
    again = keras_seg.fit(linear(), data, folder=tmp_path, **changes)
    assert again.history["val_mean_iou"].notna().tolist() == [False, True, True]


def stop(*_, **__):
    raise KeyboardInterrupt


def test_an_epoch_is_kept_if_drawing_its_figure_is_interrupted(data, tmp_path, monkeypatch):
    changes = {**ONE, "epochs": 2}
    with monkeypatch.context() as patch:
        patch.setattr(keras_seg.training.callbacks.Overlays, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            keras_seg.fit(linear(), data, folder=tmp_path, **changes)
    trained = Epochs()
    keras_seg.fit(linear(), data, folder=tmp_path, callbacks=trained, **changes)
    assert trained.seen == [2]


# Each point between the end of the first training and the first epoch of the second.
BETWEEN = [
    (session_file.Training, "__init__", 2),
    (state, "restore_model", 1),
    (run_folder, "write", 4),
    (state, "save", 3),
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [BETWEEN[0], *(pytest.param(*point, marks=pytest.mark.slow) for point in BETWEEN[1:])],
)
@pytest.mark.parametrize("again_with", ["fresh", "same"])
def test_kill_between_two_trainings_of_a_built_model(
    data, tmp_path, monkeypatch, owner, name, call, again_with
):
    changes = {**ONE, "before": {"learning_rate": 0.01}}
    whole = keras_seg.fit(linear(), data, folder=tmp_path / "a", **changes)
    calls, original = [], getattr(owner, name)

    def counted(*arguments, **options):
        calls.append(name)
        return stop() if len(calls) == call else original(*arguments, **options)

    model = linear()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counted)
        with pytest.raises(KeyboardInterrupt):
            keras_seg.fit(model, data, folder=tmp_path / "b", **changes)
    trained = Epochs()
    model = model if again_with == "same" else linear()
    again = keras_seg.fit(model, data, folder=tmp_path / "b", callbacks=trained, **changes)
    assert trained.seen == [1], "the first training is not repeated"
    assert sorted(x.name for x in (tmp_path / "b").iterdir()) == ["linear-toy", "linear-toy-before"]
    assert not list((tmp_path / "b").glob("*/start.npz"))
    check_same(whole, again)


@pytest.mark.long
def test_more_epochs_at_a_constant_rate_are_the_longer_training(data, tmp_path):
    constant = {**ONE, "schedule": "constant", "warmup_epochs": 0, "learning_rate": 0.01}
    whole = keras_seg.fit(linear(), data, folder=tmp_path / "a", **{**constant, "epochs": 3})
    options = {**constant, "folder": tmp_path / "b"}
    keras_seg.fit(linear(), data, **options)
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(linear(), data, more_epochs=2, callbacks=Breaks(3, 1), **options)
    trained = Epochs()
    again = keras_seg.fit(linear(), data, more_epochs=2, callbacks=trained, **options)
    assert trained.seen == [3]
    check_same(whole, again)
    assert (again.settings["ends"], again.settings["finished"]) == ([1, 3], True)
    for more in (0, 2):
        keras_seg.fit(linear(), data, more_epochs=more, callbacks=trained, **options)
    assert trained.seen == [3]
    (again.folder / "state.npz").unlink()
    with pytest.raises(ValueError, match=r"need the state in which a run ended.*more_epochs=3"):
        keras_seg.fit(linear(), data, more_epochs=3, **options)


def test_a_run_is_locked_while_it_is_trained(data, tmp_path):
    def second(*_):
        keras_seg.fit(linear(), data, folder=tmp_path, **ONE)

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=second)
    with pytest.raises(ValueError, match="one process at a time"):
        keras_seg.fit(linear(), data, folder=tmp_path, callbacks=callback, **ONE)


def test_folder_that_cannot_be_written_is_refused_at_once(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="needs a writable folder"):
        keras_seg.fit("contextnet_cn14", data, folder=tmp_path / "file" / "runs")


@pytest.mark.slow
def test_kills_at_random_points_end_with_the_same_weights(data, tmp_path):
    changes = {**ONE, "epochs": 3, "averaging": 0.5}
    whole = keras_seg.fit(linear(), data, folder=tmp_path / "whole", **changes)
    random = np.random.default_rng(0)
    for trial in range(12):
        places = sorted({(int(e), int(s)) for e, s in random.integers(1, 3, (2, 2))})
        folder = tmp_path / str(trial)
        for place in places:
            with pytest.raises(KeyboardInterrupt):
                keras_seg.fit(linear(), data, folder=folder, callbacks=Breaks(*place), **changes)
        check_same(whole, keras_seg.fit(linear(), data, folder=folder, **changes))
        assert json.loads((folder / "linear-toy" / "run.json").read_text())["finished"]
