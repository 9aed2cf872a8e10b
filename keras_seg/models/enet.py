"""ENet: bottlenecks at an eighth of the size, and a small decoder that unpools by indices.

A. Paszke, A. Chaurasia, S. Kim, E. Culurciello: ENet: A Deep Neural Network Architecture for
Real-Time Semantic Segmentation, 2016, arXiv 1606.02147.

The layers follow the authors' code for Torch (github.com/e-lab/ENet-training), which is more
detailed than the paper: middle convolutions have biases, the 1x1 ones have none; batch
normalization has an epsilon of 1e-3; PReLU has a slope for each channel, initially 0.25; the
decoder uses ReLU.
"""

from typing import NamedTuple

from keras import initializers, layers

from keras_seg import _check
from keras_seg.layers import MaxPoolingIndices2D, MaxUnpooling2D, PadChannels
from keras_seg.models.blocks import enlarging_conv, enlarging_logits
from keras_seg.models.encoders.blocks import batch_norm, conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Paszke, Chaurasia, Kim, Culurciello: ENet: A Deep Neural Network Architecture for Real-Time "
    "Semantic Segmentation. 2016. arXiv:1606.02147"
)
BN_EPSILON = 1e-3
# Table 1: the bottlenecks of section 2, which section 3 repeats without the downsampling.
SECTION = (
    "regular", "dilated2", "asymmetric5", "dilated4",
    "regular", "dilated8", "asymmetric5", "dilated16",
)  # fmt: skip


class Options(NamedTuple):
    """The options; `enet` describes them.

    >>> Options().blocks
    (4, 2, 2, 1)
    """

    width: float = 1.0
    blocks: tuple = (4, 2, 2, 1)
    dropout_rate: float = 0.1
    first_dropout_rate: float = 0.01
    input_range: str = "symmetric"


