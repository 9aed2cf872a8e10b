"""FC-DenseNet against an implementation of its own, in memory, and in three dimensions."""

import importlib.util
import textwrap

import keras
import numpy as np
import pytest
from _process import run_on

from keras_seg import models
from keras_seg.layers import CropLike, PositionAttention, Recompute
from keras_seg.losses import SparseCrossEntropy

SMALL = {"layers_per_block": (2, 1, 2, 2, 1), "growth_rate": 4}
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="needs torch, to compare with"
)


def trained_like(model):
    """Random weights, so that no part is the identity."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            abs(w) + rng.uniform(0.1, 0.5, w.shape)
            if "variance" in variable.path
            else w + rng.normal(0, 0.05, w.shape)
            for variable, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def reference(pixels, weights, blocks):
    """The authors' network in PyTorch functions, from the description of their code alone."""
    import torch
    from torch.nn import functional

    weights = iter([torch.tensor(w) for w in weights])

    def convolution(x, padding):
        kernel, bias = next(weights).permute(3, 2, 0, 1), next(weights)
        return functional.conv2d(x, kernel, bias, padding=padding)

    def bn_relu(x):
        scale, offset, mean, variance = (next(weights) for _ in range(4))
        return torch.relu(functional.batch_norm(x, mean, variance, scale, offset, eps=1e-4))

    def block(stack, num_layers):
        new = []
        for _ in range(num_layers):
            new.append(convolution(bn_relu(stack), 1))
            stack = torch.cat([stack, new[-1]], 1)
        return stack, torch.cat(new, 1)

    depth = len(blocks) // 2
    x = torch.tensor(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    stack, skips = convolution(x, 1), []
    for num_layers in blocks[:depth]:
        stack, _ = block(stack, num_layers)
        skips.append(stack)
        stack = functional.max_pool2d(convolution(bn_relu(stack), 0), 2)
    stack, new = block(stack, blocks[depth])
    for num_layers in blocks[depth + 1 :]:
        skip = skips.pop()
        kernel, bias = next(weights).permute(3, 2, 0, 1), next(weights)
        up = functional.conv_transpose2d(new, kernel, bias, stride=2)
        # The center crop of Lasagne begins at (2n + 1 - size) // 2 = 0.
        up = up[:, :, : skip.shape[2], : skip.shape[3]]
        stack, new = block(torch.cat([up, skip], 1), num_layers)
    logits = convolution(stack, 0)
    assert next(weights, None) is None
    return logits.permute(0, 2, 3, 1).numpy()


def same_as_reference(model, blocks, size):
    pixels = np.random.default_rng(1).integers(0, 256, (2, *size, 3)).astype("float32")
    expected = reference(pixels, model.get_weights(), blocks)
    found = keras.ops.convert_to_numpy(model(pixels, training=False))
    # Float32 sums in another order.
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, abs(expected).max()))


@needs_torch
@pytest.mark.parametrize("recompute", [False, True])
def test_outputs_equal_an_independent_implementation_at_an_odd_size(recompute):
    model = trained_like(models.fc_densenet56(num_classes=5, recompute=recompute, **SMALL))
    same_as_reference(model, SMALL["layers_per_block"], (45, 38))


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("fc_densenet56", [4] * 11),
        ("fc_densenet67", [5] * 11),
        ("fc_densenet103", [4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4]),
        ("fc_densenet_mobile", [2, 3, 4, 5, 6, 8, 6, 5, 4, 3, 2]),
    ],
)
def test_outputs_of_the_whole_network_equal_an_independent_implementation(name, blocks):
    same_as_reference(models.build(name, num_classes=11), blocks, (45, 38))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "num_classes", "options", "trainable", "total"),
    [
        ("fc_densenet103_3d", (None, None, None, 4), 4, {}, 26_171_028, 26_274_100),
        ("fc_densenet56", (None, None, None, 4), 4, {}, 3_665_476, 3_686_644),
        ("fc_densenet67", (None, None, None, 4), 4, {}, 9_340_308, 9_379_988),
        ("fc_densenet103", (None, None, 4), 4, {"growth_rate": 12}, 5_416_120, 5_495_728),
        ("fc_densenet103", (None, None, 3), 19, {}, 9_324_147, 9_427_219),
        ("fc_densenet_mobile", (None, None, 3), 12, {}, 404_209, 413_051),
        ("fc_densenet_mobile", (None, None, 3), 12, {"compression": 1.0}, 815_324, 833_596),
        # 15 layers of 16 maps in the bottleneck: 72_301 for 240 channels.
        (
            "fc_densenet103",
            (None, None, 3),
            11,
            {"attention": True, "recompute": True},
            9_322_091 + 72_301,
            9_425_163 + 72_301,
        ),
    ],
)
def test_parameters_of_variants(name, shape, num_classes, options, trainable, total):
    model = models.build(name, shape, num_classes, **options)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == trainable
    assert model.count_params() == total


