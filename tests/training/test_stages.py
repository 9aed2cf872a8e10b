"""Trainings of several stages: those before the main one, and those of wider networks."""

import itertools
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from _process import ROOT
from _training import check_same, tiny

import keras_seg
import pipelines
from keras_seg.training.stages import stages

# Rates of 0 change no weight, so the weights of each stage are those that pruning left.
STILL = {"epochs": 1, "batch_size": 2, "learning_rate": 0.0, "averaging": 0.0, "warmup_epochs": 0}
NARROW = {"options": {"width": 0.1}, "auxiliary_weight": 0.0}


def planned(model="contextnet_cn14", **changes):
    return stages(keras_seg.recipe("small_data", **changes), model)


def test_widths_are_those_of_the_contextnet_paper():
    found = planned(prune_from=2.0, epochs=9)
    assert [x.suffix for x in found] == ["width2", "width1.5", "width1.25", ""]
    assert [x.recipe.options.get("width", 1.0) for x in found] == [2.0, 1.5, 1.25, 1.0]
    assert [x.pruned_from for x in found] == [None, 2.0, 1.5, 1.25]
    assert [x.is_last for x in found] == [False, False, False, True]
    assert {x.recipe.epochs for x in found} == {9}


def test_factors_multiply_the_width_of_the_network_or_of_its_options():
    # cn14-160 has 0.414 of the width; from 3 times: 3, 2 and 1.5 times.
    widths = [x.recipe.options.get("width") for x in planned("contextnet_cn14_160", prune_from=3)]
    np.testing.assert_allclose(widths[:3], [1.242, 0.828, 0.621])
    found = planned(prune_from=2.0, options={"width": 0.5, "factor": 2})
    assert [x.recipe.options for x in found] == [
        {"width": width, "factor": 2} for width in (1.0, 0.75, 0.625, 0.5)
    ]


def test_changes_after_pruning_reach_the_later_trainings_only():
    found = planned(
        prune_from=2.0, epochs=9, after_pruning={"epochs": 3, "learning_rate": 1e-4}, before={}
    )
    assert [x.recipe.epochs for x in found] == [9, 3, 3, 3]
    assert [x.recipe.learning_rate for x in found] == [3e-3, 1e-4, 1e-4, 1e-4]
    # The main run records how it was made.
    assert found[-1].recipe.prune_from == 2.0
    assert found[-1].recipe.after_pruning == {"epochs": 3, "learning_rate": 1e-4}


def test_a_first_training_is_that_of_the_widest_network():
    found = planned(prune_from=2.0, before={"crop_size": (64, 64)})
    assert [x.suffix for x in found] == ["width2-before", "width2", "width1.5", "width1.25", ""]
    assert [x.recipe.crop_size for x in found] == [(64, 64), None, None, None, None]
    assert [x.pruned_from for x in found] == [None, None, 2.0, 1.5, 1.25]


@pytest.fixture(scope="module")
def data():
    return pipelines.shapes(num_images=6, size=(32, 32), seed=0)


