"""SqueezeNet: 1x1 convolutions squeeze the channels, 1x1 and 3x3 convolutions expand them.

F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer: SqueezeNet: AlexNet-level
accuracy with 50x fewer parameters, 2016, arXiv 1602.07360. Version 1.1 is from the authors' code.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import pool
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant

# Channels of the squeezing convolutions of the modules fire2 to fire9.
_SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)


class Options(NamedTuple):
    """The options that both versions share; `squeezenet` describes them.

    >>> Options().first
    (7, 96)
    """

    first: tuple = (7, 96)
    pool_after: tuple = (1, 4, 8)
    width: float = 1.0
    dropout_rate: float = 0.5
    input_range: str = "caffe"
    output_stride: int = 32


def _counts(total):
    """Each class has a 1x1 kernel of the last convolution: 512 weights and a bias."""
    return tuple(Count(n, total=total - (1000 - n) * 513) for n in (1000, 100, 10))


VARIANTS = (
    Variant(
        "squeezenet1_0",
        "SqueezeNet 1.0, the paper's: 7x7 kernels first.",
        {},
        {"printed": "1,248,424", "counts": _counts(1_248_424)},
    ),
    Variant(
        "squeezenet1_1",
        "SqueezeNet 1.1: 3x3 kernels first and earlier pooling, 2.4 times fewer operations.",
        {"first": (3, 64), "pool_after": (1, 3, 5)},
        {"counts": _counts(1_235_496)},
    ),
)


def convolved_head(maps, num_classes, options):
    """Dropout, a 1x1 convolution to the classes, a ReLU, and global average pooling.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, num_classes), which are 0 or more.
    """
    x = maps[max(maps)]
    if options.dropout_rate:
        x = layers.Dropout(options.dropout_rate, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, activation="relu", dtype="float32", name="conv10")(x)
    return layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)


@encoder(
    Options(),
    VARIANTS,
    head=convolved_head,
    paper="Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: SqueezeNet. 2016. arXiv:1602.07360",
    features=(2, 4, 8, 16),
    output_stride=16,
    tiny={"width": 0.25},
)
def squeezenet(image, name, strides, options):
    """SqueezeNet, both versions.

    As in the authors' files, the first convolution has no zero padding, and poolings
    round sizes as Caffe does: floor(n / 2). torchvision does the same. The authors' file of version
    1.0 also has a pixel of zeros around the last 1x1 convolution; the paper's table, their file of
    version 1.1, torchvision and ours do not.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        first: side of the kernel and channels of the first convolution.
        pool_after: numbers of the modules before each pooling; 1 is the first convolution.
        width: factor of all numbers of channels.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 16 or 32 for the published network; 8 replaces the last stride by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.squeezenet1_1((64, 64, 3), num_classes=10).output_shape
    (None, 10)
    """
    _check_options(options)
    kernel, filters = options.first
    x = normalized(image, options.input_range, name)
    x = layers.Conv2D(
        _scaled(filters, options),
        kernel,
        strides.step()[0],
        activation="relu",
        kernel_initializer="he_normal",
        name=f"{name}conv1",
    )(x)
    # Padded by half of what the valid kernel removes, so that maps are aligned with the image.
    maps = {2: layers.ZeroPadding2D(kernel // 4, name=f"{name}conv1_full")(x)}
    reduction = 2
    for number in range(1, 10):
        if number > 1:
            squeezed = _scaled(_SQUEEZED[number - 2], options)
            x = maps[reduction] = _fire(x, squeezed, f"{name}fire{number}", strides.dilation)
        if number in options.pool_after:
            x = pool(x, 3, f"{name}pool{number}", strides.step(), padding="caffe")
            reduction *= 2
    return maps


def _fire(x, squeezed, name, dilation):
    """Squeezes the channels, then expands them four times by 1x1 and four times by 3x3 kernels."""
    x = _relu_conv(x, squeezed, 1, f"{name}_squeeze1x1")
    one = _relu_conv(x, 4 * squeezed, 1, f"{name}_expand1x1")
    three = _relu_conv(x, 4 * squeezed, 3, f"{name}_expand3x3", dilation)
    return layers.Concatenate(name=f"{name}_concat")([one, three])


def _relu_conv(x, filters, kernel_size, name, dilation=1):
    return layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        dilation_rate=dilation,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _scaled(channels, options):
    return max(1, round(channels * options.width))


def _check_options(options):
    name = "squeezenet"
    _check.number(name, "width", options.width, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.stage_counts(name, "first", options.first, 2, "kernel size and channels", (7, 96))
    places, example = options.pool_after, (1, 4, 8)
    _check.stage_counts(name, "pool_after", places, 3, "modules before a pooling", example)
    if len(set(places)) < 3 or max(places) > 9:
        raise ValueError(
            f"`{name}` needs pool_after to be three different modules from 1 to 9. "
            f"Received: pool_after={places!r}. For example, pass {example}."
        )
