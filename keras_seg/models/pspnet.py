"""PSPNet: averages over the whole image and its parts, concatenated with the feature map.

H. Zhao, J. Shi, X. Qi, X. Wang, J. Jia: Pyramid Scene Parsing Network, CVPR 2017, arXiv 1612.01105.

The layers follow the authors' prototxt files (github.com/hszhao/PSPNet), which are more detailed
than the paper:
- Their ResNet begins with three 3x3 convolutions of 64, 64 and 128 channels in place of one of 7x7:
  the encoders `resnet50_deep` and `resnet101_deep`. The paper's text does not mention it.
- The convolution after the pyramid is 3x3 to 512 channels, followed by dropout 0.1.
- The auxiliary head has a 3x3 convolution to 256 channels and reads the map of reduction 16.
The authors take images of 8n + 1 pixels; here they have any size. Their pyramid's windows for the
published sizes divide the map evenly, and are those of adaptive pooling.
Public implementations differ in places. The authors' later PyTorch code
(hszhao/semseg) has the stride of a bottleneck on its 3x3 convolution (`stride_on` of the encoder),
where the prototxt files have it on the first 1x1, as here. It concatenates the averages from the
smallest grid to the largest, as here; the prototxt files from the largest to the smallest.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import AdaptiveAveragePooling2D, ResizeLike
from keras_seg.models.decoding import (
    auxiliary_classifier,
    classifier,
    conv_bn,
)
from keras_seg.models.encoder_maps import encoder_maps
from keras_seg.models.registry import Count, architecture

PAPER = "Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network. CVPR 2017. arXiv:1612.01105"


class Options(NamedTuple):
    """The options; `pspnet` describes them.

    >>> Options().bins
    (1, 2, 3, 6)
    """

    encoder: str = "resnet101_deep"
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 8
    bins: tuple = (1, 2, 3, 6)
    filters: int = 512
    dropout_rate: float = 0.1
    align_corners: bool = True
    auxiliary_head: bool = False


_R50 = {"encoder": "resnet50_deep"}
_AUXILIARY = {"auxiliary_head": True}
COUNTS = (
    Count(19, trainable=65_707_475),
    Count(21, trainable=65_708_501),
    Count(19, trainable=68_072_166, options=_AUXILIARY),
    Count(21, trainable=68_073_706, options=_AUXILIARY),
    Count(19, trainable=46_715_347, options=_R50),
    Count(150, trainable=46_782_550, options=_R50),
    Count(19, trainable=49_080_038, options={**_R50, **_AUXILIARY}),
)


@architecture(
    Options(),
    paper=PAPER,
    recipe="pspnet",
    counts=COUNTS,
    printed="65.7 M",
    output_stride=8,
    scores=(("Cityscapes", "test", 78.4), ("Cityscapes", "val", 79.7)),
    tiny={"encoder_options": {"blocks": (1, 1, 1, 1), "width": 0.125}, "filters": 16},
)
def pspnet(image, num_classes, options):
    """PSPNet with any encoder.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        encoder: name of an encoder with a feature map of reduction 32, and of 16 for the
            auxiliary head.
        encoder_weights: initial weights of the encoder: None for random ones, "imagenet", or the
            path of a file, see `keras_seg.models.build`.
        encoder_options: dict of the encoder's own options, or None for its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: pixels of input per pixel of the encoder's coarsest map: 8 as published, 16
            or 32.
        bins: sides of the grids that the map is averaged to.
        filters: channels of the convolution after the pyramid; half of it in the auxiliary head.
        dropout_rate: share of values dropped before the classifiers while training, 0..1.
        align_corners: whether the corner pixels of enlarged maps are aligned with those of the
            smaller ones, as in the authors' code; False for pixel centers at half-integers.
        auxiliary_head: whether to return also "aux_stage4", logits of the map of reduction 16 at
            its own size, for training.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or the encoder lacks a feature map.

    >>> from keras_seg import models
    >>> models.pspnet((64, 96, 3), num_classes=11, encoder="resnet18").output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    reductions = (16, 32) if options.auxiliary_head else (32,)
    maps = encoder_maps("pspnet", image, options, reductions)
    x = pyramid_pooling(maps[32], options.bins, options.align_corners)
    x = conv_bn(x, options.filters, 3, "head")
    logits = classifier(
        x, image, num_classes, options.dropout_rate, align_corners=options.align_corners
    )
    if not options.auxiliary_head:
        return logits
    x = conv_bn(maps[16], max(1, options.filters // 2), 3, "aux_stage4_head")
    if options.dropout_rate:
        x = layers.Dropout(options.dropout_rate, name="aux_stage4_dropout")(x)
    return {"logits": logits, "aux_stage4": auxiliary_classifier(x, num_classes, "aux_stage4")}


def pyramid_pooling(x, bins, align_corners=True):
    """The pyramid pooling module (figure 3): the map, and its averages over grids.

    Args:
        x: KerasTensor (b, h, w, c).
        bins: sides of the grids. Each is followed by a 1x1 convolution to c / len(bins) channels,
            so that all averages together have as many channels as the map.
        align_corners: how the averages are enlarged, see `ResizeLike`.

    Returns:
        KerasTensor (b, h, w, about 2c).

    >>> import keras
    >>> pyramid_pooling(keras.Input((8, 12, 64)), (1, 2, 3, 6)).shape
    (None, 8, 12, 128)
    """
    filters = max(1, x.shape[-1] // len(bins))
    found = [x]
    for side in bins:
        name = f"pyramid{side}"
        pooled = AdaptiveAveragePooling2D(side, name=f"{name}_pool")(x)
        pooled = conv_bn(pooled, filters, 1, name)
        enlarge = ResizeLike(align_corners=align_corners, name=f"{name}_enlarge")
        found.append(enlarge([pooled, x]))
    return layers.Concatenate(name="pyramid_concat")(found)


def _check_options(options):
    _check.share("pspnet", "dropout_rate", options.dropout_rate)
    _check.positive_integer("pspnet", "filters", options.filters)
    bins = options.bins
    whole = isinstance(bins, tuple | list) and all(hasattr(x, "__index__") for x in bins)
    if not whole or not bins or min(bins) < 1 or len(set(bins)) < len(bins):
        raise ValueError(
            "`pspnet` needs bins to be different whole numbers from 1: the sides of the grids "
            f"that the map is averaged to. Received: bins={bins!r}. For example, pass (1, 2, 3, 6)."
        )
