"""Fine-tuning with the rounding of int8 files."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import keras_seg
import pipelines
from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.run import Run

RECIPE = {"epochs": 12, "batch_size": 4, "learning_rate": 1e-2, "augmentation": ()}


@pytest.fixture(scope="module")
def data():
    return pipelines.shapes(num_images=24, size=(48, 48), seed=0)


def network(num_classes):
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(12, 3, padding="same", use_bias=False, name="conv1")(x)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(momentum=0.8, name="norm1")(x))
    x = layers.Conv2D(12, 3, padding="same", use_bias=False, name="conv2")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(momentum=0.8, name="norm2")(x))
    return keras.Model(image, layers.Conv2D(num_classes, 1, name="logits")(x), name="tiny")


def unequal(model, largest):
    """Give the channels of two maps ranges from 1 to `largest` times their own.

    A factor before a ReLU is undone by its inverse in the next kernel: the same function.
    """
    for norm, after in (("norm1", "conv2"), ("norm2", "logits")):
        factors = np.geomspace(1, largest, 12)[np.random.default_rng(0).permutation(12)]
        gamma, beta, *rest = model.get_layer(norm).get_weights()
        model.get_layer(norm).set_weights([gamma * factors, beta * factors, *rest])
        kernel, *bias = model.get_layer(after).get_weights()
        model.get_layer(after).set_weights([kernel / factors[:, np.newaxis], *bias])


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A trained run whose int8 file loses mean IoU."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("runs")
    run = keras_seg.fit(network(data.num_classes), data, folder=folder, **RECIPE)
    unequal(run.model, 300.0)
    run.model.save(run.folder / "model.keras")
    return Run(run.folder, data)


def score(labels, data):
    from keras_seg.scores import evaluate_segmenter

    batches = data.eval_batches("val", 1)
    return evaluate_segmenter(labels, batches, data.class_names, data.ignore_class).mean_iou


@pytest.mark.long
@pytest.mark.export
def test_half_of_what_8_bits_lose_is_recovered(run, data, tmp_path):
    whole = score(run.segmenter("keras").labels, data)
    keras_seg.export.tflite(
        run.model, tmp_path / "plain.tflite", "int8", size=(48, 48), min_agreement=0.0,
        calibration=data.eval_batches("train", 1),
    )  # fmt: skip
    plain = score(LiteRTSegmenter(tmp_path / "plain.tflite").labels, data)
    assert whole - plain > 0.01  # more than a point
    before = (run.folder / "model.keras").read_bytes()
    tuned = keras_seg.finetune_int8(run, learning_rate=2e-3)
    report = tuned.export_tflite("int8")
    file = score(LiteRTSegmenter(report.path).labels, data)
    assert file - plain >= (whole - plain) / 2
    # The score of the simulation in training is that of the file.
    assert abs(tuned.settings["best"]["val_mean_iou"] - file) < 0.005
    assert (run.folder / "model.keras").read_bytes() == before
    assert tuned.folder.name == "tiny-shapes-int8"
    assert tuned.folder.parent == run.folder.parent


@pytest.mark.long
def test_the_same_call_is_the_same_run(run, data, tmp_path, caplog):
    given = {"epochs": 1, "folder": tmp_path, "num_calibration": 4}
    first = keras_seg.finetune_int8(run, **given)
    recipe = first.settings["setup"]["recipe"]
    # A tenth of the run's own rate; the rest is the run's.
    assert (recipe["learning_rate"], recipe["batch_size"]) == (pytest.approx(1e-3), 4)
    again = keras_seg.finetune_int8(run, **given)
    assert again.folder == first.folder
    assert "Already trained" in caplog.text
    with pytest.raises(ValueError, match=r"result of a fine-tuning.*more_epochs"):
        keras_seg.finetune_int8(first)


def test_pictures_are_needed(run):
    with pytest.raises(ValueError, match=r"needs the training pictures.*data=None"):
        keras_seg.finetune_int8(Run(run.folder))


def test_unknown_numbers_of_pictures_are_refused(run):
    with pytest.raises(ValueError, match=r"`finetune_int8`.*num_calibration"):
        keras_seg.finetune_int8(run, num_calibration=0)


def test_an_optimizer_with_its_own_rate_needs_a_recipe(run, data, tmp_path):
    settings = json.loads((run.folder / "run.json").read_text())
    adam = keras.optimizers.serialize(keras.optimizers.Adam(1e-3))
    fields = settings["setup"]["recipe"]
    fields |= {"optimizer": adam, "optimizer_options": {}, "schedule_options": {}}
    fields |= dict.fromkeys(("learning_rate", "schedule", "warmup_epochs", "weight_decay"))
    (tmp_path / "run.json").write_text(json.dumps(settings))
    (tmp_path / "model.keras").write_bytes((run.folder / "model.keras").read_bytes())
    with pytest.raises(ValueError, match=r"a tenth of the run's learning rate.*Pass recipe="):
        keras_seg.finetune_int8(Run(tmp_path, data))
