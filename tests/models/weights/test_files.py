"""Weights from files: of our own networks, and of PyTorch."""

import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.models import encoders
from keras_seg.models.weights import files

SMALL = {"blocks": (2, 1, 1, 1), "width": 0.125}


def pixels():
    return np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype("float32")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A classifier whose options are not the defaults, and its file."""
    options = {"stride_on": "3x3", "input_range": "torch", "bn_epsilon": 1e-3}
    model = models.build("resnet50", (64, 64, 3), 7, **SMALL, **options)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(rng.uniform(0.5, 1, weight.shape))
    path = tmp_path_factory.mktemp("run") / "model.keras"
    model.save(path)
    return model, path


@pytest.mark.long
def test_a_classifier_gives_its_weights_to_an_encoder_in_one_argument(classifier):
    model, path = classifier
    image = keras.Input((64, 64, 3))
    maps = encoders.features("resnet50", image, weights=path, **SMALL)
    expected = keras.Model(model.input, model.get_layer("conv5_block1_out").output)(pixels())
    # With the file's place of strides, range of pixels and epsilon.
    np.testing.assert_array_equal(keras.Model(image, maps[32])(pixels()), expected)


@pytest.mark.parametrize("classes", [7, 3])
def test_a_folder_is_its_model_and_other_classes_keep_their_last_layer(classifier, classes):
    model, path = classifier
    found = models.build("resnet50", (64, 64, 3), classes, weights=str(path.parent), **SMALL)
    if classes == 7:
        np.testing.assert_array_equal(found(pixels()), model(pixels()))
    else:
        fresh = found.get_layer("predictions")
        np.testing.assert_array_equal(fresh.bias, np.zeros(3))
        np.testing.assert_array_equal(
            found.get_layer("conv1_conv").kernel, model.get_layer("conv1_conv").kernel
        )


def test_a_segmentation_networks_encoder_gives_its_weights_to_another(classifier, tmp_path):
    image = keras.Input((64, 64, 3))
    maps = encoders.features("resnet50", image, weights=classifier[1], **SMALL)
    network = keras.Model(image, keras.layers.Conv2D(2, 1, name="logits")(maps[32]))
    network.save(tmp_path / "segmenter.keras")
    other = keras.Input((64, 64, 3))
    again = encoders.features("resnet50", other, weights=tmp_path / "segmenter.keras", **SMALL)
    expected = keras.Model(image, maps[32])(pixels())
    np.testing.assert_array_equal(keras.Model(other, again[32])(pixels()), expected)


def test_padding_in_pixels_is_no_kind_of_padding(tmp_path):
    small = models.facts("alexnet").tiny
    model = models.build("alexnet_one_tower", (64, 64, 3), 3, **small)
    model.save(tmp_path / "model.keras")
    again = models.build("alexnet_one_tower", (64, 64, 3), 3, weights=tmp_path, **small)
    np.testing.assert_array_equal(again(pixels()), model(pixels()))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (lambda folder, _: folder / "missing.keras", r"Received: weights='.*missing\.keras'"),
        (lambda folder, _: folder / "model.h5", r"type \.keras, \.safetensors.*model\.h5'"),
        (lambda folder, _: folder, r"or a run's folder\. Received"),
        (lambda folder, _: "image", r"Weights are 'imagenet'.*Received: weights='image'"),
        (lambda folder, _: folder / "damaged.keras", r"damaged\.keras"),
        (
            lambda _, classifier: classifier[1],
            r"networks of the same structure.*model\.keras' for 30 in the network",
        ),
    ],
    ids=["missing", "ending", "folder", "name", "damaged", "structure"],
)
def test_files_that_do_not_exist_or_fit_are_refused(classifier, tmp_path, weights, words):
    (tmp_path / "model.h5").write_bytes(b"x")
    (tmp_path / "damaged.keras").write_bytes(b"x")
    with pytest.raises(ValueError, match=words):
        models.build(
            "resnet50",
            weights=weights(tmp_path, classifier),
            **{**SMALL, "blocks": (3, 3, 1, 1)},
        )


def test_a_file_of_pytorch_is_read_for_the_encoder_of_the_network(monkeypatch, tmp_path):
    # segmentation_models_pytorch's ResNets: strides on the 3x3, ImageNet's means and deviations.
    state = {"encoder.conv1.weight": np.ones((64, 3, 7, 7)), "head.weight": np.ones((3, 16, 3, 3))}
    (tmp_path / "m.pt").touch()
    monkeypatch.setattr(files, "read_state_dict", lambda path: state)
    donor = files.donor_of("unet", tmp_path / "m.pt", {"encoder": "resnet34"})
    assert donor.options_with({"encoder_options": {"width": 0.5}})["encoder_options"] == {
        "input_range": "torch", "stride_on": "3x3", "bn_epsilon": 1e-5, "width": 0.5
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"Received: encoder='densenet121', '.*m\.pt'"):
        files.donor_of("unet", tmp_path / "m.pt", {"encoder": "densenet121"})