def test_attention_begins_as_the_identity_and_attends_in_two_and_three_dimensions():
    rng = np.random.default_rng(0)
    for shape in ((2, 3, 5, 16), (2, 2, 3, 4, 16)):
        x = rng.normal(size=shape).astype("float32")
        layer = PositionAttention()
        np.testing.assert_array_equal(layer(x), x)
        layer.gamma.assign([0.5])
        flat = x.reshape(2, -1, 16)
        query, key, value = (
            flat @ part.kernel.numpy() + part.bias.numpy()
            for part in (layer.query, layer.key, layer.value)
        )
        scores = np.exp(query @ key.transpose(0, 2, 1))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        np.testing.assert_allclose(layer(x), x + 0.5 * mixed.reshape(shape), atol=1e-4)


def test_attention_needs_eight_channels():
    with pytest.raises(ValueError, match=r"at least 8 channels.*Received: 4 channels"):
        PositionAttention()(np.ones((1, 2, 2, 4)))


def test_crop_keeps_the_upper_left():
    x = np.arange(5 * 7).reshape(1, 5, 7, 1)
    cut = CropLike()([x, np.ones((1, 4, 7, 2))])
    np.testing.assert_array_equal(cut, x[:, :4])


@pytest.mark.parametrize("bn_mode", ["moving", "batch"])
def test_saves_and_reloads_with_every_option(bn_mode, tmp_path):
    model = models.fc_densenet56(
        num_classes=3, attention=True, bn_mode=bn_mode, recompute=True,
        layers_per_block=(1, 2, 1), growth_rate=4,
    )  # fmt: skip
    model = trained_like(model)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 33, 40, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(pixels), model(pixels), atol=1e-5)


def test_batch_mode_normalizes_with_the_batch_at_inference_and_changes_nothing():
    options = {"layers_per_block": (1, 1, 1), "growth_rate": 4, "dropout_rate": 0.0}
    model = models.fc_densenet56((32, 32, 3), 3, bn_mode="batch", **options)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    before = model.get_weights()
    inference = model(pixels, training=False)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_allclose(inference, model(pixels, training=True), atol=1e-4)
    alone = model(pixels[:1], training=False)
    assert np.max(np.abs(alone - inference[:1])) > 1e-3


@pytest.mark.long
def test_batch_mode_is_exported(tmp_path):
    import tensorflow as tf

    options = {"layers_per_block": (1, 1, 1), "growth_rate": 4}
    model = models.fc_densenet56((None, None, 3), 3, bn_mode="batch", **options)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 33, 40, 3)).astype("float32")
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(loaded.serve(pixels), model(pixels), atol=1e-4)


