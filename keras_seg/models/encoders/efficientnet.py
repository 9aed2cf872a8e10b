"""EfficientNet: one network whose depth, width and resolution are scaled by one coefficient.

M. Tan, Q. V. Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
ICML 2019, arXiv 1905.11946, table 1 and section 3.3.
"""

import math
from typing import NamedTuple

from keras_seg import _check
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.mobile_blocks import (
    Inverted,
    conv_bn,
    divisible,
    inverted_residual,
    style_of,
)
from keras_seg.models.encoders.registry import dense_counts, encoder, pooled_head
from keras_seg.models.registry import Variant

PAPER = "Tan, Le: EfficientNet. ICML 2019. arXiv:1905.11946"
# Expansion, kernel, channels out, blocks, stride of the first block.
_STAGES = (
    (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
)  # fmt: skip


class Options(NamedTuple):
    """The options that all variants share; `efficientnet` describes them.

    >>> Options().depth
    1.0
    """

    width: float = 1.0
    depth: float = 1.0
    dropout_rate: float = 0.2
    drop_connect_rate: float = 0.2
    padding: str = "same"
    bn_epsilon: float = 1e-3
    input_range: str = "torch"
    output_stride: int = 32


class Scaling(NamedTuple):
    """Depth, width and resolution after compound scaling of EfficientNet-B0.

    Attributes:
        width: factor of the numbers of channels.
        depth: factor of the numbers of blocks.
        resolution: side of the input in pixels.

    >>> Scaling(1.0, 1.0, 224).resolution
    224
    """

    width: float
    depth: float
    resolution: int


def compound_scaling(phi, alpha=1.2, beta=1.1, gamma=1.15, resolution=224):
    """Scale depth, width and resolution by one coefficient.

    With alpha * beta**2 * gamma**2 near 2, the multiply-adds grow as 2**phi. The published B1 to
    B7 were rounded by hand from about these numbers; their builders use the published ones.

    Args:
        phi: the compound coefficient, 0 for B0; fractions are allowed.
        alpha: base of the depth.
        beta: base of the width.
        gamma: base of the resolution.
        resolution: side of the input at phi 0 in pixels.

    Returns:
        `Scaling`.

    Raises:
        ValueError: an argument is out of its range.

    >>> scaling = compound_scaling(1)
    >>> scaling
    Scaling(width=1.1, depth=1.2, resolution=258)
    """
    _check.number("compound_scaling", "phi", phi, at_least=0)
    for key, base in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        _check.number("compound_scaling", key, base, at_least=1)
    _check.positive_integer("compound_scaling", "resolution", resolution)
    return Scaling(beta**phi, alpha**phi, round(resolution * gamma**phi))


def _variant(number, scaling, dropout, counts, accuracy, printed):
    """A row of the paper's table 2; counts without the input's normalization, which is fixed."""
    options = {"width": scaling.width, "depth": scaling.depth, "dropout_rate": dropout}
    return Variant(
        f"efficientnet_b{number}",
        f"EfficientNet-B{number}, meant for {scaling.resolution} x {scaling.resolution} pixels.",
        options,
        {
            "counts": dense_counts(counts[0], counts[1], divisible(1280 * scaling.width)),
            "scores": (("ImageNet", "val", accuracy),),
            "imagenet": f"EfficientNetB{number}",
            "image_size": scaling.resolution,
            "printed": printed,
        },
    )


VARIANTS = (
    _variant(0, Scaling(1.0, 1.0, 224), 0.2, (5_288_548, 42_016), 77.1, "5.3 M"),
    _variant(1, Scaling(1.0, 1.1, 240), 0.2, (7_794_184, 62_048), 79.1, "7.8 M"),
    _variant(2, Scaling(1.1, 1.2, 260), 0.3, (9_109_994, 67_568), 80.1, "9.2 M"),
    _variant(3, Scaling(1.2, 1.4, 300), 0.3, (12_233_232, 87_296), 81.6, "12 M"),
    _variant(4, Scaling(1.4, 1.8, 380), 0.4, (19_341_616, 125_200), 82.9, "19 M"),
    _variant(5, Scaling(1.6, 2.2, 456), 0.4, (30_389_784, 172_736), 83.6, "30 M"),
    _variant(6, Scaling(1.8, 2.6, 528), 0.5, (43_040_704, 224_432), 84.0, "43 M"),
    _variant(7, Scaling(2.0, 3.1, 600), 0.5, (66_347_960, 310_720), 84.3, "66 M"),
)


def _head(maps, num_classes, options):
    """A 1x1 convolution to 1280 channels, scaled like all others, before the pooling."""
    channels, style = divisible(1280 * options.width), style_of("efficientnet", options)
    x = conv_bn(maps[32], channels, 1, "conv_last", (1, 1), "swish", style)
    return pooled_head({32: x}, num_classes, options)


@encoder(
    Options(),
    VARIANTS,
    _head,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    tiny={"width": 0.25, "depth": 0.5, "dropout_rate": 0.2},
)
def efficientnet(image, name, strides, options):
    """EfficientNet, any variant; `compound_scaling` gives the numbers for others.

    The coarsest feature map is that of the last inverted residual; the 1x1 convolution to 1280
    channels belongs to the classifier. The input is normalized by ImageNet's means and standard
    deviations, as in the authors' code. `keras.applications` does so in two layers, the second one
    only with ImageNet's weights.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        width: factor of all numbers of channels, which are rounded to multiples of 8.
        depth: factor of the numbers of blocks, which are rounded up.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        drop_connect_rate: share of training images for which a block with a shortcut is left out,
            0..1; block i of n, counted from 0, has i / n times this share.
        padding: "same", or "symmetric" as in PyTorch's ports, which pad with zeros equally on both
            sides.
        bn_epsilon: epsilon of batch normalization, added to the variance; 1e-5 in PyTorch's ports.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.efficientnet_b0((64, 64, 3), num_classes=10, width=0.5).output_shape
    (None, 10)
    """
    for option in ("width", "depth"):
        _check.number("efficientnet", option, getattr(options, option), above=0)
    for option in ("dropout_rate", "drop_connect_rate"):
        _check.share("efficientnet", option, getattr(options, option))
    counts = [math.ceil(options.depth * stage[3]) for stage in _STAGES]
    style = style_of("efficientnet", options)
    maps, reduction, number = {}, 2, 0
    x = normalized(image, options.input_range, name)
    channels = divisible(32 * options.width)
    x = conv_bn(x, channels, 3, f"{name}conv1", strides.step(), "swish", style)
    for (expansion, kernel, filters, _, first), count in zip(_STAGES, counts, strict=True):
        for index in range(count):
            before = x.shape[-1]
            block = Inverted(
                kernel,
                expansion * before,
                divisible(filters * options.width),
                1 if index else first,
                "swish",
                max(1, before // 4),
                ("swish", "sigmoid"),
                options.drop_connect_rate * number / sum(counts),
            )
            number += 1
            reduction *= block.stride
            x = maps[reduction] = inverted_residual(
                x, block, f"{name}block{number}", strides, style
            )
    return maps
