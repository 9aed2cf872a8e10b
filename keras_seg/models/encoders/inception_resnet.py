"""Inception-ResNet: Inception's branches, added to their input.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi: Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning, AAAI 2017, arXiv 1602.07261, figures 10 to 20 and table 1.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import BatchNormalization
from keras_seg.models.blocks import BN_MOMENTUM
from keras_seg.models.encoders.blocks import pool
from keras_seg.models.encoders.inception_blocks import (
    Conv,
    Pool,
    convolved,
    cropped_head,
    full,
    module,
    residual,
    style_of,
    without_border,
)
from keras_seg.models.encoders.inception_v4 import PAPER, check_options, stem
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant


class Parts(NamedTuple):
    """The branches of the modules A, B and C and of both reductions."""

    a: tuple
    b: tuple
    c: tuple
    reduction_a: tuple
    reduction_b: tuple


def _down(filters):
    return Conv(filters, 3, strided=True, valid=True)


V1 = Parts(
    a=((Conv(32),), (Conv(32), Conv(32, 3)), (Conv(32), Conv(32, 3), Conv(32, 3))),
    b=((Conv(128),), (Conv(128), Conv(128, (1, 7)), Conv(128, (7, 1)))),
    c=((Conv(192),), (Conv(192), Conv(192, (1, 3)), Conv(192, (3, 1)))),
    reduction_a=(
        (_down(384),),
        (Conv(192), Conv(192, 3), _down(256)),
        (Pool("max", "valid"),),
    ),
    reduction_b=(
        (Conv(256), _down(384)),
        (Conv(256), _down(256)),
        (Conv(256), Conv(256, 3), _down(256)),
        (Pool("max", "valid"),),
    ),
)
V2 = Parts(
    a=((Conv(32),), (Conv(32), Conv(32, 3)), (Conv(32), Conv(48, 3), Conv(64, 3))),
    b=((Conv(192),), (Conv(128), Conv(160, (1, 7)), Conv(192, (7, 1)))),
    c=((Conv(192),), (Conv(192), Conv(224, (1, 3)), Conv(256, (3, 1)))),
    reduction_a=(
        (_down(384),),
        (Conv(256), Conv(256, 3), _down(384)),
        (Pool("max", "valid"),),
    ),
    reduction_b=(
        (Conv(256), _down(384)),
        (Conv(256), _down(288)),
        (Conv(256), Conv(288, 3), _down(320)),
        (Pool("max", "valid"),),
    ),
)
# The authors' code begins the second version with this module of Inception v3.
_MIXED = (
    (Conv(96),),
    (Conv(48), Conv(64, 5)),
    (Conv(64), Conv(96, 3), Conv(96, 3)),
    (Pool("average"), Conv(64)),
)


class V1Options(NamedTuple):
    """The options of the first version; `inception_resnet_v1` describes them.

    >>> V1Options().embedding
    512
    """

    blocks: tuple = (5, 10, 6)
    width: float = 1.0
    embedding: int = 512
    squeeze_ratio: int = 0
    bn_epsilon: float = 1e-3
    bn_scale: bool = True
    dropout_rate: float = 0.2
    input_range: str = "symmetric"
    output_stride: int = 32


def embedding_head(maps, num_classes, options):
    """Global average pooling, dropout, a vector of a fixed length, and a dense layer.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: `V1Options`.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    if not options.embedding:
        return cropped_head(maps, num_classes, options)
    x = layers.GlobalAveragePooling2D(name="pool")(without_border(maps, options))
    if options.dropout_rate:
        x = layers.Dropout(options.dropout_rate, name="dropout")(x)
    x = layers.Dense(options.embedding, use_bias=False, name="embedding")(x)
    x = BatchNormalization(
        momentum=BN_MOMENTUM,
        epsilon=options.bn_epsilon,
        scale=options.bn_scale,
        name="embedding_bn",
    )(x)
    return layers.Dense(num_classes, dtype="float32", name="predictions")(x)


@encoder(
    V1Options(),
    (
        Variant(
            "inception_resnet_v1",
            "Inception-ResNet v1, which costs as much as Inception v3, for 299 x 299 pixels.",
            {},
            {
                "counts": dense_counts(23_995_624, 29_600, 512),
                "scores": (("ImageNet", "val", 78.7),),
            },
        ),
    ),
    head=embedding_head,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    smallest=75,
    image_size=299,
    tiny={"blocks": (1, 1, 2), "width": 0.0625, "embedding": 8},
)
def inception_resnet_v1(image, name, strides, options):
    """Inception-ResNet v1.

    The common implementations, and the counts here, have a sixth module C without factor and ReLU,
    and a vector of 512 values before the classifier. The paper has neither: `blocks=(5, 10, 5),
    embedding=0`.

    Args:
        input_shape: (height, width, channels); height and width are at least 75, or None.
        num_classes: number of classes.
        blocks: number of modules A, B and C; the last of six or more C has no factor and no ReLU.
        width: factor of the numbers of channels.
        embedding: length of the vector before the classifier; 0 for none.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each residual module, as in
            SE-Inception-ResNet (arXiv 1709.01507); 0 for none.
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
    >>> models.inception_resnet_v1((96, 96, 3), num_classes=10, blocks=(1, 1, 1)).output_shape
    (None, 10)
    """
    check_options("inception_resnet_v1", options, (5, 10, 6))
    _check.positive_integer(
        "inception_resnet_v1", "squeeze_ratio", options.squeeze_ratio, at_least=0
    )
    _check.positive_integer("inception_resnet_v1", "embedding", options.embedding, at_least=0)
    style = style_of(options)
    x = normalized(image, options.input_range, name)
    x, maps = _plain_stem(x, name, strides, style)
    x = convolved(x, _down(256), f"{name}conv6", style, strides.step())
    plain_end = options.blocks[2] > 5
    x, maps = _stages(x, maps, V1, name, (strides, style, options.blocks, plain_end))
    maps[32] = full(x, 1, f"{name}full32", strides)
    return maps


