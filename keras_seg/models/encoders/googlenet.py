"""GoogLeNet: parallel kernels of three sizes and a pooling, the first Inception network.

C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A.
Rabinovich: Going Deeper with Convolutions, CVPR 2015, arXiv 1409.4842, table 1 and section 5.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import LocalResponseNormalization
from keras_seg.models.encoders.blocks import pool
from keras_seg.models.encoders.inception_blocks import (
    Conv,
    Pool,
    auxiliary_pool,
    check_modules,
    convolved,
    module,
    style_of,
)
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder, pooled_head
from keras_seg.models.registry import Count, Variant

# Table 1: 1x1, 3x3 after a reduction, 5x5 after a reduction, and the projection of the pooling.
_MODULES = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)


class Options(NamedTuple):
    """The options of GoogLeNet; `googlenet` describes them.

    >>> Options().blocks
    (2, 5, 2)
    """

    blocks: tuple = (2, 5, 2)
    width: float = 1.0
    wide_kernel: int = 5
    last_pool: int = 3
    normalization: bool = False
    bn_epsilon: float = 1e-3
    auxiliary_head: bool = False
    dense_units: int = 1024
    dropout_rate: float = 0.4
    input_range: str = "caffe"
    output_stride: int = 32


def _counts():
    """Of the paper's form, of that with both heads, and of the one with normalization."""
    classes = (1000, 100, 10)
    other = {"normalization": True, "wide_kernel": 3}
    aux = {"auxiliary_head": True}
    # Per class: 1024 weights and a bias, of each of the heads.
    return (
        *(Count(n, total=6_998_552 - (1000 - n) * 1025) for n in classes),
        *(Count(n, total=13_378_280 - (1000 - n) * 3 * 1025, options=aux) for n in classes),
        Count(1000, trainable=6_624_904, total=6_624_904 + 14_560, options=other),
    )


def head(maps, num_classes, options):
    """Global average pooling, dropout and a dense layer; two auxiliary heads in training.

    Args:
        maps: feature maps by reduction, and those that the auxiliary heads read.
        num_classes: number of classes.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, num_classes), or a dict of three.
    """
    logits = pooled_head({32: maps[32]}, num_classes, options)
    if not options.auxiliary_head:
        return logits
    heads = {"logits": logits}
    for name in ("aux_1", "aux_2"):
        x = auxiliary_pool(maps[name], 14, name)
        x = convolved(x, Conv(128), f"{name}_reduce", style_of(options))
        x = layers.Flatten(name=f"{name}_flatten")(x)
        x = layers.Dense(options.dense_units, activation="relu", name=f"{name}_fc")(x)
        x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
        heads[name] = layers.Dense(num_classes, dtype="float32", name=f"{name}_predictions")(x)
    return heads


@encoder(
    Options(),
    (
        Variant(
            "googlenet",
            "GoogLeNet, or Inception v1: 22 layers, for 224 x 224 pixels.",
            {},
            {"printed": "6.8 M", "counts": _counts()},
        ),
    ),
    head=head,
    paper="Szegedy, Liu, Jia, Sermanet, Reed, Anguelov and others: Going Deeper. CVPR 2015. "
    "arXiv:1409.4842",
    features=(2, 4, 8, 16, 32),
    tiny={"blocks": (1, 2, 1), "width": 0.125, "dense_units": 8},
)
def googlenet(image, name, strides, options):
    """GoogLeNet, with response normalization and biases, as published.

    TensorFlow's and torchvision's networks of that name have batch normalization in place of both,
    and 3x3 kernels where the paper has 5x5: `normalization=True, wide_kernel=3`; torchvision also
    has `last_pool=2`. Poolings round sizes as Caffe does: floor(n / 2). Response normalization has
    Caffe's parameters.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of modules in each of the three stages, counted from the first; up to
            (2, 5, 2).
        width: factor of the numbers of channels.
        wide_kernel: side of the third branch's kernels: 5, or 3.
        last_pool: side of the last pooling's windows: 3, or 2.
        normalization: batch normalization in place of biases and response normalization.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        auxiliary_head: whether to build the two classifiers in the middle, for training. Their
            losses have weight 0.3 in the paper.
        dense_units: units of the auxiliary classifiers' hidden layers.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes); with
        auxiliary heads a dict of "logits", "aux_1" and "aux_2".

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.googlenet((64, 64, 3), num_classes=10, blocks=(1, 1, 1)).output_shape
    (None, 10)
    """
    _check_options(options)
    style, maps = style_of(options), {}
    x = normalized(image, options.input_range, name)
    x = maps[2] = convolved(x, Conv(64, 7, strided=True), f"{name}conv1", style, strides.step())
    x = pool(x, 3, f"{name}pool1", strides.step(), padding="caffe")
    x = _response(x, f"{name}norm1", options)
    x = convolved(x, Conv(64), f"{name}conv2_reduce", style)
    x = maps[4] = convolved(x, Conv(192, 3), f"{name}conv2", style)
    x = _response(x, f"{name}norm2", options)
    x = pool(x, 3, f"{name}pool2", strides.step(), padding="caffe")
    for stage, (count, rows) in enumerate(zip(options.blocks, _MODULES, strict=True)):
        if stage:
            side = options.last_pool if stage == 2 else 3
            x = pool(x, side, f"{name}pool{stage + 2}", strides.step(), padding="caffe")
        for number, row in enumerate(rows[:count]):
            if stage == 1 and number == count - 1:
                maps["aux_2"] = x
            step, place = (1, strides.dilation), f"{name}inception{stage + 3}{'abcde'[number]}"
            x = module(x, _branches(row, options), place, style, step)
            if stage == 1 and number == 0:
                maps["aux_1"] = x
        maps[8 * 2**stage] = x
    return maps


def _branches(row, options):
    one, three, five, projection = row
    return (
        (Conv(one),),
        (Conv(three[0]), Conv(three[1], 3)),
        (Conv(five[0]), Conv(five[1], options.wide_kernel)),
        (Pool("max"), Conv(projection)),
    )


def _response(x, name, options):
    """Response normalization as in the authors' Caffe file: alpha of 1e-4 is divided by 5."""
    if options.normalization:
        return x
    return LocalResponseNormalization(5, bias=1.0, alpha=2e-5, name=name)(x)


def _check_options(options):
    name = "googlenet"
    _check.stage_counts(name, "blocks", options.blocks, 3, example=(2, 5, 2))
    check_modules(name, options.blocks, (2, 5, 2))
    _check.number(name, "width", options.width, above=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.positive_integer(name, "dense_units", options.dense_units)
    _check.share(name, "dropout_rate", options.dropout_rate)
    for option, known in (("wide_kernel", (3, 5)), ("last_pool", (2, 3))):
        _check.one_of(f"{option} of `{name}`", option, getattr(options, option), known)
