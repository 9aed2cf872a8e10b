"""DeepLab-v2: a dilated ResNet, and four dilated classifiers whose logits are summed.

L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy, A. L. Yuille: DeepLab: Semantic Image
Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully Connected CRFs, TPAMI 2018,
arXiv 1606.00915.

The layers are those of the authors' Caffe network with ResNet-101 and of its PyTorch port
(github.com/kazuto1011/deeplab-pytorch): each branch of the atrous spatial pyramid pooling is one
3x3 convolution to the classes, with a bias; the fc6, fc7, fc8 branches of the paper's figure 7 are
those of its VGG network. The port enlarges the logits with pixel centers at half-integers:
`align_corners=False`. The paper's additional steps are not part of the network: images at three
scales, whose largest logits are taken, and a dense CRF, which is
`keras_seg.inference.dense_crf`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keras import initializers, layers

from keras_seg import _check
from keras_seg.layers import ResizeLike
from keras_seg.models.encoder_maps import encoder_maps
from keras_seg.models.registry import Count, architecture

PAPER = (
    "Chen, Papandreou, Kokkinos, Murphy, Yuille: DeepLab: Semantic Image Segmentation with Deep "
    "Convolutional Nets, Atrous Convolution, and Fully Connected CRFs. TPAMI 2018. arXiv:1606.00915"
)


class Options(NamedTuple):
    """The options; `deeplab_v2` describes them.

    >>> Options().atrous_rates
    (6, 12, 18, 24)
    """

    encoder: str = "resnet101"
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 8
    atrous_rates: tuple = (6, 12, 18, 24)
    align_corners: bool = True


@architecture(
    Options(),
    paper=PAPER,
    recipe="deeplab_v2",
    # The moving statistics are those of ResNet-101: 105,344.
    counts=(
        Count(19, trainable=43_901_068, total=44_006_412),
        Count(21, trainable=44_048_532, total=44_153_876),
    ),
    output_stride=8,
    printed="44 M",
    scores=(("Cityscapes", "test", 70.4),),
    tiny={"encoder_options": {"blocks": (1, 1, 1, 1), "width": 0.125}},
)
def deeplab_v2(image, num_classes, options):
    """DeepLab-v2 with any encoder.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        encoder: name of an encoder with a feature map of reduction 32.
        encoder_weights: initial weights of the encoder: None for random ones, "imagenet", or the
            path of a file, see `keras_seg.models.build`.
        encoder_options: dict of the encoder's own options, or None for its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: pixels of input per pixel of the encoder's coarsest map: 8 as published, 16
            or 32.
        atrous_rates: dilation rates of the classifiers for output stride 8; half of them for 16, a
            quarter for 32, rounded up, so that they see the same part of the image.
        align_corners: whether the corner pixels of enlarged maps are aligned with those of the
            smaller ones, as in the authors' Caffe code; False for pixel centers at half-integers.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or the encoder lacks a feature map.

    >>> from keras_seg import models
    >>> models.deeplab_v2((64, 96, 3), num_classes=11, encoder="resnet18").output_shape
    (None, 64, 96, 11)
    """
    rates = options.atrous_rates
    example = (6, 12, 18, 24)
    _check.stage_counts(
        "deeplab_v2", "atrous_rates", rates, 4, "the dilation rate of each classifier", example
    )
    x = encoder_maps("deeplab_v2", image, options, (32,))[32]
    branches = [
        layers.Conv2D(
            num_classes,
            3,
            padding="same",
            dilation_rate=-(-rate * 8 // options.output_stride),
            kernel_initializer=initializers.RandomNormal(stddev=0.01),
            name=f"aspp{number}",
        )(x)
        for number, rate in enumerate(rates, start=1)
    ]
    x = layers.Add(name="aspp_add")(branches)
    enlarge = ResizeLike(align_corners=options.align_corners, name="logits", dtype="float32")
    return enlarge([x, image])
