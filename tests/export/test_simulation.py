"""Networks that compute in floating point what their int8 files compute."""

import platform

import keras
import numpy as np
import pytest
from _export import network
from ai_edge_litert.interpreter import Interpreter
from keras import activations, layers

from keras_seg import models
from keras_seg.export import (
    eight_bit_graph,
    exportable,
    flatbuffer,
    openvino,
    saved_model,
    simulation,
    tflite,
)
from keras_seg.layers import AdaptiveAveragePooling2D, FakeQuantization, HalfSteps, ResizeLike

pytestmark = pytest.mark.export
SIZE = (32, 48)


def pictures(count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3)).astype("uint8")


def smooth(count, seed, size):
    """Noise on large spots, whose means are not all gray."""
    random = np.random.default_rng(seed)
    spots = random.integers(0, 256, (count, size[0] // 8, size[1] // 8, 3))
    noise = random.integers(-20, 21, (count, *size, 3))
    return np.clip(spots.repeat(8, 1).repeat(8, 2) + noise, 0, 255).astype("uint8")


def usual():
    """A network with every operation that a simulation rounds in a way of its own."""
    image = keras.Input((*SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.ZeroPadding2D(1)(x)
    x = first = layers.BatchNormalization()(layers.Conv2D(8, 3, 2)(x))
    x = layers.Activation("relu6")(x)
    x = layers.Activation("relu")(layers.Add()([layers.DepthwiseConv2D(3, padding="same")(x), x]))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Activation("sigmoid")(layers.Conv2D(8, 1, activation="relu")(gate))
    x = layers.Multiply()([x, gate])
    small = layers.AveragePooling2D(2)(layers.Conv2D(6, 3, padding="same")(x))
    small = layers.Conv2DTranspose(4, 3, 2, "same")(layers.MaxPooling2D()(small))
    small = ResizeLike()([layers.ReLU()(small), x])
    x = layers.Concatenate()([small, layers.LeakyReLU(0.125)(first), x])
    x = layers.Dropout(0.5)(layers.BatchNormalization()(x))
    x = layers.Conv2D(3, 1)(x)
    return keras.Model(image, ResizeLike(name="logits")([x, image]))


def pyramid():
    """Means over grids of cells, as in Fast-SCNN and PSPNet; 3 does not divide 8 or 12."""
    image = keras.Input((*SIZE, 3), name="image")
    x = layers.Conv2D(6, 3, 4, padding="same", activation="relu")(image)
    parts = [x]
    for size in (1, 3):
        part = AdaptiveAveragePooling2D(size, enlarge=False)(x)
        part = layers.Conv2D(4, 1, activation="relu")(part)
        parts.append(ResizeLike(align_corners=True)([part, x]))
    x = layers.Conv2D(3, 1)(layers.Concatenate()(parts))
    return keras.Model(image, ResizeLike(name="logits")([x, image]))


def scattered(model, seed=0):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        size = 1 / np.sqrt(max(np.prod(weight.shape[:-1]), 4))
        values = random.normal(0, size, weight.shape)
        weight.assign(values**2 + 0.1 if "variance" in weight.name else values)
    return model


def values_of(path, images):
    """What the file gives, as whole numbers, and the scale and zero point of these."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in images:
        interpreter.set_tensor(given["index"], image[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(made["index"])[0].astype(int))
    return np.stack(found), *made["quantization"]


def compared(model, tmp_path, size=SIZE):
    """What the file and the simulation of a network give, in steps of the file's output."""
    images = smooth(4, 0, size)
    simulated = simulation.simulated(model, images.astype("float32"))
    path = tmp_path / "model.tflite"
    tflite(simulated, path, "int8", size=size, min_agreement=0.0)
    assert not flatbuffer.float_operations(path)
    found, scale, zero = values_of(path, smooth(2, 9, size))
    steps = np.asarray(simulated(smooth(2, 9, size).astype("float32"))) / scale + zero
    # Each value of the simulation is a whole number of steps.
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert len(np.unique(found)) > 50
    return found, np.round(steps), (scale, zero)


def check_equal(found, expected):
    """One step at most; on the processors whose whole numbers the simulation has, none."""
    assert np.abs(found - expected).max() <= 1
    if platform.machine() == "x86_64":
        assert np.count_nonzero(found != expected) == 0


@pytest.mark.parametrize("build", [lambda: network(0), usual, pyramid])
def test_the_file_equals_the_simulation(build, tmp_path):
    model = exportable.logits_model(scattered(build()))
    found, expected, (scale, zero) = compared(model, tmp_path)
    check_equal(found, expected)
    # It is not the network in floating point: that one differs by more than a step.
    plain = np.asarray(model(smooth(2, 9, SIZE).astype("float32")))
    assert np.abs(found - (plain / scale + zero)).max() > 1


def convolution(filters=6, **options):
    return layers.Conv2D(filters, 3, padding="same", **options)


def repeated_relu(x):
    relu = layers.ReLU()
    return layers.Concatenate()(
        [relu(convolution()(x)), relu(layers.MaxPooling2D(3, 1, "same")(x))]
    )


# Half of the means of two neighbors are half-way between two values.
OPERATIONS = {
    "average pooling": lambda x: layers.AveragePooling2D(2)(x),
    "overlapping average pooling": lambda x: layers.AveragePooling2D(3, 1, "same")(x),
    "enlargement": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
    "reduction": lambda x: ResizeLike()([x, layers.MaxPooling2D()(x)]),
    "three times": lambda x: ResizeLike()([layers.MaxPooling2D(3)(x), x]),
    "aligned corners": lambda x: ResizeLike(align_corners=True)([layers.MaxPooling2D(4)(x), x]),
    "grid": lambda x: AdaptiveAveragePooling2D(4, enlarge=False)(x),
    "convolution": lambda x: layers.Activation("relu6")(convolution()(x)),
    "transposed convolution": lambda x: layers.Conv2DTranspose(4, 3, 2, "same")(x),
    "sum": lambda x: layers.ReLU()(layers.Add()([convolution(8)(x), x])),
    "sum of four": lambda x: layers.Add()([x, convolution(8)(x), convolution(8)(x), x]),
    "difference": lambda x: layers.Subtract()([x, convolution(8)(x)]),
    "product": lambda x: layers.Multiply()([x, convolution(8)(x)]),
    "leaky ReLU": lambda x: layers.LeakyReLU(0.3)(x),
    "leaky ReLU inside": lambda x: convolution(activation=layers.LeakyReLU(0.3))(x),
    "ReLU of the largest": lambda x: layers.ReLU()(layers.MaxPooling2D()(x)),
    "ReLU of a mean": lambda x: layers.ReLU()(layers.AveragePooling2D(2)(x)),
    "concatenation": lambda x: layers.Concatenate()([layers.MaxPooling2D(3, 1, "same")(x), x]),
    "one ReLU twice": repeated_relu,
    "frozen convolution": lambda x: convolution(trainable=False)(x),
}


USUAL = ("average pooling", "enlargement", "reduction", "grid", "sum", "concatenation")


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[] if x in USUAL else pytest.mark.long) for x in OPERATIONS]
)
def test_each_operation_gives_what_the_file_gives(name, tmp_path):
    image = keras.Input((*SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(8, 3, padding="same")(x)
    model = scattered(keras.Model(image, OPERATIONS[name](x)))
    found, expected, _ = compared(model, tmp_path)
    check_equal(found, expected)


NETWORKS = {
    "contextnet_cn14": {},
    "fast_scnn": {},
    "icnet": {},
    "erfnet": {},
    "deeplab_v3_plus": {"encoder": "mobilenet_v2"},
    "pspnet": {"encoder": "resnet18"},
    "unet": {"encoder": "mobilenet_v2", "input_shape": (None, None, 3)},
}


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks_give_what_their_files_give(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = models.build(name, num_classes=5, **NETWORKS[name])
    for layer in model._flatten_layers():
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.3
    for seed in range(6):
        model(smooth(2, seed, (96, 128)).astype("float32"), training=True)
    found, expected, _ = compared(exportable.logits_model(model), tmp_path, (96, 128))
    check_equal(found, expected)


def test_a_simulation_starts_near_its_network_with_the_ranges_of_the_pictures():
    model = scattered(usual())
    images = pictures().astype("float32")
    simulated = simulation.simulated(model, images)
    expected, found = np.asarray(model(images)), np.asarray(simulated(images))
    assert 0 < np.abs(found - expected).max() < 0.05 * np.ptp(expected)
    # The logits' range is that of the small map, before the enlargement.
    before = keras.Model(model.inputs[0], model.layers[-2].output)(images)
    ranges = {x.name: x for x in simulated.layers if isinstance(x, FakeQuantization)}
    assert float(ranges["image_range"].high) == 255
    last = ranges[f"{model.layers[-2].name}_range"]
    np.testing.assert_allclose(
        [last.low, last.high], [np.min(before), np.max(before)], rtol=1e-3, atol=1e-3
    )


def test_maps_of_a_concatenation_share_a_range():
    model = scattered(usual())
    simulated = simulation.simulated(model, pictures().astype("float32"))
    ranges = [x for x in simulated.layers if isinstance(x, FakeQuantization)]
    (shared,) = [x for x in ranges if "concat" in x.name]
    assert len(shared._inbound_nodes[0].input_tensors) == 3
    # The file rounds halves by its own rules.
    kept = [x for x in simulated.layers if not isinstance(x, HalfSteps)]
    assert len(simulation.with_constants(simulated).layers) == len(kept) < len(simulated.layers)


def test_layers_that_round_halves_have_the_same_names_each_time():
    # Otherwise a fine-tuning that was interrupted would be another network for `fit`.
    model, images = pyramid(), pictures().astype("float32")
    first, second = (simulation.simulated(model, images) for _ in range(2))
    names = [[x.name for x in each.layers if isinstance(x, HalfSteps)] for each in (first, second)]
    assert names[0] == names[1]
    assert len(names[0]) == 4  # two grids along two axes (1x1 and 3x3)


def test_a_layer_that_cannot_be_simulated_is_named():
    image = keras.Input((*SIZE, 3))
    model = keras.Model(image, layers.Activation("gelu", name="odd")(layers.Conv2D(2, 1)(image)))
    with pytest.raises(ValueError, match="layer 'odd' of type Activation with activation 'gelu'"):
        simulation.simulated(model, pictures().astype("float32"))


def test_layers_as_activations_stand_behind_their_layer():
    image = keras.Input((8, 8, 3))
    leaky, prelu = (
        layers.LeakyReLU(0.3, name="leaky"),
        layers.PReLU(shared_axes=(1, 2), name="prelu"),
    )
    twice = layers.Conv2D(3, 3, padding="same", activation=leaky, name="twice")
    x = layers.Activation(leaky, name="again")(twice(twice(image)))
    model = keras.Model(image, layers.Conv2D(2, 1, activation=prelu, name="last")(x))
    picture = smooth(1, 0, (8, 8)).astype("float32")
    model(picture)  # builds the activations
    expected = np.asarray(scattered(model)(picture))
    found = eight_bit_graph.merged(model, picture)
    names = [layer.name for layer in found.layers]
    assert names[1:] == ["twice", "twice_leaky", "again", "again_leaky", "last", "last_prelu"]
    assert {getattr(x, "activation", activations.linear) for x in found.layers} == {
        activations.linear
    }
    atol = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found(picture), expected, atol=atol)


def test_a_layer_as_activation_in_a_nested_model_is_named():
    image = keras.Input((8, 8, 3))
    odd = layers.Conv2D(2, 1, activation=layers.LeakyReLU(), name="odd")
    model = keras.Model(image, keras.Model(image, odd(image))(image))
    with pytest.raises(ValueError, match="'odd' of type Conv2D with activation 'LeakyReLU'"):
        simulation.simulated(model, smooth(1, 0, (8, 8)).astype("float32"))


def test_other_files_of_a_simulation_are_refused(tmp_path):
    simulated = simulation.simulated(usual(), pictures().astype("float32"))
    with pytest.raises(ValueError, match=r"mode='int8', for which.*Received: mode='fp16'"):
        tflite(simulated, tmp_path / "model.tflite", "fp16")
    words = r"networks in floating point\..*from `finetune_int8`.*Export the network from which"
    with pytest.raises(ValueError, match=f"`saved_model` writes {words}"):
        saved_model(simulated, tmp_path / "1")
    pytest.importorskip("openvino", reason="needs pip install keras_seg[openvino]")
    with pytest.raises(ValueError, match=f"`openvino` writes {words}"):
        openvino(simulated, tmp_path / "1")
