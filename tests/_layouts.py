"""Names of layers in authors' files that hold no weights for `port`: Caffe's, Lua's and others."""

import numpy as np

from keras_seg.models.weights.torch_names import Layout

_SYMMETRIC = {"input_range": "symmetric"}


def _enet_block(place, ours, asymmetric):
    """A bottleneck: places 0 and 1 are the main branch and the other one, 2 the slopes."""
    main, names = rf"model\.{place}\.0\.0", iter(range(10))
    yield rf"{main}\.{next(names)}", f"{ours}_reduce"
    yield rf"{main}\.{next(names)}", f"{ours}_reduce_bn"
    yield rf"{main}\.{next(names)}", f"{ours}_reduce_prelu"
    if asymmetric:
        yield rf"{main}\.{next(names)}", f"{ours}_middle_horizontal"
        yield rf"{main}\.{next(names)}", f"{ours}_middle_vertical"
    else:
        yield rf"{main}\.{next(names)}", f"{ours}_middle_conv"
    yield rf"{main}\.{next(names)}", f"{ours}_middle_bn"
    yield rf"{main}\.{next(names)}", f"{ours}_middle_prelu"
    yield rf"{main}\.{next(names)}", f"{ours}_expand"
    yield rf"{main}\.{next(names)}", f"{ours}_expand_bn"
    yield rf"model\.{place}\.2", f"{ours}_prelu"


def _enet_up(place, ours):
    """A bottleneck that enlarges, whose middle is a transposed convolution."""
    for pattern, name in _enet_block(place, ours, asymmetric=False):
        yield pattern, name.replace("middle_conv", "middle_transposed")
    yield rf"model\.{place}\.0\.1\.1", f"{ours}_main"
    yield rf"model\.{place}\.0\.1\.2", f"{ours}_main_bn"


_PLACES = (
    *((4 + i, f"bottleneck1_{i}", False) for i in range(5)),
    (9, "bottleneck2_0", False),
    *((10 + i, f"bottleneck{2 + i // 8}_{1 + i % 8}", i % 4 == 2) for i in range(16)),
    (27, "up1_1", False),
    (28, "up1_2", False),
    (30, "up2_1", False),
)
ENET = Layout(
    "enet",
    (
        (r"model\.0\.0", "initial_conv"),
        (r"model\.2", "initial_bn"),
        (r"model\.3", "initial_prelu"),
        *(pair for which in _PLACES for pair in _enet_block(*which)),
        *(pair for which in ((26, "up1_0"), (29, "up2_0")) for pair in _enet_up(*which)),
        (r"model\.31", "logits_transposed"),
    ),
    _SYMMETRIC,
)
# SegNet's decoder counts its convolutions downwards.
SEGNET = Layout(
    "segnet",
    (
        (r"conv1_1_D", "logits"),
        *(
            (f"conv{level}_{number}_D{x}", f"decoder{level}_conv{count + 1 - number}{x}")
            for level, count in enumerate((2, 2, 3, 3, 3), start=1)
            for number in range(1, count + 1)
            for x in ("", "_bn")
        ),
        (r"conv(\d)_(\d)(_bn|)", r"encoder\1_conv\2\3"),
    ),
    {"filters": (8, 16, 32, 64, 64)},
)
SEGNET_BASIC = Layout(
    "segnet_basic",
    (
        (r"conv(\d)(_bn|)", r"encoder\1_conv1\2"),
        (r"conv_decode(\d)(_bn|)", r"decoder\1_conv1\2"),
        (r"conv_classifier", "logits"),
    ),
    {"filters": (8, 8, 8, 8)},
)


def _with_norms(pairs):
    """Convolutions of Caffe's files and the normalizations behind them."""
    for theirs, ours in pairs:
        yield theirs, f"{ours}_conv"
        yield f"{theirs}/bn", f"{ours}_bn"


def _reversed(count):
    return np.arange(count)[::-1]


ICNET = Layout(
    "icnet",
    (
        *_with_norms(
            (
                (r"conv1_(\d)_3x3(?:_s2)?", r"conv1_\1"),
                (r"conv([2-5])_(\d)_1x1_(reduce|increase)", r"conv\1_\2_\3"),
                (r"conv([2-5])_(\d)_1x1_proj", r"conv\1_\2_project"),
                (r"conv([2-5])_(\d)_3x3", r"conv\1_\2_middle"),
                (r"conv5_4_k1", "conv5_4"),
                (r"conv(\d)_sub1", r"conv\1_sub1"),
                (r"conv_sub4", "sub24_coarse"),
                (r"conv3_1_sub2_proj", "sub24_fine"),
                (r"conv_sub2", "sub12_coarse"),
                (r"conv3_sub1_proj", "sub12_fine"),
            )
        ),
        (r"conv6_cls", "logits_conv"),
    ),
    {"width": 1 / 16},  # An eighth of the file's, which are half of ours.
    # Two kernels read the image, blue first.
    order=dict.fromkeys(("conv1_1_conv", "conv1_sub1_conv"), _reversed),
)


