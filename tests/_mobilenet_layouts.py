"""Names of layers in the networks of tests/reference/authors that have MobileNetV2 as encoder."""

from _layouts import KERAS_HEAD

from keras_seg.models.weights.torch_names import Layout
from keras_seg.models.weights.torch_tables import LAYOUTS

# bonlime/keras-deeplab-v3-plus, as the authors' code: without decoder and dilated branches.
_PARTS = (("expand", "expand_conv"), ("depthwise", "depthwise"), ("project", "project_conv"))
AUTHORS = Layout(
    "deeplab_v3_plus",
    (
        ("Conv", "encoder_conv1_conv"),
        ("Conv_BN", "encoder_conv1_bn"),
        *(
            (rf"expanded_conv_{place}{theirs}{x}", rf"encoder_block{number}_{y}")
            for place, number in (("", "1"), (r"(\d+)_", r"<\1>"))
            for theirs, ours in _PARTS
            for x, y in (("", ours), ("_BN", f"{ours.removesuffix('_conv')}_bn"))
        ),
        *KERAS_HEAD,
    ),
    {
        "encoder": "mobilenet_v2",
        "output_stride": 8,
        "atrous_rates": (),
        "decoder": False,
        "align_corners": False,
    },
)
TORCH = {"input_range": "torch", "padding": "symmetric", "bn_epsilon": 1e-5}
_ENCODER = {"encoder": "mobilenet_v2", "encoder_options": TORCH}
_BLOCKS = (1, 2, 3, 4, 3, 3, 1)  # of the stages, table 2 of the paper
_KINDS = (
    ("conv_pw", "expand_conv"),
    ("bn1", "expand_bn"),
    ("conv_dw", "depthwise"),
    ("bn2", "depthwise_bn"),
    ("conv_pwl", "project_conv"),
    ("bn3", "project_bn"),
)
# The first block has no expansion: timm's names are those of another class.
_FIRST = (
    ("conv_dw", "depthwise"),
    ("bn1", "depthwise_bn"),
    ("conv_pw", "project_conv"),
    ("bn2", "project_bn"),
)


def _blocks(*stages):
    """The names of the blocks' layers for the patterns of the seven stages' places."""
    number = 0
    for place, count in zip(stages, _BLOCKS, strict=True):
        for index in range(count):
            number += 1
            for theirs, ours in _FIRST if number == 1 else _KINDS:
                yield rf"{place}\.{index}\.{theirs}", f"encoder_block{number}_{ours}"


def _with_norm(theirs, ours, conv="conv", norm="bn"):
    return (theirs + rf"\.{conv}", f"{ours}_conv"), (theirs + rf"\.{norm}", f"{ours}_bn")


_TIMM = r"(?:backbone|encoder)\.maps"
_MAPS = (
    *_with_norm(_TIMM, "encoder_conv1", "conv_stem", "bn1"),
    *_blocks(*(rf"{_TIMM}\.blocks\.{stage}" for stage in range(7))),
)
_OTHERS = {layout.networks: layout for layout in LAYOUTS}
_V3_PLUS = _OTHERS["deeplab_v3_plus"]
DEEPLAB_V3_PLUS = _V3_PLUS._replace(
    patterns=(*_MAPS, *_V3_PLUS.patterns), options={**_V3_PLUS.options, **_ENCODER}
)
REFINENET = _OTHERS["refinenet"]._replace(
    patterns=(
        *_with_norm("conv1", "encoder_conv1", "0", "1"),
        *_blocks(
            *(
                rf"layer{place}"
                for place in (r"1\.0", r"1\.1", r"2\.2", r"3\.3", r"3\.4", r"4\.5", r"4\.6")
            )
        ),
        *_OTHERS["refinenet"].patterns,
    ),
    options=_ENCODER,
)
PSPNET = Layout(
    "pspnet",
    (
        *_MAPS,
        *(
            pair
            for branch, side in ((2, 1), (3, 2), (4, 3), (5, 6))
            for pair in _with_norm(rf"pool\.branches\.branch{branch}\.conv", f"pyramid{side}")
        ),
        *_with_norm(r"final_block\.conv1", "head"),
        (r"final_block\.conv2", "logits_conv"),
    ),
    {**_ENCODER, "filters": 80},  # an eighth of the channels, as 512 of ResNet's
)
FCN8S = Layout(
    "fcn8s",
    (
        *_MAPS,
        *_with_norm("last", "encoder_conv_last", "0", "1"),
        (r"((?:score|enlarge)\d*)", r"\1"),
    ),
    {"encoder": "mobilenet_v2", "encoder_options": {**TORCH, "last_convolution": True}},
)
SEGNET = Layout(
    "segnet",
    (
        *_MAPS,
        *((rf"before(\d+)\.{i}", rf"decoder\1_before_conv1{x}") for i, x in ((0, ""), (1, "_bn"))),
        *((rf"behind(\d+)\.{i}", rf"decoder\1_conv1{x}") for i, x in ((0, ""), (1, "_bn"))),
        ("logits", "logits"),
    ),
    _ENCODER,
)
