"""Single pictures for which oneDNN has no fast convolution."""

import logging
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.inference import one_picture
from keras_seg.inference.compiled import CompiledFunctions
from keras_seg.inference.one_picture import LIMIT, is_slow_alone, matrix_values
from keras_seg.layers import Recompute
from keras_seg.training import session


def network(filters=64, size=(None, None)):
    image = keras.Input((*size, 3), name="image")
    x = layers.Conv2D(filters, 3, 2, "same")(image)  # 3 * 3 * 3 / 4 = 6.75 values for a pixel
    x = layers.Conv2D(8, 7, padding="same")(x)  # 7 * 7 * filters / 4
    return keras.Model(image, layers.Conv2D(2, 1)(x))


@pytest.fixture
def slow_way(monkeypatch):
    monkeypatch.setattr(one_picture, "_has_slow_way", lambda: True)


@pytest.fixture
def shapes(monkeypatch):
    """The shapes of the batches that are computed."""
    seen, original = [], CompiledFunctions._function

    def noted(self, head, shape):
        seen.append(shape)
        return original(self, head, shape)

    monkeypatch.setattr(CompiledFunctions, "_function", noted)
    return seen


@pytest.mark.parametrize("size", [(None, None), (96, 128)])
def test_the_largest_matrix_counts_kernels_channels_and_positions(size):
    assert matrix_values(network(64, size)) == 49 * 64 / 4


def test_convolutions_inside_other_layers_count_and_1x1_do_not():
    inner = keras.Input((None, None, 3))
    block = keras.Model(inner, layers.Conv2D(4, 5, padding="same")(inner))
    image = keras.Input((None, None, 3))
    nested = keras.Model(image, layers.Conv2D(2, 1)(Recompute(block)(image)))
    assert matrix_values(nested) == 5 * 5 * 3
    assert matrix_values(keras.Model(image, layers.Conv2D(2, 1)(image))) == 0


def test_a_matrix_above_the_limit_is_slow_for_one_picture_only(slow_way):
    # 49 * 64 / 4 * 4 bytes for a pixel: the limit is reached at 342,392 pixels.
    side = int((LIMIT / (49 * 64)) ** 0.5)
    assert is_slow_alone(network(), (1, side + 2, side + 2, 3))
    assert not is_slow_alone(network(), (1, side - 2, side - 2, 3))
    assert not is_slow_alone(network(), (2, side + 2, side + 2, 3))


@pytest.mark.parametrize(
    ("variable", "machine", "features", "gpus", "expected"),
    [
        ("1", "x86_64", "flags : fma avx2", [], True),
        ("1", "x86_64", "flags : fma avx2 avx512f", [], False),
        ("0", "x86_64", "flags : fma avx2", [], False),
        ("1", "arm64", "", [], False),
        ("1", "x86_64", "flags : fma avx2", ["gpu:0"], False),
    ],
)
def test_only_onednn_without_avx512_has_the_slow_way(
    variable, machine, features, gpus, expected, monkeypatch, tmp_path
):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: gpus)
    (tmp_path / "cpuinfo").write_text(features)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", variable)
    monkeypatch.setattr(one_picture.platform, "machine", lambda: machine)
    monkeypatch.setattr(one_picture, "Path", lambda _: tmp_path / "cpuinfo")
    assert one_picture._has_slow_way.__wrapped__() == expected


def test_one_picture_is_computed_as_two_with_the_same_labels(slow_way, shapes, monkeypatch):
    model, picture = network(), np.random.default_rng(0).integers(0, 256, (1, 40, 56, 3), "uint8")
    functions = CompiledFunctions(model, freeze=True)
    expected = functions("labels", picture)
    monkeypatch.setattr(one_picture, "LIMIT", 49 * 64 * 40 * 56 - 1)
    again = network()
    again.set_weights(model.get_weights())
    found = CompiledFunctions(again, freeze=True)("labels", picture)
    assert shapes == [(1, 40, 56, 3), (2, 40, 56, 3)]
    np.testing.assert_array_equal(found, expected)


def test_a_training_with_such_steps_says_what_to_do(slow_way, monkeypatch, caplog):
    monkeypatch.setattr(one_picture, "LIMIT", 49 * 64 * 40 * 56 - 1)
    recipe = SimpleNamespace(batch_size=2, crop_size=(40, 56))
    with caplog.at_level(logging.WARNING, "keras_seg"):
        session._warn_of_slow_steps(network(), recipe, 1)
        assert not caplog.messages
        session._warn_of_slow_steps(network(), recipe, 2)
    assert "of one picture of 40x56 pixels are slow" in caplog.text
    assert "batch_size=4" in caplog.text
