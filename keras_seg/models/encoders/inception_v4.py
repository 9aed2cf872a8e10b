"""Inception v4: uniform modules, more of them than in v3, and a stem with branches.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi: Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning, AAAI 2017, arXiv 1602.07261, figures 3 to 9 and table 1.
"""

from typing import NamedTuple

from keras_seg import _check
from keras_seg.models.encoders.inception_blocks import (
    Conv,
    Fork,
    Pool,
    convolved,
    cropped_head,
    full,
    module,
    style_of,
)
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant

PAPER = "Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4. AAAI 2017. arXiv:1602.07261"

# Figure 3, from the first pooling on.
_STEM_FIRST = ((Pool("max", "valid"),), (Conv(96, 3, strided=True, valid=True),))
_STEM_SECOND = (
    (Conv(64), Conv(96, 3, valid=True)),
    (Conv(64), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, 3, valid=True)),
)
_STEM_THIRD = ((Conv(192, 3, strided=True, valid=True),), (Pool("max", "valid"),))
# Figures 4, 5 and 6.
_A = (
    (Conv(96),),
    (Conv(64), Conv(96, 3)),
    (Conv(64), Conv(96, 3), Conv(96, 3)),
    (Pool("average"), Conv(96)),
)
_B = (
    (Conv(384),),
    (Conv(192), Conv(224, (1, 7)), Conv(256, (7, 1))),
    (Conv(192), Conv(192, (7, 1)), Conv(224, (1, 7)), Conv(224, (7, 1)), Conv(256, (1, 7))),
    (Pool("average"), Conv(128)),
)
_BOTH = Fork(((Conv(256, (1, 3)),), (Conv(256, (3, 1)),)))
_C = (
    (Conv(256),),
    (Conv(384), _BOTH),
    (Conv(384), Conv(448, (3, 1)), Conv(512, (1, 3)), _BOTH),
    (Pool("average"), Conv(256)),
)
# Figures 7 and 8, with the numbers of table 1.
_REDUCTION_A = (
    (Conv(384, 3, strided=True, valid=True),),
    (Conv(192), Conv(224, 3), Conv(256, 3, strided=True, valid=True)),
    (Pool("max", "valid"),),
)
_REDUCTION_B = (
    (Conv(192), Conv(192, 3, strided=True, valid=True)),
    (Conv(256), Conv(256, (1, 7)), Conv(320, (7, 1)), Conv(320, 3, strided=True, valid=True)),
    (Pool("max", "valid"),),
)


class Options(NamedTuple):
    """The options of Inception v4; `inception_v4` describes them.

    >>> Options().blocks
    (4, 7, 3)
    """

    blocks: tuple = (4, 7, 3)
    width: float = 1.0
    bn_epsilon: float = 1e-3
    bn_scale: bool = True
    dropout_rate: float = 0.2
    input_range: str = "symmetric"
    output_stride: int = 32


@encoder(
    Options(),
    (
        Variant(
            "inception_v4",
            "Inception v4, for 299 x 299 pixels.",
            {},
            {
                "counts": dense_counts(42_679_816, 63_168, 1536),
                "scores": (("ImageNet", "val", 80.0),),
            },
        ),
    ),
    head=cropped_head,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    smallest=75,
    image_size=299,
    tiny={"blocks": (1, 1, 1), "width": 0.0625},
)
def inception_v4(image, name, strides, options):
    """Inception v4.

    Kernels marked "V" in the paper have no zero padding. The feature maps are padded with zeros for
    the removed pixels, to be aligned with the image; the classifier averages without them.

    Args:
        input_shape: (height, width, channels); height and width are at least 75, or None.
        num_classes: number of classes.
        blocks: number of modules A, B and C.
        width: factor of the numbers of channels.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        bn_scale: whether batch normalization has a scale (gamma).
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
    >>> models.inception_v4((96, 96, 3), num_classes=10, blocks=(1, 1, 1)).output_shape
    (None, 10)
    """
    check_options("inception_v4", options, (4, 7, 3))
    style = style_of(options)
    x = normalized(image, options.input_range, name)
    x, maps = stem(x, name, strides, style)
    for number in range(1, options.blocks[0] + 1):
        x = module(x, _A, f"{name}a{number}", style)
    maps[8] = full(x, 1, f"{name}full8", strides)
    x = module(x, _REDUCTION_A, f"{name}reduction_a", style, strides.step())
    for number in range(1, options.blocks[1] + 1):
        x = module(x, _B, f"{name}b{number}", style, (1, strides.dilation))
    maps[16] = full(x, 1, f"{name}full16", strides)
    x = module(x, _REDUCTION_B, f"{name}reduction_b", style, strides.step())
    for number in range(1, options.blocks[2] + 1):
        x = module(x, _C, f"{name}c{number}", style, (1, strides.dilation))
    maps[32] = full(x, 1, f"{name}full32", strides)
    return maps


def stem(x, name, strides, style):
    """Figure 3: from the image to 384 channels at an eighth of its size.

    Args:
        x: KerasTensor of normalized pixels (b, h, w, c).
        name: prefix of the layers' names.
        strides: `Strides`.
        style: `Style`.

    Returns:
        KerasTensor, and a dict of the feature maps of reduction 2 and 4.
    """
    maps = {}
    down = Conv(32, 3, strided=True, valid=True)
    x = convolved(x, down, f"{name}conv1", style, strides.step())
    x = convolved(x, Conv(32, 3, valid=True), f"{name}conv2", style)
    x = convolved(x, Conv(64, 3), f"{name}conv3", style)
    maps[2] = full(x, 1, f"{name}full2", strides)
    x = module(x, _STEM_FIRST, f"{name}stem1", style, strides.step())
    x = module(x, _STEM_SECOND, f"{name}stem2", style)
    maps[4] = full(x, 2, f"{name}full4", strides)
    return module(x, _STEM_THIRD, f"{name}stem3", style, strides.step()), maps


def check_options(name, options, blocks):
    """Raise unless the options that Inception v4 and the Inception-ResNets share fit.

    Args:
        name: the family's name.
        options: its options.
        blocks: numbers of modules that are suggested.

    Raises:
        ValueError: one is out of its range.
    """
    _check.stage_counts(name, "blocks", options.blocks, 3, example=blocks)
    _check.number(name, "width", options.width, above=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
