"""MobileNet: depthwise separable convolutions in place of full ones.

A. G. Howard et al.: MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications, 2017, arXiv 1704.04861, table 1.
"""

from typing import NamedTuple

from keras_seg import _check
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.mobile_blocks import conv_bn, depthwise_bn, style_of
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Count, Variant

PAPER = "Howard, Zhu, Chen et al.: MobileNets. 2017. arXiv:1704.04861"
# Channels out and stride of each separable convolution.
_ROWS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


class Options(NamedTuple):
    """The options; `mobilenet` describes them.

    >>> Options().width
    1.0
    """

    width: float = 1.0
    dropout_rate: float = 0.001
    padding: str = "same"
    bn_epsilon: float = 1e-3
    input_range: str = "symmetric"
    output_stride: int = 32


VARIANTS = (
    Variant(
        "mobilenet_v1",
        "MobileNet with 28 layers.",
        {},
        {
            "printed": "4.2 M",
            "counts": (
                *dense_counts(4_231_976, 21_888, 1024),
                # Section 4 of the paper, table 6: 2.6, 1.3 and 0.5 million.
                Count(1000, total=2_601_976, options={"width": 0.75}),
                Count(1000, total=1_342_536, options={"width": 0.5}),
                Count(1000, total=475_544, options={"width": 0.25}),
            ),
            "scores": (("ImageNet", "val", 70.6),),
            "imagenet": "MobileNet",
        },
    ),
)


@encoder(Options(), VARIANTS, paper=PAPER, features=(2, 4, 8, 16, 32), tiny={"width": 0.125})
def mobilenet(image, name, strides, options):
    """MobileNet, the first version.

    The width multiplier of the paper is `width`; its resolution multiplier is the size of the
    input, such as 128 or 160 in place of 224. The paper says ReLU, the authors' code ReLU6.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        width: factor of all numbers of channels; the paper has 0.25, 0.5, 0.75 and 1.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
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
    >>> models.mobilenet_v1((64, 64, 3), num_classes=10, width=0.25).output_shape
    (None, 10)
    """
    _check.number("mobilenet_v1", "width", options.width, above=0)
    _check.share("mobilenet_v1", "dropout_rate", options.dropout_rate)
    style = style_of("mobilenet_v1", options)
    maps, reduction = {}, 2
    x = normalized(image, options.input_range, name)
    x = conv_bn(x, _scaled(32, options), 3, f"{name}conv1", strides.step(), style=style)
    for number, (filters, stride) in enumerate(_ROWS, 1):
        step = strides.step(stride) if stride > 1 else (1, strides.dilation)
        reduction *= stride
        x = depthwise_bn(x, 3, f"{name}block{number}", step, style=style)
        channels = _scaled(filters, options)
        x = maps[reduction] = conv_bn(x, channels, 1, f"{name}block{number}", style=style)
    return maps


def _scaled(channels, options):
    return max(1, int(channels * options.width))