def _pyramid(count):
    """Their averages come from the largest grid to the smallest, each a quarter of the map."""
    parts = np.split(
        np.arange(count), [count // 2 * quarter // 4 + count // 2 for quarter in range(4)]
    )
    return np.concatenate([parts[0], *parts[:0:-1]])


PSPNET = Layout(
    "pspnet",
    (
        *_with_norms(
            (
                (r"conv1_(\d)_3x3(?:_s2)?", r"encoder_conv1_\1"),
                (r"conv([2-5])_(\d)_1x1_proj", r"encoder_conv\1_block\2_0"),
                (r"conv([2-5])_(\d)_1x1_reduce", r"encoder_conv\1_block\2_1"),
                (r"conv([2-5])_(\d)_3x3", r"encoder_conv\1_block\2_2"),
                (r"conv([2-5])_(\d)_1x1_increase", r"encoder_conv\1_block\2_3"),
                (r"conv5_3_pool(\d)_conv", r"pyramid\1"),
                (r"conv5_4", "head"),
            )
        ),
        (r"conv6", "logits_conv"),
    ),
    {
        "encoder": "resnet50_deep",
        "encoder_options": {"width": 1 / 8, "input_range": "caffe"},
        "filters": 64,
    },
    blue_first=True,
    order={"head_conv": _pyramid},
)


def _tramac(place, ours, *layers):
    """A sequence of convolutions and normalizations by their places."""
    for number, layer in layers:
        yield rf"{place}\.{number}", f"{ours}_{layer}"


_FIRST = ((0, "conv"), (1, "bn"))
_SEPARABLE = ((0, "depthwise"), (1, "depthwise_bn"), (3, "pointwise_conv"), (4, "pointwise_bn"))
_BLOCK = (
    (r"0\.conv\.0", "expand_conv"),
    (r"0\.conv\.1", "expand_bn"),
    (r"1\.conv\.0", "depthwise"),
    (r"1\.conv\.1", "depthwise_bn"),
    (2, "project_conv"),
    (3, "project_bn"),
)
FAST_SCNN = Layout(
    "fast_scnn",
    (
        *_tramac(r"learning_to_downsample\.conv\.conv", "stem1", *_FIRST),
        *(
            pair
            for number in (1, 2)
            for place, ours in (
                (rf"learning_to_downsample\.dsconv{number}", f"stem{number + 1}"),
                (rf"classifier\.dsconv{number}", f"classifier{number}"),
            )
            for pair in _tramac(rf"{place}\.conv", ours, *_SEPARABLE)
        ),
        *(
            (
                rf"global_feature_extractor\.bottleneck(\d)\.(\d)\.block\.{place}",
                rf"context\1_<\2>_{x}",
            )
            for place, x in _BLOCK
        ),
        *(
            pair
            for number, side in enumerate((1, 2, 3, 6), start=1)
            for pair in _tramac(
                rf"global_feature_extractor\.ppm\.conv{number}\.conv", f"pyramid{side}", *_FIRST
            )
        ),
        *_tramac(r"global_feature_extractor\.ppm\.out\.conv", "pyramid", *_FIRST),
        *_tramac(r"feature_fusion\.dwconv\.conv", "fusion", (0, "depthwise"), (1, "depthwise_bn")),
        *_tramac(r"feature_fusion\.conv_lower_res", "fusion_context", *_FIRST),
        *_tramac(r"feature_fusion\.conv_higher_res", "fusion_detail", *_FIRST),
        (r"classifier\.conv\.1", "logits_conv"),
    ),
)

# bonlime/keras-deeplab-v3-plus, whose layers are those of the authors' code for TensorFlow.
_NORMS = (("", ""), ("_BN", "_bn"))
KERAS_HEAD = (
    *(
        (f"{theirs}{x}", f"{ours}{y if y else '_conv'}")
        for x, y in _NORMS
        for theirs, ours in (
            ("image_pooling", "aspp_mean"),
            ("aspp0", "aspp0"),
            ("concat_projection", "aspp_project"),
            ("feature_projection0", "decoder_low"),
        )
    ),
    *((rf"(aspp\d)_(depthwise|pointwise){x}", rf"\1_\2{y}") for x, y in _NORMS),
    *((rf"decoder_conv(\d)_(depthwise|pointwise){x}", rf"decoder<\1>_\2{y}") for x, y in _NORMS),
    (r"custom_logits_semantic", "logits_conv"),
)
XCEPTION65 = Layout(
    "deeplab_v3_plus",
    (
        *((rf"entry_flow_conv1_(\d){x}", rf"encoder_entry_conv\1{y}") for x, y in _NORMS),
        *(
            (
                rf"(entry|middle|exit)_flow_(?:block|unit_)(\d+)_separable_conv(\d)_(\w+?){x}",
                rf"encoder_\1_block\2_sepconv\3_\4{y}",
            )
            for x, y in _NORMS[::-1]
        ),
        *(
            (rf"(entry|exit)_flow_block(\d)_shortcut{x}", rf"encoder_\1_block\2_shortcut{y}")
            for x, y in _NORMS
        ),
        *KERAS_HEAD,
    ),
    {"align_corners": False},
)