VARIANTS = (
    Variant(
        "enet",
        "ENet.",
        {},
        {
            # Each class has a 2x2 kernel of 16 channels and a bias.
            "counts": (
                Count(19, trainable=364_311, total=372_663),
                Count(11, trainable=363_791),
                Count(12, trainable=363_856),
            ),
            "printed": "0.37 M",
            "scores": (("Cityscapes", "test", 58.3), ("CamVid", "test", 51.3)),
        },
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="enet",
    output_stride=8,
    tiny={"width": 0.5, "blocks": (1, 1, 1, 1)},
)
def enet(image, num_classes, options):
    """ENet.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        width: factor of all numbers of channels.
        blocks: regular bottlenecks at a quarter of the size, rounds of the eight bottlenecks at an
            eighth, and regular bottlenecks of the decoder at a quarter and at half of the size.
        dropout_rate: share of channels dropped at the end of the encoder's bottlenecks while
            training, 0..1.
        first_dropout_rate: the same for its bottlenecks at a quarter of the size.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.build("enet", (64, 96, 3), num_classes=11, width=0.5).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    # Inside bottlenecks there are a quarter of the channels.
    first, second, third = (4 * max(1, round(options.width * c / 4)) for c in (16, 64, 128))
    regular, rounds, up_quarter, up_half = options.blocks
    x = normalized(image, options.input_range, "")
    # No map has fewer channels than the one before: images of many need more than the paper's.
    half = x = initial(x, max(first, x.shape[-1] + 1))
    x, half_indices = shrinking(
        x, max(second, x.shape[-1]), "bottleneck1_0", options.first_dropout_rate
    )
    for number in range(1, regular + 1):
        x = bottleneck(x, "regular", f"bottleneck1_{number}", options.first_dropout_rate)
    quarter = x
    x, quarter_indices = shrinking(
        x, max(third, x.shape[-1]), "bottleneck2_0", options.dropout_rate
    )
    for section in range(2, rounds + 2):
        for number, kind in enumerate(SECTION, start=1):
            x = bottleneck(x, kind, f"bottleneck{section}_{number}", options.dropout_rate)
    x = enlarging(x, quarter, quarter_indices, "up1_0")
    for number in range(1, up_quarter + 1):
        x = bottleneck(x, "decoder", f"up1_{number}", 0.0)
    x = enlarging(x, half, half_indices, "up2_0")
    for number in range(1, up_half + 1):
        x = bottleneck(x, "decoder", f"up2_{number}", 0.0)
    return enlarging_logits(x, num_classes, image)


def initial(x, filters):
    """The initial block: a strided convolution beside a max pooling.

    Args:
        x: KerasTensor (b, h, w, c), normalized pixels.
        filters: channels out, more than c.

    Returns:
        KerasTensor (b, ceil(h / 2), ceil(w / 2), filters).

    >>> import keras
    >>> initial(keras.Input((33, 32, 3)), 16).shape
    (None, 17, 16, 16)
    """
    new = conv(x, filters - x.shape[-1], 3, "initial_conv", (2, 1), use_bias=True)
    pooled = layers.MaxPooling2D(2, padding="same", name="initial_pool")(x)
    x = layers.Concatenate(name="initial_concat")([new, pooled])
    return _normalized(x, "initial")


def bottleneck(x, kind, name, dropout_rate):
    """1x1 to a quarter of the channels, a convolution, and 1x1 back; the input is added.

    Args:
        x: KerasTensor (b, h, w, c).
        kind: "regular" 3x3; "dilated4" the same with that dilation rate; "asymmetric5" 5x1 and
            1x5; "decoder" regular with ReLU in place of PReLU.
        name: prefix of the layers' names.
        dropout_rate: share of channels dropped while training, 0..1.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> bottleneck(keras.Input((8, 8, 64)), "asymmetric5", "bottleneck2_3", 0.1).shape
    (None, 8, 8, 64)
    """
    filters, relu = x.shape[-1], kind == "decoder"
    inside = conv(x, filters // 4, 1, f"{name}_reduce")
    inside = _normalized(inside, f"{name}_reduce", relu)
    inside = _middle(inside, kind, f"{name}_middle")
    inside = _normalized(inside, f"{name}_middle", relu)
    return _added(x, inside, filters, name, dropout_rate, relu)


def shrinking(x, filters, name, dropout_rate):
    """A bottleneck of half the size: 2x2 in place of the first 1x1, max pooling beside it.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out, not less than c: the pooled map gets channels of zeros.
        name: prefix of the layers' names.
        dropout_rate: share of channels dropped while training, 0..1.

    Returns:
        (KerasTensor (b, ceil(h / 2), ceil(w / 2), filters), indices of the pooling with c
        channels).

    >>> import keras
    >>> [part.shape for part in shrinking(keras.Input((9, 8, 16)), 64, "bottleneck1_0", 0.01)]
    [(None, 5, 4, 64), (None, 5, 4, 16)]
    """
    inside = layers.Conv2D(
        filters // 4,
        2,
        2,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_reduce",
    )(x)
    inside = _normalized(inside, f"{name}_reduce")
    inside = _normalized(_middle(inside, "regular", f"{name}_middle"), f"{name}_middle")
    indices = MaxPoolingIndices2D(name=f"{name}_indices")(x)
    pooled = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    pooled = PadChannels(filters - x.shape[-1], name=f"{name}_pad")(pooled)
    return _added(pooled, inside, filters, name, dropout_rate), indices


def enlarging(x, reference, indices, name):
    """A bottleneck of twice the size: a transposed convolution, max unpooling beside it.

    Args:
        x: KerasTensor (b, h, w, c).
        reference: KerasTensor that gives the size; its bottleneck was `shrinking`.
        indices: those of its pooling (b, h, w, c2); the output has as many channels.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the reference's size with c2 channels.

    >>> import keras
    >>> small, large = keras.Input((5, 4, 64)), keras.Input((9, 8, 99))
    >>> enlarging(small, large, keras.Input((5, 4, 16), dtype="int32"), "up2_0").shape
    (None, 9, 8, 16)
    """
    filters = indices.shape[-1]
    inside = conv(x, filters // 4, 1, f"{name}_reduce")
    inside = _normalized(inside, f"{name}_reduce", relu=True)
    inside = enlarging_conv(inside, filters // 4, reference, f"{name}_middle")
    inside = _normalized(inside, f"{name}_middle", relu=True)
    main = conv(x, filters, 1, f"{name}_main")
    main = batch_norm(main, f"{name}_main", None, BN_EPSILON)
    main = MaxUnpooling2D(name=f"{name}_unpool")([main, indices, reference])
    return _added(main, inside, filters, name, 0.0, relu=True)


def _middle(x, kind, name):
    """The bottleneck's own convolution."""
    filters = x.shape[-1]
    if kind.startswith("asymmetric"):
        side = int(kind.removeprefix("asymmetric"))
        x = conv(x, filters, (1, side), f"{name}_horizontal")
        return conv(x, filters, (side, 1), f"{name}_vertical", use_bias=True)
    dilation = int(kind.removeprefix("dilated")) if kind.startswith("dilated") else 1
    return conv(x, filters, 3, f"{name}_conv", (1, dilation), use_bias=True)


def _added(main, inside, filters, name, dropout_rate, relu=False):
    """1x1 to the channels of the main branch, dropout, and the sum of both branches."""
    inside = conv(inside, filters, 1, f"{name}_expand")
    inside = batch_norm(inside, f"{name}_expand", None, BN_EPSILON)
    if dropout_rate:
        inside = layers.SpatialDropout2D(dropout_rate, name=f"{name}_dropout")(inside)
    return _activated(layers.Add(name=f"{name}_add")([main, inside]), name, relu)


def _normalized(x, name, relu=False):
    return _activated(batch_norm(x, name, None, BN_EPSILON), name, relu)


def _activated(x, name, relu):
    if relu:
        return layers.Activation("relu", name=f"{name}_relu")(x)
    slope = initializers.Constant(0.25)
    return layers.PReLU(slope, shared_axes=[1, 2], name=f"{name}_prelu")(x)


def _check_options(options):
    name = "enet"
    _check.number(name, "width", options.width, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.share(name, "first_dropout_rate", options.first_dropout_rate)
    what = "bottlenecks of the encoder, rounds of eight, and bottlenecks of the decoder"
    _check.stage_counts(name, "blocks", options.blocks, 4, what, (4, 2, 2, 1))
