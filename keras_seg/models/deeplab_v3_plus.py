"""DeepLab v3+: dilated branches over a dilated encoder, and a small decoder for borders.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam: Encoder-Decoder with Atrous Separable
Convolution for Semantic Image Segmentation, ECCV 2018, arXiv 1802.02611.

The layers are those of the authors' code (tensorflow/models, research/deeplab) with the aligned
Xception-65, as the Keras port bonlime/keras-deeplab-v3-plus has them: batch normalization and ReLU
follow each depthwise and each 1x1 convolution of the pyramid and of the decoder. Public
implementations differ in places:
- The authors' MobileNetV2 has neither dilated branches nor a decoder: `atrous_rates=()` and
  `decoder=False`.
- VainF/DeepLabV3Plus-Pytorch has ordinary 3x3 convolutions in place of separable ones, and one of
  them in the decoder, and pixel centers at half-integers: `separable=False`,
  `decoder_convolutions=1` and `align_corners=False`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import ResizeLike
from keras_seg.models.decoding import classifier, conv_bn
from keras_seg.models.encoder_maps import encoder_maps
from keras_seg.models.encoders.xception_aligned import separable_conv
from keras_seg.models.registry import Count, architecture

PAPER = (
    "Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution for "
    "Semantic Image Segmentation. ECCV 2018. arXiv:1802.02611"
)


class Options(NamedTuple):
    """The options; `deeplab_v3_plus` describes them.

    >>> Options().atrous_rates
    (6, 12, 18)
    """

    encoder: str = "xception65"
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 16
    atrous_rates: tuple = (6, 12, 18)
    filters: int = 256
    separable: bool = True
    decoder: bool = True
    low_level_filters: int = 48
    decoder_convolutions: int = 2
    dropout_rate: float = 0.1
    align_corners: bool = True


_MOBILE = {"encoder": "mobilenet_v2", "atrous_rates": (), "decoder": False}
_R101 = {"encoder": "resnet101", "separable": False, "decoder_convolutions": 1}
COUNTS = (
    Count(21, trainable=41_055_413, total=41_258_213),
    Count(19, trainable=41_054_899, total=41_257_699),
    Count(21, trainable=2_113_557, total=2_146_645, options=_MOBILE),
    Count(19, trainable=2_113_043, total=2_146_131, options=_MOBILE),
    Count(21, trainable=58_753_973, options=_R101),
    Count(19, trainable=58_753_459, options=_R101),
)


@architecture(
    Options(),
    paper=PAPER,
    recipe="deeplab_v3_plus",
    counts=COUNTS,
    output_stride=16,
    scores=(("Pascal VOC 2012", "test", 89.0), ("Cityscapes", "test", 82.1)),
    tiny={
        "encoder_options": {"blocks": 1, "width": 0.125},
        "filters": 16,
        "low_level_filters": 8,
    },
)
def deeplab_v3_plus(image, num_classes, options):
    """DeepLab v3+ with any encoder.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        encoder: name of an encoder with feature maps of reduction 32, and 4 for the decoder.
        encoder_weights: initial weights of the encoder: None for random ones, "imagenet", or the
            path of a file, see `keras_seg.models.build`.
        encoder_options: dict of the encoder's own options, or None for its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: pixels of input per pixel of the encoder's coarsest map: 16 as published
            for training, 8 for inference, or 32.
        atrous_rates: dilation rates of the branches for output stride 16; twice as large for 8,
            half for 32. () for the 1x1 convolution and the mean of the map alone.
        filters: channels of each branch and of the decoder.
        separable: whether the 3x3 convolutions are depthwise separable.
        decoder: whether the map of reduction 4 refines the result.
        low_level_filters: channels that this map is reduced to.
        decoder_convolutions: number of 3x3 convolutions of the decoder.
        dropout_rate: share of values dropped after the branches while training, 0..1.
        align_corners: whether the corner pixels of enlarged maps are aligned with those of the
            smaller ones, as in the authors' code; False for pixel centers at half-integers.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or the encoder lacks a feature map.

    >>> from keras_seg import models
    >>> models.deeplab_v3_plus((64, 96, 3), num_classes=11, encoder="mobilenet_v2").output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    reductions = (4, 32) if options.decoder else (32,)
    maps = encoder_maps("deeplab_v3_plus", image, options, reductions)
    x = spatial_pyramid(maps[32], options)
    if options.dropout_rate:
        x = layers.Dropout(options.dropout_rate, name="aspp_dropout")(x)
    if options.decoder:
        low = conv_bn(maps[4], options.low_level_filters, 1, "decoder_low")
        enlarge = ResizeLike(align_corners=options.align_corners, name="decoder_enlarge")
        x = enlarge([x, low])
        x = layers.Concatenate(name="decoder_concat")([x, low])
        for number in range(1, options.decoder_convolutions + 1):
            x = _convolution(x, f"decoder{number}", 1, options)
    return classifier(x, image, num_classes, align_corners=options.align_corners)


def spatial_pyramid(x, options):
    """Atrous spatial pyramid pooling: a 1x1 convolution, dilated ones, and the mean of the map.

    Args:
        x: KerasTensor (b, h, w, c).
        options: `Options`.

    Returns:
        KerasTensor (b, h, w, filters).

    >>> import keras
    >>> spatial_pyramid(keras.Input((8, 12, 64)), Options(filters=16)).shape
    (None, 8, 12, 16)
    """
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(x)
    pooled = conv_bn(pooled, options.filters, 1, "aspp_mean")
    branches = [
        ResizeLike(name="aspp_mean_enlarge")([pooled, x]),
        conv_bn(x, options.filters, 1, "aspp0"),
    ]
    for number, rate in enumerate(options.atrous_rates, start=1):
        dilation = -(-rate * 16 // options.output_stride)
        branches.append(_convolution(x, f"aspp{number}", dilation, options))
    x = layers.Concatenate(name="aspp_concat")(branches)
    return conv_bn(x, options.filters, 1, "aspp_project")


def _convolution(x, name, dilation, options):
    """A 3x3 convolution, depthwise separable or not, with batch normalization and ReLU."""
    if options.separable:
        return separable_conv(x, options.filters, name, (1, dilation))
    return conv_bn(x, options.filters, 3, name, (1, dilation))


def _check_options(options):
    name = "deeplab_v3_plus"
    _check.share(name, "dropout_rate", options.dropout_rate)
    for option in ("filters", "low_level_filters", "decoder_convolutions"):
        _check.positive_integer(name, option, getattr(options, option))
    rates = options.atrous_rates
    whole = isinstance(rates, tuple | list) and all(hasattr(x, "__index__") for x in rates)
    if not whole or min(rates, default=1) < 1:
        raise ValueError(
            f"`{name}` needs atrous_rates to be whole numbers from 1: the dilation rates of its "
            f"branches for output stride 16. Received: atrous_rates={rates!r}. For example, pass "
            "(6, 12, 18), or () for none."
        )
