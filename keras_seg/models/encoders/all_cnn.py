"""All-CNN: convolutions with strides in place of poolings, and no dense layer.

J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller: Striving for Simplicity: The All
Convolutional Net, ICLR 2015 workshop, arXiv 1412.6806, tables 1 and 2 and appendix B.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import conv, valid_conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant

PAPER = (
    "Springenberg, Dosovitskiy, Brox, Riedmiller: The All Convolutional Net. ICLR 2015. "
    "arXiv:1412.6806"
)


class Options(NamedTuple):
    """The options of All-CNN-C; `all_cnn` describes them.

    >>> Options().width
    1.0
    """

    width: float = 1.0
    input_dropout_rate: float = 0.2
    dropout_rate: float = 0.5


def head(maps, num_classes, options):
    """A 1x1 convolution to the classes, a ReLU, and global average pooling.

    Args:
        maps: feature maps by reduction, and as "last" the coarsest one without zeros around it.
        num_classes: number of classes.
        options: the family's options.

    Returns:
        KerasTensor of logits (b, num_classes), which are 0 or more.
    """
    x = layers.Conv2D(
        num_classes,
        1,
        activation="relu",
        dtype="float32",
        kernel_initializer="he_normal",
        name="predictions",
    )(maps["last"])
    return layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)


@encoder(
    Options(),
    (
        Variant(
            "all_cnn_c",
            "All-CNN-C for 32 x 32 pixels: nine convolutions.",
            {},
            # Each class has a 1x1 kernel of the last convolution: 192 weights and a bias.
            {"counts": tuple(Count(n, total=1_367_808 + 193 * n) for n in (10, 100, 1000))},
        ),
    ),
    head=head,
    paper=PAPER,
    features=(1, 2, 4),
    num_classes=10,
    output_stride=4,
    smallest=9,
    image_size=32,
    printed="1.4 M",
    tiny={"width": 0.125},
)
def all_cnn(image, name, strides, options):
    """All-CNN-C, the form of the paper's tables 1 and 2 that replaces pooling by convolution.

    The seventh convolution has no zero padding: the last map of 32 x 32 pixels is 6 x 6. The
    feature map of reduction 4 is padded with zeros for the removed pixels, to be aligned with the
    image; the classifier averages without them.

    Args:
        input_shape: (height, width, channels); height and width are at least 9, or None.
        num_classes: number of classes.
        width: factor of all numbers of channels.
        input_dropout_rate: share of the image's values dropped while training, 0..1.
        dropout_rate: share of values dropped after both strided convolutions, 0..1.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.all_cnn_c((32, 32, 3)).output_shape
    (None, 10)
    """
    _check_options("all_cnn", options, "input_dropout_rate")
    narrow, wide = (_scaled(channels, options) for channels in (96, 192))
    maps = {}
    x = normalized(image, "torch", name)
    x = _dropped(x, options.input_dropout_rate, f"{name}input")
    x = _conv(x, narrow, 3, f"{name}conv1")
    x = maps[1] = _conv(x, narrow, 3, f"{name}conv2")
    x = _conv(x, narrow, 3, f"{name}conv3", strides.step())
    x = _dropped(x, options.dropout_rate, f"{name}conv3")
    x = _conv(x, wide, 3, f"{name}conv4")
    x = maps[2] = _conv(x, wide, 3, f"{name}conv5")
    x = _conv(x, wide, 3, f"{name}conv6", strides.step())
    x = _dropped(x, options.dropout_rate, f"{name}conv6")
    x = _conv(x, wide, 3, f"{name}conv7", padded=False)
    x = maps["last"] = _conv(x, wide, 1, f"{name}conv8")
    maps[4] = layers.ZeroPadding2D(1, name=f"{name}full4")(x)
    return maps


class ImageNetOptions(NamedTuple):
    """The options of the network for ImageNet; `all_cnn_imagenet` describes them.

    >>> ImageNetOptions().dropout_rate
    0.5
    """

    width: float = 1.0
    padding: int = 2
    dropout_rate: float = 0.5
    output_stride: int = 32


# Appendix B: kernel size, stride and channels; the twelfth convolution is the classifier.
_LAYERS = (
    *((11, 4, 96), (1, 1, 96), (3, 2, 96)),
    *((5, 1, 256), (1, 1, 256), (3, 2, 256)),
    *((3, 1, 384), (1, 1, 384), (3, 2, 384)),
    *((3, 1, 1024), (1, 1, 1024)),
)


@encoder(
    ImageNetOptions(),
    (
        Variant(
            "all_cnn_imagenet",
            "All-CNN for ImageNet: twelve convolutions, for 224 x 224 pixels.",
            {},
            # Each class has a 1x1 kernel of the last convolution: 1024 weights and a bias.
            {"counts": tuple(Count(n, total=8_347_840 + 1025 * n) for n in (1000, 100, 10))},
        ),
    ),
    head=head,
    paper=PAPER,
    features=(4, 8, 16, 32),
    smallest=67,
    printed="< 10 M",
    tiny={"width": 0.0625},
)
def all_cnn_imagenet(image, name, strides, options):
    """All-CNN for ImageNet, the paper's appendix B.

    Strided convolutions have no zero padding, as AlexNet's first one and poolings. The paper
    averages a map of 6 x 6 for 224 pixels, which takes two pixels of zeros around the image;
    without them, 227 pixels give that map. The feature maps are padded with zeros for the pixels
    that valid kernels removed, to be aligned with the image; the classifier averages without them.

    Args:
        input_shape: (height, width, channels); height and width are at least 67, or None.
        num_classes: number of classes.
        width: factor of all numbers of channels.
        padding: pixels of zeros around the image: 2 for 224 pixels, 0 for 227.
        dropout_rate: share of values dropped after the last strided convolution, 0..1.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.all_cnn_imagenet((96, 96, 3), num_classes=10).output_shape
    (None, 10)
    """
    _check_options("all_cnn_imagenet", options)
    _check.positive_integer("all_cnn_imagenet", "padding", options.padding, at_least=0)
    maps, dilation, reduction = {}, {}, 1
    x = normalized(image, "torch", name)
    if options.padding:
        x = layers.ZeroPadding2D(options.padding, name=f"{name}pad")(x)
    for number, (kernel_size, stride, channels) in enumerate(_LAYERS, start=1):
        layer, filters = f"{name}conv{number}", _scaled(channels, options)
        if stride == 1:
            x = _conv(x, filters, kernel_size, layer, (1, strides.dilation))
        else:
            x = _conv(x, filters, kernel_size, layer, strides.step(stride), padded=False)
            reduction *= stride
        if number == 9:
            x = _dropped(x, options.dropout_rate, layer)
        maps[reduction], dilation[reduction] = x, strides.dilation
    maps["last"] = x
    for reduction in (4, 8, 16, 32):
        # Half of what valid kernels removed, less the zeros around the image.
        zeros = max(0, dilation[reduction] - options.padding // 2)
        full = layers.ZeroPadding2D(zeros, name=f"{name}full{reduction}")
        maps[reduction] = full(maps[reduction])
    return maps


def _conv(x, filters, kernel_size, name, step=(1, 1), padded=True):
    """Convolution with biases, and a ReLU."""
    x = (conv if padded else valid_conv)(x, filters, kernel_size, name, step, use_bias=True)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _dropped(x, rate, name):
    return layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def _scaled(channels, options):
    return max(1, round(channels * options.width))


def _check_options(name, options, *more):
    _check.number(name, "width", options.width, above=0)
    for option in ("dropout_rate", *more):
        _check.share(name, option, getattr(options, option))
