import keras
import numpy as np
import pytest

from keras_seg import models
from keras_seg.layers import AveragePooling2D

VARIANTS = [name for name in models.names() if name.startswith("contextnet")]


def folded(name, num_classes=19, **options):
    """Parameters when normalization is merged: kernels, and a bias per channel."""
    model = models.build(name, (64, 64, 3), num_classes, **options)
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return sum(int(np.prod(layer.kernel.shape)) + layer.output.shape[-1] for layer in kernels)


@pytest.fixture(scope="module")
def cn14():
    return models.build("contextnet_cn14", (1024, 2048, 3), auxiliary_head=True)


def size(model, layer):
    return model.get_layer(layer).output.shape[1:]


def test_context_branch_has_the_sizes_of_table_2(cn14):
    # The picture at a quarter, then Conv2d, six stages of bottlenecks, Conv2d.
    assert size(cn14, "context_shrink") == (256, 512, 3)
    assert size(cn14, "context_stem_conv") == (128, 256, 32)
    stages = [(32, 128), (32, 128), (48, 64), (64, 32), (96, 32), (128, 32)]
    for stage, (channels, height) in enumerate(stages, start=1):
        assert size(cn14, f"context{stage}_1_project_bn") == (height, 2 * height, channels)
    assert size(cn14, "context_last_bn") == (32, 64, 128)


def test_context_branch_has_38_layers(cn14):
    # 2 convolutions and 12 bottlenecks of 3; the first bottleneck expands too, by 1.
    branch = [
        layer
        for layer in cn14.layers
        if hasattr(layer, "kernel") and layer.name.startswith("context")
    ]
    assert len(branch) == 2 + 12 * 3


def test_bottlenecks_add_their_input_where_the_shape_stays(cn14):
    added = {
        layer.name
        for layer in cn14.layers
        if layer.name.startswith("context") and "_add" in layer.name
    }
    # 32 -> 32 twice (stages 1 and 2); 2 of 3 in stages 3 and 4; 1 of 2 in stages 5 and 6.
    assert added == {
        "context1_1_add",
        "context2_1_add",
        *(f"context{stage}_{repeat}_add" for stage in (3, 4) for repeat in (2, 3)),
        *(f"context{stage}_2_add" for stage in (5, 6)),
    }


def test_detail_branch_ends_at_an_eighth_without_non_linearity_inside(cn14):
    assert [size(cn14, f"detail{n}_pointwise_bn")[::2] for n in (2, 3, 4)] == [
        (256, 64),
        (128, 128),
        (128, 128),
    ]
    names = {layer.name for layer in cn14.layers}
    assert not any(f"detail{n}_depthwise_relu6" in names for n in (2, 3, 4))
    assert all(f"detail{n}_pointwise_relu6" in names for n in (2, 3, 4))


def test_every_activation_is_relu6(cn14):
    used = [layer for layer in cn14.layers if isinstance(layer, keras.layers.Activation)]
    assert {layer.activation for layer in used} == {keras.activations.relu6}


def test_fusion_filters_the_context_with_dilation_4_and_adds(cn14):
    assert cn14.get_layer("fusion_context_depthwise").dilation_rate == (4, 4)
    assert size(cn14, "fusion_add") == (128, 256, 128)


def test_dropout_stands_right_before_the_classifier(cn14):
    names = [layer.name for layer in cn14.layers]
    assert size(cn14, "logits_dropout") == (128, 256, 128)
    assert names.index("logits_dropout") < names.index("logits_conv")
    assert cn14.get_layer("logits_conv").input is cn14.get_layer("logits_dropout").output


