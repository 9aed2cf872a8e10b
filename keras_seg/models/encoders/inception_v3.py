"""Inception v3: kernels factorized into smaller and one-sided ones.

C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna: Rethinking the Inception Architecture for
Computer Vision, CVPR 2016, arXiv 1512.00567, table 1 and figures 5 to 7 and 10; numbers of
channels, which the paper leaves out, are those of the authors' code.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import pool
from keras_seg.models.encoders.inception_blocks import (
    Conv,
    Fork,
    Pool,
    auxiliary_pool,
    check_modules,
    convolved,
    cropped_head,
    full,
    module,
    style_of,
)
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Count, Variant


class Options(NamedTuple):
    """The options of Inception v3; `inception_v3` describes them.

    >>> Options().blocks
    (3, 4, 2)
    """

    blocks: tuple = (3, 4, 2)
    width: float = 1.0
    bn_epsilon: float = 1e-3
    bn_scale: bool = True
    count_padding: bool = False
    auxiliary_head: bool = False
    dropout_rate: float = 0.2
    input_range: str = "symmetric"
    output_stride: int = 32


def _counts():
    """With a scale in batch normalization, as torchvision has it, and without, as Keras has it."""
    aux = {"auxiliary_head": True}
    return (
        *dense_counts(23_834_568, 34_432, 2048),
        *dense_counts(23_817_352, 34_432, 2048, bn_scale=False),
        # Per class: 2048 weights and a bias, and 768 and one of the second head.
        *(
            Count(n, trainable=27_161_264 - (1000 - n) * (2049 + 769), options=aux)
            for n in (1000, 100, 10)
        ),
    )


def head(maps, num_classes, options):
    """Global average pooling, dropout and a dense layer; in training a second head.

    Args:
        maps: feature maps by reduction, and the one that the auxiliary head reads.
        num_classes: number of classes.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, num_classes), or a dict of two.
    """
    logits = cropped_head(maps, num_classes, options)
    if not options.auxiliary_head:
        return logits
    style = style_of(options)
    x = auxiliary_pool(maps["aux"], 17, "aux")
    x = convolved(x, Conv(128), "aux_reduce", style)
    x = convolved(x, Conv(768, 5, valid=True), "aux_whole", style)
    x = layers.Flatten(name="aux_flatten")(x)
    aux = layers.Dense(num_classes, dtype="float32", name="aux_predictions")(x)
    return {"logits": logits, "aux_1": aux}


@encoder(
    Options(),
    (
        Variant(
            "inception_v3",
            "Inception v3, for 299 x 299 pixels.",
            {},
            {
                "counts": _counts(),
                "scores": (("ImageNet", "val", 78.8),),
                "imagenet": "InceptionV3",
            },
        ),
    ),
    head=head,
    paper="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking Inception. CVPR 2016. "
    "arXiv:1512.00567",
    features=(2, 4, 8, 16, 32),
    smallest=75,
    image_size=299,
    printed="< 25 M",
    tiny={"blocks": (1, 1, 1), "width": 0.0625},
)
def inception_v3(image, name, strides, options):
    """Inception v3.

    The first convolutions and all strided ones have no zero padding. The feature maps are padded
    with zeros for the removed pixels, to be aligned with the image; the classifier averages without
    them. Keras's batch normalization has no scale here, torchvision's has.

    Args:
        input_shape: (height, width, channels); height and width are at least 75, or None.
        num_classes: number of classes.
        blocks: number of modules of each of the three kinds, counted from the first, without those
            that halve the map; up to 3, 4 and any number.
        width: factor of the numbers of channels.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        bn_scale: whether batch normalization has a scale (gamma), which is redundant before a ReLU
            and a convolution.
        count_padding: whether averages at the border count the zero padding, as in PyTorch.
        auxiliary_head: whether to build the classifier in the middle, for training. Its loss has
            weight 0.4 in the authors' code.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes); with
        an auxiliary head a dict of "logits" and "aux_1".

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.inception_v3((96, 96, 3), num_classes=10, blocks=(1, 1, 1)).output_shape
    (None, 10)
    """
    _check_options(options)
    style, maps = style_of(options), {}
    first, second, third = options.blocks
    x = normalized(image, options.input_range, name)
    down = Conv(32, 3, strided=True, valid=True)
    x = convolved(x, down, f"{name}conv1", style, strides.step())
    x = convolved(x, Conv(32, 3, valid=True), f"{name}conv2", style)
    x = convolved(x, Conv(64, 3), f"{name}conv3", style)
    maps[2] = full(x, 1, f"{name}full2", strides)
    x = pool(x, 3, f"{name}pool1", strides.step(), padding="valid")
    x = convolved(x, Conv(80), f"{name}conv4", style)
    x = convolved(x, Conv(192, 3, valid=True), f"{name}conv5", style)
    maps[4] = full(x, 2, f"{name}full4", strides)
    x = pool(x, 3, f"{name}pool2", strides.step(), padding="valid")
    for number, projection in enumerate((32, 64, 64)[:first], start=1):
        x = module(x, _squares(projection), f"{name}squares{number}", style)
    maps[8] = full(x, 1, f"{name}full8", strides)
    x = module(x, _FIRST_REDUCTION, f"{name}reduction1", style, strides.step())
    for number, inner in enumerate((128, 160, 160, 192)[:second], start=1):
        x = module(x, _lines(inner), f"{name}lines{number}", style, (1, strides.dilation))
    maps[16], maps["aux"] = full(x, 1, f"{name}full16", strides), x
    x = module(x, _SECOND_REDUCTION, f"{name}reduction2", style, strides.step())
    for number in range(1, third + 1):
        x = module(x, _WIDE, f"{name}wide{number}", style, (1, strides.dilation))
    maps[32] = full(x, 1, f"{name}full32", strides)
    return maps


def _squares(projection):
    """Figure 5: two 3x3 kernels in place of a 5x5 one; another branch keeps its 5x5 kernel."""
    return (
        (Conv(64),),
        (Conv(48), Conv(64, 5)),
        (Conv(64), Conv(96, 3), Conv(96, 3)),
        (Pool("average"), Conv(projection)),
    )


def _lines(inner):
    """Figure 6: 1x7 and 7x1 kernels in place of 7x7 ones."""
    return (
        (Conv(192),),
        (Conv(inner), Conv(inner, (1, 7)), Conv(192, (7, 1))),
        (
            Conv(inner),
            Conv(inner, (7, 1)),
            Conv(inner, (1, 7)),
            Conv(inner, (7, 1)),
            Conv(192, (1, 7)),
        ),
        (Pool("average"), Conv(192)),
    )


# Figure 7: 1x3 and 3x1 kernels side by side, for many channels.
_BOTH = Fork(((Conv(384, (1, 3)),), (Conv(384, (3, 1)),)))
_WIDE = (
    (Conv(320),),
    (Conv(384), _BOTH),
    (Conv(448), Conv(384, 3), _BOTH),
    (Pool("average"), Conv(192)),
)
# Figure 10: a strided convolution and a pooling side by side.
_FIRST_REDUCTION = (
    (Conv(384, 3, strided=True, valid=True),),
    (Conv(64), Conv(96, 3), Conv(96, 3, strided=True, valid=True)),
    (Pool("max", "valid"),),
)
_SECOND_REDUCTION = (
    (Conv(192), Conv(320, 3, strided=True, valid=True)),
    (Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, 3, strided=True, valid=True)),
    (Pool("max", "valid"),),
)


def _check_options(options):
    name = "inception_v3"
    _check.stage_counts(name, "blocks", options.blocks, 3, example=(3, 4, 2))
    check_modules(name, options.blocks, (3, 4, None))
    _check.number(name, "width", options.width, above=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
