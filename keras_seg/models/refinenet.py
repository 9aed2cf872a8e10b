"""RefineNet: feature maps of four sizes, refined from the coarsest to the finest.

G. Lin, A. Milan, C. Shen, I. Reid: RefineNet: Multi-Path Refinement Networks for High-Resolution
Semantic Segmentation, CVPR 2017, arXiv 1611.06612.

The layers are those of the public port with the authors' weights
(github.com/DrSleep/refinenet-pytorch), which is more detailed than the paper and differs from it in
places:
- The channels of each map are first reduced by a 3x3 convolution, to 512 channels for the coarsest,
  256 for others.
- Chained residual pooling has four stages; figure 3 draws two and says that there may be more, and
  the authors' files for training have two.
- Of the two convolutions of a residual convolution unit only the first one has a bias.
- There are three residual convolution units after each block, not one.
- The coarsest block has no fusion, as it has one input.
- Before a sum, the finer map has a single 3x3 convolution; that of the coarser map is at the end
  of its block.
- Dropout of one half on the two coarsest maps of the encoder and before the classifier.
The port gives logits at a quarter of the image's size; here they are enlarged.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import ResizeLike
from keras_seg.models.decoding import classifier
from keras_seg.models.encoder_maps import encoder_maps
from keras_seg.models.encoders.blocks import conv
from keras_seg.models.registry import Count, architecture

PAPER = (
    "Lin, Milan, Shen, Reid: RefineNet: Multi-Path Refinement Networks for High-Resolution "
    "Semantic Segmentation. CVPR 2017. arXiv:1611.06612"
)
REDUCTIONS = (32, 16, 8, 4)


class Options(NamedTuple):
    """The options; `refinenet` describes them.

    >>> Options().pooling_stages
    4
    """

    encoder: str = "resnet101"
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 32
    filters: int = 256
    pooling_stages: int = 4
    dropout_rate: float = 0.5
    align_corners: bool = True


@architecture(
    Options(),
    paper=PAPER,
    recipe="refinenet",
    # The moving statistics are those of ResNet-101: 105,344.
    counts=(
        Count(19, trainable=118_047_827, total=118_153_171),
        Count(21, trainable=118_052_437, total=118_157_781),
        Count(40, trainable=118_096_232, total=118_201_576),
    ),
    tiny={
        "encoder_options": {"blocks": (1, 1, 1, 1), "width": 0.125},
        "filters": 8,
        "pooling_stages": 2,
    },
)
def refinenet(image, num_classes, options):
    """RefineNet with four cascaded blocks and any encoder.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        encoder: name of an encoder with feature maps of reduction 4, 8, 16 and 32.
        encoder_weights: initial weights of the encoder: None for random ones, "imagenet", or the
            path of a file, see `keras_seg.models.build`.
        encoder_options: dict of the encoder's own options, or None for its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: pixels of input per pixel of the encoder's coarsest map: 32 as published, or
            16 or 8.
        filters: channels of the blocks; twice as many in the coarsest one.
        pooling_stages: poolings of chained residual pooling.
        dropout_rate: share of values dropped while training, 0..1.
        align_corners: whether the corner pixels of enlarged maps are aligned with those of the
            smaller ones, as in the port; False for pixel centers at half-integers.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or the encoder lacks a feature map.

    >>> from keras_seg import models
    >>> options = {"encoder": "resnet18", "filters": 16}
    >>> models.refinenet((64, 96, 3), num_classes=11, **options).output_shape
    (None, 64, 96, 11)
    """
    _check.share("refinenet", "dropout_rate", options.dropout_rate)
    for option in ("filters", "pooling_stages"):
        _check.positive_integer("refinenet", option, getattr(options, option))
    maps = encoder_maps("refinenet", image, options, sorted(REDUCTIONS))
    coarser = None
    for number, reduction in enumerate(REDUCTIONS, start=1):
        finer, name = maps[reduction], f"refine{number}"
        if number <= 2 and options.dropout_rate:
            finer = layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(finer)
        coarser = refine(finer, coarser, name, options)
    return classifier(coarser, image, num_classes, options.dropout_rate, 3, options.align_corners)


def refine(finer, coarser, name, options):
    """A RefineNet block (figure 3): convolution units, fusion, chained pooling, and more units.

    Args:
        finer: KerasTensor (b, h, w, c), a map of the encoder.
        coarser: KerasTensor (b, h2, w2, filters), the block before; None for the first block.
        name: prefix of the layers' names.
        options: `Options`.

    Returns:
        KerasTensor (b, h, w, filters), 2 * filters for the first block.

    >>> import keras
    >>> refine(keras.Input((8, 8, 32)), keras.Input((4, 4, 256)), "refine2", Options()).shape
    (None, 8, 8, 256)
    """
    filters = options.filters * (2 if coarser is None else 1)
    x = conv(finer, filters, 3, f"{name}_reduce")
    for number in (1, 2):
        x = convolution_unit(x, f"{name}_adapt{number}")
    if coarser is not None:
        x = conv(x, filters, 3, f"{name}_fuse")
        coarser = conv(coarser, filters, 3, f"{name}_coarser")
        enlarge = ResizeLike(align_corners=options.align_corners, name=f"{name}_enlarge")
        coarser = enlarge([coarser, x])
        x = layers.Add(name=f"{name}_add")([x, coarser])
    x = layers.Activation("relu", name=f"{name}_relu")(x)
    x = chained_pooling(x, options.pooling_stages, f"{name}_pool")
    for number in (1, 2, 3):
        x = convolution_unit(x, f"{name}_output{number}")
    return x


def convolution_unit(x, name):
    """A residual convolution unit: ReLU and 3x3 convolution, twice, added to the input.

    Args:
        x: KerasTensor (b, h, w, c).
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> convolution_unit(keras.Input((8, 8, 16)), "unit").shape
    (None, 8, 8, 16)
    """
    inside = x
    for number in (1, 2):
        inside = layers.Activation("relu", name=f"{name}_relu{number}")(inside)
        inside = conv(inside, x.shape[-1], 3, f"{name}_conv{number}", use_bias=number == 1)
    return layers.Add(name=f"{name}_add")([x, inside])


def chained_pooling(x, stages, name):
    """Chained residual pooling: 5x5 max pooling and a convolution, repeated; all results are added.

    Args:
        x: KerasTensor (b, h, w, c).
        stages: number of poolings.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> chained_pooling(keras.Input((8, 8, 16)), 4, "pool").shape
    (None, 8, 8, 16)
    """
    found, top = [x], x
    for number in range(1, stages + 1):
        top = layers.MaxPooling2D(5, 1, padding="same", name=f"{name}{number}")(top)
        top = conv(top, x.shape[-1], 3, f"{name}{number}_conv")
        found.append(top)
    return layers.Add(name=f"{name}_add")(found)
