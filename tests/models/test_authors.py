"""Logits against those of the authors' own code, or of the port that holds their weights.

tests/reference/authors holds names, shapes and logits of small networks; the weights follow from
the rule of tests/reference/ports.
"""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from _weights import assert_same, rule

from keras_seg import models

FOLDER = Path(__file__).parents[1] / "reference" / "authors"

# Patterns of the reference's names, and what stands for them in ours; the first one that matches.
HRNET = (
    (r"conv(\d)", r"stem\1_conv"),
    (r"bn(\d)", r"stem\1_bn"),
    (r"layer1\.(\d)\.conv1", r"stage1_block<\1>_reduce_conv"),
    (r"layer1\.(\d)\.bn1", r"stage1_block<\1>_reduce_bn"),
    (r"layer1\.(\d)\.conv2", r"stage1_block<\1>_middle_conv"),
    (r"layer1\.(\d)\.bn2", r"stage1_block<\1>_middle_bn"),
    (r"layer1\.(\d)\.conv3", r"stage1_block<\1>_increase_conv"),
    (r"layer1\.(\d)\.bn3", r"stage1_block<\1>_increase_bn"),
    (r"layer1\.0\.downsample\.0", r"stage1_block1_project_conv"),
    (r"layer1\.0\.downsample\.1", r"stage1_block1_project_bn"),
    (r"transition(\d)\.(\d)(?:\.0)?\.0", r"transition<\1>_branch<\2>_conv"),
    (r"transition(\d)\.(\d)(?:\.0)?\.1", r"transition<\1>_branch<\2>_bn"),
    (
        r"stage(\d)\.(\d)\.branches\.(\d)\.(\d)\.(conv|bn)(\d)",
        r"stage\1_module<\2>_branch<\3>_block<\4>_\6_\5",
    ),
    (r"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.0", r"stage\1_module<\2>_<\4>to<\3>_conv"),
    (r"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.1", r"stage\1_module<\2>_<\4>to<\3>_bn"),
    (
        r"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.(\d)\.0",
        r"stage\1_module<\2>_<\4>to<\3>_<\5>_conv",
    ),
    (
        r"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.(\d)\.1",
        r"stage\1_module<\2>_<\4>to<\3>_<\5>_bn",
    ),
    (r"last_layer\.0", "head_conv"),
    (r"last_layer\.1", "head_bn"),
    (r"last_layer\.3", "logits_conv"),
)
REFINENET = (
    (r"conv1", "encoder_conv1_conv"),
    (r"bn1", "encoder_conv1_bn"),
    (r"layer(\d)\.(\d)\.conv(\d)", r"encoder_conv<\1>_block<\2>_\3_conv"),
    (r"layer(\d)\.(\d)\.bn(\d)", r"encoder_conv<\1>_block<\2>_\3_bn"),
    (r"layer(\d)\.(\d)\.downsample\.0", r"encoder_conv<\1>_block<\2>_0_conv"),
    (r"layer(\d)\.(\d)\.downsample\.1", r"encoder_conv<\1>_block<\2>_0_bn"),
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
DEEPLAB_V2 = (
    (r"layer1\.conv1\.(conv|bn)", r"encoder_conv1_\1"),
    (r"layer(\d)\.block(\d)\.shortcut\.(conv|bn)", r"encoder_conv\1_block\2_0_\3"),
    (r"layer(\d)\.block(\d)\.reduce\.(conv|bn)", r"encoder_conv\1_block\2_1_\3"),
    (r"layer(\d)\.block(\d)\.conv3x3\.(conv|bn)", r"encoder_conv\1_block\2_2_\3"),
    (r"layer(\d)\.block(\d)\.increase\.(conv|bn)", r"encoder_conv\1_block\2_3_\3"),
    (r"aspp\.c(\d)", r"aspp<\1>"),
)
_CLASSIFIER = r"classifier\."
DEEPLAB_V3_PLUS = (
    *((f"backbone\\.{theirs}", ours) for theirs, ours in REFINENET if "encoder" in ours),
    (_CLASSIFIER + r"project\.0", "decoder_low_conv"),
    (_CLASSIFIER + r"project\.1", "decoder_low_bn"),
    (_CLASSIFIER + r"aspp\.convs\.([0-3])\.0", r"aspp\1_conv"),
    (_CLASSIFIER + r"aspp\.convs\.([0-3])\.1", r"aspp\1_bn"),
    (_CLASSIFIER + r"aspp\.convs\.4\.1", "aspp_mean_conv"),
    (_CLASSIFIER + r"aspp\.convs\.4\.2", "aspp_mean_bn"),
    (_CLASSIFIER + r"aspp\.project\.0", "aspp_project_conv"),
    (_CLASSIFIER + r"aspp\.project\.1", "aspp_project_bn"),
    (_CLASSIFIER + r"classifier\.0", "decoder1_conv"),
    (_CLASSIFIER + r"classifier\.1", "decoder1_bn"),
    (_CLASSIFIER + r"classifier\.3", "logits_conv"),
)
# Channels by which kernels behind a concatenation are turned: there the image's mean is the last
# of five maps and here the first; there the decoder's 48 channels are the first and here the last.
TURNED = {"aspp_project_conv": 256, "decoder1_conv": -48}


def resnet(blocks, stride_on):
    return {"blocks": (blocks,) * 4, "stride_on": stride_on, "input_range": "torch"}


# Our name, our options, names, and the layer whose output the stored logits are.
CASES = {
    "hrnet": (
        "hrnet_v2_w18",
        {"width": 6, "modules": (1, 2, 2), "blocks": 2, "first_blocks": 2, "first_width": 8},
        HRNET,
        "logits_conv",
    ),
    "refinenet": ("refinenet", {"encoder_options": resnet(1, "3x3")}, REFINENET, "logits_conv"),
    "deeplab_v2": ("deeplab_v2", {"encoder_options": resnet(2, "1x1")}, DEEPLAB_V2, "aspp_add"),
    "deeplab_v3_plus": (
        "deeplab_v3_plus",
        {
            "encoder": "resnet50",
            "encoder_options": {"stride_on": "3x3", "input_range": "torch"},
            "separable": False,
            "decoder_convolutions": 1,
            "align_corners": False,
        },
        DEEPLAB_V3_PLUS,
        "logits_conv",
    ),
}
# Of a batch normalization.
PARTS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def translated(name, patterns):
    """The name of our layer; numbers in <> begin at 0 in the reference."""
    for pattern, ours in patterns:
        if match := re.fullmatch(pattern, name):
            found = match.expand(ours)
            return re.sub(r"<(\d)>", lambda number: str(int(number[1]) + 1), found)
    raise KeyError(name)


def fill(model, weights, patterns):
    """Give the network the reference's weights by name; each of ours is met once."""
    left = {variable.path for variable in model.variables if "seed" not in variable.path}
    for key, value in weights.items():
        place, _, part = key.rpartition(".")
        layer = model.get_layer(translated(place, patterns))
        if isinstance(layer, keras.layers.BatchNormalization):
            part = PARTS[part]
        elif part == "weight":
            value = np.roll(value.transpose(2, 3, 1, 0), TURNED.get(layer.name, 0), axis=2)
            part = "kernel"
        variable = getattr(layer, part)
        left.remove(variable.path)
        variable.assign(value)
    assert not left


@pytest.mark.parametrize("case", [pytest.param(x, marks=pytest.mark.slow) for x in CASES])
def test_logits_are_those_of_the_authors_code(case):
    stored = json.loads((FOLDER / f"{case}.json").read_text())
    name, options, patterns, layer = CASES[case]
    classes = np.shape(stored["logits"])[-1]
    model = models.build(name, (stored["side"], stored["side"], 3), classes, **options)
    fill(model, rule.weights(stored["shapes"], stored["scale"]), patterns)
    images = rule.image(stored["side"])
    found = keras.Model(model.input, model.get_layer(layer).output)(images)
    assert_same(found, np.array(stored["logits"]))
