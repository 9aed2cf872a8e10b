"""MobileNetV2: inverted residuals with linear bottlenecks.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen: MobileNetV2: Inverted Residuals and Linear
Bottlenecks, CVPR 2018, arXiv 1801.04381, table 2.
"""

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
from keras_seg.models.registry import Count, Variant

PAPER = "Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2. CVPR 2018. arXiv:1801.04381"
# Expansion, channels out, blocks, stride of the first block.
_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


class Options(NamedTuple):
    """The options; `mobilenet_v2` describes them.

    >>> Options().width
    1.0
    """

    width: float = 1.0
    dropout_rate: float = 0.2
    padding: str = "same"
    bn_epsilon: float = 1e-3
    input_range: str = "symmetric"
    squeeze_ratio: int = 0
    output_stride: int = 32
    last_convolution: bool = False


VARIANTS = (
    Variant(
        "mobilenet_v2",
        "MobileNetV2 with 17 inverted residuals.",
        {},
        {
            "printed": "3.4 M",
            "counts": (
                *dense_counts(3_504_872, 34_112, 1280),
                # Those of `keras.applications`; the paper's 1.4 has 6.9 million.
                Count(1000, total=6_156_712, options={"width": 1.4}),
                Count(1000, total=1_987_224, options={"width": 0.5}),
            ),
            "scores": (("ImageNet", "val", 72.0),),
            "imagenet": "MobileNetV2",
        },
    ),
)


def _head(maps, num_classes, options):
    x = maps[32] if options.last_convolution else _last_convolution(maps[32], "", options)
    return pooled_head({32: x}, num_classes, options)


def _last_convolution(x, name, options):
    """A 1x1 convolution to 1280 channels before the pooling; not less in thinner networks."""
    channels = divisible(1280 * max(1.0, options.width))
    style = style_of("mobilenet_v2", options)
    return conv_bn(x, channels, 1, f"{name}conv_last", style=style)


@encoder(
    Options(),
    VARIANTS,
    _head,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    tiny={"width": 0.125},
)
def mobilenet_v2(image, name, strides, options):
    """MobileNetV2.

    The coarsest feature map is that of the last inverted residual, as DeepLab's authors take it;
    the 1x1 convolution to 1280 channels then belongs to the classifier.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        width: factor of all numbers of channels, which are rounded to multiples of 8; the paper
            has 0.35 to 1.4.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        padding: "same", or "symmetric" as in PyTorch's ports, which pad with zeros equally on both
            sides.
        bn_epsilon: epsilon of batch normalization, added to the variance; 1e-5 in PyTorch's ports.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        squeeze_ratio: reduction of squeeze-and-excite after each depthwise convolution, where
            MobileNetV3 has it; 0 for none.
        output_stride: 32; 16 or 8 replace the last strides by dilation.
        last_convolution: whether the coarsest feature map is that of the 1x1 convolution to 1280
            channels, as in `segmentation_models_pytorch`; the classifier is the same.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.mobilenet_v2((64, 64, 3), num_classes=10, width=0.35).output_shape
    (None, 10)
    """
    _check.number("mobilenet_v2", "width", options.width, above=0)
    _check.share("mobilenet_v2", "dropout_rate", options.dropout_rate)
    _check.positive_integer("mobilenet_v2", "squeeze_ratio", options.squeeze_ratio, at_least=0)
    style = style_of("mobilenet_v2", options)
    maps, reduction, number = {}, 2, 0
    x = normalized(image, options.input_range, name)
    x = conv_bn(x, divisible(32 * options.width), 3, f"{name}conv1", strides.step(), style=style)
    for expansion, filters, count, first in _STAGES:
        for index in range(count):
            number += 1
            expanded = expansion * x.shape[-1]
            block = Inverted(
                3,
                expanded,
                divisible(filters * options.width),
                1 if index else first,
                squeezed=options.squeeze_ratio and max(1, expanded // options.squeeze_ratio),
                squeeze_activations=("relu", "sigmoid"),
            )
            reduction *= block.stride
            x = inverted_residual(x, block, f"{name}block{number}", strides, style)
            maps[reduction] = x
    if options.last_convolution:
        maps[32] = _last_convolution(x, name, options)
    return maps
