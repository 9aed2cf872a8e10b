"""ResNet and its variants: wide, grouped (ResNeXt), and with squeeze-and-excite.

K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, CVPR 2016,
arXiv 1512.03385 (ResNet). S. Zagoruyko, N. Komodakis: Wide Residual Networks, BMVC 2016,
arXiv 1605.07146 (WRN-50-2). S. Xie, R. Girshick, P. Dollar, Z. Tu, K. He: Aggregated Residual
Transformations for Deep Neural Networks, CVPR 2017, arXiv 1611.05431 (ResNeXt). J. Hu, L. Shen,
S. Albanie, G. Sun, E. Wu: Squeeze-and-Excitation Networks, CVPR 2018, arXiv 1709.01507 (SE).
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import batch_norm, conv, pool, squeezed
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant

RESNET = "He, Zhang, Ren, Sun: Deep Residual Learning. CVPR 2016. arXiv:1512.03385"
WIDE = "Zagoruyko, Komodakis: Wide Residual Networks. BMVC 2016. arXiv:1605.07146"
RESNEXT = (
    "Xie, Girshick, Dollar, Tu, He: Aggregated Residual Transformations. CVPR 2017. "
    "arXiv:1611.05431"
)
SENET = "Hu, Shen, Albanie, Sun, Wu: Squeeze-and-Excitation Networks. CVPR 2018. arXiv:1709.01507"


class Options(NamedTuple):
    """The options that all variants share; `resnet` describes them.

    >>> Options().blocks
    (3, 4, 6, 3)
    """

    blocks: tuple = (3, 4, 6, 3)
    bottleneck: bool = True
    groups: int = 1
    group_width: int = 64
    squeeze_ratio: int = 0
    stride_on: str = "1x1"
    deep_stem: bool = False
    width: float = 1.0
    bn_epsilon: float = 1e-5
    dropout_rate: float = 0.0
    input_range: str = "caffe"
    output_stride: int = 32


VARIANTS = (
    Variant(
        "resnet18",
        "ResNet with 18 layers, two 3x3 convolutions in each block.",
        {"blocks": (2, 2, 2, 2), "bottleneck": False},
        {"counts": dense_counts(11_689_512, 9_600, 512)},
    ),
    Variant(
        "resnet34",
        "ResNet with 34 layers, two 3x3 convolutions in each block.",
        {"bottleneck": False},
        {"counts": dense_counts(21_797_672, 17_024, 512)},
    ),
    Variant(
        "resnet50",
        "ResNet with 50 layers: 1x1, 3x3 and 1x1 convolutions in each block.",
        {},
        {"counts": dense_counts(25_557_032, 53_120, 2048), "imagenet": "ResNet50"},
    ),
    Variant(
        "resnet101",
        "ResNet with 101 layers.",
        {"blocks": (3, 4, 23, 3)},
        {"counts": dense_counts(44_549_160, 105_344, 2048), "imagenet": "ResNet101"},
    ),
    Variant(
        "resnet152",
        "ResNet with 152 layers.",
        {"blocks": (3, 8, 36, 3)},
        {"counts": dense_counts(60_192_808, 151_424, 2048), "imagenet": "ResNet152"},
    ),
    # 123,776 more than above: three 3x3 kernels for one 7x7 (112,320 - 9,408), 128 channels where
    # the first block expects 64 (64 * 64 + 64 * 256), and 2 * 192 of normalization.
    Variant(
        "resnet50_deep",
        "ResNet with 50 layers that begins with three 3x3 convolutions, as PSPNet's.",
        {"deep_stem": True},
        {"counts": dense_counts(25_680_808, 53_504, 2048)},
    ),
    Variant(
        "resnet101_deep",
        "ResNet with 101 layers that begins with three 3x3 convolutions, as PSPNet's.",
        {"blocks": (3, 4, 23, 3), "deep_stem": True},
        {"counts": dense_counts(44_672_936, 105_728, 2048)},
    ),
    Variant(
        "wrn_50_2",
        "Wide ResNet-50-2: ResNet-50 whose 3x3 convolutions have twice the channels.",
        {"group_width": 128, "stride_on": "3x3"},
        {"printed": "68.9 M", "counts": dense_counts(68_883_240, 68_224, 2048), "paper": WIDE},
    ),
    Variant(
        "resnext50",
        "ResNeXt-50 32x4d: the 3x3 convolutions have 32 groups.",
        {"groups": 32, "group_width": 4, "stride_on": "3x3"},
        {"printed": "25.0 M", "counts": dense_counts(25_028_904, 68_224, 2048), "paper": RESNEXT},
    ),
    Variant(
        "resnext101",
        "ResNeXt-101 32x8d: 101 layers, the 3x3 convolutions have 32 groups.",
        {"blocks": (3, 4, 23, 3), "groups": 32, "group_width": 8, "stride_on": "3x3"},
        # Moving means and variances: 2 * (64 + 3 * 768 + 4 * 1536 + 23 * 3072 + 3 * 6144 + 3840).
        {"counts": dense_counts(88_791_336, 202_880, 2048), "paper": RESNEXT},
    ),
    Variant(
        "se_resnet50",
        "SE-ResNet-50: squeeze-and-excite at the end of each block.",
        {"squeeze_ratio": 16},
        {
            "printed": "28.1 M",
            "counts": dense_counts(28_088_024, 53_120, 2048),
            "paper": SENET,
            # Of the two units that the ratio of 16 would leave, both can be 0 for every image.
            "tiny": {"blocks": (2, 1, 1, 1), "width": 0.125, "squeeze_ratio": 2},
        },
    ),
)


@encoder(
    Options(),
    VARIANTS,
    paper=RESNET,
    features=(2, 4, 8, 16, 32),
    imagenet_options={"bn_epsilon": 1.001e-5},
    tiny={"blocks": (2, 1, 1, 1), "width": 0.125},
)
def resnet(image, name, strides, options):
    """ResNet, any variant.

    The paper puts the stride of a bottleneck on its first 1x1 convolution, and so does
    `keras.applications`; torchvision puts it on the 3x3 (often called v1.5), as ResNeXt does.
    `stride_on` selects one. The paper's convolutions have no biases; those of `keras.applications`
    have, without effect before batch normalization.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of blocks in each of the four stages.
        bottleneck: whether a block is 1x1, 3x3, 1x1 with four times the channels at its end, or
            two 3x3 convolutions.
        groups: groups of the 3x3 convolutions of bottlenecks.
        group_width: channels of each group in the first stage; they double with every stage.
        squeeze_ratio: reduction of squeeze-and-excite; 0 for none.
        stride_on: "1x1" or "3x3": the convolution of a bottleneck with the stride.
        deep_stem: whether three 3x3 convolutions of 64, 64 and 128 channels take the place of the
            first one of 7x7, as in PSPNet's.
        width: factor of all numbers of channels.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.resnet18((64, 64, 3), num_classes=10).output_shape
    (None, 10)
    """
    _check_options(options)
    maps = {}
    x = normalized(image, options.input_range, name)
    x = maps[2] = _stem(x, f"{name}conv1", strides, options)
    x = pool(x, 3, f"{name}pool1_pool", strides.step())
    for stage, count in enumerate(options.blocks):
        step = strides.step() if stage else (1, strides.dilation)
        filters = _scaled(64 * 2**stage, options)
        inside = _scaled(options.group_width * 2**stage, options, options.groups)
        for number in range(1, count + 1):
            block = f"{name}conv{stage + 2}_block{number}"
            x = _block(x, block, options, (filters, inside), (step, (1, strides.dilation)))
            step = (1, strides.dilation)  # The other blocks of the stage follow the stride.
        maps[4 * 2**stage] = x
    return maps


def _stem(x, name, strides, options):
    """The convolutions before the first pooling."""
    if not options.deep_stem:
        x = conv(x, _scaled(64, options), 7, f"{name}_conv", strides.step())
        return batch_norm(x, name, epsilon=options.bn_epsilon)
    for number, filters in enumerate((64, 64, 128), start=1):
        step = strides.step() if number == 1 else (1, strides.dilation)
        x = conv(x, _scaled(filters, options), 3, f"{name}_{number}_conv", step)
        x = batch_norm(x, f"{name}_{number}", epsilon=options.bn_epsilon)
    return x


def _block(x, name, options, channels, steps):
    """One residual block; `steps` of the kernel that may be strided, and of those after it."""
    filters, inside = channels
    step, behind = steps
    out = filters * (4 if options.bottleneck else 1)
    shortcut = x
    if x.shape[-1] != out or step != behind:
        shortcut = conv(x, out, 1, f"{name}_0_conv", (step[0], 1))
        shortcut = batch_norm(shortcut, f"{name}_0", None, options.bn_epsilon)
    if options.bottleneck:
        first = options.stride_on == "1x1"
        x = conv(x, inside, 1, f"{name}_1_conv", (step[0], 1) if first else (1, 1))
        x = batch_norm(x, f"{name}_1", epsilon=options.bn_epsilon)
        x = conv(x, inside, 3, f"{name}_2_conv", behind if first else step, options.groups)
        x = batch_norm(x, f"{name}_2", epsilon=options.bn_epsilon)
        x = conv(x, out, 1, f"{name}_3_conv")
        x = batch_norm(x, f"{name}_3", None, options.bn_epsilon)
    else:
        x = conv(x, filters, 3, f"{name}_1_conv", step)
        x = batch_norm(x, f"{name}_1", epsilon=options.bn_epsilon)
        x = conv(x, filters, 3, f"{name}_2_conv", behind)
        x = batch_norm(x, f"{name}_2", None, options.bn_epsilon)
    x = layers.Add(name=f"{name}_add")([shortcut, squeezed(x, options, name)])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _scaled(channels, options, groups=1):
    """Channels times the width; of all groups together."""
    return max(1, round(channels * options.width)) * groups


def _check_options(options):
    name = "resnet"
    _check.one_of(f"stride_on of `{name}`", "stride_on", options.stride_on, ("1x1", "3x3"))
    _check.number(name, "width", options.width, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    for option in ("groups", "group_width"):
        _check.positive_integer(name, option, getattr(options, option))
    _check.positive_integer(name, "squeeze_ratio", options.squeeze_ratio, at_least=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    example = (3, 4, 6, 3)
    _check.stage_counts(name, "blocks", options.blocks, 4, example=example)
