"""The contract that every network keeps. All are found by scan; nothing is listed here.

Counts and facts are tested at full size; everything else on small networks of the same structure
(`tiny` in the facts): four families by default, one structure of each family in `make test-long`,
all in `make test-slow`.
"""

import dataclasses
import functools
import inspect
import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from _architectures import each, filled, sides, structures, without_values
from _pruning import scattered

from keras_seg import analyse, export, models, recipes
from keras_seg.inference.interpreter import labels_from_scores
from keras_seg.layers import MaxUnpooling2D
from keras_seg.models.registry import Facts, Variant, architecture

NUM_CLASSES = 5

each_network = pytest.mark.parametrize("name", models.names())


each_structure = each(structures())


def shape(name, height, width, channels=None):
    """Shape without batch, of a size that the network takes, with its own channels if None.

    Volumes of 32 slices for those that only take volumes.
    """
    facts = models.facts(name)
    slices = (32,) * (facts.dimensions[0] - 2)
    return (*slices, *sides(name, height, width), channels or facts.channels)


def tiny(name, input_shape=None, num_classes=NUM_CLASSES, **options):
    return models.build(name, input_shape, num_classes, **{**models.facts(name).tiny, **options})


@functools.cache
def built(name):
    """The small network for any size; built once."""
    keras.utils.set_random_seed(0)
    return filled(tiny(name))


@functools.cache
def second(name):
    """Another small network of the same layers, for a known size and other channels and classes."""
    return tiny(name, shape(name, 64, 48, channels=5), num_classes=2)


def pixels(name, height=37, width=51, batch=1):
    random = np.random.default_rng(0)
    size = (batch, *shape(name, height, width))
    return random.integers(0, 256, size).astype("uint8")


def check_count(name, count):
    any_size = (*(None,) * models.facts(name).dimensions[0], count.channels)
    with without_values():
        model = models.build(name, any_size, count.num_classes, **count.options)
    if count.trainable is not None:
        assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count.trainable
    if count.total is not None:
        assert model.count_params() == count.total
    if count.folded is not None:
        # Normalization merged into the convolutions: kernels, and a bias per channel.
        kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
        folded = sum(int(np.prod(x.kernel.shape)) + x.output.shape[-1] for x in kernels)
        assert folded == count.folded


@each_network
def test_number_of_parameters_is_the_published_one(name):
    assert models.facts(name).counts
    check_count(name, models.facts(name).counts[0])


@pytest.mark.slow
@each_network
def test_numbers_of_parameters_for_other_classes_and_options_are_the_published_ones(name):
    for count in models.facts(name).counts[1:]:
        check_count(name, count)


