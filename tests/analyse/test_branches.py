"""Networks with one branch at a time."""

from functools import cache

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg import analyse, inference, models
from keras_seg.find_run import find_run

NAMES = [name for name in models.names() if models.facts(name).branches]
FEW = ("contextnet_cn124", "fast_scnn")  # In every run; the others differ in size alone.


@cache
def segmenter(name="contextnet_cn14"):
    """A small network whose statistics of normalization are not those of its start."""
    keras.utils.set_random_seed(0)
    model = models.build(name, (64, 96, 3), 4, **models.facts(name).tiny)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("beta", "moving_mean")):
            weight.assign(random.normal(0, 0.5, weight.shape))
    return keras_seg.Segmenter(model, ["sky", "road", "tree", "car"])


def picture(height=64, width=96):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(("name", "conv"), [("context", "context_last"), ("detail", "detail4_")])
def test_other_branch_is_zero_as_if_its_last_normalization_were(name, conv):
    """ReLU6 of a normalization with scale and offset 0 is 0."""
    found = analyse.branches(segmenter(), picture()).labels
    layers = dict(models.facts("contextnet_cn14").branches)
    (other,) = (layer for branch, layer in layers.items() if branch != name)
    model = keras.models.clone_model(segmenter().network)
    model.set_weights(segmenter().network.get_weights())
    last = model.get_layer(other.replace("relu6", "bn"))
    last.gamma.assign(np.zeros(last.gamma.shape))
    last.beta.assign(np.zeros(last.beta.shape))
    logits = np.array(model(picture()[None].astype("float32")))
    np.testing.assert_array_equal(found[f"{name} only"], logits.argmax(-1)[0])


def test_all_branches_are_the_network_itself():
    found = analyse.branches(segmenter(), picture())
    np.testing.assert_array_equal(found.labels["all branches"], segmenter()(picture()))
    assert found.labels["all branches"].dtype == np.uint8


@pytest.mark.long
def test_branches_of_a_trained_network_and_of_its_run():
    segment = keras_seg.load("contextnet_cn14-camvid")
    found = analyse.branches(segment, picture())
    again = analyse.branches(keras_seg.Run(find_run("contextnet_cn14-camvid")), picture())
    assert (
        list(again.labels) == list(found.labels) == ["context only", "detail only", "all branches"]
    )
    for title, labels in found.labels.items():
        np.testing.assert_array_equal(again.labels[title], labels)


@pytest.mark.parametrize(
    "name", [x if x in FEW else pytest.param(x, marks=pytest.mark.long) for x in NAMES]
)
def test_branches_of_every_network_that_has_some(name):
    found = analyse.branches(segmenter(name), picture())
    expected = [f"{branch} only" for branch, _ in models.facts(name).branches]
    assert list(found.labels) == [*expected, "all branches"]
    assert {label.shape for label in found.labels.values()} == {(64, 96)}
    titles = [axes.get_title() for axes in found.show().axes]
    assert titles == ["picture", *found.labels]


def test_branches_of_another_network_are_named_by_their_layers():
    image = keras.Input((None, None, 3))
    left = keras.layers.Conv2D(2, 1, bias_initializer="ones", name="left")(image)
    right = keras.layers.Conv2D(2, 3, padding="same", name="right")(image)
    model = keras.Model(image, keras.layers.Add()([left, right]), name="two")
    # Left prefers class 1 everywhere, right class 0 where a pixel is not black.
    left, right = model.get_layer("left"), model.get_layer("right")
    left.set_weights([np.zeros((1, 1, 3, 2)), np.array([0, 1])])
    kernel = np.zeros((3, 3, 3, 2))
    kernel[1, 1, :, 0] = 1
    right.set_weights([kernel, np.zeros(2)])
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0] = 200
    layers = {"left": "left", "right": "right"}
    found = analyse.branches(keras_seg.Segmenter(model), pixels, layers).labels
    assert found["left only"].tolist() == [[1, 1], [1, 1]]
    assert found["right only"].tolist() == [[0, 0], [0, 0]]  # Equal logits: the first class.
    assert found["all branches"].tolist() == [[0, 0], [1, 1]]
    words = r"needs a network with branches.*Received: 'two'.*layers=.*contextnet_cn14"
    with pytest.raises(ValueError, match=words):
        analyse.branches(keras_seg.Segmenter(model), pixels)
    with pytest.raises(ValueError, match=r"layer of network 'two'.*lft"):
        analyse.branches(keras_seg.Segmenter(model), pixels, {"left": "lft"})


def test_what_has_no_branches_is_refused():
    image = keras.Input((None, None, 3))
    shared = keras.layers.Conv2D(3, 1, name="shared")
    x = keras.layers.Add()([shared(image), shared(shared(image))])
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x), name="net")
    segment = keras_seg.Segmenter(model, engine="keras")
    words = "a run, or the segmenter of one Keras model. Received: "
    for given in (model, inference.augmented(segment), inference.ensemble([segment] * 2)):
        with pytest.raises(TypeError, match=words + type(given).__name__):
            analyse.branches(given, picture())
    with pytest.raises(TypeError, match=r"layers as a dict.*Received: layers=\['shared'\]"):
        analyse.branches(segment, picture(), ["shared"])
    for name, reason in (("shared", "called 3 times"), ("last", "output is the network's")):
        with pytest.raises(ValueError, match=f"Received: '{name}' of 'net'.*{reason}"):
            analyse.branches(segment, picture(), {"x": name})
