"""Frozen encoders: neither their weights nor their batch statistics change in a training."""

import json

import keras
import numpy as np
import pytest
from _training import CLASSES, Breaks, check_same, squares

import keras_seg
import pipelines
from keras_seg import models

NAMES = [name for name in models.names() if models.has_option(name, "encoder")]
ENCODER = {
    "encoder": "resnet18",
    "encoder_options": {"blocks": (1, 1, 1, 1), "width": 0.125},
    "output_stride": 16,
}
FAST = {"epochs": 1, "batch_size": 2, "learning_rate": 0.01, "augmentation": [], "averaging": 0.5}


def options(name):
    """The decoder's own options of its small form, on a small encoder with normalization."""
    more = {"decoder_filters": (4,) * 5} if name == "unet" else {}
    return {**models.facts(name).tiny, **more, **ENCODER}


@pytest.fixture(scope="module")
def data():
    splits = {"train": squares(4, 0), "val": squares(2, 1)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


def parts(model):
    """The values of a model's weights: those of its encoder, and the others."""
    encoder = [x for layer in encoder_layers(model) for x in layer.weights]
    inside = {id(x) for x in encoder}
    others = [x for x in model.weights if id(x) not in inside]
    return [[np.array(x) for x in part] for part in (encoder, others)]


def encoder_layers(model):
    return [layer for layer in model.layers if layer.name.startswith("encoder_")]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_every_network_with_an_encoder_freezes_it(name):
    model = models.build(name, (32, 32, 3), 3, **options(name), freeze="encoder")
    frozen = {id(weight) for layer in encoder_layers(model) for weight in layer.weights}
    assert frozen
    learned = {id(weight) for weight in model.trainable_variables}
    assert learned
    assert not frozen & learned
    kinds = {type(layer).__name__ for layer in encoder_layers(model) if layer.weights}
    assert "BatchNormalization" in kinds
    # The decoder's own layers learn as they do without.
    free = models.build(name, (32, 32, 3), 3, **options(name))
    inside = {id(weight) for layer in encoder_layers(free) for weight in layer.weights}
    assert len(learned) == len([x for x in free.trainable_variables if id(x) not in inside])


@pytest.mark.long
def test_a_step_in_training_mode_leaves_weights_and_statistics_of_the_encoder():
    model = models.build("unet", (32, 32, 3), 3, **options("unet"), freeze="encoder")
    model.compile("sgd", keras_seg.losses.SparseCrossEntropy(3))
    before = parts(model)
    images, labels = squares(2, 0)
    model.fit(images, labels, verbose=0)
    after = parts(model)
    for old, new in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(old, new)
    assert any(np.any(old != new) for old, new in zip(before[1], after[1], strict=True))


@pytest.mark.long
def test_fit_freezes_the_encoder_and_notes_it(data, tmp_path):
    first = models.build("fcn32s", (None, None, 3), 3, **options("fcn32s"))
    first.save(tmp_path / "first.keras")
    known = {"options": options("fcn32s"), "freeze": "encoder", "weights": tmp_path / "first.keras"}
    run = keras_seg.fit("fcn32s", data, folder=tmp_path, statistics_batches=1, **known, **FAST)
    for old, new in zip(parts(first)[0], parts(run.model)[0], strict=True):
        np.testing.assert_array_equal(old, new)
    noted = json.loads((run.folder / "run.json").read_text())["setup"]["recipe"]
    assert noted["freeze"] == "encoder"


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_with_the_frozen_encoder(data, tmp_path):
    known = {"options": options("fcn32s"), "freeze": "encoder", **FAST, "epochs": 2}
    whole = keras_seg.fit("fcn32s", data, folder=tmp_path / "a", **known)
    stop = [Breaks(epoch=2, step=1)]
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit("fcn32s", data, folder=tmp_path / "b", callbacks=stop, **known)
    check_same(whole, keras_seg.fit("fcn32s", data, folder=tmp_path / "b", **known))


@pytest.mark.slow
def test_a_training_of_the_decoder_alone_may_come_first(data, tmp_path):
    known = {"options": options("fcn32s"), "before": {"freeze": "encoder"}, **FAST}
    run = keras_seg.fit("fcn32s", data, folder=tmp_path, **known)
    first = keras_seg.Run(f"{run.folder}-before", data).model
    assert not any(layer.trainable for layer in encoder_layers(first))
    assert all(layer.trainable for layer in encoder_layers(run.model))
    pairs = zip(parts(first)[0], parts(run.model)[0], strict=True)
    assert any(np.any(old != new) for old, new in pairs)


def test_a_saved_network_stays_frozen(tmp_path):
    model = models.build("unet", (32, 32, 3), 3, **options("unet"), freeze="encoder")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_the_batch_normalization_of_an_encoder_is_frozen_alone():
    keras.utils.set_random_seed(0)
    known = {**options("unet"), "freeze": "encoder_batch_norm"}
    model = models.build("unet", (32, 32, 3), 3, **known)
    model.compile(keras.optimizers.SGD(0.1), keras_seg.losses.SparseCrossEntropy(3))
    values = {x.path: np.array(x) for x in model.weights}
    model.train_on_batch(*squares(2, 0))
    changed = {x.path for x in model.weights if np.any(np.array(x) != values[x.path])}
    norms = {y.path for x in encoder_layers(model) if "bn" in x.name for y in x.weights}
    # Scales, offsets, means and variances of each of them; all else learns.
    assert len(norms) == 4 * sum("bn" in x.name for x in encoder_layers(model)) > 0
    assert not changed & norms
    assert any(path.startswith("encoder_") for path in changed)
    free = models.build("unet", (32, 32, 3), 3, **options("unet"))
    learned = {x.path for x in model.trainable_variables}
    assert learned == {x.path for x in free.trainable_variables} - norms


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "unet",
            {
                "encoder": "vgg16",
                "encoder_options": models.facts("vgg16").tiny,
                "freeze": "encoder_batch_norm",
            },
            r"`unet` has no batch normalization in its encoder\. .*or pass freeze='encoder' to",
        ),
        ("enet", {}, r"`enet` is built without an encoder .*Received: freeze='encoder'\. Leave"),
        (
            "resnet18",
            {},
            r"Networks with an encoder: deeplab_v2, .*refinenet, segnet, segnet_basic, unet\.",
        ),
        ("unet", {}, r"`unet` is built without .* Pass encoder='resnet50', for example\."),
        ("unet", {"freeze": "decoder"}, r"Unknown part of `unet` to freeze.*Received: freeze='dec"),
    ],
)
def test_networks_without_an_encoder_refuse(name, options, words):
    options = {**models.facts(name).tiny, "freeze": "encoder", **options}
    with pytest.raises(ValueError, match=words):
        models.build(name, (32, 32, 3), 3, **options)


def test_fit_refuses_what_it_cannot_freeze(data, tmp_path):
    model = models.build("unet", (32, 32, 3), 3, **options("unet"))
    for network, freeze, words in (
        (
            model,
            "encoder",
            r"`fit` freezes .* given by name\. Received: freeze='encoder' and .*unet",
        ),
        ("enet", "encoder", r"`enet` is built without an encoder"),
        ("unet", "decoder", r"Unknown part to freeze in recipe 'small_data'"),
    ):
        with pytest.raises(ValueError, match=words):
            keras_seg.fit(network, data, folder=tmp_path, freeze=freeze, **FAST)
    assert not list(tmp_path.iterdir())
