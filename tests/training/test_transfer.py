"""Starting weights of another run: what fits is taken, what does not is named."""

import logging

import keras
import numpy as np
import pytest
from _training import CLASSES, Breaks, check_same, squares, tiny

import keras_seg
import pipelines
from keras_seg import models
from keras_seg.training.transfer import transfer, weights_file

QUICK = {"epochs": 1, "batch_size": 2, "averaging": 0, "learning_rate": 0.0}


@pytest.fixture(scope="module")
def data():
    splits = {"train": squares(4, 0), "val": squares(2, 1)}
    return pipelines.Dataset.from_arrays("toy", CLASSES, None, splits)


def network(classes=3, channels=3):
    image = keras.Input((None, None, channels), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="second", use_bias=False)(x)
    return keras.Model(image, keras.layers.Conv2D(classes, 1, name="logits")(x), name="net")


def filled(model, path):
    """The model with other numbers than it would start with, saved."""
    for index, weight in enumerate(model.weights):
        weight.assign(np.full(weight.shape, 0.1 + index))
    model.save(path)
    return path


def values(model):
    return {w.path: float(np.ravel(w.numpy())[0]) for w in model.weights}


def test_weights_may_be_given_as_a_run(tmp_path):
    filled(tiny(), tmp_path / "model.keras")
    (tmp_path / "run.json").write_text("{}")
    assert weights_file(keras_seg.Run(tmp_path)) == tmp_path / "model.keras"


def test_all_weights_of_the_same_network_are_taken_whatever_their_names(tmp_path):
    # tiny() has names that Keras counts up, so that two of them never have the same.
    path, new = filled(tiny(), tmp_path / "a.keras"), tiny()
    assert transfer(path, new) == []
    for index, weight in enumerate(new.weights):
        np.testing.assert_allclose(weight.numpy(), 0.1 + index)


@pytest.mark.parametrize(
    ("changes", "left"),
    [({"classes": 5}, ["logits"]), ({"channels": 4}, ["first"]), ({}, [])],
)
def test_layers_of_another_shape_are_left_and_named(changes, left, tmp_path, caplog):
    path, new = filled(network(), tmp_path / "a.keras"), network(**changes)
    before = values(new)
    assert transfer(path, new) == left
    after = values(new)
    # Weights in order: first kernel 0.1 and bias 1.1, norm 2.1, 3.1, ...
    assert after["norm/gamma"] == pytest.approx(2.1)
    for name in left:
        assert after[f"{name}/kernel"] == before[f"{name}/kernel"]
    if left:
        # Of `first` the bias fits, one number per output; of `logits` neither kernel nor bias.
        assert f"Took {7 if 'logits' in left else 8} of 9 weights" in caplog.text
        assert f"New weights in: {left[0]}." in caplog.text


@pytest.mark.long
def test_fit_starts_from_a_run_a_folder_or_a_file(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = filled(network(), tmp_path / "start.keras")
    # A rate of 0 leaves trainable weights as they were.
    first = keras_seg.fit(network(), data, weights=start, **QUICK)
    assert values(first.model)["second/kernel"] == pytest.approx(6.1)
    assert first.settings["setup"]["weights"]["file"] == f"{tmp_path.name}/start.keras"
    for weights in (first.folder.name, str(first.folder)):
        run = keras_seg.fit(network(), data, weights=weights, tag="second", **QUICK)
        assert values(run.model)["second/kernel"] == pytest.approx(6.1)
    assert run.folder.name == "net-toy-second"  # One run: both name the same file.


@pytest.mark.long
def test_other_starting_weights_make_another_run(data, tmp_path):
    start = filled(network(), tmp_path / "start.keras")
    keras.utils.set_random_seed(1)
    names = [keras_seg.fit(network(), data, folder=tmp_path / "runs", **QUICK).folder.name]
    for _ in range(2):
        keras.utils.set_random_seed(1)  # A model's own first weights are part of a training, too.
        run = keras_seg.fit(network(), data, weights=start, folder=tmp_path / "runs", **QUICK)
        names.append(run.folder.name)
    assert names == ["net-toy", "net-toy-2", "net-toy-2"]


@pytest.mark.long
def test_an_interrupted_training_does_not_take_the_weights_again(data, tmp_path):
    start = filled(network(), tmp_path / "start.keras")
    changes = {**QUICK, "epochs": 2, "learning_rate": 1e-2, "weights": start}
    whole = keras_seg.fit(network(), data, folder=tmp_path / "a", **changes)
    stop = Breaks(epoch=2, step=1)
    with pytest.raises(KeyboardInterrupt):
        keras_seg.fit(network(), data, folder=tmp_path / "b", callbacks=[stop], **changes)
    check_same(whole, keras_seg.fit(network(), data, folder=tmp_path / "b", **changes))


@pytest.mark.long
def test_the_first_of_two_trainings_starts_from_the_weights(data, tmp_path, caplog):
    start = filled(network(), tmp_path / "start.keras")
    caplog.set_level(logging.WARNING)
    run = keras_seg.fit(
        network(), data, weights=start, folder=tmp_path, before={"epochs": 1}, **QUICK
    )
    assert values(run.model)["second/kernel"] == pytest.approx(6.1)
    assert caplog.text.count("weights from") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.keras", r"a .keras file that exists. Received: weights='.*none.keras'"),
        ("damaged.keras", r"weights that Keras can load. Received: '.*damaged.keras'"),
        (
            "other.keras",
            r"names of layers and by shape. Received: '.*other.keras', none of which match",
        ),
        ("no_run", "Unknown run"),
    ],
)
def test_weights_that_cannot_be_taken_are_refused(data, tmp_path, name, words):
    (tmp_path / "damaged.keras").write_bytes(b"PK")
    if name == "other.keras":
        image = keras.Input((None, None, 3))
        layer = keras.layers.Conv2D(2, 7, name="other")
        filled(keras.Model(image, layer(image)), tmp_path / name)
    weights = tmp_path / name if name.endswith("keras") else name
    with pytest.raises(ValueError, match=words):
        keras_seg.fit(network(), data, weights=weights, folder=tmp_path / "runs", **QUICK)


@pytest.mark.long
def test_starting_weights_are_taken_in_mixed_precision(tmp_path):
    labels = np.array([0, 1, 0, 1])
    images = np.full((4, 28, 28, 1), 50, "uint8") + 100 * labels[:, None, None, None].astype(
        "uint8"
    )
    splits = {"train": (images, labels), "val": (images[:2], labels[:2])}
    shades = pipelines.Dataset.from_arrays("shades", ["dark", "light"], None, splits)
    start = models.build("lenet5_modern", (28, 28, 1), 2)
    start.save(tmp_path / "start.keras")
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.extend(layer.dtype_policy.name for layer in self.model.layers)

    # A rate of 0 leaves the weights as they were.
    changes = {"epochs": 1, "batch_size": 2, "averaging": 0, "learning_rate": 0.0}
    run = keras_seg.fit(
        "lenet5_modern",
        shades,
        folder=tmp_path / "runs",
        weights=tmp_path / "start.keras",
        precision="mixed_bfloat16",
        callbacks=[Look()],
        **changes,
    )
    assert "mixed_bfloat16" in seen
    for kept, given in zip(run.model.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, given)