@pytest.mark.long
def test_each_training_starts_from_the_pruned_weights_of_the_last(data, tmp_path):
    changes = {**STILL, **NARROW}
    run = keras_seg.fit("contextnet_cn14", data, folder=tmp_path, prune_from=2.0, **changes)
    names = [f"contextnet_cn14-shapes{end}" for end in ("-width2", "-width1.5", "-width1.25", "")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    runs = [keras_seg.Run(tmp_path / name) for name in names]
    assert run.folder == runs[-1].folder
    for wider, narrower in itertools.pairwise(runs):
        expected = keras_seg.prune(wider.model, to=narrower.model)
        assert expected.count_params() < wider.model.count_params()
        pairs = zip(expected.trainable_weights, narrower.model.trainable_weights, strict=True)
        for a, b in pairs:
            np.testing.assert_array_equal(np.array(a), np.array(b))
    plain = keras_seg.models.contextnet_cn14(num_classes=data.num_classes, width=0.1)
    assert run.model.count_params() == plain.count_params()
    # A training at this width alone is another run.
    alone = keras_seg.fit("contextnet_cn14", data, folder=tmp_path, **changes)
    assert alone.folder != run.folder


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_an_interrupted_pruning_continues(data, tmp_path, stage):
    class Stop(keras.callbacks.Callback):
        stages = 0

        def on_train_begin(self, logs=None):
            self.stages += 1

        def on_epoch_end(self, epoch, logs=None):
            if self.stages == stage and epoch == 0:
                raise KeyboardInterrupt

    changes = {**NARROW, "epochs": 2, "batch_size": 2, "prune_from": 2.0}
    whole = keras_seg.fit("contextnet_cn14", data, folder=tmp_path / "a", **changes)
    part = tmp_path / "b"
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit("contextnet_cn14", data, folder=part, callbacks=[Stop()], **changes)
    again = keras_seg.fit("contextnet_cn14", data, folder=part, **changes)
    assert len(list(part.iterdir())) == len(list((tmp_path / "a").iterdir())) == 4
    check_same(whole, again)


PRUNING = """
import os, signal, sys, threading
from pathlib import Path
import keras, keras_seg, pipelines

folder, stage, epoch, step, delay = Path(sys.argv[1]), *map(float, sys.argv[2:])

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, number, logs=None):
        self.epoch = number + 1

    def on_train_batch_begin(self, batch, logs=None):
        if (len(list(folder.iterdir())), self.epoch, batch + 1) == (stage, epoch, step):
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

data = pipelines.shapes(num_images=6, size=(32, 32), seed=0)
keras_seg.fit("contextnet_cn14", data, folder=folder, callbacks=[Kill()], **{changes})
"""


def pruning(folder, changes, *place):
    """The exit status of a process that trains; at a place (stage, epoch, step) it is killed."""
    words = map(str, (folder, *(place or (0, 0, 0, 0))))
    code = PRUNING.replace("{changes}", repr(changes))
    return subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_pruning_that_is_killed_in_every_width_continues(tmp_path, seed):
    changes = {**NARROW, "epochs": 3, "batch_size": 2, "prune_from": 2.0}
    # Every part in a process of its own: rounding can differ in a process that did other things.
    assert pruning(tmp_path / "a", changes) == 0
    random, part = np.random.default_rng(seed), tmp_path / "b"
    for stage in (1, 2, 3, 4):
        # In a step, between two, while weights are scored or a state is written.
        place = [stage, random.integers(1, 4), random.integers(1, 3), random.uniform(0, 0.3)]
        assert pruning(part, changes, *place) == -signal.SIGKILL
        assert len(list(part.iterdir())) >= stage
    assert pruning(part, changes) == 0
    whole, again = (
        keras_seg.Run(each / "contextnet_cn14-shapes") for each in (tmp_path / "a", part)
    )
    check_same(whole, again)


@pytest.mark.parametrize("model", ["unet", "hrnet_v2_w18", tiny()], ids=str)
def test_networks_without_a_width_are_refused(data, tmp_path, model):
    subject = getattr(model, "name", model)
    words = rf"has a width.*Received: prune_from=2.0 and .*'{subject}'.*`keras_seg.prune`"
    with pytest.raises(ValueError, match=words):
        keras_seg.fit(model, data, folder=tmp_path, prune_from=2.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prune_from": 1.0}, "prune_from to be a finite number above 1. Received: prune_from=1.0"),
        ({"after_pruning": {"epochs": 2}}, "after_pruning with prune_from only.*prune_from=None"),
        ({"prune_from": 2, "after_pruning": {"rate": 1}}, "in after_pruning=.*rate"),
        ({"prune_from": 2, "after_pruning": {"options": {}}}, "in after_pruning=.*'options'"),
        ({"prune_from": 2, "after_pruning": {"epochs": 0}}, "epochs.*Received: epochs=0"),
        ({"prune_from": 2, "after_pruning": 3}, "after_pruning as a dict.*after_pruning=3"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        keras_seg.recipe("small_data", **changes)
