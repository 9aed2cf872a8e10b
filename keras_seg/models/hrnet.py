"""HRNetV2: parallel branches of four sizes, which exchange their maps repeatedly.

K. Sun, Y. Zhao, B. Jiang, T. Cheng, B. Xiao, D. Liu, Y. Mu, X. Wang, W. Liu, J. Wang:
High-Resolution Representations for Labeling Pixels and Regions, 2019, arXiv 1904.04514; J. Wang
et al.: Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2020,
arXiv 1908.07919.

The layers are those of the authors' code (github.com/HRNet/HRNet-Semantic-Segmentation,
`seg_hrnet.py`), which is more detailed than the papers:
- The 1x1 convolution after the concatenated branches has a bias, although batch normalization
  follows; the others have none.
- A map is downsampled by four or eight with two or three 3x3 convolutions with stride 2,
  and only the last one changes the number of channels and has no ReLU.
- The small forms come from the repository, not from the papers: v1 has one module in each stage
  and 16 channels, v2 has 18.
The authors enlarge maps with pixel centers at half-integers, as here, or, in later
configurations, with corners aligned.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import ResizeLike
from keras_seg.models.decoding import bottleneck, classifier, conv_bn
from keras_seg.models.encoders.blocks import batch_norm, conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Sun, Zhao, Jiang, Cheng, Xiao, Liu, Mu, Wang, Liu, Wang: High-Resolution Representations for "
    "Labeling Pixels and Regions. 2019. arXiv:1904.04514"
)


class Options(NamedTuple):
    """The options that all variants share; `hrnet_v2` describes them.

    >>> Options().modules
    (1, 4, 3)
    """

    width: int = 18
    modules: tuple = (1, 4, 3)
    blocks: int = 4
    first_blocks: int = 4
    first_width: int = 64
    stem_width: int = 64
    dropout_rate: float = 0.0


_W18 = (
    Count(19, trainable=9_641_119),
    # The classifier has 15 * 18 inputs and a bias for each class.
    Count(150, trainable=9_641_119 + 131 * 271),
)
VARIANTS = (
    Variant(
        "hrnet_v2_w18",
        "HRNetV2-W18: 18 channels in the branch of highest resolution.",
        {},
        {"counts": _W18},
    ),
    Variant(
        "hrnet_v2_w32",
        "HRNetV2-W32: 32 channels in the branch of highest resolution.",
        {"width": 32},
        {"counts": (Count(19, trainable=29_546_515),)},
    ),
    Variant(
        "hrnet_v2_w40",
        "HRNetV2-W40: 40 channels in the branch of highest resolution.",
        {"width": 40},
        {"counts": (Count(19, trainable=45_894_435),)},
    ),
    Variant(
        "hrnet_v2_w48",
        "HRNetV2-W48: 48 channels in the branch of highest resolution.",
        {"width": 48},
        {
            "printed": "65.8 M",
            "counts": (Count(19, trainable=65_859_379, total=65_944_915),),
            "scores": (("Cityscapes", "val", 80.9),),
        },
    ),
    Variant(
        "hrnet_v2_w18_small_v1",
        "HRNetV2 small v1: one module in each stage, 16 channels at the highest resolution.",
        {
            "width": 16,
            "modules": (1, 1, 1),
            "blocks": 2,
            "first_blocks": 1,
            "first_width": 32,
        },
        {"counts": (Count(19, trainable=1_540_819),)},
    ),
    Variant(
        "hrnet_v2_w18_small_v2",
        "HRNetV2 small v2: two blocks in each branch in place of four, and one module less.",
        {"modules": (1, 3, 2), "blocks": 2, "first_blocks": 2},
        {"counts": (Count(19, trainable=3_939_579),)},
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="hrnet",
    tiny={
        "width": 4,
        "modules": (1, 1, 1),
        "blocks": 1,
        "first_blocks": 1,
        "first_width": 4,
        "stem_width": 8,
    },
)
def hrnet_v2(image, num_classes, options):
    """HRNetV2, any variant.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        width: channels of the branch at a quarter of the image's size; those at an eighth, a 16th
            and a 32nd have two, four and eight times as many.
        modules: number of modules of the stages with two, three and four branches.
        blocks: residual blocks of a branch in each module.
        first_blocks: bottlenecks of the first stage, which has one branch.
        first_width: channels inside these bottlenecks; four times as many at their end.
        stem_width: channels of the two convolutions before the first stage.
        dropout_rate: share of values dropped before the classifier while training, 0..1.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> options = {"modules": (1, 1, 1), "blocks": 1, "first_blocks": 1}
    >>> models.hrnet_v2_w18((64, 96, 3), num_classes=11, **options).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    x = normalized(image, "torch", "")
    for number in (1, 2):
        x = conv_bn(x, options.stem_width, 3, f"stem{number}", (2, 1))
    inside = options.first_width
    for number in range(1, options.first_blocks + 1):
        x = bottleneck(x, inside, 4 * inside, f"stage1_block{number}")
    branches = [x]
    for stage, count in enumerate(options.modules, start=2):
        branches = transition(branches, stage, options.width)
        for number in range(1, count + 1):
            branches = module(branches, f"stage{stage}_module{number}", options.blocks)
    finest = branches[0]
    enlarged = [
        ResizeLike(name=f"head_enlarge{number}")([x, finest])
        for number, x in enumerate(branches[1:], start=2)
    ]
    x = layers.Concatenate(name="head_concat")([finest, *enlarged])
    x = conv(x, x.shape[-1], 1, "head_conv", use_bias=True)
    return classifier(batch_norm(x, "head"), image, num_classes, options.dropout_rate)