@pytest.mark.long
@pytest.mark.parametrize(("name", "factor"), [("cn18", 8), ("cn14", 4), ("cn12", 2)])
def test_context_branch_sees_the_picture_smaller_by_its_factor(name, factor):
    model = models.build(f"contextnet_{name}", (256, 512, 3))
    assert size(model, "context_shrink") == (256 // factor, 512 // factor, 3)
    assert size(model, "context_last_bn")[:2] == (32 // factor, 64 // factor)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Counted by hand from Table 2 for each reading of what the paper leaves open.
        ({}, 846_179),
        ({"last_kernel_size": 3}, 977_251),
        ({"separable_fusion": True}, 862_691),
        ({"num_classes": 11}, 845_147),
        ({"num_classes": 20}, 846_308),
    ],
    ids=str,
)
def test_count_of_each_reading_of_the_paper(options, expected):
    assert folded("contextnet_cn14", **options) == expected


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "published"), [("contextnet_cn14_500", 490_459), ("contextnet_cn14_160", 159_387)]
)
def test_small_variants_are_within_2_percent_of_the_published_count(name, published):
    assert abs(folded(name) / published - 1) < 0.02


def test_cn124_with_separable_fusion_has_the_published_0_93_million():
    model = models.build("contextnet_cn124", (64, 64, 3), separable_fusion=True)
    kernels = sum(int(np.prod(x.kernel.shape)) for x in model.layers if hasattr(x, "kernel"))
    assert round(kernels / 1e6, 2) == 0.93


def test_auxiliary_head_looks_at_the_context_branch(cn14):
    assert cn14.output["aux_context"].shape == (None, 128, 256, 19)
    assert cn14.get_layer("aux_context_conv").input.shape[1:3] == (32, 64)


def test_shrinking_is_the_mean_of_each_block_and_of_what_is_left_at_the_rim():
    image = keras.Input((None, None, 1))
    model = keras.Model(image, AveragePooling2D(2)(image))
    x = np.array([[0, 2, 5], [4, 6, 7]], "float32")[None, ..., None]
    # (0 + 2 + 4 + 6) / 4, and (5 + 7) / 2 in the last column.
    assert np.array(model(x)).ravel().tolist() == [3, 6]


def test_normalization_maps_pixels_to_minus_one_and_one():
    layer = models.build("contextnet_cn14_160", (64, 64, 3)).get_layer("normalize")
    assert np.array(layer(np.array([0.0, 127.5, 255.0]))).tolist() == [-1, 0, 1]


@pytest.mark.long
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_answers_nearly_the_same_in_float32(policy):
    x = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype("uint8")
    single = models.build("contextnet_cn14_160", (64, 64, 3), 4)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        half = models.build("contextnet_cn14_160", (64, 64, 3), 4)
    finally:
        keras.config.set_dtype_policy(before)
    half.set_weights(single.get_weights())
    expected, found = np.array(single(x)), half(x)
    assert found.dtype == "float32"
    # bfloat16 has 8 bits of mantissa, and forty layers round.
    assert np.abs(np.array(found) - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"last_kernel_size": 5}, r"last_kernel_size 1 .*or 3\. Received: last_kernel_size=5"),
        ({"dropout_rate": 1.0}, "needs dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, (64, 64, 3), **options)


def test_single_branches_have_the_parameters_of_their_parts():
    # The fusion has a depthwise kernel and two 1x1 convolutions of 128 channels, each with four
    # values of normalization a channel: 9 * 128 + 2 * 128 * 128 + 3 * 4 * 128 = 35,456. The
    # classifier, 128 * 19 + 19 = 2,451, is there twice.
    context, detail = (
        models.build("contextnet_cn14", branch=branch) for branch in ("context", "detail")
    )
    assert context.count_params() + detail.count_params() == 878_195 - 35_456 + 2_451
    assert not any(layer.name.startswith("detail") for layer in context.layers)
    assert not any(layer.name.startswith("context") for layer in detail.layers)
    assert context.output_shape == detail.output_shape == (None, None, None, 19)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branch": "left"}, "branch.*left"),
        ({"branch": "detail", "auxiliary_head": True}, "auxiliary_head with both.*weight=0"),
        ({"branch": "context", "half_resolution": True}, "half_resolution with both branches"),
    ],
)
def test_options_of_branches_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        models.build("contextnet_cn14", **options)
