"""DeepLab-v2 and v3+: what their papers and the authors' code fix."""

import pytest

from keras_seg import models

V2, V3 = (models.facts(name).tiny for name in ("deeplab_v2", "deeplab_v3_plus"))


def rates(model, names):
    found = [model.get_layer(name).dilation_rate for name in names]
    assert all(rate[0] == rate[1] for rate in found)
    return [rate[0] for rate in found]


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    # Section 3.2: 6, 12, 18, 24 at an eighth; the same part of the image at coarser maps.
    [(8, [6, 12, 18, 24]), (16, [3, 6, 9, 12]), (32, [2, 3, 5, 6])],
)
def test_v2_sums_four_dilated_classifiers(output_stride, expected):
    model = models.deeplab_v2((65, 129, 3), 5, output_stride=output_stride, **V2)
    names = [f"aspp{number}" for number in (1, 2, 3, 4)]
    assert rates(model, names) == expected
    for name in names:
        layer = model.get_layer(name)
        assert (*layer.kernel.shape[:2], layer.filters) == (3, 3, 5)
        assert layer.use_bias
    assert len(model.get_layer("aspp_add").input) == 4


def test_v2_keeps_the_last_maps_at_an_eighth():
    model = models.deeplab_v2((65, 129, 3), 5, **V2)
    assert model.get_layer("aspp_add").output.shape == (None, 9, 17, 5)
    kernels = [f"encoder_conv{stage}_block1_2_conv" for stage in (2, 3, 4, 5)]
    assert rates(model, kernels) == [1, 1, 2, 4]


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    # Section 3.1: 6, 12, 18 for output stride 16, doubled for 8.
    [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])],
)
def test_v3_plus_has_the_rates_of_its_output_stride(output_stride, expected):
    model = models.deeplab_v3_plus((65, 129, 3), 5, output_stride=output_stride, **V3)
    names = [f"aspp{number}_depthwise" for number in (1, 2, 3)]
    assert rates(model, names) == expected
    # The 1x1 convolution, three dilated ones and the image's mean.
    assert [x.shape[-1] for x in model.get_layer("aspp_concat").input] == [16] * 5
    assert model.get_layer("aspp_mean").output.shape[1:3] == (1, 1)


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    # The authors' code: unit rates of the middle flow, of the exit flow's first block and of its
    # last one; and the strided kernel of a block keeps the rate of those before it.
    [(32, [1, 1, 1]), (16, [1, 1, 2]), (8, [2, 2, 4])],
)
def test_xception_is_dilated_as_in_the_authors_code(output_stride, expected):
    model = models.deeplab_v3_plus((65, 129, 3), 5, output_stride=output_stride, **V3)
    blocks = ("middle_block1", "exit_block1", "exit_block2")
    for number in (1, 2, 3):
        names = [f"encoder_{block}_sepconv{number}_depthwise" for block in blocks]
        assert rates(model, names) == expected
    strided = model.get_layer("encoder_entry_block3_sepconv3_depthwise")
    assert strided.strides == ((1, 1) if output_stride == 8 else (2, 2))
    assert strided.dilation_rate == (1, 1)


def test_decoder_reads_the_map_at_a_quarter_before_the_next_stride():
    model = models.deeplab_v3_plus((65, 129, 3), 5, **V3)
    low = model.get_layer("decoder_low_conv").input
    # The second separable convolution of the entry flow's second block: 256 / 8 channels.
    assert low is model.get_layer("encoder_entry_block2_sepconv2_pointwise_bn").output
    assert low.shape == (None, 17, 33, 32)
    assert model.get_layer("decoder_concat").output.shape == (None, 17, 33, 16 + 8)
    names = [x.name for x in model.layers if x.name.startswith("decoder")]
    assert [n for n in names if n.endswith("_depthwise")] == [
        "decoder1_depthwise",
        "decoder2_depthwise",
    ]


def test_published_decoder_narrows_the_map_to_48_channels():
    options = {"encoder_options": V3["encoder_options"]}
    model = models.deeplab_v3_plus((64, 64, 3), **options)
    assert model.get_layer("decoder_low_conv").filters == 48
    assert model.get_layer("decoder1_depthwise").input.shape[-1] == 256 + 48


def test_without_decoder_the_map_of_the_encoder_is_classified():
    options = {**V3, "encoder": "mobilenet_v2", "encoder_options": {"width": 0.125}}
    model = models.deeplab_v3_plus(
        (65, 129, 3), 5, output_stride=8, atrous_rates=(), decoder=False, **options
    )
    assert [x.shape[-1] for x in model.get_layer("aspp_concat").input] == [16] * 2
    assert model.get_layer("logits_conv").input.shape == (None, 9, 17, 16)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("deeplab_v2", {"atrous_rates": (6, 12)}, r"needs atrous_rates to be 4 whole numbers"),
        ("deeplab_v3_plus", {"atrous_rates": (0,)}, r"atrous_rates to be whole numbers from 1"),
        ("deeplab_v3_plus", {"atrous_rates": 6}, r"atrous_rates=6\. For example, pass \(6, 12"),
        ("deeplab_v3_plus", {"decoder_convolutions": 0}, "needs decoder_convolutions"),
        ("deeplab_v3_plus", {"dropout_rate": -1}, "needs dropout_rate from 0 below 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, (64, 64, 3), 5, **{**models.facts(name).tiny, **options})
