"""Numbers of well-known ideas, from papers or arithmetic, computed by the library's own layers."""

import functools

import keras
import numpy as np
import pytest
from _architectures import without_values
from keras import layers

from keras_seg import analyse, models, schedules
from keras_seg.analyse import arithmetic
from keras_seg.metrics import iou_from_confusion
from keras_seg.models.encoders.efficientnet import compound_scaling
from keras_seg.models.encoders.merge import merge_branches
from keras_seg.models.encoders.mobile_blocks import divisible
from pipelines.class_weights import class_weights


@pytest.mark.parametrize(
    ("filters", "share", "times"),
    [
        (32, 0.14236, 7.02),
        (64, 0.12674, 7.89),
        (128, 0.11892, 8.41),
        (256, 0.11502, 8.69),
        (512, 0.11306, 8.84),
        (1024, 0.11209, 8.92),
    ],
)
def test_separable_convolution_needs_the_same_share_of_parameters_and_operations(
    filters, share, times
):
    # The sum of 1 / N and 1 / 9.
    image = keras.Input((8, 8, 16))
    depthwise = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(image)
    pointwise = layers.Conv2D(filters, 1, use_bias=False)(depthwise)
    full = layers.Conv2D(filters, 3, padding="same", use_bias=False)(image)
    small, large = (analyse.summary(keras.Model(image, x)).loc["total"] for x in (pointwise, full))
    for cost in ("parameters", "macs"):
        assert small[cost] / large[cost] == pytest.approx(share, abs=5e-6)
    assert arithmetic.depthwise_separable_ratio(filters) == pytest.approx(share, abs=5e-6)
    assert 1 / share == pytest.approx(times, abs=5e-3)
    assert times < 9


def test_compound_scaling_nearly_doubles_the_operations():
    # 1.2 * 1.1**2 * 1.15**2 = 1.92027
    one, zero = compound_scaling(1), compound_scaling(0)
    assert (zero.width, zero.depth, zero.resolution) == (1, 1, 224)
    exact = compound_scaling(1, resolution=10**6)
    growth = one.depth * one.width**2 * (exact.resolution / 10**6) ** 2
    assert growth == pytest.approx(1.92027, abs=1e-5)
    assert compound_scaling(3).depth == pytest.approx(1.2**3)
    assert compound_scaling(2).resolution == round(224 * 1.15**2)  # 296


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (32 * 1.1, 32),  # 35.2 is nearer to 32 than to 40
        (16 * 1.2, 24),  # 19.2 becomes 16, less than 90 %, and so 24
        (24 * 1.8, 40),  # 43.2
        (1280 * 1.4, 1792),
        (3, 8),
    ],
)
def test_channels_are_multiples_of_8_and_never_less_than_90_percent(channels, expected):
    assert divisible(channels) == expected


def test_numbers_of_blocks_are_rounded_up():
    # Depth 1.1: ceil of 1.1, 2.2, 2.2, 3.3, 3.3, 4.4, 1.1 blocks, 23 in all; B0 has 16.
    def blocks(name):
        with without_values():
            model = models.build(name, (32, 32, 3), 5, width=0.25)
        return sum(isinstance(x, layers.DepthwiseConv2D) for x in model.layers)

    assert blocks("efficientnet_b0") == 1 + 2 + 2 + 3 + 3 + 4 + 1
    assert blocks("efficientnet_b1") == 2 + 3 + 3 + 4 + 4 + 5 + 2


@pytest.mark.parametrize(
    ("options", "size", "mega_macs"),
    [
        ({}, 224, 569),
        ({"width": 0.75}, 224, 325),
        ({"width": 0.5}, 224, 149),
        ({"width": 0.25}, 224, 41),
        ({}, 192, 418),
        ({}, 160, 290),
        ({}, 128, 186),
    ],
    ids=str,
)
def test_width_and_resolution_of_mobilenet_scale_its_operations(options, size, mega_macs):
    # Howard et al. 2017, tables 6 and 7: nearly the square of each multiplier.
    total = analyse.summary(mobilenet(**options), (size, size, 3)).loc["total"]
    assert total["macs"] / 1e6 == pytest.approx(mega_macs, rel=0.01)


@functools.cache
def mobilenet(**options):
    with without_values():
        return models.build("mobilenet_v1", (None, None, 3), 1000, **options)


def test_squeeze_and_excite_adds_its_two_kernels_to_every_block():
    # Sum of blocks * 2 C^2 / 16: (3 * 256^2 + 4 * 512^2 + 6 * 1024^2 + 3 * 2048^2) / 8 = 2,514,944;
    # biases C / 16 + C: 17 / 16 * (3 * 256 + 4 * 512 + 6 * 1024 + 3 * 2048) = 16,048.
    with without_values():
        table = analyse.summary(models.build("se_resnet50", (32, 32, 3), 10), (32, 32, 3))
    gates = table[table.index.str.contains("_se_")]
    assert gates["parameters"].sum() == 2_514_944 + 16_048 == 2_530_992


