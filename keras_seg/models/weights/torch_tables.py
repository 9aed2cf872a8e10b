"""Names of layers in the code of the papers' authors, and in ports that have their weights."""

import numpy as np

from keras_seg.models.weights.torch_names import Layout


def _rolled(shift):
    return lambda count: np.roll(np.arange(count), shift)


_HRNET = (
    *((rf"{x}(\d)", rf"stem\1_{x}") for x in ("conv", "bn")),
    *(
        (rf"layer1\.(\d)\.{x}{number}", rf"stage1_block<\1>_{place}_{x}")
        for x in ("conv", "bn")
        for number, place in ((1, "reduce"), (2, "middle"), (3, "increase"))
    ),
    (r"layer1\.0\.downsample\.0", r"stage1_block1_project_conv"),
    (r"layer1\.0\.downsample\.1", r"stage1_block1_project_bn"),
    (r"transition(\d)\.(\d)(?:\.0)?\.0", r"transition<\1>_branch<\2>_conv"),
    (r"transition(\d)\.(\d)(?:\.0)?\.1", r"transition<\1>_branch<\2>_bn"),
    (
        r"stage(\d)\.(\d)\.branches\.(\d)\.(\d)\.(conv|bn)(\d)",
        r"stage\1_module<\2>_branch<\3>_block<\4>_\6_\5",
    ),
    *(
        (
            rf"stage(\d)\.(\d)\.branches\.(\d)\.(\d)\.downsample\.{place}",
            rf"stage\1_module<\2>_branch<\3>_block<\4>_0_{x}",
        )
        for place, x in ((0, "conv"), (1, "bn"))
    ),
    *(
        (
            rf"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.{place}",
            rf"stage\1_module<\2>_<\4>to<\3>_{x}",
        )
        for place, x in ((0, "conv"), (1, "bn"))
    ),
    *(
        (
            rf"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.(\d)\.{place}",
            rf"stage\1_module<\2>_<\4>to<\3>_<\5>_{x}",
        )
        for place, x in ((0, "conv"), (1, "bn"))
    ),
    (r"last_layer\.0", "head_conv"),
    (r"last_layer\.1", "head_bn"),
    (r"last_layer\.3", "logits_conv"),
)
_RESNET = (
    (r"conv1", "encoder_conv1_conv"),
    (r"bn1", "encoder_conv1_bn"),
    (r"layer(\d)\.(\d+)\.(conv|bn)(\d)", r"encoder_conv<\1>_block<\2>_\4_\3"),
    (r"layer(\d)\.(\d+)\.downsample\.0", r"encoder_conv<\1>_block<\2>_0_conv"),
    (r"layer(\d)\.(\d+)\.downsample\.1", r"encoder_conv<\1>_block<\2>_0_bn"),
)
_REFINENET = (
    *_RESNET,
    (r"p_ims1d2_outl(\d)_dimred", r"refine\1_reduce"),
    (r"adapt_stage(\d)_b\.0\.(\d)_conv", r"refine\1_adapt\2_conv1"),
    (r"adapt_stage(\d)_b\.0\.(\d)_conv_relu_varout_dimred", r"refine\1_adapt\2_conv2"),
    (r"adapt_stage(\d)_b2_joint_varout_dimred", r"refine\1_fuse"),
    (r"mflow_conv_g(\d)_pool\.0\.(\d)_outvar_dimred", r"refine\1_pool\2_conv"),
    (r"mflow_conv_g(\d)_b\.0\.(\d)_conv", r"refine\1_output\2_conv1"),
    (r"mflow_conv_g(\d)_b\.0\.(\d)_conv_relu_varout_dimred", r"refine\1_output\2_conv2"),
    (r"mflow_conv_g(\d)_b3_joint_varout_dimred", r"refine<\1>_coarser"),
    (r"clf_conv", "logits_conv"),
)
_DEEPLAB_V2 = (
    (r"layer1\.conv1\.(conv|bn)", r"encoder_conv1_\1"),
    *(
        (rf"layer(\d)\.block(\d+)\.{place}\.(conv|bn)", rf"encoder_conv\1_block\2_{number}_\3")
        for number, place in enumerate(("shortcut", "reduce", "conv3x3", "increase"))
    ),
    (r"aspp\.c(\d)", r"aspp<\1>"),
)
_CLASSIFIER = r"classifier\."
_DEEPLAB_V3_PLUS = (
    *((rf"backbone\.{theirs}", ours) for theirs, ours in _RESNET),
    *(
        (_CLASSIFIER + rf"{place}\.{number}", f"{ours}_{x}")
        for place, ours in (("project", "decoder_low"), (r"aspp\.project", "aspp_project"))
        for number, x in ((0, "conv"), (1, "bn"))
    ),
    (_CLASSIFIER + r"aspp\.convs\.([0-3])\.0", r"aspp\1_conv"),
    (_CLASSIFIER + r"aspp\.convs\.([0-3])\.1", r"aspp\1_bn"),
    (_CLASSIFIER + r"aspp\.convs\.4\.1", "aspp_mean_conv"),
    (_CLASSIFIER + r"aspp\.convs\.4\.2", "aspp_mean_bn"),
    (_CLASSIFIER + r"classifier\.0", "decoder1_conv"),
    (_CLASSIFIER + r"classifier\.1", "decoder1_bn"),
    (_CLASSIFIER + r"classifier\.3", "logits_conv"),
)
# The layers' names in the authors' Caffe files, which torchfcn keeps.
_FCN = (
    (r"conv(\d)_(\d)", r"encoder_block\1_conv\2"),
    (r"(fc[67])", r"\1"),
    (r"score_fr", "score32"),
    (r"score_pool4", "score16"),
    (r"score_pool3", "score8"),
    (r"upscore2", "enlarge16"),
    (r"upscore_pool4", "enlarge8"),
    (r"upscore(8|16|)", "enlarge"),
)


