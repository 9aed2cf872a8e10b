"""AlexNet: five convolutions and three dense layers, trained on two graphics cards.

A. Krizhevsky, I. Sutskever, G. Hinton: ImageNet Classification with Deep Convolutional Neural
Networks, NIPS 2012. The variant without groups is that of A. Krizhevsky: One Weird Trick for
Parallelizing Convolutional Neural Networks, 2014, arXiv 1404.5997, as torchvision has it.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import LocalResponseNormalization
from keras_seg.models.encoders.blocks import conv, dense_layers, pool, valid_conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant

ONE_TOWER = "Krizhevsky: One Weird Trick for Parallelizing Convolutions. 2014. arXiv:1404.5997"


class Options(NamedTuple):
    """The options that both forms share; `alexnet` describes them.

    >>> Options().filters
    (96, 256, 384, 384, 256)
    """

    filters: tuple = (96, 256, 384, 384, 256)
    groups: int = 2
    local_response: bool = True
    padding: int = 0
    dense_units: int = 4096
    dropout_rate: float = 0.5
    input_range: str = "caffe"
    output_stride: int = 32


def _counts(total, **options):
    """Each class has a row of the last dense layer: 4096 weights and a bias."""
    classes = (1000, 100, 10)
    return tuple(Count(n, total=total - (1000 - n) * 4097, options=options) for n in classes)


VARIANTS = (
    Variant(
        "alexnet",
        "AlexNet as published, with grouped convolutions, for 227 x 227 pixels.",
        {},
        {"printed": "60 M", "counts": _counts(60_965_224) + _counts(62_378_344, groups=1)},
    ),
    Variant(
        "alexnet_one_tower",
        "AlexNet without groups and response normalization, for 224 x 224 pixels.",
        {
            "filters": (64, 192, 384, 256, 256),
            "groups": 1,
            "local_response": False,
            "padding": 2,
        },
        {"image_size": 224, "counts": _counts(61_100_840), "paper": ONE_TOWER},
    ),
)


def head(maps, num_classes, options):
    """The last pooling on a 6x6 grid, and three dense layers with dropout between them.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    return dense_layers(maps[32], 6, ("fc6", "fc7"), num_classes, options)


@encoder(
    Options(),
    VARIANTS,
    head=head,
    paper="Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep CNNs. NIPS 2012",
    features=(4, 8, 16, 32),
    smallest=39,
    image_size=227,
    tiny={"filters": (8, 12, 12, 12, 8), "dense_units": 16},
)
def alexnet(image, name, strides, options):
    """AlexNet, both forms.

    The second, fourth and fifth convolution have two groups, one per graphics card in the paper.
    Response normalization precedes the pooling, as in the paper; in Caffe's variant it follows. The
    paper states 224 pixels, but its layer sizes require 227. Dropout follows the two hidden dense
    layers, as in the paper; in torchvision it precedes them.

    Args:
        input_shape: (height, width, channels); height and width are at least 39, or None.
        num_classes: number of classes.
        filters: channels of the five convolutions.
        groups: groups of the second, fourth and fifth convolution: 2, or 1 for none.
        local_response: whether the first two convolutions have response normalization.
        padding: pixels of zeros around the image: 0 for 227 pixels, 2 for 224.
        dense_units: units of the two hidden dense layers.
        dropout_rate: share of the dense layers' values dropped while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.alexnet((64, 64, 3), num_classes=10, dense_units=16).output_shape
    (None, 10)
    """
    _check_options(options)
    groups, maps = options.groups, {}
    first, second, *others = options.filters
    x = normalized(image, options.input_range, name)
    if options.padding:
        x = layers.ZeroPadding2D(options.padding, name=f"{name}pad")(x)
    x = valid_conv(x, first, 11, f"{name}conv1", strides.step(4), use_bias=True)
    x = layers.Activation("relu", name=f"{name}conv1_relu")(x)
    # Padded by half of what the valid kernel removes, so that maps are aligned with the image.
    maps[4] = layers.ZeroPadding2D(1, name=f"{name}conv1_full")(x)
    x = _shrunk(x, f"{name}pool1", strides.step(), options.local_response)
    step = (1, strides.dilation)
    x = maps[8] = _conv(x, second, 5, f"{name}conv2", step, groups)
    x = _shrunk(x, f"{name}pool2", strides.step(), options.local_response)
    step = (1, strides.dilation)
    for number, (filters, parts) in enumerate(zip(others, (1, groups, groups), strict=True), 3):
        x = _conv(x, filters, 3, f"{name}conv{number}", step, parts)
    maps[16] = x
    maps[32] = _shrunk(x, f"{name}pool5", strides.step())
    return maps


def _conv(x, filters, kernel_size, name, step, groups=1):
    """Convolution with biases, and a ReLU."""
    x = conv(x, filters, kernel_size, name, step, groups, use_bias=True)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _shrunk(x, name, step, local_response=False):
    """Overlapping pooling, of normalized values in the first two stages."""
    if local_response:
        x = LocalResponseNormalization(name=f"{name}_norm")(x)
    return pool(x, 3, name, step, padding="caffe")


def _check_options(options):
    name, example = "alexnet", (96, 256, 384, 384, 256)
    channels = "the channels of each convolution"
    _check.stage_counts(name, "filters", options.filters, 5, channels, example)
    _check.positive_integer(name, "groups", options.groups)
    _check.positive_integer(name, "padding", options.padding, at_least=0)
    _check.positive_integer(name, "dense_units", options.dense_units)
    _check.share(name, "dropout_rate", options.dropout_rate)
    if any(count % options.groups for count in options.filters):
        raise ValueError(
            f"`{name}` needs filters that its groups divide. Received: filters={options.filters}, "
            f"groups={options.groups}. For example, pass filters={example} and groups=2."
        )