# One published count only: inputs of the last layer, from the channels of the paper's tables.
INPUTS = {
    "densenet_cifar_40_12": 16 + 3 * 12 * 12,
    "densenet_cifar_bc_100_12": ((24 + 192) // 2 + 192) // 2 + 192,
    "densenet_cifar_bc_190_40": ((80 + 1240) // 2 + 1240) // 2 + 1240,
    "densenet_d2l": (((64 + 128) // 2 + 128) // 2 + 128) // 2 + 128,
    "replknet31b": 1024,
    "replknet31l": 1536,
}


def parameters_per_class(name, kind):
    """What one more class adds, from the published counts of two numbers of classes."""
    if name in INPUTS:
        return INPUTS[name] + 1
    for a, b in itertools.combinations(models.facts(name).counts, 2):
        numbers = getattr(a, kind), getattr(b, kind)
        if a.options == b.options and a.num_classes != b.num_classes and None not in numbers:
            return (numbers[0] - numbers[1]) / (a.num_classes - b.num_classes)
    raise AssertionError(f"{name}: add its number of inputs above")


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names("classification"))
def test_numbers_of_parameters_for_classes_that_no_paper_has(name):
    count = models.facts(name).counts[0]
    known = [kind for kind in ("trainable", "total") if getattr(count, kind) is not None]
    for classes in (7, 365):
        more = {
            kind: getattr(count, kind)
            + (classes - count.num_classes) * parameters_per_class(name, kind)
            for kind in known
        }
        check_count(name, dataclasses.replace(count, num_classes=classes, **more))


@each_network
def test_facts_stand_beside_the_code(name):
    facts = models.facts(name)
    assert facts.name == name
    assert facts.tiny
    assert name in models.names(facts.task)
    assert re.search(r"\b(19|20)\d\d\b", facts.paper)
    assert facts.output_stride >= 1
    assert facts.recipe is None or facts.recipe in recipes.RECIPES
    for dataset, split, score in facts.scores:
        assert isinstance(dataset, str)
        assert split in ("val", "test")
        assert 0 < score <= 100


@each_network
def test_options_are_keywords_and_documented(name):
    builder = getattr(models, name)
    assert builder.__name__ == name
    parameters = list(inspect.signature(builder).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["input_shape", "num_classes"]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[2:])
    assert builder.__doc__.splitlines()[0].endswith(".")
    for parameter in parameters:
        assert re.search(rf"^ *{parameter.name}: ", builder.__doc__, re.MULTILINE), parameter.name


@each_network
def test_wrong_arguments_are_refused_with_words(name):
    facts = models.facts(name)
    slices = (64,) * (facts.dimensions[0] - 2)
    side = max(64, facts.smallest)
    small, unknown = (*slices, facts.smallest - 1, side, 3), (*slices, side, side, None)
    for arguments, words in (
        ({"num_classes": 0}, f"`{name}` needs num_classes to be a whole number"),
        (
            {"input_shape": small},
            rf"`{name}` needs input_shape=.*Enlarge or pad",
        ),
        ({"input_shape": (64, 64)}, rf"`{name}` needs input_shape=.*For example, pass"),
        ({"input_shape": unknown}, "number of channels must be known"),
        ({"depths": 3}, f"Unknown option of `{name}`.*option='depths'"),
    ):
        with pytest.raises(ValueError, match=words):
            models.build(name, **arguments)


def logits_shape(name, input_shape, num_classes=NUM_CLASSES):
    """Shape without batch of what a network must return for an input shape without batch."""
    sizes = input_shape[:-1] if models.facts(name).task == "segmentation" else ()
    return (*sizes, num_classes)


@each_structure
def test_logits_have_the_shape_of_the_task_also_at_odd_sizes(name):
    for size in ((37, 51), (32, 32)):
        x = pixels(name, *size)
        logits = built(name)(x.astype("float32"))
        assert tuple(logits.shape) == (1, *logits_shape(name, x.shape[1:]))
        assert logits.dtype == tf.float32
        assert np.isfinite(logits).all()


@each_structure
def test_a_known_size_gives_the_same_logits_as_an_unknown_one(name):
    x = pixels(name, 45, 61).astype("float32")
    known = tiny(name, x.shape[1:])
    known.set_weights(built(name).get_weights())
    expected = np.array(built(name)(x))
    np.testing.assert_allclose(known(x), expected, atol=1e-5 * max(1, np.abs(expected).max()))
    # And in a graph, where the unknown size is no number while the function is traced.
    spec = tf.TensorSpec((None, *built(name).input_shape[1:]), tf.float32)
    function = tf.function(lambda image: built(name)(image), input_signature=[spec])
    np.testing.assert_allclose(function(x), expected, atol=1e-5 * max(1, np.abs(expected).max()))


@each_structure
def test_any_number_of_channels_and_classes_and_a_known_size(name):
    model = second(name)
    assert model.output_shape == (None, *logits_shape(name, model.input_shape[1:], 2))
    assert model.input_shape == (None, *shape(name, 64, 48, channels=5))
    assert model.name == name


@each_structure
def test_gradient_reaches_every_weight(name):
    model = built(name)
    before = model.get_weights()
    # On a map of one pixel, normalization takes out whatever an offset before it adds.
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


@each_structure
def test_depthwise_kernels_do_not_begin_smaller_the_more_channels_there_are(name):
    # Keras's scaling initializers take a depthwise kernel's channels for summed inputs.
    depthwise = [x for x in built(name).layers if isinstance(x, keras.layers.DepthwiseConv2D)]
    scaling = keras.initializers.VarianceScaling
    assert not [x.name for x in depthwise if isinstance(x.depthwise_initializer, scaling)]


@each_structure
def test_call_is_inference_and_changes_nothing(name):
    # Some Keras layers in the middle of a model switch those behind them to training.
    model = built(name)
    before = [variable.numpy() for variable in model.variables]
    x = pixels(name).astype("float32")
    np.testing.assert_array_equal(model(x), model(x, training=False))
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@each_structure
def test_network_survives_saving(name, tmp_path):
    model, x = built(name), pixels(name).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.name == name
    # The same operations on the same numbers.
    np.testing.assert_array_equal(model(x), again(x))


@each_structure
def test_pixels_may_be_bytes(name):
    model, x = built(name), pixels(name)
    np.testing.assert_array_equal(model(x), model(x.astype("float32")))


@each_structure
@pytest.mark.parametrize(
    "policy", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_logits_of_mixed_precision_are_float32(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = tiny(name, shape(name, 32, 32))
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32"
    dtypes = {layer.compute_dtype for layer in model.layers if hasattr(layer, "kernel")}
    assert policy.removeprefix("mixed_") in dtypes


@each_structure
def test_auxiliary_heads_are_built_only_when_asked_for(name):
    assert isinstance(built(name).output, keras.KerasTensor)
    if not models.has_option(name, "auxiliary_head"):
        return
    model = tiny(name, shape(name, 64, 64), auxiliary_head=True)
    heads = dict(model.output)
    shapes = (None, *logits_shape(name, model.input_shape[1:]))
    assert heads.pop("logits").shape == shapes
    assert heads
    for head, output in heads.items():
        assert head.startswith("aux_")
        assert (output.shape[-1], output.dtype) == (NUM_CLASSES, "float32")
    names = {weight.path for weight in built(name).weights}
    assert names <= {weight.path for weight in model.weights}


@each_structure
def test_no_layer_is_left_to_keras_to_name(name):
    # Names that Keras counts up differ from build to build; weights are found by name.
    assert [x.name for x in second(name).layers] == [x.name for x in built(name).layers]


@each_structure
def test_costs_and_receptive_field_are_known(name):
    size = shape(name, 64, 64)
    table = analyse.summary(built(name), size)
    assert table.loc["total", "parameters"] == built(name).count_params()
    assert table.loc["total", "macs"] > 0
    if models.facts(name).task == "segmentation":
        fields = analyse.receptive_field(built(name))
        assert (fields[["height", "width"]].iloc[-1] >= 3).all()


def of_task(task):
    return [name for name in structures() if models.facts(name).task == task]


@pytest.mark.long
@pytest.mark.export
@each(of_task("segmentation"))
def test_saved_model_and_tflite_give_the_labels_of_keras(name, tmp_path):
    check_saved_model_and_tflite(name, tmp_path)


@pytest.mark.slow  # some 40 structures, each with three exports
@pytest.mark.export
@pytest.mark.parametrize("name", of_task("classification"))
def test_saved_model_and_tflite_give_the_classes_of_keras(name, tmp_path):
    check_saved_model_and_tflite(name, tmp_path)


@pytest.mark.long
@pytest.mark.export
@each(of_task("segmentation"))
def test_onnx_and_openvino_give_the_labels_of_keras(name, tmp_path):
    check_onnx_and_openvino(name, tmp_path)


@pytest.mark.slow
@pytest.mark.export
@pytest.mark.parametrize("name", of_task("classification"))
def test_onnx_and_openvino_give_the_classes_of_keras(name, tmp_path):
    check_onnx_and_openvino(name, tmp_path)


def check_onnx_and_openvino(name, tmp_path):
    for package in ("onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs pip install keras_seg[onnx,openvino]")
    for write, path in ((export.onnx, "model.onnx"), (export.openvino, "1")):
        # The comparison of the export also has a picture of an odd size.
        assert write(built(name), tmp_path / path).agreement > 0.999


def check_saved_model_and_tflite(name, tmp_path):
    report = export.saved_model(built(name), tmp_path / "1")
    assert report.agreement > 0.999
    if models.facts(name).dimensions[0] > 2:
        return  # LiteRT has no convolutions of volumes, which `tflite` says.
    check_tflite(name, "fp32", 1e-4, tmp_path)
    check_tflite(name, "int8", 0.25, tmp_path)


@pytest.mark.export
@pytest.mark.slow
@pytest.mark.parametrize("name", [x for x in structures() if models.facts(x).dimensions == (2,)])
def test_tflite_of_16_bits_gives_the_labels_of_keras(name, tmp_path):
    check_tflite(name, "fp16", 5e-3, tmp_path)


def check_tflite(name, mode, atol, folder):
    """Compare logits of a .tflite file with those of Keras; `atol` is a share of the largest."""
    known = tiny(name, shape(name, 64, 64))
    known.set_weights(built(name).get_weights())
    x = [pixels(name, 64, 64)[0]] * 2
    if np.abs(known(x[0][None].astype("float32"))).max() < 0.1:
        scattered(known)  # Logits near 0 are below the steps of 8 bits.
    path = folder / f"model_{mode}.tflite"
    export.tflite(known, path, mode, calibration=x, min_agreement=0.0)
    segments = models.facts(name).task == "segmentation"
    reader = export.LiteRTSegmenter if segments else export.LiteRTClassifier
    found = reader(path).scores(x[0][None])
    if mode == "fp16":  # The file computes with 32 bits, with weights that have 16.
        known = export.fold(known)
        known.set_weights([w.astype("float16").astype("float32") for w in known.get_weights()])
    expected = np.array(known(x[0][None].astype("float32")))
    # Untrained logits lie close together: their values are compared, not the labels.
    scale = np.abs(expected).max()
    if mode == "int8" and any(isinstance(x, MaxUnpooling2D) for x in known.layers):
        # Neighbors that 8 bits make equal: an unpooled value may lie a pixel beside its place.
        assert (np.abs(found - expected) <= atol * scale).mean() > 0.99
        return
    np.testing.assert_allclose(found, expected, atol=atol * scale)
    if mode == "fp32":
        same = labels_from_scores(found) == expected.argmax(-1)
        assert same.mean() > 0.999


def test_names_are_sorted_and_buildable():
    assert models.names() == sorted(models.names())
    assert all(callable(getattr(models, name)) for name in models.names())


def test_unknown_names_are_refused():
    for ask in (models.build, models.facts, lambda name: models.has_option(name, "x")):
        with pytest.raises(
            ValueError, match=r"Unknown architecture\. Did you mean 'contextnet_cn1"
        ):
            ask("contextnet_cn1")
    with pytest.raises(ValueError, match=r"Unknown task\. Did you mean 'segmentation'"):
        models.names("segmentations")


def dense_head(image, num_classes):
    """A network that pools too early."""
    x = keras.layers.GlobalAveragePooling2D()(image)
    return keras.layers.Dense(num_classes)(x)


def half_size(image, num_classes):
    """A network that forgets to enlarge."""
    return keras.layers.Conv2D(num_classes, 3, strides=2, padding="same")(image)


def low_precision(image, num_classes):
    """A network whose logits have 16 bits."""
    return keras.layers.Conv2D(num_classes, 1, dtype="float16")(image)


def unnamed_head(image, num_classes):
    """A network with a head of another name."""
    logits = keras.layers.Conv2D(num_classes, 1)(image)
    return {"logits": logits, "deep": logits}


@pytest.mark.parametrize("function", [dense_head, half_size, low_precision, unnamed_head])
def test_a_network_that_breaks_the_contract_is_refused_when_it_is_built(function, monkeypatch):
    monkeypatch.setattr("keras_seg.models.registry._BUILDERS", {})
    monkeypatch.setattr("keras_seg.models.registry._FACTS", {})
    architecture(paper="Nobody 2026")(function)
    with pytest.raises(
        ValueError, match=rf"`{function.__name__}` is registered for segmentation and must return"
    ):
        models.build(function.__name__, (64, 64, 3), 4)


def test_a_classifier_may_be_small_and_gives_logits_per_image(monkeypatch):
    monkeypatch.setattr("keras_seg.models.registry._BUILDERS", {})
    monkeypatch.setattr("keras_seg.models.registry._FACTS", {})
    facts = {"paper": "Nobody 2026", "task": "classification", "smallest": 28}
    architecture(**facts)(dense_head)
    assert models.build("dense_head", (28, 28, 1), 10).output_shape == (None, 10)


def test_variants_of_a_family_have_their_own_defaults_and_docstrings(monkeypatch):
    monkeypatch.setattr("keras_seg.models.registry._BUILDERS", {})
    monkeypatch.setattr("keras_seg.models.registry._FACTS", {})

    def family(image, num_classes, *, width=8):
        """A family.

        Args:
            width: channels.
        """
        x = keras.layers.Conv2D(width, 1, name="inside")(image)
        return keras.layers.Conv2D(num_classes, 1)(x)

    rows = (Variant("one", "The first."), Variant("two", "The second.", {"width": 16}))
    architecture(variants=rows, paper="Nobody 2026")(family)
    assert models.names() == ["one", "two"]
    assert models.build("two").get_layer("inside").filters == 16
    assert models.build("two", width=4).get_layer("inside").filters == 4
    build = models.registry.builders()["two"]
    assert inspect.signature(build).parameters["width"].default == 16
    assert build.__doc__.splitlines()[0] == "The second."
    assert "width: channels." in build.__doc__
    assert models.facts("two") == Facts("two", "Nobody 2026", family="family")
