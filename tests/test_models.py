"""The contract that every architecture keeps. All are found by scan; nothing is listed here.

`GOLDEN=write pytest tests/test_models.py -m golden` writes tests/golden anew.
"""

import functools
import inspect
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg import models, recipes

GOLDEN = Path(__file__).parent / "golden"


def architectures():
    """Every name; those that take long are marked so."""
    for name in models.names():
        facts = models.facts(name)
        large = facts.parameters.get("trainable", 0) > 5e6 or facts.dimensions[0] > 2
        yield pytest.param(name, marks=[pytest.mark.slow] if large else [])


each_architecture = pytest.mark.parametrize("name", list(architectures()))


def shape(name, height, width, channels=3):
    """Shape without batch: volumes of 32 pictures for those that only take volumes."""
    return (*(32,) * (models.facts(name).dimensions[0] - 2), height, width, channels)


@functools.cache
def built(name):
    """The network for any size, with its published number of classes; built once."""
    keras.utils.set_random_seed(0)
    return models.build(name, num_classes=models.facts(name).parameters_classes)


def pixels(name, height=37, width=51, batch=1, channels=3):
    random = np.random.default_rng(0)
    size = (batch, *shape(name, height, width, channels))
    return random.integers(0, 256, size).astype("uint8")


@each_architecture
def test_logits_have_the_size_of_the_picture_also_when_it_is_odd(name):
    classes = models.facts(name).parameters_classes
    for size in ((37, 51), (32, 32)):
        x = pixels(name, *size)
        logits = built(name)(x.astype("float32"))
        assert tuple(logits.shape) == (*x.shape[:-1], classes)
        assert logits.dtype == tf.float32
        assert np.isfinite(logits).all()


@each_architecture
def test_any_number_of_channels_and_classes_and_a_known_size(name):
    model = models.build(name, shape(name, 64, 48, channels=4), num_classes=2)
    assert model.output_shape == (None, *shape(name, 64, 48, channels=2))
    assert model.input_shape == (None, *shape(name, 64, 48, channels=4))
    assert model.name == name


@each_architecture
def test_number_of_parameters_is_the_published_one(name):
    model, facts = built(name), models.facts(name)
    assert facts.parameters
    assert set(facts.parameters) <= {"folded", "trainable", "total"}
    if "trainable" in facts.parameters:
        trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        assert trainable == facts.parameters["trainable"]
    if "total" in facts.parameters:
        assert model.count_params() == facts.parameters["total"]
    if "folded" in facts.parameters:
        # Normalisation merged into the convolutions: kernels, and a bias per channel.
        kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
        folded = sum(int(np.prod(x.kernel.shape)) + x.output.shape[-1] for x in kernels)
        assert folded == facts.parameters["folded"]


@each_architecture
def test_gradient_reaches_every_weight(name):
    model = built(name)
    before = model.get_weights()
    # On a map of one pixel, normalisation takes out whatever an offset before it adds.
    side = max(64, 2 * models.facts(name).output_stride)
    x = tf.cast(pixels(name, side, side, batch=2), "float32")
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        weights = np.random.default_rng(1).normal(size=logits.shape).astype("float32")
        loss = tf.reduce_mean(logits * weights)
    variables = [variable.value for variable in model.trainable_variables]
    gradients = tape.gradient(loss, variables)
    model.set_weights(before)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, f"none for {variable.path}"
        assert np.isfinite(gradient).all(), f"not finite for {variable.path}"
        assert np.any(gradient), f"only zeros for {variable.path}"


@each_architecture
def test_call_is_inference_and_changes_nothing(name):
    # Some Keras layers in the middle of a model switch those behind them to training.
    model = built(name)
    before = [variable.numpy() for variable in model.variables]
    x = pixels(name).astype("float32")
    np.testing.assert_array_equal(model(x), model(x, training=False))
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@each_architecture
def test_network_survives_saving(name, tmp_path):
    model, x = built(name), pixels(name).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.name == name
    # The same operations on the same numbers.
    np.testing.assert_array_equal(model(x), again(x))


