"""Fast-SCNN: a stem shared by a context branch and a detail branch.

R. Poudel, S. Liwicki, R. Cipolla: Fast-SCNN: Fast Semantic Segmentation Network, BMVC 2019,
arXiv 1902.04502.

What the paper leaves open, and what was chosen:
- Its 1.11 million parameters count the kernels only: 1,114,096. With normalization and
  the classifier's biases there are 1,137,795.
- Which head each auxiliary loss has: a 1x1 convolution after the stem and after the context branch.
- The dropout rate: 0.1.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import AdaptiveAveragePooling2D, ResizeLike
from keras_seg.models.blocks import bottleneck, conv_bn, depthwise_bn
from keras_seg.models.decoding import classifier
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Poudel, Liwicki, Cipolla: Fast-SCNN: Fast Semantic Segmentation Network. BMVC 2019. "
    "arXiv:1902.04502"
)

# Table 1. The stem: channels of three convolutions of stride 2, all but the first separable.
STEM = (32, 48, 64)
# Bottlenecks with six times the channels inside: channels, repeats, stride.
BOTTLENECKS = ((64, 3, 2), (96, 3, 2), (128, 3, 1))
BINS = (1, 2, 3, 6)
FUSION = 128


class Options(NamedTuple):
    """The options; `fast_scnn` describes them.

    >>> Options().fusion_dilation
    4
    """

    width: float = 1.0
    expansion: int = 6
    fusion_dilation: int = 4
    dropout_rate: float = 0.1
    auxiliary_head: bool = False


VARIANTS = (
    Variant(
        "fast_scnn",
        "Fast-SCNN.",
        {},
        {
            # Each class has 128 weights and a bias.
            "counts": (
                Count(19, folded=1_125_955, trainable=1_137_795, total=1_161_475),
                Count(11, trainable=1_136_763),
            ),
            "printed": "1.11 M",
            "scores": (("Cityscapes", "val", 68.6), ("Cityscapes", "test", 68.0)),
        },
    ),
)


# Not width 0.125 with expansion 2: LiteRT 2.3 corrupts its memory when loading that int8 file.
@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="fast_scnn",
    tiny={"width": 0.25, "expansion": 2},
    branches=(("context", "pyramid_relu"), ("detail", "stem3_pointwise_relu")),
)
def fast_scnn(image, num_classes, options):
    """Fast-SCNN.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        width: factor of all numbers of channels.
        expansion: factor of the number of channels inside bottlenecks.
        fusion_dilation: dilation in pixels of the fusion's depthwise kernel; 4 in the paper's
            table 3, 1 in some of the ports to PyTorch.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        auxiliary_head: whether to return also "aux_detail" and "aux_context", the logits of the
            stem and of the context branch at an eighth of the size, for training.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.build("fast_scnn", (64, 96, 3), num_classes=11, width=0.25).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalize")(image)
    detail = learning_to_downsample(x, [_scaled(channels, options) for channels in STEM])
    context = detail
    for stage, (channels, repeats, strides) in enumerate(BOTTLENECKS, start=1):
        filters = _scaled(channels, options)
        for repeat in range(1, repeats + 1):
            step = strides if repeat == 1 else 1
            name = f"context{stage}_{repeat}"
            context = bottleneck(
                context,
                filters,
                name,
                expansion=options.expansion,
                strides=step,
                activation="relu",
            )
    context = pyramid_pooling(context, "pyramid")
    filters = _scaled(FUSION, options)
    x = fusion(context, detail, filters, options.fusion_dilation)
    for number in (1, 2):
        x = separable(x, filters, f"classifier{number}")
    logits = classifier(x, image, num_classes, options.dropout_rate)
    if not options.auxiliary_head:
        return logits
    heads = {"aux_detail": detail, "aux_context": context}
    return {
        "logits": logits,
        **{
            name: classifier(head, detail, num_classes, options.dropout_rate, name=name)
            for name, head in heads.items()
        },
    }


def separable(x, filters, name, strides=1):
    """Depthwise 3x3 and pointwise convolution, without a non-linearity between them.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        name: prefix of the layers' names.
        strides: step of the depthwise convolution.

    Returns:
        KerasTensor (b, ceil(h / strides), ceil(w / strides), filters).

    >>> import keras
    >>> separable(keras.Input((9, 8, 4)), 6, "stem2", strides=2).shape
    (None, 5, 4, 6)
    """
    x = depthwise_bn(x, name, strides=strides, activation=None)
    return conv_bn(x, filters, 1, f"{name}_pointwise", activation="relu")


def learning_to_downsample(x, widths):
    """The shared stem: one convolution and separable ones, each of stride 2.

    Args:
        x: KerasTensor (b, h, w, c), normalized pixels.
        widths: numbers of channels.

    Returns:
        KerasTensor (b, ceil(h / 8), ceil(w / 8), widths[-1]) for three widths.

    >>> import keras
    >>> learning_to_downsample(keras.Input((64, 64, 3)), (4, 6, 8)).shape
    (None, 8, 8, 8)
    """
    x = conv_bn(x, widths[0], 3, "stem1", strides=2, activation="relu")
    for number, filters in enumerate(widths[1:], start=2):
        x = separable(x, filters, f"stem{number}", strides=2)
    return x


def pyramid_pooling(x, name):
    """Means over grids of 1, 2, 3 and 6 cells, enlarged and concatenated with the map itself.

    Grids are no larger than the map.

    H. Zhao et al.: Pyramid Scene Parsing Network, arXiv 1612.01105, section 3.2.

    Args:
        x: KerasTensor (b, h, w, c).
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> pyramid_pooling(keras.Input((8, 9, 16)), "pyramid").shape
    (None, 8, 9, 16)
    """
    channels, parts = x.shape[-1], [x]
    for size in BINS:
        part = AdaptiveAveragePooling2D(size, enlarge=False, name=f"{name}{size}_pool")(x)
        part = conv_bn(part, max(1, channels // len(BINS)), 1, f"{name}{size}", activation="relu")
        parts.append(ResizeLike(name=f"{name}{size}_enlarge")([part, x]))
    x = layers.Concatenate(name=f"{name}_concat")(parts)
    return conv_bn(x, channels, 1, name, activation="relu")


def fusion(context, detail, filters, dilation):
    """The fusion module (table 3): the context is enlarged, filtered and added to the detail.

    Args:
        context: KerasTensor (b, h1, w1, c1), the smaller one.
        detail: KerasTensor (b, h2, w2, c2).
        filters: channels out.
        dilation: dilation in pixels of the depthwise kernel.

    Returns:
        KerasTensor (b, h2, w2, filters).

    >>> import keras
    >>> fusion(keras.Input((2, 3, 8)), keras.Input((8, 11, 4)), 6, 4).shape
    (None, 8, 11, 6)
    """
    context = ResizeLike(name="fusion_enlarge")([context, detail])
    context = depthwise_bn(context, "fusion", dilation=dilation, activation="relu")
    context = conv_bn(context, filters, 1, "fusion_context", activation=None)
    detail = conv_bn(detail, filters, 1, "fusion_detail", activation=None)
    x = layers.Add(name="fusion_add")([context, detail])
    return layers.Activation("relu", name="fusion_relu")(x)


def _scaled(channels, options):
    return max(1, round(options.width * channels))


def _check_options(options):
    name = "fast_scnn"
    _check.number(name, "width", options.width, above=0)
    _check.positive_integer(name, "expansion", options.expansion)
    _check.positive_integer(name, "fusion_dilation", options.fusion_dilation)
    _check.share(name, "dropout_rate", options.dropout_rate)
