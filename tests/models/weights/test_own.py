"""Weights of our own networks in others of ours: other classes, other decoders, other tasks."""

import keras
import numpy as np
import pytest
from _architectures import each, structures
from _training import squares

import keras_seg
import pipelines
from keras_seg import models

SMALL = {"blocks": (1, 1, 1, 1), "width": 0.125}
ON_RESNET = {"encoder": "resnet18", "encoder_options": SMALL, "decoder_filters": (4,) * 5}


def unlike(model, seed=0):
    """The model with other numbers than it begins with."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def saved(model, path):
    unlike(model).save(path)
    return path


def values(model, layer):
    return [np.array(weight) for weight in model.get_layer(layer).weights]


def assert_equal(one, other, layer, source=None):
    pairs = zip(values(one, layer), values(other, source or layer), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs), layer


def networks():
    """One name for each structure of segmentation networks of images."""
    found = [models.facts(name) for name in structures()]
    return [x.name for x in found if x.task == "segmentation" and x.dimensions[0] == 2]


@pytest.mark.long
@each(networks())
def test_every_segmentation_network_starts_from_one_of_other_classes(name, tmp_path, caplog):
    shape = (*(side + models.facts(name).smallest - 32 for side in (64, 64)), 3)
    tiny = models.facts(name).tiny
    source = models.build(name, shape, 4, **tiny)
    path = saved(source, tmp_path / "model.keras")
    other = models.build(name, shape, 7, weights=path, **tiny)
    shapes = {weight.path: weight.shape for weight in source.weights}
    expected = {weight.path: np.array(weight) for weight in source.weights}
    left = []
    for weight in other.weights:
        if weight.shape == shapes[weight.path]:
            np.testing.assert_array_equal(weight, expected[weight.path])
        else:
            left.append(weight.path.rpartition("/")[0])
    # Only layers with one channel per class keep their initial values, and the log names each.
    assert left
    assert all(7 in other.get_layer(layer.split("/")[0]).output.shape for layer in left)
    assert all(layer in caplog.text for layer in left)


def test_an_encoder_is_built_as_in_the_file(tmp_path):
    own = {**SMALL, "input_range": "torch", "bn_epsilon": 1e-3}
    source = models.unet((64, 64, 3), 4, **{**ON_RESNET, "encoder_options": own})
    path = saved(source, tmp_path / "model.keras")
    again = models.build("unet", (64, 64, 3), 4, weights=path, **ON_RESNET)
    x = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(again(x), source(x))


def test_a_classifier_gives_its_weights_to_the_encoder(tmp_path, caplog):
    classifier = models.build("resnet18", (64, 64, 3), 5, **SMALL, input_range="caffe")
    path = saved(classifier, tmp_path / "model.keras")
    for options in ({"weights": path}, {"encoder_weights": str(tmp_path)}):
        model = models.build("unet", (64, 64, 3), 4, **ON_RESNET, **options)
        for layer in ("conv1_conv", "conv5_block1_2_conv"):
            assert_equal(model, classifier, f"encoder_{layer}", layer)
        # Caffe's range subtracts the means alone.
        np.testing.assert_array_equal(model.get_layer("encoder_normalize").scale, [1, 1, 1])
    assert "New weights in: up16_conv1" in caplog.text


def test_staged_training_of_fcn_goes_on_with_a_finer_map(tmp_path):
    tiny = models.facts("fcn32s").tiny
    coarse = models.build("fcn32s", (64, 64, 3), 4, **tiny)
    path = saved(coarse, tmp_path / "model.keras")
    fine = models.build("fcn16s", (64, 64, 3), 4, weights=path, **tiny)
    for layer in ("encoder_block1_conv1", "fc6", "score32"):
        assert_equal(fine, coarse, layer)
    assert not np.any(values(fine, "score16")[0])


@pytest.mark.slow
def test_fit_starts_from_a_run_with_other_classes_and_says_what_its_encoder_reads(tmp_path, caplog):
    own = {**SMALL, "input_range": "torch"}
    source = models.build("fcn32s", None, 5, encoder="resnet18", encoder_options=own)
    path = saved(source, tmp_path / "first.keras")
    splits = {"train": squares(2, 0), "val": squares(2, 1)}
    data = pipelines.Dataset.from_arrays("toy", ["a", "b", "c"], None, splits)
    options = {"encoder": "resnet18", "encoder_options": SMALL}
    run = keras_seg.fit(
        "fcn32s", data, weights=path, folder=tmp_path, options=options, freeze="encoder",
        epochs=1, batch_size=2,
    )  # fmt: skip
    assert_equal(run.model, source, "encoder_conv4_block1_1_conv")
    assert "New weights in: score32" in caplog.text
    assert "has {'input_range': 'torch'}: build 'fcn32s' with encoder_options=" in caplog.text


def test_a_file_of_another_network_is_refused(tmp_path):
    image = keras.Input((None, None, 3))
    other = keras.Model(image, keras.layers.Conv2D(2, 7, name="other")(image))
    other.save(tmp_path / "other.keras")
    with pytest.raises(
        ValueError, match=r"names of layers and by shape.*other\.keras', none of which"
    ):
        models.build("unet", (64, 64, 3), 3, weights=tmp_path / "other.keras", filters=(4, 8))
    with pytest.raises(ValueError, match=r"pass encoder_weights='imagenet' to a segmentation"):
        models.build("unet", (64, 64, 3), 3, weights="imagenet")
