"""VGG: stacks of 3x3 convolutions between poolings, and three dense layers.

K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition,
ICLR 2015, arXiv 1409.1556, table 1, columns D (VGG-16) and E (VGG-19).
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import batch_norm, conv, dense_layers, pool
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant


class Options(NamedTuple):
    """The options that both variants share; `vgg` describes them.

    >>> Options().dense_units
    4096
    """

    blocks: tuple = (2, 2, 3, 3, 3)
    width: float = 1.0
    dense_units: int = 4096
    normalization: bool = False
    bn_epsilon: float = 1e-5
    dropout_rate: float = 0.5
    input_range: str = "caffe"
    first_padding: int = 1
    output_stride: int = 32


def _counts(plain, normalized_count):
    """Counts of the paper's form and of torchvision's with normalization, for 1000 classes.

    Each class has a row of the last dense layer: 4096 weights and a bias.
    """
    return (
        *(Count(n, total=plain - (1000 - n) * 4097) for n in (1000, 100, 10)),
        Count(1000, trainable=normalized_count, options={"normalization": True}),
    )


VARIANTS = (
    Variant(
        "vgg16",
        "VGG with 16 layers: 13 convolutions and three dense layers.",
        {},
        {"printed": "138 M", "counts": _counts(138_357_544, 138_365_992), "imagenet": "VGG16"},
    ),
    Variant(
        "vgg19",
        "VGG with 19 layers: 16 convolutions and three dense layers.",
        {"blocks": (2, 2, 4, 4, 4)},
        {"printed": "144 M", "counts": _counts(143_667_240, 143_678_248), "imagenet": "VGG19"},
    ),
)


def dense_head(maps, num_classes, options):
    """The last pooling on a 7x7 grid, and three dense layers with dropout between them.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    return dense_layers(maps[32], 7, ("fc1", "fc2"), num_classes, options)


@encoder(
    Options(),
    VARIANTS,
    head=dense_head,
    paper="Simonyan, Zisserman: Very Deep Convolutional Networks. ICLR 2015. arXiv:1409.1556",
    features=(2, 4, 8, 16, 32),
    tiny={"blocks": (1, 1, 2, 1, 1), "width": 0.125, "dense_units": 32},
)
def vgg(image, name, strides, options):
    """VGG, any variant.

    The feature map of a reduction is that of its last convolution; that of 32 is the last pooling.
    The paper has no batch normalization; torchvision's `vgg16_bn` and `vgg19_bn` have it after each
    convolution, and keep the biases.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of convolutions before each of the five poolings.
        width: factor of the numbers of channels of the convolutions.
        dense_units: units of the two hidden dense layers.
        normalization: whether batch normalization follows each convolution.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        dropout_rate: share of the dense layers' values dropped while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        first_padding: zeros around the normalized image, for the first convolution: 1 keeps the
            size. With more, as FCN's authors have it, poolings round sizes up, as in Caffe.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.vgg16((64, 64, 3), num_classes=10, width=0.125, dense_units=64).output_shape
    (None, 10)
    """
    _check_options(options)
    maps = {}
    x = normalized(image, options.input_range, name)
    placed = "caffe" if options.first_padding > 1 else "center"
    if options.first_padding > 1:
        x = layers.ZeroPadding2D(options.first_padding - 1, name=f"{name}first_pad")(x)
    for number, count in enumerate(options.blocks, start=1):
        filters = max(1, round(min(512, 32 * 2**number) * options.width))
        for place in range(1, count + 1):
            layer = f"{name}block{number}_conv{place}"
            x = conv(x, filters, 3, layer, (1, strides.dilation), use_bias=True)
            if options.normalization:
                x = batch_norm(x, layer, epsilon=options.bn_epsilon)
            else:
                x = layers.Activation("relu", name=f"{layer}_relu")(x)
        if number > 1:
            maps[2 ** (number - 1)] = x
        x = pool(x, 2, f"{name}block{number}_pool", strides.step(), padding=placed)
    maps[32] = x
    return maps


def _check_options(options):
    name = "vgg"
    _check.number(name, "width", options.width, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.positive_integer(name, "dense_units", options.dense_units)
    _check.positive_integer(name, "first_padding", options.first_padding)
    example = (2, 2, 3, 3, 3)
    before = "the convolutions before each pooling"
    _check.stage_counts(name, "blocks", options.blocks, 5, before, example)
