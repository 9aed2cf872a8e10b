"""Pictures in, one class each out."""

import keras
import numpy as np
import pytest
from _classifiers import CLASSES, shades, tiny
from PIL import Image

from keras_seg import Classifier, Segmenter
from pipelines.read import InputSpec, read_image


def reference(model, batch):
    return np.asarray(keras.ops.softmax(model(batch.astype("float32"), training=False)))


@pytest.mark.parametrize("freeze", [True, False])
def test_it_computes_what_the_model_does(freeze):
    model, (images, _) = tiny(), shades(5)
    classifier = Classifier(model, CLASSES, freeze=freeze)
    expected = reference(model, images)
    np.testing.assert_allclose(classifier.probabilities(images), expected, atol=1e-6)
    found = classifier.labels(images)
    assert found.dtype == "int32"
    assert found.tolist() == expected.argmax(axis=1).tolist() == classifier(list(images))
    names = [name for name, _ in classifier.best(images[0], 2)]
    assert names == [CLASSES[i] for i in np.argsort(-expected[0])[:2]]


def test_more_than_256_classes():
    model = tiny(num_classes=300)
    model.get_layer("predictions").set_weights([np.zeros((4, 300)), np.arange(300.0)])
    assert Classifier(model).labels(shades(1)[0]).tolist() == [299]


def test_files_are_read_and_resized_as_in_the_training(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 4096, (40, 90)).astype("uint16")).save(
        path
    )
    spec = InputSpec(3, value_range=(0, 4095), size=(32, 32))
    classifier = Classifier(tiny(), input_spec=spec)
    assert classifier.read(path).shape == (32, 32, 3)
    np.testing.assert_array_equal(classifier.read(path), read_image(path, spec))


def test_a_network_of_one_size_gets_pictures_of_that_size():
    classifier = Classifier(tiny(size=(48, 32)))
    assert classifier.fixed_size == (48, 32)
    assert classifier.read(np.zeros((90, 70), "uint8")).shape == (48, 32, 3)
    with pytest.raises(ValueError, match=r"A batch must be uint8 \(b, 48, 32, 3\). Received: sh"):
        classifier.labels(np.zeros((1, 32, 32, 3), "uint8"))


def of_maps():
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 1)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Classifier(of_maps()), r"needs a model with logits \(b, num_classes\)"),
        (lambda: Segmenter(tiny()), r"one class per picture. Use `keras_seg.Classifier`"),
        (lambda: Classifier(tiny(), ["a"]), r"one name for each of the model's 3 classes"),
        (lambda: Classifier(tiny()).labels(np.zeros((2, 8, 8, 3))), r"uint8.*dtype=float64"),
        (lambda: Classifier(tiny()).labels(np.zeros((8, 8, 3), "uint8")), r"shape=\(8, 8, 3\)"),
        (lambda: Classifier(tiny(), input_spec=InputSpec(1)), r"InputSpec of 3 channels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
