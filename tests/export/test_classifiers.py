"""Classifiers as SavedModel and .tflite, compared with Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from _classifiers import CLASSES, arrays, shades, trained
from PIL import Image

import keras_seg
from keras_seg.export import LiteRTClassifier, LiteRTSegmenter, comparison


def pictures():
    return shades(6, seed=1)


@pytest.mark.long
def test_a_saved_model_gives_labels_and_probabilities():
    run = trained()
    report = run.export_saved_model()
    assert report.agreement == 1.0
    assert (report.keras_accuracy, report.accuracy, report.mean_iou) == (1.0, 1.0, None)
    assert "100.000 % of pictures as in Keras" in str(report)
    assert "accuracy    1.0000, the Keras model has 1.0000" in str(report)
    images, labels = pictures()
    loaded = tf.saved_model.load(str(report.path))
    found = loaded.signatures["serving_default"](tf.constant(images))["labels"]
    assert found.dtype == "int32"
    assert found.numpy().tolist() == labels.tolist()
    scores = loaded.signatures["probabilities"](tf.constant(images))["probabilities"]
    expected = run.classifier().probabilities(images)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["fp32", pytest.param("fp16", marks=pytest.mark.slow), "int8"])
def test_a_tflite_file_gives_the_same_classes(mode, tmp_path):
    run = trained()
    report = run.export_tflite(mode)
    assert (report.keras_accuracy, report.accuracy) == (1.0, 1.0)
    classifier = LiteRTClassifier(run.folder / f"model_{mode}.tflite")
    images, labels = pictures()
    assert classifier.class_names == CLASSES
    assert classifier.size == (32, 32)
    assert classifier.labels(images).tolist() == labels.tolist()
    # A file of another size is scaled to that of the .tflite.
    path = tmp_path / "large.png"
    Image.fromarray(images[1]).resize((80, 64)).save(path)
    assert classifier(path) == labels[1]
    with pytest.raises(ValueError, match=r"`LiteRTSegmenter` needs a file.*\(1, 3\).*respectively"):
        LiteRTSegmenter(run.folder / f"model_{mode}.tflite")


def test_labels_must_be_class_ids():
    images, _ = pictures()
    masks = [(images, images[..., 0])]
    with pytest.raises(ValueError, match=r"needs class ids \(b,\).*label shape=\(6, 32, 32\)"):
        keras_seg.export.saved_model(trained().model, "unused", data=masks)


def test_a_loss_of_accuracy_is_refused():
    def compared(accuracy):
        words = "200 labeled pictures"
        return comparison.Comparison(words, 1, 0, None, None, keras_accuracy=0.9, accuracy=accuracy)

    comparison.require("tflite", "a", compared(0.886), None, 0.015)
    with pytest.raises(ValueError, match=r"loss of accuracy of at most 0.015.*0.8800 after 0.9000"):
        comparison.require("tflite", "a", compared(0.88), None, 0.015)


def test_one_picture_of_few_is_no_loss():
    compared = comparison.Comparison("9 p", 1, 0, None, None, keras_accuracy=1.0, accuracy=8 / 9)
    comparison.require("tflite", "a", compared, None, 0.015)


def test_the_shapes_of_training_and_export_agree():
    assert trained().settings["picture_size"] == list(arrays().example("val", 0)[0].shape[:2])


@pytest.mark.long
def test_activations_with_a_gradient_of_their_own_are_exported(tmp_path):
    # TensorFlow cannot save the gradient that it has for swish once weights are constants.
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(4, 3, activation="swish")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(x))
    assert keras_seg.export.saved_model(model, tmp_path / "1").agreement == 1.0
    assert keras_seg.export.tflite(model, tmp_path / "model.tflite").agreement == 1.0


@pytest.mark.long
def test_a_network_that_needs_large_pictures_is_compared_on_pictures_that_it_takes(tmp_path):
    assert keras_seg.models.facts("alexnet").smallest > 37
    model = keras_seg.models.build("alexnet", None, 5, **keras_seg.models.facts("alexnet").tiny)
    assert keras_seg.export.saved_model(model, tmp_path / "1").agreement == 1.0