def _erfnet_block(place, ours):
    """The names of a factorized block's layers."""
    for part in (1, 2):
        yield rf"{place}\.conv3x1_{part}", f"{ours}_{part}_vertical"
        yield rf"{place}\.conv1x3_{part}", f"{ours}_{part}_horizontal"
        yield rf"{place}\.bn{part}", f"{ours}_{part}_bn"


_DOWN = {r"initial_block": "down1", r"layers\.0": "down2", r"layers\.6": "down3"}
_ERFNET = (
    *((rf"encoder\.{place}\.(conv|bn)", rf"{ours}_\1") for place, ours in _DOWN.items()),
    *(x for i in range(5) for x in _erfnet_block(rf"encoder\.layers\.{i + 1}", f"block2_{i + 1}")),
    *(
        pair
        for i in range(8)
        for pair in _erfnet_block(
            rf"encoder\.layers\.{i + 7}", f"block3_{i // 4 + 1}_dilation{2 ** (i % 4 + 1)}"
        )
    ),
    (r"encoder\.output_conv", ""),  # The encoder's classifier, for its training alone.
    *((rf"decoder\.layers\.{3 * i}\.conv", f"up{i + 1}_transposed") for i in (0, 1)),
    *((rf"decoder\.layers\.{3 * i}\.bn", f"up{i + 1}_bn") for i in (0, 1)),
    *(
        pair
        for i in range(4)
        for pair in _erfnet_block(
            rf"decoder\.layers\.{i + 1 + i // 2}", f"up{i // 2 + 1}_{i % 2 + 1}"
        )
    ),
    (r"decoder\.output_conv", "logits_transposed"),
)


def _unet(kinds, blocks):
    """The names of U-Net's layers: `blocks` maps places of blocks to ours, `kinds` their layers."""
    for place, ours in blocks.items():
        for inside, layer in kinds.items():
            yield rf"{place}\.{inside}", f"{ours}_{layer}"


