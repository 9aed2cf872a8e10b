import io
import json
import math
import re
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from _training import CLASSES, QUICK, Breaks, Epochs, check_same, squares, tiny

import keras_seg
import pipelines
from keras_seg import callbacks, schedules
from keras_seg.training.plain_data import PlainData


@pytest.fixture(scope="module")
def data():
    splits = {"train": squares(6, 0), "val": squares(2, 1)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """An uninterrupted run."""
    keras.utils.set_random_seed(7)
    return keras_seg.fit(tiny(), data, folder=tmp_path_factory.mktemp("runs"), **QUICK)


def test_run_has_a_history_of_losses_rates_and_scores(run):
    columns = ["loss", "learning_rate", "val_mean_iou", "val_pixel_accuracy", "epoch", "seconds"]
    assert {*columns, *(f"iou/{name}" for name in CLASSES)} <= set(run.history)
    assert run.history["epoch"].tolist() == [1, 2, 3]
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    assert "Unnamed: 0" not in run.history


@pytest.mark.long
def test_validation_loss_is_that_of_the_network_kept(data, tmp_path):
    changes = {"loss": "cross_entropy", "class_weights": None, "averaging": 0.0}
    run = keras_seg.fit(
        tiny(), data, folder=tmp_path, validation_loss=True, **{**QUICK, **changes, "epochs": 1}
    )
    images, labels = squares(2, 1)
    logits = run.model.predict(images, verbose=0).astype("float64")
    # The mean over labeled pixels of log(sum(exp(logits))) - logit of the class.
    of_class = np.take_along_axis(logits, np.minimum(labels, 2)[..., None], -1)[..., 0]
    expected = (np.log(np.exp(logits).sum(-1)) - of_class)[labels != 255].mean()
    assert run.history["val_loss"].tolist() == pytest.approx([expected], rel=1e-4)
    assert pd.read_csv(run.folder / "history.csv")["val_loss"][0] == run.history["val_loss"][0]
    assert run.settings["setup"]["recipe"]["validation_loss"] is True


def test_learning_rate_of_the_history_is_that_of_the_schedule(run):
    # small_data: 2 epochs of warm-up, then a polynomial of power 0.9 from 3e-3; 3 steps an epoch.
    schedule = schedules.Poly(3e-3, 3, power=0.9, warmup_steps=6)
    expected = [float(schedule(step)) for step in (0, 3, 6)]  # Each epoch's first step.
    assert run.history["learning_rate"].tolist() == pytest.approx(expected, abs=1e-9)


def test_folder_holds_all_that_is_needed_later_and_nothing_else(run):
    assert run.folder.name == "tiny-toy"
    names = sorted(path.name for path in run.folder.iterdir())
    assert names == ["figures", "history.csv", "model.keras", "run.json", "state.npz"]
    assert len(list((run.folder / "figures").iterdir())) == 3


def test_run_json_is_complete(run):
    settings = json.loads((run.folder / "run.json").read_text())
    assert settings["class_names"] == CLASSES
    assert settings["num_classes"] == len(settings["palette"]) == 3
    assert settings["ignore_class"] == 255
    assert settings["architecture"] == "tiny"
    assert settings["crop_size"] == [32, 32]
    assert settings["epochs_done"] == 3
    assert settings["finished"] is True
    assert settings["seconds"] > 0
    assert {"python", "keras", "numpy"} <= set(settings["versions"])
    assert {"backend", "git_commit", "machine"} <= set(settings)
    assert settings["setup"]["seed"] == 0
    assert settings["setup"]["recipe"]["batch_size"] == 2
    best = run.history.loc[run.history["val_mean_iou"].idxmax()]
    assert settings["best"] == {"epoch": best["epoch"], "val_mean_iou": best["val_mean_iou"]}


def test_model_kept_holds_no_state_of_the_optimizer(run):
    with zipfile.ZipFile(run.folder / "model.keras") as file:
        assert not json.loads(file.read("config.json")).get("compile_config")
        weights = h5py.File(io.BytesIO(file.read("model.weights.h5")))
    assert "optimizer" not in weights


def test_model_kept_is_the_best_one(run):
    assert run.evaluate("val").mean_iou == pytest.approx(run.history["val_mean_iou"].max())


def test_built_model_is_trained_in_place(data, tmp_path):
    model = tiny()
    before = model.get_weights()
    run = keras_seg.fit(model, data, folder=tmp_path, epochs=1, batch_size=2)
    for a, b in zip(model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.long
def test_same_seed_gives_the_same_run_and_another_seed_another(data, run, tmp_path):
    keras.utils.set_random_seed(7)
    check_same(run, keras_seg.fit(tiny(), data, folder=tmp_path, **QUICK))
    keras.utils.set_random_seed(7)
    other = keras_seg.fit(tiny(), data, folder=tmp_path, seed=1, **QUICK)
    assert other.folder.name == "tiny-toy-2"
    assert other.history["loss"].tolist() != run.history["loss"].tolist()


@pytest.mark.parametrize("moment", [pytest.param((1, 2), marks=pytest.mark.long), (3, 3)], ids=str)
def test_interrupted_training_continues_and_ends_with_the_same_weights(
    data, run, tmp_path, moment, caplog
):
    keras.utils.set_random_seed(7)
    model = tiny()
    with pytest.raises(KeyboardInterrupt, match=f"{moment[0] - 1} epochs are kept in '.*tiny-toy'"):
        keras_seg.fit(model, data, folder=tmp_path, callbacks=[Breaks(*moment)], **QUICK)
    trained = Epochs()
    # The model is handed in as the interruption left it.
    again = keras_seg.fit(model, data, folder=tmp_path, callbacks=[trained], **QUICK)
    assert again.folder.name == "tiny-toy"
    assert trained.seen == list(range(moment[0], 4))
    assert ("Continuing" in caplog.text) == (moment[0] > 1)
    check_same(run, again)


@pytest.mark.long
def test_training_interrupted_after_its_last_epoch_is_finished_by_the_same_call(
    data, run, tmp_path
):
    keras.utils.set_random_seed(7)
    late = keras.callbacks.LambdaCallback(on_train_end=lambda logs: Breaks(0, 0).do())
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(tiny(), data, folder=tmp_path, callbacks=late, **QUICK)
    again = keras_seg.fit(tiny(), data, folder=tmp_path, **QUICK)
    assert again.settings["finished"]
    check_same(run, again)


@pytest.mark.slow
def test_network_by_name_continues_with_the_same_weights(tiny_shapes, tmp_path):
    options = {"epochs": 2, "batch_size": 4, "crop_size": (64, 64), "seed": 3}
    whole = keras_seg.fit("contextnet_cn14_160", tiny_shapes, folder=tmp_path / "a", **options)
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(
            "contextnet_cn14_160",
            tiny_shapes,
            folder=tmp_path / "b",
            callbacks=[Breaks(2, 2)],
            **options,
        )
    keras.utils.set_random_seed(99)
    again = keras_seg.fit("contextnet_cn14_160", tiny_shapes, folder=tmp_path / "b", **options)
    check_same(whole, again)
    assert isinstance(again.model.output, keras.KerasTensor), "no auxiliary head is kept"
    assert {"logits_loss", "aux_context_loss"} <= set(again.history)


KILLED = """
import os, signal, sys
import keras, pipelines, keras_seg
data = pipelines.shapes(num_images=12, size=(64, 96), seed=0)
class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_begin(self, batch, logs=None):
        if self.epoch == 1 and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
callbacks = [Kill()] if sys.argv[2] == "kill" else []
keras_seg.fit("contextnet_cn14_160", data, folder=sys.argv[1], callbacks=callbacks,
              epochs=3, batch_size=4, crop_size=(64, 64))
"""


@pytest.mark.slow
def test_killed_process_loses_only_the_epoch_under_way(tmp_path):
    def process(folder, what):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), what]
        return subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode

    assert process(tmp_path / "a", "kill") == -signal.SIGKILL
    (folder,) = (tmp_path / "a").iterdir()
    assert json.loads((folder / "run.json").read_text())["epochs_done"] == 1
    assert process(tmp_path / "a", "continue") == 0
    assert process(tmp_path / "b", "whole") == 0
    runs = [keras_seg.Run(tmp_path / part / folder.name) for part in "ab"]
    check_same(*runs)


