"""RepVGG: trained with three branches, used with one.

X. Ding et al.: RepVGG: Making VGG-style ConvNets Great Again, CVPR 2021, arXiv 2101.03697, tables 2
and 3, and section 3.3 for the sum of the branches as one convolution.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import batch_norm, conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Count, Variant

PAPER = "Ding, Zhang, Ma, Han, Ding, Sun: RepVGG. CVPR 2021. arXiv:2101.03697"
A, B = (2, 4, 14, 1), (4, 6, 16, 1)


class Options(NamedTuple):
    """The options that all variants share; `repvgg` describes them.

    >>> Options().blocks
    (2, 4, 14, 1)
    """

    blocks: tuple = A
    width: float = 1.0
    last_width: float = 2.5
    groups: int = 1
    merged: bool = False
    dropout_rate: float = 0.0
    output_stride: int = 32


def _variant(letters, blocks, widths, counts, printed, accuracy=None):
    """A row of the paper's tables; `counts` of the branches and of their sum.

    The authors publish the second. Per block of c to d channels in g groups, the branches have c *
    d / g weights of the 1x1 kernel and 4 * d of two normalizations more, 2 * d of the identity's,
    and d biases less.
    """
    width, last_width = widths
    branches, merged = counts
    inputs = int(512 * last_width)
    groups = int(letters[-1]) if "g" in letters else 1
    scores = () if accuracy is None else (("ImageNet", "val", accuracy),)
    return Variant(
        f"repvgg_{letters}",
        f"RepVGG-{letters[0].upper()}{letters[1:]}.",
        {"blocks": blocks, "width": width, "last_width": last_width, "groups": groups},
        {
            "counts": (
                Count(1000, trainable=branches),
                *dense_counts(merged, 0, inputs, merged=True),
            ),
            "scores": scores,
            "printed": f"{printed} M merged",
        },
    )


VARIANTS = (
    _variant("a0", A, (0.75, 2.5), (9_108_968, 8_309_384), "8.30", 72.41),
    _variant("a1", A, (1.0, 2.5), (14_092_264, 12_789_864), "12.78", 74.46),
    _variant("a2", A, (1.5, 2.75), (28_210_600, 25_499_944), "25.49", 76.48),
    _variant("b0", B, (1.0, 2.5), (15_817_960, 14_339_048), "14.33", 75.14),
    _variant("b1", B, (2.0, 4.0), (57_415_016, 51_829_480), "51.82", 78.37),
    _variant("b1g2", B, (2.0, 4.0), (45_782_376, 41_360_104), "41.36", 77.78),
    _variant("b1g4", B, (2.0, 4.0), (39_966_056, 36_125_416), "36.12", 77.58),
    _variant("b2", B, (2.5, 5.0), (89_022_376, 80_315_112), "80.31", 78.78),
    _variant("b2g4", B, (2.5, 5.0), (61_758_376, 55_777_512), "55.77"),
    _variant("b3", B, (3.0, 5.0), (123_085_288, 110_960_872), "110.96"),
    _variant("b3g4", B, (3.0, 5.0), (83_825_128, 75_626_728), "75.62"),
)


@encoder(
    Options(),
    VARIANTS,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    tiny={"blocks": (2, 1, 2, 1), "width": 0.125, "last_width": 0.125},
)
def repvgg(image, name, strides, options):
    """RepVGG, any variant.

    A block is the sum of a 3x3 and a 1x1 convolution and, where it keeps size and channels, of
    the input itself, each followed by its own batch normalization. With `merged=True` it is one
    3x3 convolution; `keras_seg.models.encoders.merge_branches` computes its weights from those of
    a trained network.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of blocks in each of the four stages after the first block.
        width: factor of the channels of the first three stages, 64, 128 and 256.
        last_width: factor of the 512 channels of the last stage.
        groups: groups of the convolutions of every other block; they divide all numbers of
            channels.
        merged: whether each block is merged into one convolution, for inference.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.repvgg_a0((64, 64, 3), num_classes=10, merged=True).output_shape
    (None, 10)
    """
    _check_options(options)
    factors = (options.width,) * 3 + (options.last_width,)
    first = min(64, _scaled(64, options.width))
    x = normalized(image, "torch", name)
    x = _block(x, first, f"{name}stem", strides.step(), options)
    maps, number = {2: x}, 0
    for stage, (count, factor) in enumerate(zip(options.blocks, factors, strict=True)):
        filters = _scaled(64 * 2**stage, factor)
        step = strides.step()
        for index in range(1, count + 1):
            number += 1
            groups = 1 if number % 2 else options.groups
            block = f"{name}stage{stage + 1}_block{index}"
            x = _block(x, filters, block, step, options, groups)
            step = (1, strides.dilation)
        maps[4 * 2**stage] = x
    return maps


def _block(x, filters, name, step, options, groups=1):
    """A sum of branches, or the one convolution that is equal to it."""
    if options.merged:
        x = conv(x, filters, 3, f"{name}_merged", step, groups, use_bias=True)
        return layers.Activation("relu", name=f"{name}_relu")(x)
    large = conv(x, filters, 3, f"{name}_large", step, groups)
    small = conv(x, filters, 1, f"{name}_small", step, groups)
    branches = [batch_norm(large, f"{name}_large", None), batch_norm(small, f"{name}_small", None)]
    if _keeps(x, filters, name):
        branches.append(batch_norm(x, f"{name}_identity", None))
    x = layers.Add(name=f"{name}_add")(branches)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _keeps(x, filters, name):
    """Whether a block keeps size and channels: the first block of a stage halves its map."""
    return x.shape[-1] == filters and not name.endswith(("stem", "block1"))


def _scaled(channels, factor):
    return max(1, int(channels * factor))


def _check_options(options):
    _check.stage_counts("repvgg", "blocks", options.blocks, 4)
    for option in ("width", "last_width"):
        _check.number("repvgg", option, getattr(options, option), above=0)
    _check.positive_integer("repvgg", "groups", options.groups)
    _check.share("repvgg", "dropout_rate", options.dropout_rate)
    widths = (options.width,) * 3 + (options.last_width,)
    filters = [_scaled(64 * 2**stage, factor) for stage, factor in enumerate(widths)]
    if any(count % options.groups for count in filters):
        raise ValueError(
            f"`repvgg` needs channels that its groups divide. Received: groups={options.groups}, "
            f"width={options.width}, last_width={options.last_width}, which give {filters} "
            "channels. Pass groups=1, or other widths."
        )