_UNET_NORMALIZED = (
    *_unet(
        {rf"double_conv\.{3 * number}": f"conv{number + 1}" for number in (0, 1)}
        | {rf"double_conv\.{3 * number + 1}": f"conv{number + 1}_bn" for number in (0, 1)},
        {"inc": "down1"}
        | {rf"down{i}\.maxpool_conv\.1": f"down{i + 1}" for i in (1, 2, 3)}
        | {r"down4\.maxpool_conv\.1": "bottom"}
        | {rf"up{i}\.conv": f"up{5 - i}" for i in (1, 2, 3, 4)},
    ),
    *((rf"up{i}\.up", f"up{5 - i}_transposed") for i in (1, 2, 3, 4)),
    (r"outc\.conv", "logits_conv"),
)
_UNET_VALID = (
    *_unet(
        {rf"conv{number}\.0": f"conv{number}" for number in (1, 2)},
        {f"conv{i}": f"down{i}" for i in (1, 2, 3, 4)}
        | {"center": "bottom"}
        | {rf"up_concat{i}\.conv": f"up{i}" for i in (1, 2, 3, 4)},
    ),
    (r"up_concat(\d)\.up", r"up\1_transposed"),
    (r"final", "logits_conv"),
)
_TORCH = {"input_range": "torch"}
LAYOUTS = (
    # HRNet/HRNet-Semantic-Segmentation, the authors'
    Layout("hrnet_v2_.*", _HRNET),
    # DrSleep/refinenet-pytorch, with the authors' weights
    Layout("refinenet", _REFINENET, {"encoder_options": {**_TORCH, "stride_on": "3x3"}}),
    # kazuto1011/deeplab-pytorch, with the authors' weights
    Layout(
        "deeplab_v2",
        _DEEPLAB_V2,
        {"align_corners": False, "encoder_options": {"stride_on": "1x1", "input_range": "caffe"}},
        blue_first=True,
    ),
    # VainF/DeepLabV3Plus-Pytorch. There the image's mean is the last of five maps and here the
    # first; there the decoder's 48 channels are the first and here the last.
    Layout(
        "deeplab_v3_plus",
        _DEEPLAB_V3_PLUS,
        {
            "encoder": "resnet50",
            "encoder_options": {**_TORCH, "stride_on": "3x3"},
            "separable": False,
            "decoder_convolutions": 1,
            "align_corners": False,
        },
        order={"aspp_project_conv": _rolled(256), "decoder1_conv": _rolled(-48)},
    ),
    # torchfcn, with the authors' weights
    Layout(
        "fcn(32|16|8)s",
        _FCN,
        {"padding": "image", "encoder_options": {"input_range": "caffe"}},
        blue_first=True,
    ),
    # Eromera/erfnet_pytorch, the authors'
    Layout("erfnet", _ERFNET, {"input_range": "unit"}),
    # milesial/Pytorch-UNet
    Layout(
        "unet",
        _UNET_NORMALIZED,
        {"padding": "same", "normalization": True, "input_range": "unit"},
    ),
    # meetshah1995/pytorch-semseg without batch normalization
    Layout("unet", _UNET_VALID),
)
# Networks that are not ours: our name, the beginning of a layer's name in theirs, whose network it
# is and how it differs, and what to do instead.
OTHERS = (
    (
        "alexnet",
        "features.stage1.unit1.conv.weight",
        "pytorchcv's network of that name, which has no groups and a fifth of the response "
        "normalization's factor",
        "Port pytorchcv's `alexnetb` to `alexnet_one_tower`.",
    ),
    (
        "se_resnet50",
        "layer0.",
        "timm's `legacy_seresnet50`, also that of segmentation_models_pytorch, whose pooling does "
        "not pad the upper left",
        "Port pytorchcv's `seresnet50`, or train `se_resnet50`.",
    ),
    (
        "fast_scnn",
        "",
        "the network of public state dicts: pytorchcv's and Tramac's do not pad the first "
        "convolution, and enlarge maps with aligned corners",
        "Train `fast_scnn` instead.",
    ),
    (
        "deeplab_v3_plus",
        "backbone.low_level_features.",
        "VainF's network with MobileNetV2, whose first convolution is not padded and whose blocks "
        "pad the map before the expansion",
        "Port the one with ResNet, or train `deeplab_v3_plus`.",
    ),
    (
        "deeplab_v3_plus",
        "decoder.aspp.0.",
        "segmentation_models_pytorch's network, which has no normalization between depthwise and "
        "1x1 convolutions, one more of them behind the branches and one less in the decoder",
        "Port VainF's network with ResNet, or train `deeplab_v3_plus`.",
    ),
    (
        "pspnet",
        "decoder.psp.",
        "segmentation_models_pytorch's network, which pools the encoder's map of reduction 8 and "
        "does not normalize the 1x1 grid",
        "Port pytorchcv's network, or train `pspnet`.",
    ),
)