@pytest.mark.long
def test_kill_between_history_and_state_repeats_that_epoch(data, run, tmp_path, monkeypatch):
    from keras_seg.training import state

    keras.utils.set_random_seed(7)
    save = state.save

    def killed(path, model, epochs_done, *more):
        if epochs_done == 2:
            raise KeyboardInterrupt
        save(path, model, epochs_done, *more)

    with monkeypatch.context() as patch:
        patch.setattr(state, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            keras_seg.fit(tiny(), data, folder=tmp_path, **QUICK)
    assert len(keras_seg.Run(tmp_path / "tiny-toy").history) == 2
    trained = Epochs()
    again = keras_seg.fit(tiny(), data, folder=tmp_path, callbacks=[trained], **QUICK)
    assert trained.seen == [2, 3]
    check_same(run, again)


def test_finished_run_is_not_trained_again(data, run, caplog):
    trained = Epochs()
    keras.utils.set_random_seed(7)
    model = tiny()
    again = keras_seg.fit(model, data, folder=run.folder.parent, callbacks=[trained], **QUICK)
    assert trained.seen == []
    assert again.folder == run.folder
    assert "Already trained" in caplog.text
    # The same with the model as the run left it, as when a notebook's cell runs once more.
    assert keras_seg.fit(model, data, folder=run.folder.parent, **QUICK).folder == run.folder
    np.testing.assert_array_equal(model.get_weights()[0], run.model.get_weights()[0])


@pytest.mark.long
def test_another_recipe_gets_a_folder_of_its_own(data, run):
    other = keras_seg.fit(tiny(), data, folder=run.folder.parent, epochs=1, batch_size=3)
    assert other.folder.name == "tiny-toy-2"
    assert len(run.history) == 3


def test_folder_of_that_name_without_a_run_is_left_alone(data, tmp_path):
    (tmp_path / "tiny-toy-mine").mkdir()
    (tmp_path / "tiny-toy-mine" / "notes.txt").write_text("mine")
    run = keras_seg.fit(tiny(), data, folder=tmp_path, tag="mine", epochs=1, batch_size=2)
    assert run.folder.name == "tiny-toy-mine-2"
    assert [path.name for path in (tmp_path / "tiny-toy-mine").iterdir()] == ["notes.txt"]


@pytest.mark.long
def test_loss_that_is_not_finite_ends_the_training_and_keeps_the_last_good_weights(data, tmp_path):
    model = tiny()
    ruin = Breaks(2, 2, lambda: model.set_weights([w * np.nan for w in model.get_weights()]))
    words = r"finite loss.*epoch 2, step 2\. Finished epochs are kept in '.*tiny-toy'\. Lower"
    with pytest.raises(FloatingPointError, match=words):
        keras_seg.fit(model, data, folder=tmp_path, callbacks=[ruin], **QUICK)
    run = keras_seg.Run(tmp_path / "tiny-toy", data)
    assert all(np.isfinite(weight).all() for weight in run.model.get_weights())
    again = keras_seg.fit(model, data, folder=tmp_path, **QUICK)
    assert len(again.history) == 3
    assert np.isfinite(again.history["loss"]).all()


@pytest.mark.long
def test_averaged_weights_are_what_is_scored_and_kept(data, tmp_path):
    shown = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: shown.append(look.model.get_weights())
    )
    run = keras_seg.fit(
        tiny(), data, folder=tmp_path, callbacks=[look], averaging=0.9, epochs=1, batch_size=2
    )
    for a, b in zip(shown[-1], run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_interrupted_training_without_averages_ends_with_the_same_weights(data, tmp_path):
    runs = []
    for folder, breaks in (("a", []), ("b", [Breaks(2, 2)])):
        keras.utils.set_random_seed(7)
        options = {**QUICK, "folder": tmp_path / folder, "averaging": 0}
        try:
            runs.append(keras_seg.fit(tiny(), data, callbacks=breaks, **options))
        except KeyboardInterrupt:
            runs.append(keras_seg.fit(tiny(), data, **options))
    check_same(*runs)


@pytest.mark.long
def test_early_stopping_ends_a_run_for_good(data, tmp_path):
    options = {"folder": tmp_path, "epochs": 50, "batch_size": 2, "patience": 1}
    run = keras_seg.fit(tiny(), data, learning_rate=0.0, **options)
    assert len(run.history) < 50
    assert run.settings["finished"]
    scores = run.history["val_mean_iou"]
    assert scores.iloc[-1] <= scores.iloc[:-1].max()


@pytest.mark.long
def test_auxiliary_head_is_trained_and_not_kept(data, tmp_path):
    run = keras_seg.fit(tiny(auxiliary=True), data, folder=tmp_path, epochs=1, batch_size=2)
    row = run.history.iloc[0]
    # Recipe: 0.4 of the auxiliary loss.
    total = row["logits_loss"] + 0.4 * row["aux_x_loss"]
    assert row["loss"] == pytest.approx(total, rel=1e-5)
    assert run.model.output_shape == (None, None, None, 3)


def plain(count=4, seed=0):
    return tf.data.Dataset.from_tensor_slices(squares(count, seed)).batch(2)


def test_plain_datasets_are_trained_on_as_they_are(tmp_path):
    run = keras_seg.fit(tiny(), (plain(), plain(2, 1)), folder=tmp_path, epochs=2, averaging=0)
    assert run.folder.name == "tiny-data"
    assert {"iou/class 0", "val_mean_iou"} <= set(run.history)
    assert run.evaluate("val").mean_iou == pytest.approx(run.history["val_mean_iou"].max())


def test_plain_datasets_decide_what_the_run_notes(tmp_path):
    run = keras_seg.fit(
        tiny(), (plain(), None), "tiramisu_guide", folder=tmp_path, epochs=1, averaging=0
    )
    # `plain` has batches of 2 pictures of 32x32; the recipe has 4, and crops of 224.
    recipe = run.settings["setup"]["recipe"]
    assert (recipe["batch_size"], recipe["crop_size"], recipe["augmentation"]) == (2, [32, 32], [])
    assert run.settings["crop_size"] == [32, 32]


@pytest.mark.parametrize(
    "changes", [{"batch_size": 4}, {"crop_size": (64, 64)}, {"augmentation": []}], ids=str
)
def test_plain_datasets_refuse_what_they_would_not_use(tmp_path, changes):
    (name,) = changes
    words = rf"does not use {name} with plain tf.data datasets. Received: {name}=.*Leave it out"
    with pytest.raises(ValueError, match=words):
        keras_seg.fit(tiny(), (plain(), None), folder=tmp_path, **changes)


def small():
    splits = {"train": squares(2, 0, size=16)}
    return pipelines.Dataset.from_arrays("small", CLASSES, None, splits)


def filtered(keep):
    return plain().filter(lambda image, label: keep)


@pytest.mark.parametrize(
    ("pair", "changes", "words"),
    [
        (
            lambda data: (tiny(), data),
            {"options": {"dropout_rate": 0.5}},
            r"to the builder .*and the built model 'tiny'",
        ),
        (
            lambda _: (tiny(), small()),
            {"epochs": 1},
            r"at least 32 pixels a side.*'small' with 16x16.*pads",
        ),
        (
            lambda data: ("contextnet_c14", data),
            {},
            r"Unknown architecture\. Did you mean 'contextnet_cn14'",
        ),
        (
            lambda data: (tiny(num_classes=5), data),
            {},
            r"3 channels and 3 classes, as in data set 'toy'.*3 channels and 5 classes",
        ),
        (
            lambda _: ("contextnet_cn14", (plain(), None)),
            {},
            r"needs a built model.*Received: model='contextnet_cn14'",
        ),
        (
            lambda _: (tiny(), PlainData(filtered(True), num_classes=3)),
            {},
            r"known number of batches. Received: -2 batches",
        ),
        (
            lambda _: (tiny(), (filtered(False), None)),
            {},
            r"at least one picture.*whose split 'train' has none",
        ),
    ],
    ids=["options", "small", "name", "classes", "plain by name", "unknown length", "no picture"],
)
def test_what_does_not_fit_is_refused(data, tmp_path, pair, changes, words):
    model, given = pair(data)
    with pytest.raises(ValueError, match=words):
        keras_seg.fit(model, given, folder=tmp_path, **changes)


@pytest.mark.parametrize("tag", ["a/b", "..\\b", 3])
def test_tag_is_part_of_a_name_and_no_path(data, tmp_path, tag):
    with pytest.raises(ValueError, match=rf"`tag` is .*Received: tag={re.escape(repr(tag))}. Pass"):
        keras_seg.fit(tiny(), data, folder=tmp_path, tag=tag, **QUICK)


@pytest.mark.long
def test_folder_is_named_after_the_encoder(data, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_seg.models.has_option", lambda *_: False)
    monkeypatch.setattr("keras_seg.models.build", lambda name, *_, encoder: tiny(name))
    options = {"encoder": "vgg16"}
    run = keras_seg.fit(
        "contextnet_cn14", data, folder=tmp_path, options=options, epochs=1, batch_size=2
    )
    assert run.folder.name == "contextnet_cn14-vgg16-toy"
    assert "contextnet_cn14 with encoder vgg16, 1 epochs" in repr(run)


@pytest.mark.parametrize("size", [None, 32])
def test_logits_smaller_than_the_picture_are_refused_before_training(data, tmp_path, size):
    image = keras.Input((size, size, 3))
    small = keras.layers.Conv2D(3, 3, strides=4, padding="same")(image)
    words = (
        r"'half' with logits of \(8, 8\) for a picture of \(32, 32\). Resize them with .*ResizeLike"
    )
    with pytest.raises(ValueError, match=words):
        keras_seg.fit(keras.Model(image, small, name="half"), data, folder=tmp_path, epochs=1)
    mended = keras.Model(image, keras_seg.layers.ResizeLike()([small, image]), name="half")
    keras_seg.fit(mended, data, folder=tmp_path, epochs=1, batch_size=2)


def test_without_validation_the_last_weights_are_kept(tmp_path):
    run = keras_seg.fit(tiny(), (plain(), None), folder=tmp_path, epochs=2)
    assert "val_mean_iou" not in run.history
    assert run.settings["best"] == {}
    assert run.model.output_shape[-1] == 3
    assert not (run.folder / "figures").exists()


@keras.saving.register_keras_serializable("tests")
class CountTraces(keras.layers.Layer):
    """Counts how often a training step is traced."""

    traces = 0

    def call(self, x, training=False):
        CountTraces.traces += bool(training) and tf.inside_function()
        return x


@pytest.mark.long
@pytest.mark.parametrize("accumulate", [1, 2])
def test_first_step_of_a_network_with_two_outputs_is_traced_once(data, tmp_path, accumulate):
    image = keras.Input((None, None, 3))
    x = CountTraces()(image)
    logits = keras.layers.Conv2D(3, 1)(x)
    model = keras.Model(image, {"logits": logits, "aux_x": keras.layers.Conv2D(3, 1)(x)})
    CountTraces.traces = 0
    quick = {**QUICK, "epochs": 1, "accumulate": accumulate, "statistics_batches": 0}
    keras_seg.fit(model, data, folder=tmp_path, **quick)
    assert CountTraces.traces == 1


@pytest.mark.long
def test_a_val_without_masks_is_said_before_the_training(tmp_path):
    images, labels = squares(4, 0)
    splits = {"train": (images, labels), "val": (images, np.full_like(labels, 255))}
    data = pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)
    plain = [tf.data.Dataset.from_tensor_slices(pair).batch(2) for pair in splits.values()]
    trains = Breaks(1, 1, do=lambda: pytest.fail("The training began."))
    for given, options in ((data, {"batch_size": 2}), (plain, {})):
        with pytest.raises(ValueError, match=r"pixels with a class. Received: data '.*Give its ma"):
            keras_seg.fit(tiny(), given, folder=tmp_path, callbacks=[trains], **options)


@pytest.mark.long
def test_pictures_of_any_channels_and_size_are_cropped_to_the_first(tmp_path):
    images, labels = np.zeros((2, 37, 51, 1), "uint8"), np.zeros((2, 37, 51), "uint8")
    gray = pipelines.Dataset.from_arrays("gray", ["a", "b"], None, {"train": (images, labels)})
    run = keras_seg.fit(
        "contextnet_cn14", gray, folder=tmp_path, epochs=1, batch_size=2, options={"width": 0.1}
    )
    assert run.settings["crop_size"] == [37, 51]
    assert run.model.input_shape == (None, None, None, 1)


@pytest.mark.long
def test_damaged_state_is_named(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(tiny(), data, folder=tmp_path, callbacks=[Breaks(2, 1)], **QUICK)
    (tmp_path / "tiny-toy" / "state.npz").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"must be readable.*tiny-toy/state\.npz.*Delete it"):
        keras_seg.fit(tiny(), data, folder=tmp_path, **QUICK)
    (tmp_path / "tiny-toy" / "state.npz").unlink()
    assert len(keras_seg.fit(tiny(), data, folder=tmp_path, **QUICK).history) == 3


def test_class_weight_of_keras_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match=r"`fit` has no class_weight.*`class_weights="):
        keras_seg.fit(tiny(), data, folder=tmp_path, class_weight={0: 2.0})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": 3}, r"Unknown argument of `fit`\. Did you mean 'epochs'"),
        ({"recipe": "small"}, "Unknown recipe"),
        ({"seed": -1}, "`fit` needs seed to be a whole number of at least 0"),
        ({"class_weights": [1, 2]}, "one weight per class, 3 in all"),
        ({"callbacks": [callbacks.ExponentialDecay()]}, "learning rate is a number"),
    ],
    ids=["epoch", "recipe", "seed", "class_weights", "callbacks"],
)
def test_wrong_arguments_are_refused_with_words(data, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        keras_seg.fit(tiny(), data, folder=tmp_path, **{"batch_size": 2, **changes})


@pytest.mark.parametrize("wrong", ["camvid", plain(), (plain(), plain(), 3)], ids=lambda x: type(x))
def test_what_is_no_data_set_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"data set of `pipelines`, or.*Received: data of type"):
        keras_seg.fit(tiny(), wrong, folder=tmp_path)


@pytest.mark.slow
def test_learning_is_real(data, tmp_path):
    # 120 steps: Keras's own normalization takes a hundred to forget the variance it began with.
    run = keras_seg.fit(
        tiny(), data, folder=tmp_path, epochs=40, batch_size=2, learning_rate=0.02, augmentation=()
    )
    # One color per class: guessing gives at most 1/3.
    assert run.history["val_mean_iou"].max() > 0.6
    assert not math.isnan(run.history["loss"].iloc[-1])