# The gradients, in a process for each backend: Keras reads its backend once.
GRADIENTS = """
    import sys
    import keras, numpy as np
    from keras_seg.losses import SparseCrossEntropy
    from keras_seg import models

    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (2, 32, 36, 3)).astype("float32")
    label = rng.integers(0, 3, (2, 32, 36)).astype("uint8")
    found = []
    for recompute in (False, True):
        keras.utils.set_random_seed(0)
        model = models.fc_densenet56(num_classes=3, recompute=recompute, attention=True,
                              layers_per_block=(2, 2, 1), growth_rate=4)
        # A step of plain gradient descent shows the gradient as the change of a weight.
        model.compile(keras.optimizers.SGD(1.0), SparseCrossEntropy(num_classes=3))
        if found:
            model.set_weights(found[0][0])
        before = model.get_weights()
        state = [keras.ops.convert_to_numpy(x) for x in model.non_trainable_variables]
        loss = float(model.train_on_batch(image, label))
        after = [keras.ops.convert_to_numpy(x) for x in model.non_trainable_variables]
        found.append((before, loss, model.get_weights(), state, after))
    (_, loss, weights, _, after), (_, loss2, weights2, _, after2) = found
    np.testing.assert_allclose(loss2, loss, rtol=1e-6)
    for one, other in zip(weights, weights2, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-4 * max(1, abs(one).max()))
    assert any(abs(a - b).max() > 1e-3 for a, b in zip(found[0][0], weights))
    # The seeds of dropout among them: drawn from once, or never (torch has its own).
    for one, other in zip(after, after2, strict=True):
        if one.dtype.kind in "iu":
            assert one[1] == other[1] <= 1, (one, other)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_recomputed_training_step_equals_the_ordinary_one(backend):
    run_on(backend, textwrap.dedent(GRADIENTS))


def test_block_computed_twice_has_equal_gradients_and_learns_statistics_once():
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(2, 8, 9, 3)).astype("float32")
    found = []
    for recompute in (False, True):
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 9, 3))
        y = keras.layers.BatchNormalization(momentum=0.5)(image)
        y = keras.layers.Conv2D(4, 3, activation="relu")(y)
        block = keras.Model(image, keras.layers.Dropout(0.5)(y))
        model = keras.Model(image, Recompute(block)(image)) if recompute else block

        @tf.function
        def gradients(model=model):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(x, training=True) ** 2)
            return tape.gradient(loss, [v.value for v in model.trainable_variables])

        made = [g.numpy() for g in gradients()]
        found.append((made, [v.numpy() for v in model.non_trainable_variables]))
    for part in (0, 1):
        for one, other in zip(found[0][part], found[1][part], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
    # From 0 with a momentum of 0.5: half the mean, once.
    np.testing.assert_allclose(found[1][1][0], x.mean((0, 1, 2)) / 2, rtol=1e-4)


@pytest.mark.slow
def test_volumes_are_learned_from():
    options = {"layers_per_block": (1, 1, 1), "growth_rate": 4, "dropout_rate": 0.0}
    model = models.fc_densenet103_3d((32, 33, 32, 2), 3, **options)
    model.compile(keras.optimizers.Adam(3e-3), SparseCrossEntropy(num_classes=3))
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 256, (1, 32, 33, 32, 2)).astype("uint8")
    label = (volume[..., 0] // 86).astype("uint8")
    losses = [float(model.train_on_batch(volume, label)) for _ in range(6)]
    assert losses[-1] < losses[0]
    assert model(volume).shape == (1, 32, 33, 32, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bn_mode": "bach"}, r"Did you mean 'batch'\? Received: bn_mode='bach'"),
        ({"compression": 0}, r"compression above 0 and up to 1.*Received: compression=0"),
        ({"layers_per_block": (4, 4)}, r"odd number.*Received: layers_per_block=\(4, 4\)"),
        ({"growth_rate": 0}, r"growth_rate.*Received: growth_rate=0"),
        ({"dropout_rate": 1}, r"dropout_rate from 0 below 1. Received: dropout_rate=1"),
    ],
)
def test_wrong_options_are_explained(options, words):
    with pytest.raises(ValueError, match=words):
        models.fc_densenet56(num_classes=3, **options)


@pytest.mark.parametrize(
    ("build", "shape", "words"),
    [
        (
            models.fc_densenet103_3d,
            (32, 32, 3),
            r"\(depth, height, width, channels\) with depth, height",
        ),
        (models.fc_densenet103_3d, (16, 32, 32, 3), "at least 32 pixels"),
        (models.fc_densenet56, (32, 3), r"\(height, width, channels\) or \(depth"),
    ],
    ids=["plane", "small", "line"],
)
def test_wrong_shapes_are_explained(build, shape, words):
    with pytest.raises(ValueError, match=words):
        build(shape, 3)