def test_merged_branches_are_equal_to_rounding_in_float64():
    options = {"blocks": (1, 2, 1, 1), "width": 0.125, "last_width": 0.125}
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        trained = models.repvgg_a0((32, 32, 3), 5, **options)
        merged = models.repvgg_a0((32, 32, 3), 5, merged=True, **options)
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)
    rng = np.random.default_rng(0)
    for layer in trained.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, x.shape) for x in layer.get_weights()])
    merge_branches(trained, merged)
    x = rng.uniform(0, 255, (2, 32, 32, 3))
    expected, found = (
        np.array(keras.Model(model.input, model.get_layer("pool").output)(x))
        for model in (trained, merged)
    )
    assert expected.dtype == np.float64
    assert np.abs(found - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("side", [4, 7])
def test_transposed_convolutions_of_keras_and_pytorch_are_crops_of_the_full_one(side):
    image = keras.Input((side, side, 2))
    valid = layers.Conv2DTranspose(3, 3, 2, padding="valid", name="valid")(image)
    same = layers.Conv2DTranspose(3, 3, 2, padding="same", name="same")(image)
    model = keras.Model(image, [valid, same])
    model.get_layer("same").set_weights(model.get_layer("valid").get_weights())
    full, cropped = model(np.random.default_rng(0).normal(size=(1, side, side, 2)))
    assert full.shape[1] == arithmetic.transposed_output_size(side, 3, 2) == 2 * side + 1
    np.testing.assert_allclose(cropped, full[:, :-1, :-1], atol=1e-6)
    # PyTorch with padding=1, output_padding=1 leaves out the first row and column instead.
    assert arithmetic.transposed_output_size(side, 3, 2, 1, 1) == 2 * side


@pytest.mark.parametrize(
    ("kernel_size", "parts", "share"),
    [
        (5, [(3, 3), (3, 3)], 18 / 25),
        (7, [(3, 3)] * 3, 27 / 49),
        (3, [(1, 3), (3, 1)], 2 / 3),
        (7, [(1, 7), (7, 1)], 2 / 7),
    ],
    ids=str,
)
def test_factorized_kernels_have_the_field_of_the_large_one_at_a_share(kernel_size, parts, share):
    image = keras.Input((16, 16, 4))

    def network(kernels):
        x = image
        for sides in kernels:
            x = layers.Conv2D(4, sides, padding="same", use_bias=False)(x)
        return keras.Model(image, x)

    small, large = network(parts), network([(kernel_size, kernel_size)])
    for model in (small, large):
        field = analyse.receptive_field(model).iloc[-1]
        assert (field["height"], field["width"]) == (kernel_size, kernel_size)
    assert small.count_params() / large.count_params() == pytest.approx(share)
    assert arithmetic.factorized_ratio(kernel_size, parts) == pytest.approx(share)


def test_dense_block_of_growth_rate_32_has_288_inputs_at_its_tenth_layer():
    assert arithmetic.dense_block_channels(10, 32)[-1] == 288
    # DenseNet-121 starts its first block with 64 channels, and reduces each input to 4k = 128.
    with without_values():
        model = models.build("densenet121", (32, 32, 3), 5, blocks=(6, 1, 1, 1))
    kernels = [x.kernel.shape for x in model.layers if hasattr(x, "kernel")]
    small = [shape[2:] for shape in kernels if shape[:2] == (1, 1)][:6]
    assert small == [(channels, 128) for channels in arithmetic.dense_block_channels(6, 32, 64)]


def test_learning_rate_of_fc_densenet_is_halved_after_138_epochs():
    schedule = schedules.Exponential(1e-3, steps_per_epoch=1, rate=0.995)
    assert float(schedule(138)) == pytest.approx(5.0e-4, abs=1e-5 / 2)


def test_iou_is_computed_from_the_confusion_matrix_of_the_whole_set():
    # Of each class: TP / (TP + FP + FN), from the sum of two pictures' matrices.
    confusion = np.array([[8, 2], [1, 9]]) + np.array([[0, 0], [4, 6]])
    np.testing.assert_allclose(iou_from_confusion(confusion), [8 / (8 + 5 + 2), 15 / (15 + 2 + 5)])


@pytest.mark.parametrize(
    ("pixels", "weight"), [((1, 10**9), 50.50), ((10, 10), 2.388), ((10, 0), 1.422)]
)
def test_weights_of_enet_for_shares_of_none_half_and_all_pixels(pixels, weight):
    # The reciprocal of ln(1.02 + p): 1 / ln 1.02, 1 / ln 1.52, 1 / ln 2.02.
    assert class_weights(np.array(pixels), "enet")[0] == pytest.approx(weight, rel=3e-4)