def transition(branches, stage, width):
    """The branches of the next stage: one more than before, half the size of the last one.

    Args:
        branches: list of KerasTensors, from the largest to the smallest.
        stage: number of the next stage, 2 to 4; it has as many branches.
        width: channels of the first branch.

    Returns:
        list of `stage` KerasTensors.

    >>> import keras
    >>> [x.shape[1:] for x in transition([keras.Input((9, 8, 64))], 2, 18)]
    [(9, 8, 18), (5, 4, 36)]
    """
    kept = [
        x
        if x.shape[-1] == width * 2**number
        else conv_bn(x, width * 2**number, 3, f"transition{stage}_branch{number + 1}")
        for number, x in enumerate(branches)
    ]
    filters = width * 2 ** (stage - 1)
    return [*kept, conv_bn(branches[-1], filters, 3, f"transition{stage}_branch{stage}", (2, 1))]


def module(branches, name, blocks):
    """A module: residual blocks in each branch, after which every branch gets the sum of all.

    Args:
        branches: list of KerasTensors, from the largest to the smallest.
        name: prefix of the layers' names.
        blocks: residual blocks in each branch.

    Returns:
        list of KerasTensors of the same shapes.

    >>> import keras
    >>> maps = [keras.Input((9, 8, 4)), keras.Input((5, 4, 8))]
    >>> [x.shape[1:] for x in module(maps, "stage2_module1", 2)]
    [(9, 8, 4), (5, 4, 8)]
    """
    maps = []
    for number, x in enumerate(branches, start=1):
        for block in range(1, blocks + 1):
            x = basic_block(x, f"{name}_branch{number}_block{block}")
        maps.append(x)
    fused = []
    for to, target in enumerate(maps):
        brought = [
            x
            if source == to
            else exchanged(x, target, to - source, f"{name}_{source + 1}to{to + 1}")
            for source, x in enumerate(maps)
        ]
        x = layers.Add(name=f"{name}_fuse{to + 1}")(brought)
        fused.append(layers.Activation("relu", name=f"{name}_fuse{to + 1}_relu")(x))
    return fused


def exchanged(x, target, steps, name):
    """A branch's map, converted to the size and the channels of another branch.

    Args:
        x: KerasTensor (b, h, w, c).
        target: KerasTensor of the other branch.
        steps: how many times the map is halved; negative to enlarge it.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the target's shape.

    >>> import keras
    >>> exchanged(keras.Input((9, 8, 4)), keras.Input((3, 2, 16)), 2, "1to3").shape
    (None, 3, 2, 16)
    """
    filters = target.shape[-1]
    if steps < 0:
        x = conv_bn(x, filters, 1, name, activation=None)
        return ResizeLike(name=f"{name}_enlarge")([x, target])
    for number in range(1, steps):
        x = conv_bn(x, x.shape[-1], 3, f"{name}_{number}", (2, 1))
    return conv_bn(x, filters, 3, f"{name}_{steps}", (2, 1), None)


def basic_block(x, name):
    """ResNet's block of two 3x3 convolutions, added to the input.

    Args:
        x: KerasTensor (b, h, w, c).
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> basic_block(keras.Input((9, 8, 4)), "block").shape
    (None, 9, 8, 4)
    """
    inside = conv_bn(x, x.shape[-1], 3, f"{name}_1")
    inside = conv_bn(inside, x.shape[-1], 3, f"{name}_2", activation=None)
    x = layers.Add(name=f"{name}_add")([x, inside])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _check_options(options):
    name = "hrnet_v2"
    what = "the modules of the stages with two, three and four branches"
    _check.stage_counts(name, "modules", options.modules, 3, what, (1, 4, 3))
    for option in ("width", "blocks", "first_blocks", "first_width", "stem_width"):
        _check.positive_integer(name, option, getattr(options, option))
    _check.share(name, "dropout_rate", options.dropout_rate)
