"""Maps that are kept apart until 8 bits can hold them together: the same function."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import models
from keras_seg.export import tflite
from keras_seg.export.concatenation import apart

RANDOM = np.random.default_rng(0)


def scattered(model):
    """The model with weights as of a training: no statistic is that of a new layer."""
    for weight in model.weights:
        values = RANDOM.normal(0, 0.3, weight.shape)
        weight.assign(values**2 + 0.1 if "variance" in weight.name else values)
    return model


def pixels(*shape):
    return RANDOM.integers(0, 256, shape).astype("float32")


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [{}, {"attention": True}, {"compression": 1.0}, {"bn_mode": "batch"}, {"recompute": True}],
)
def test_apart_is_the_same_function(options):
    model = models.build("fc_densenet_mobile", (45, 64, 3), 5, **options)
    if options.get("bn_mode") != "batch":
        scattered(model)
    image = pixels(2, 45, 64, 3)
    other = apart(model, image)
    # Recomputed blocks are layers of their own, which stay as they are.
    kept_whole = options.get("recompute", False)
    assert kept_whole != any(isinstance(x, layers.DepthwiseConv2D) for x in other.layers)
    expected = np.array(model(image, training=False))
    found = np.array(other(image, training=False))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_model_that_puts_nothing_together_is_left_alone():
    model = models.build("contextnet_cn14_160", (32, 32, 3), 5)
    assert apart(model, pixels(1, 32, 32, 3)) is model


def test_maps_may_be_put_together_last_and_by_other_layers():
    image = keras.Input((32, 32, 3))
    small = layers.Conv2D(2, 1)(image)
    normal = layers.BatchNormalization(scale=False)(layers.Concatenate()([image, small]))
    pooled = layers.UpSampling2D()(layers.MaxPooling2D()(normal))
    taller = layers.Concatenate(axis=1)([image, image])
    cut = layers.Cropping2D(((16, 16), (0, 0)))(taller)
    model = scattered(keras.Model(image, layers.Concatenate()([pooled, normal, cut])))
    picture = pixels(1, 32, 32, 3)
    found = apart(model, picture)(picture, training=False)
    np.testing.assert_allclose(found, model(picture, training=False), rtol=1e-4, atol=1e-3)


def check_same_function(model, shape=(8, 8)):
    picture = pixels(1, *shape, 3)
    found = apart(scattered(model), picture)
    expected = np.array(model(picture, training=False))
    atol = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found(picture, training=False), expected, atol=atol)
    return found


def test_vectors_and_tokens_stay_together():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    vectors = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(image)]
    tokens = layers.Concatenate()([layers.Reshape((64, 4))(x), layers.Reshape((64, 3))(image)])
    tokens = layers.Reshape((8, 8, 7))(layers.BatchNormalization()(tokens))
    gates = layers.Dense(7)(layers.BatchNormalization()(layers.Concatenate()(vectors)))
    check_same_function(keras.Model(image, tokens * layers.Reshape((1, 1, 7))(gates)))


def test_a_convolution_of_several_concatenations_has_a_name_for_each():
    image = keras.Input((8, 8, 3))
    x, shared = layers.Conv2D(3, 1)(image), layers.Conv2D(6, 1, name="shared")
    y = layers.Add()([shared(layers.Concatenate()(pair)) for pair in ((image, x), (x, image))])
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(layers.Concatenate()([y, y])))
    found = check_same_function(model)
    used = {layer.name for layer in found.layers if isinstance(layer, layers.Conv2D)}
    assert {"shared_use_1", "shared_use_2", "last"} <= used
    # Beside copies, the layer itself.
    both = keras.Model(image, shared(layers.Concatenate()([image, x])) + shared(y))
    assert {"shared_use_1", "shared"} <= {x.name for x in check_same_function(both).layers}


@pytest.mark.long
def test_small_maps_beside_large_ones_survive_8_bits(tmp_path):
    # The first map reaches 1000, the second 1: on one scale of 256 steps, the second is all 0.
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    large = layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(333.0))(x)
    small = layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(1 / 3))(x)
    normal = layers.BatchNormalization()
    logits = layers.Conv2D(2, 1, name="logits")
    model = keras.Model(image, logits(layers.ReLU()(normal(layers.Concatenate()([large, small])))))
    # Both maps then have a mean of 0 and a deviation of about 1; the second alone decides.
    normal.set_weights(np.array([[1, 1], [0, 0], [500, 0.5], [170**2, 0.17**2]]))
    logits.set_weights([np.array([[[[0.0, 0.0], [1.0, -1.0]]]]), np.array([0.0, 1.0])])
    noise = RANDOM.integers(0, 256, (8, 32, 32, 3)).astype("uint8")
    report = tflite(model, tmp_path / "model.tflite", "int8", calibration=noise)
    assert report.agreement > 0.97  # tflite itself asks for 0.95