class V2Options(NamedTuple):
    """The options of the second version; `inception_resnet_v2` describes them.

    >>> V2Options().blocks
    (10, 20, 10)
    """

    blocks: tuple = (10, 20, 10)
    width: float = 1.0
    released: bool = True
    squeeze_ratio: int = 0
    bn_epsilon: float = 1e-3
    bn_scale: bool = True
    dropout_rate: float = 0.2
    input_range: str = "symmetric"
    output_stride: int = 32


@encoder(
    V2Options(),
    (
        Variant(
            "inception_resnet_v2",
            "Inception-ResNet v2, which costs as much as Inception v4, for 299 x 299 pixels.",
            {},
            {
                "counts": (
                    *dense_counts(55_843_464, 60_544, 1536),
                    *dense_counts(55_813_192, 60_544, 1536, bn_scale=False),
                ),
                "scores": (("ImageNet", "val", 80.1),),
                "imagenet": "InceptionResNetV2",
            },
        ),
    ),
    head=cropped_head,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    smallest=75,
    image_size=299,
    tiny={"blocks": (1, 1, 2), "width": 0.0625},
)
def inception_resnet_v2(image, name, strides, options):
    """Inception-ResNet v2.

    The network released by the authors, which is the common one, differs from the paper: it has the
    stem of Inception v3, twice as many modules, the last one without factor and ReLU, and a 1x1
    convolution at the end. The paper's is `released=False, blocks=(5, 10, 5)`, with the stem of
    Inception v4.

    Args:
        input_shape: (height, width, channels); height and width are at least 75, or None.
        num_classes: number of classes.
        blocks: number of modules A, B and C.
        width: factor of the numbers of channels.
        released: whether it is the network of the authors' code, and not of their paper.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each residual module, as in
            SE-Inception-ResNet (arXiv 1709.01507); 0 for none.
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
    >>> models.inception_resnet_v2((96, 96, 3), num_classes=10, blocks=(1, 1, 1)).output_shape
    (None, 10)
    """
    check_options("inception_resnet_v2", options, (10, 20, 10))
    _check.positive_integer(
        "inception_resnet_v2", "squeeze_ratio", options.squeeze_ratio, at_least=0
    )
    style = style_of(options)
    x = normalized(image, options.input_range, name)
    if options.released:
        x, maps = _plain_stem(x, name, strides, style)
        x = pool(x, 3, f"{name}pool2", strides.step(), padding="valid")
        x = module(x, _MIXED, f"{name}mixed", style)
    else:
        x, maps = stem(x, name, strides, style)
    x, maps = _stages(x, maps, V2, name, (strides, style, options.blocks, options.released))
    if options.released:
        x = convolved(x, Conv(1536), f"{name}conv7", style)
    maps[32] = full(x, 1, f"{name}full32", strides)
    return maps


def _plain_stem(x, name, strides, style):
    """Figure 14, to a quarter of the image's size; Inception v3 begins alike."""
    maps = {}
    x = convolved(x, _down(32), f"{name}conv1", style, strides.step())
    x = convolved(x, Conv(32, 3, valid=True), f"{name}conv2", style)
    x = convolved(x, Conv(64, 3), f"{name}conv3", style)
    maps[2] = full(x, 1, f"{name}full2", strides)
    x = pool(x, 3, f"{name}pool1", strides.step(), padding="valid")
    x = convolved(x, Conv(80), f"{name}conv4", style)
    x = convolved(x, Conv(192, 3, valid=True), f"{name}conv5", style)
    maps[4] = full(x, 2, f"{name}full4", strides)
    return x, maps


def _stages(x, maps, parts, name, settings):
    """Modules A, B and C and the reductions between them, with the factors of the authors' code."""
    strides, style, blocks, plain_end = settings
    for number in range(1, blocks[0] + 1):
        x = residual(x, parts.a, 0.17, f"{name}a{number}", style)
    maps[8] = full(x, 1, f"{name}full8", strides)
    x = module(x, parts.reduction_a, f"{name}reduction_a", style, strides.step())
    for number in range(1, blocks[1] + 1):
        x = residual(x, parts.b, 0.1, f"{name}b{number}", style, (1, strides.dilation))
    maps[16] = full(x, 1, f"{name}full16", strides)
    x = module(x, parts.reduction_b, f"{name}reduction_b", style, strides.step())
    for number in range(1, blocks[2] + 1):
        last = plain_end and number == blocks[2]
        place, step = f"{name}c{number}", (1, strides.dilation)
        x = residual(x, parts.c, 1.0 if last else 0.2, place, style, step, activated=not last)
    return x, maps
