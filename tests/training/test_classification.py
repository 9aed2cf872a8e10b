"""`fit` trains classifiers as it trains segmentation networks."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from _classifiers import CLASSES, QUICK, arrays, shades, tiny, trained
from _training import Breaks, check_same

import keras_seg
import pipelines
from keras_seg import models, tasks
from keras_seg.models.encoders import registry as encoders
from keras_seg.training.transfer import transfer


@pytest.mark.long
def test_a_run_of_a_classifier_is_complete():
    run = trained()
    assert run.task == "classification"
    best = run.settings["best"]
    assert best["val_accuracy"] == 1.0  # the color alone tells the classes apart
    assert "top-1 accuracy 1.0000" in repr(run)
    assert run.settings["ignore_class"] is None
    columns = {"val_accuracy", "val_top5_accuracy", "val_class_accuracy", "accuracy/green"}
    assert columns <= set(run.history.columns)
    assert sorted(path.name for path in (run.folder / "figures").glob("epoch*")) != []


@pytest.mark.long
def test_stopped_as_if_never_stopped(tmp_path):
    data = arrays()
    whole = keras_seg.fit(tiny(), data, folder=tmp_path / "a", **QUICK)
    stop = Breaks(epoch=2, step=2)
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(tiny(), data, folder=tmp_path / "b", callbacks=stop, **QUICK)
    again = keras_seg.fit(tiny(), data, folder=tmp_path / "b", **QUICK)
    assert again.folder.name == "tiny-shades"
    check_same(whole, again)


@pytest.mark.long
def test_pictures_of_28_pixels_train_a_network_that_takes_them(tmp_path):
    quick = {**QUICK, "epochs": 1}
    run = keras_seg.fit("lenet5", arrays(size=28), folder=tmp_path, **quick)
    assert run.settings["crop_size"] == [28, 28]
    assert run.classifier()(shades(1, 28)[0][0]) in range(3)


def test_plain_batches_of_class_ids(tmp_path):
    def batches(seed):
        return tf.data.Dataset.from_tensor_slices(shades(12, seed=seed)).batch(4)

    changes = {"epochs": 1, "averaging": 0.0}
    run = keras_seg.fit(tiny(), (batches(0), batches(1)), folder=tmp_path, **changes)
    assert run.task == "classification"
    assert "val_accuracy" in run.history
    images, _ = shades(4)
    masks = tf.data.Dataset.from_tensor_slices((images, images[..., 0])).batch(4)
    with pytest.raises(ValueError, match=r"masks, or one class per picture, in all batches"):
        keras_seg.fit(tiny(), (batches(0), masks), folder=tmp_path)


@pytest.mark.parametrize(
    ("model", "data", "changes", "message"),
    [
        (
            "resnet18",
            lambda: pipelines.shapes(num_images=4, size=(32, 32)),
            {},
            r"'resnet18' for classification, and data 'shapes' for segmentation, with a mask for",
        ),
        (
            "contextnet_cn14",
            arrays,
            {},
            r"'contextnet_cn14' for segmentation, and data 'shades' for classification, with one",
        ),
        ("resnet18", arrays, {"loss": "dice"}, r"single labels. Received: loss='dice' for 'resnet"),
        (
            "resnet18",
            arrays,
            {"loss": [(1.0, "cross_entropy"), (1.0, "lovasz")]},
            r"single labels. Received: loss='lovasz'",
        ),
        ("resnet18", arrays, {"crop_size": (16, 64)}, r"at least 32 pixels each. Received: crop_"),
        ("resnet18", lambda: arrays(size=20), {}, r"at least 32 pixels a side.*with 20x20"),
        (tiny(size=(64, 64)), arrays, {}, r"size that the model takes.*\(64, 64\), and data 'sh"),
        (tiny(num_classes=4), arrays, {}, r"3 channels and 3 classes.*3 channels and 4 classes"),
        ("resnet18", arrays, {"augmentation": [("cutmix", {})]}, r"cannot be mixed.*cutmix"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_training(tmp_path, model, data, changes, message):
    with pytest.raises(ValueError, match=message):
        keras_seg.fit(model, data(), folder=tmp_path, **changes)
    assert list(tmp_path.rglob("run.json")) == []


@pytest.mark.parametrize("loss", ["focal", "ohem", [(0.5, "focal"), (0.5, "cross_entropy")]])
def test_losses_of_single_labels(tmp_path, loss):
    changes = {**QUICK, "epochs": 1, "loss": loss, "class_weights": None, "validation_loss": True}
    run = keras_seg.fit(tiny(), arrays(), folder=tmp_path, **changes)
    assert np.isfinite(run.history[["loss", "val_loss"]].to_numpy()).all()


def test_the_loss_is_the_mean_over_pictures():
    # ln 3 for equal logits, and ln(1 + 2 / e) for a logit of 1 at the right class.
    loss = keras_seg.losses.SparseCrossEntropy(3, ignore_class=None)
    logits = np.array([[0.0, 0, 0], [0, 1, 0]], "float32")
    expected = (np.log(3) + np.log(1 + 2 / np.e)) / 2
    assert float(loss(np.array([2, 1]), logits)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.long
def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    # Without normalization and dropout, 3 batches of 4 make the update of one of 12.
    image = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    start = keras.Model(image, keras.layers.Dense(3)(pooled), name="mean")
    runs = []
    for count in (1, 3):
        changes = {"epochs": 1, "batch_size": 12 // count, "accumulate": count, "averaging": 0.0}
        model = keras.models.clone_model(start)
        model.set_weights(start.get_weights())
        folder = tmp_path / str(count)
        runs.append(keras_seg.fit(model, arrays(), folder=folder, optimizer="sgd", **changes))
    for a, b in zip(*(run.model.get_weights() for run in runs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.long
def test_weights_of_a_classifier_start_another_one(tmp_path):
    run = trained()
    images, labels = shades()
    two = {"train": (images[labels < 2], labels[labels < 2])}
    data = pipelines.Dataset.from_arrays("two", CLASSES[:2], None, two)
    still = {"learning_rate": 0.0, "weight_decay": 0.0, "epochs": 1, "batch_size": 4}
    other = keras_seg.fit(tiny(2), data, folder=tmp_path, weights=run.folder, **still)
    # At a learning rate of 0, all trainable weights but the last layer's are the first run's.
    for a, b in zip(run.model.trainable_weights, other.model.trainable_weights, strict=True):
        if "predictions" not in a.path:
            np.testing.assert_array_equal(a, b)


def test_weights_of_a_classifier_go_into_an_encoder_and_back(tmp_path):
    options = dict(models.facts("resnet18").tiny)
    classifier = models.build("resnet18", num_classes=3, **options)
    classifier.save(tmp_path / "classifier.keras")
    image = keras.Input((None, None, 3), name="image")
    maps = encoders.features("resnet18", image, **options)
    logits = keras.layers.Conv2D(5, 1, name="head")(maps[4])
    network = keras.Model(image, [*maps.values(), logits])
    left = transfer(tmp_path / "classifier.keras", network)
    assert left == ["head"]
    by_name = {weight.path: weight for weight in classifier.weights}
    for weight in network.weights:
        if "head" not in weight.path:
            own = by_name[weight.path.removeprefix("encoder_")]
            np.testing.assert_array_equal(weight, own)
    network.save(tmp_path / "network.keras")
    fresh = models.build("resnet18", num_classes=3, **options)
    assert transfer(tmp_path / "network.keras", fresh) == ["predictions"]


def test_runs_of_before_there_were_tasks_are_segmentation(tmp_path):
    run = trained()
    settings = {**run.settings}
    settings.pop("task")
    (tmp_path / "run.json").write_text(json.dumps(settings))
    assert keras_seg.Run(tmp_path).task == "segmentation"


def test_the_task_of_networks():
    assert tasks.task_of(tiny()) == tasks.task_of("vgg16") == "classification"
    assert tasks.task_of("fc_densenet56") == "segmentation"
