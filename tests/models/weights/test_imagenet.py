"""Weights of `keras.applications` in our networks, tested with random ones."""

import keras
import numpy as np
import pytest
from _weights import assert_same, module, pixels, random_source

from keras_seg import models
from keras_seg.models import encoders

NAMES = [name for name in models.names() if models.facts(name).imagenet]
QUICK = ("mobilenet_v1", "mobilenet_v3_small")


def given(monkeypatch, theirs, source):
    """Let `keras.applications` hand out a model in place of downloading one."""
    asked = []

    def build(**arguments):
        asked.append(arguments)
        return source

    monkeypatch.setattr(keras.applications, theirs, build)
    return asked


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=() if x in QUICK else pytest.mark.slow) for x in NAMES]
)
def test_logits_are_those_of_keras_applications(name, monkeypatch):
    theirs = models.facts(name).imagenet
    side = 64 if name in QUICK else 224
    source = random_source(theirs, side)
    asked = given(monkeypatch, theirs, source)
    model = models.build(name, (side, side, 3), 1000, weights="imagenet")
    assert asked == [{"weights": "imagenet", "include_top": True}]
    x = pixels(side)
    assert_same(model(x), source(module(theirs).preprocess_input(x.copy())))


@pytest.mark.parametrize("side", [64, pytest.param(224, marks=pytest.mark.slow)])
def test_an_encoder_takes_the_file_without_the_classifier(side, monkeypatch):
    source = random_source("VGG16", side, top=False)
    asked = given(monkeypatch, "VGG16", source)
    image = keras.Input((side, side, 3))
    maps = encoders.features("vgg16", image, prefix="left_", weights="imagenet")
    assert asked == [{"weights": "imagenet", "include_top": False}]
    x = pixels(side)
    # VGG's own preprocessing: blue, green, red, less the means.
    expected = source(x[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32"))
    assert_same(keras.Model(image, maps[32])(x), expected)


@pytest.mark.slow
def test_a_dilated_resnet_has_their_features(monkeypatch):
    # On every second pixel: 225 = 32 * 7 + 1, so that the first ones of both lie on one another.
    source = random_source("ResNet50", 225, top=False)
    given(monkeypatch, "ResNet50", source)
    image = keras.Input((None, None, 3))
    maps = encoders.features("resnet50", image, output_stride=16, weights="imagenet")
    x = pixels(225)
    expected = source(module("ResNet50").preprocess_input(x.copy()))
    assert_same(np.array(keras.Model(image, maps[32])(x))[:, ::2, ::2], expected)


def test_widths_have_files_of_their_own_and_saved_networks_need_none(monkeypatch, tmp_path):
    source = random_source("MobileNet", 64, alpha=0.25)
    asked = given(monkeypatch, "MobileNet", source)
    model = models.build("mobilenet_v1", (64, 64, 3), 5, weights="imagenet", width=0.25)
    assert asked == [{"weights": "imagenet", "include_top": True, "alpha": 0.25}]
    kernel = source.get_layer("conv_pw_13").kernel
    np.testing.assert_array_equal(model.get_layer("block13_conv").kernel, kernel)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(pixels(64)), model(pixels(64)))
    assert len(asked) == 1


def test_a_thin_mobilenet_v3_is_that_of_keras_applications(monkeypatch):
    source = random_source("MobileNetV3Small", 64, alpha=0.75)
    asked = given(monkeypatch, "MobileNetV3Small", source)
    model = models.build("mobilenet_v3_small", (64, 64, 3), 1000, weights="imagenet", width=0.75)
    assert asked == [{"weights": "imagenet", "include_top": True, "alpha": 0.75}]
    assert_same(model(pixels(64)), source(pixels(64)))


def test_options_are_those_of_keras_applications_unless_they_are_given(monkeypatch):
    monkeypatch.setattr("keras_seg.models.fill", lambda units, donor: None)
    given(monkeypatch, "DenseNet121", keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))
    small = {"blocks": (1, 1, 1, 1), "weights": "imagenet"}
    for options, epsilon in (({}, 1.001e-5), ({"bn_epsilon": 1e-4}, 1e-4)):
        model = models.build("densenet121", num_classes=10, **small, **options)
        assert model.get_layer("conv1_bn").epsilon == epsilon


def test_without_a_network_the_file_and_its_place_are_named(monkeypatch):
    def refuse(**arguments):
        raise Exception("URL fetch failure on https://host/a/vgg16_weights.h5: None -- no route")

    monkeypatch.setattr(keras.applications, "VGG16", refuse)
    monkeypatch.setenv("KERAS_HOME", "/home/user/.keras")
    place = r"Put the file https://host/a/vgg16_weights\.h5 to '/home/user/.keras/models/vgg16_w"
    with pytest.raises(ValueError, match=rf"weights of `vgg16` cannot be downloaded.*{place}"):
        models.build("vgg16", weights="imagenet")


def test_other_errors_of_keras_applications_are_passed_on(monkeypatch):
    def refuse(**arguments):
        raise MemoryError("no room")

    monkeypatch.setattr(keras.applications, "VGG16", refuse)
    with pytest.raises(MemoryError, match="no room"):
        models.build("vgg16", weights="imagenet")


def test_networks_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"`resnet18` has no ImageNet weights.*pass the path"):
        models.build("resnet18", weights="imagenet")