@each_architecture
def test_pixels_may_be_bytes(name):
    model, x = built(name), pixels(name)
    np.testing.assert_array_equal(model(x), model(x.astype("float32")))


@each_architecture
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_logits_of_mixed_precision_are_float32(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = models.build(name, shape(name, 32, 32), num_classes=3)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32"
    dtypes = {layer.compute_dtype for layer in model.layers if hasattr(layer, "kernel")}
    assert policy.removeprefix("mixed_") in dtypes


@each_architecture
def test_auxiliary_heads_are_built_only_when_asked_for(name):
    assert isinstance(built(name).output, keras.KerasTensor)
    if not models.has_option(name, "auxiliary_head"):
        return
    model = models.build(name, shape(name, 64, 64), num_classes=3, auxiliary_head=True)
    heads = dict(model.output)
    assert heads.pop("logits").shape == (None, *shape(name, 64, 64, channels=3))
    assert heads
    for head, output in heads.items():
        assert head.startswith("aux_")
        assert (output.shape[-1], output.dtype) == (3, "float32")
    names = {weight.path for weight in built(name).weights}
    assert names <= {weight.path for weight in model.weights}


@each_architecture
def test_no_layer_is_left_to_keras_to_name(name):
    # Names that Keras counts up differ from build to build; weights are found by name.
    layers = built(name).layers
    again = {
        layer.name for layer in layers if re.search(r"^(conv|batch|add|re_lu|activ)", layer.name)
    }
    assert not again


@each_architecture
def test_facts_stand_beside_the_code(name):
    facts = models.facts(name)
    assert facts.name == name
    assert re.search(r"\b(19|20)\d\d\b", facts.paper)
    assert facts.output_stride >= 1
    assert facts.recipe is None or facts.recipe in recipes.RECIPES
    for dataset, split, score in facts.scores:
        assert isinstance(dataset, str)
        assert split in ("val", "test")
        assert 0 < score <= 100


@each_architecture
def test_options_are_keywords_and_documented(name):
    builder = getattr(models, name)
    parameters = list(inspect.signature(builder).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["input_shape", "num_classes"]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[2:])
    assert builder.__doc__.splitlines()[0].endswith(".")


@each_architecture
def test_wrong_arguments_are_refused_with_words(name):
    with pytest.raises(ValueError, match=f"`{name}` needs num_classes to be a whole number"):
        models.build(name, num_classes=0)
    with pytest.raises(ValueError, match=rf"`{name}` needs input_shape=.*Enlarge or pad"):
        models.build(name, shape(name, 31, 64))
    with pytest.raises(ValueError, match=rf"`{name}` needs input_shape=.*Pass for example"):
        models.build(name, (64, 64))
    with pytest.raises(ValueError, match="number of channels must be known"):
        models.build(name, shape(name, 64, 64, channels=None))
    with pytest.raises(ValueError, match=f"Unknown option of `{name}`.*option='depths'"):
        models.build(name, depths=3)


@pytest.mark.golden
@each_architecture
def test_logits_are_those_of_the_stored_numbers(name):
    path = GOLDEN / f"{name}.npz"
    found = np.array(built(name)(pixels(name, 32, 32).astype("float32")))
    found = found[(slice(None), *(slice(4, None, 8),) * (found.ndim - 2))]
    if os.environ.get("GOLDEN") == "write":
        np.savez_compressed(path, logits=found)
    expected = np.load(path)["logits"]
    # Other processors add in another order.
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_names_are_sorted_and_buildable():
    assert models.names() == sorted(models.names())
    assert all(callable(getattr(models, name)) for name in models.names())


def test_unknown_architecture_is_refused():
    for ask in (models.build, models.facts, lambda name: models.has_option(name, "x")):
        with pytest.raises(
            ValueError, match=r"Unknown architecture\. Did you mean 'contextnet_cn1"
        ):
            ask("contextnet_cn1")


def test_every_architecture_has_golden_numbers():
    assert {path.stem for path in GOLDEN.glob("*.npz")} == set(models.names())
