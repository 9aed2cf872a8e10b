"""Weights of `keras.applications` in our encoders, tested with random ones."""

import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.models import encoders
from keras_seg.models.encoders.pretrained import load_imagenet

SIDE = 64


def randomized(theirs):
    """A model of `keras.applications` whose biases and statistics are not 0 and 1."""
    model = getattr(keras.applications, theirs)(
        weights=None, include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        values = layer.get_weights()
        small = [rng.uniform(0.5, 1, x.shape) if x.ndim == 1 else x for x in values]
        layer.set_weights(small)
    return model


def ours(name, channels=3):
    image = keras.Input((SIDE, SIDE, channels))
    return keras.Model(image, encoders.features(name, image)[32])


@pytest.mark.parametrize("name", ["vgg16", "resnet50"])
def test_features_are_those_of_keras_applications(name):
    source = randomized(models.facts(name).imagenet)
    model = load_imagenet(ours(name), name, "encoder_", source)
    x = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3)).astype("float32")
    # Both families' own preprocessing: blue, green, red, less the means.
    expected = np.array(source(x[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32")))
    np.testing.assert_allclose(model(x), expected, atol=1e-4 * np.abs(expected).max())


def test_other_numbers_of_channels_keep_the_sum_of_the_kernels():
    source = randomized("VGG16")
    kernel = np.array(source.get_layer("block1_conv1").kernel)  # Blue, green, red.
    for channels, expected in (
        (1, kernel.sum(2, keepdims=True)),
        (5, kernel[:, :, [2, 1, 0, 2, 1]] * 3 / 5),
    ):
        model = load_imagenet(ours("vgg16", channels), "vgg16", "encoder_", source)
        found = model.get_layer("encoder_block1_conv1").kernel
        # Kernels are below 1; three of them are added in another order.
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_weights_that_do_not_exist_or_fit_are_refused(monkeypatch):
    source = randomized("VGG16")
    narrow = models.vgg16((SIDE, SIDE, 3), width=0.125, dense_units=8)
    for arguments, words in (
        ((narrow, "resnet18"), "`resnet18` has no ImageNet weights"),
        ((narrow, "vgg16", "left_", source), r"not in the model.*prefix='left_'"),
        ((narrow, "vgg16", "", source), r"fit its default options only.*'block1_conv1'"),
    ):
        with pytest.raises(ValueError, match=words):
            load_imagenet(*arguments)

    def refuse(weights):
        raise Exception("URL fetch failure on https://host/vgg16_weights.h5: None")

    monkeypatch.setattr(keras.applications, "VGG16", refuse)
    with pytest.raises(ValueError, match=r"cannot be downloaded.*/vgg16_weights\.h5.*KERAS_HOME"):
        load_imagenet(narrow, "vgg16")


def test_vgg_refuses_other_than_five_blocks():
    with pytest.raises(ValueError, match=r"`vgg` needs blocks to be five whole numbers"):
        models.vgg16(blocks=(2, 2, 3))
