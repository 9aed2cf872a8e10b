"""DenseNet: every layer reads the feature maps of all layers before it in its block.

G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger: Densely Connected Convolutional Networks,
CVPR 2017, arXiv 1608.06993, table 1 and section 3.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import batch_norm, conv, pool
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Count, Variant

PAPER = "Huang, Liu, van der Maaten, Weinberger: DenseNet. CVPR 2017. arXiv:1608.06993"
TEXTBOOK = "Zhang, Lipton, Li, Smola: Dive into Deep Learning, section 8.7. 2023. arXiv:2106.11342"


class Options(NamedTuple):
    """The options that all variants share; `densenet` describes them.

    >>> Options().growth_rate
    32
    """

    blocks: tuple = (6, 12, 24, 16)
    growth_rate: int = 32
    stem_filters: int = 64
    bottleneck: int = 4
    compression: float = 0.5
    use_bias: bool = False
    bn_epsilon: float = 1e-5
    dropout_rate: float = 0.0
    output_stride: int = 32


def _variant(layers_, blocks, counts, inputs, growth_rate=32, **facts):
    """A row of the paper's table 1; its stems have 2 * growth_rate channels."""
    return Variant(
        f"densenet{layers_}",
        f"DenseNet-BC with {layers_} layers.",
        {"blocks": blocks, "growth_rate": growth_rate, "stem_filters": 2 * growth_rate},
        {"counts": dense_counts(counts[0], counts[1], inputs), **facts},
    )


VARIANTS = (
    _variant(121, (6, 12, 24, 16), (7_978_856, 83_648), 1024, imagenet="DenseNet121"),
    _variant(161, (6, 12, 36, 24), (28_681_000, 219_936), 2208, growth_rate=48),
    _variant(169, (6, 12, 32, 32), (14_149_480, 158_400), 1664, imagenet="DenseNet169"),
    _variant(
        201, (6, 12, 48, 32), (20_013_928, 229_056), 1920, imagenet="DenseNet201", printed="20 M"
    ),
    _variant(264, (6, 12, 64, 48), (33_337_704, 398_528), 2688),
    Variant(
        "densenet_d2l",
        "The small DenseNet of a textbook, for 96 x 96 gray pixels and 10 classes.",
        {"blocks": (4, 4, 4, 4), "bottleneck": 0, "use_bias": True},
        {
            "counts": (Count(10, trainable=758_226, total=758_226 + 6_608, channels=1),),
            "paper": TEXTBOOK,
            "num_classes": 10,
            "image_size": 96,
        },
    ),
)


@encoder(
    Options(),
    VARIANTS,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    imagenet_options={"bn_epsilon": 1.001e-5},
    tiny={"blocks": (2, 1, 1, 1), "growth_rate": 4, "stem_filters": 8},
)
def densenet(image, name, strides, options):
    """DenseNet for large images, any variant.

    The feature maps of reduction 4, 8 and 16 are those of the transitions after their batch
    normalization and ReLU, and before the 1x1 convolution; that of 32 follows the last ones.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of layers in each of the four dense blocks.
        growth_rate: channels that each layer adds (k in the paper).
        stem_filters: channels of the first convolution.
        bottleneck: channels of the 1x1 convolution in each layer, in growth rates; 0 for none.
        compression: share of channels that a transition keeps, above 0 and up to 1.
        use_bias: whether the convolutions have biases, as in the textbook.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.densenet121((64, 64, 3), num_classes=10).output_shape
    (None, 10)
    """
    _check_options("densenet", options, 4)
    maps = {}
    x = normalized(image, "torch", name)
    bias = options.use_bias
    x = conv(x, options.stem_filters, 7, f"{name}conv1_conv", strides.step(), use_bias=bias)
    x = maps[2] = batch_norm(x, f"{name}conv1", epsilon=options.bn_epsilon)
    x = pool(x, 3, f"{name}pool1_pool", strides.step())
    last = len(options.blocks) - 1
    for index, count in enumerate(options.blocks):
        block = f"{name}conv{index + 2}"
        x = _dense_block(x, count, block, options, strides.dilation)
        norm = f"{block}_transition" if index < last else block
        x = maps[4 * 2**index] = batch_norm(x, norm, epsilon=options.bn_epsilon)
        if index < last:
            x = _transition(x, f"{block}_transition", options, strides.step())
    return maps


class CifarOptions(NamedTuple):
    """The options of the networks for small images; `densenet_cifar` describes them.

    >>> CifarOptions().blocks
    (12, 12, 12)
    """

    blocks: tuple = (12, 12, 12)
    growth_rate: int = 12
    stem_filters: int = 16
    bottleneck: int = 0
    compression: float = 1.0
    bn_epsilon: float = 1e-5
    block_dropout_rate: float = 0.0
    dropout_rate: float = 0.0


_BOTTLENECK = {"bottleneck": 4, "compression": 0.5}
CIFAR_VARIANTS = (
    Variant(
        "densenet_cifar_40_12",
        "DenseNet with 40 layers and growth rate 12, for 32 x 32 pixels.",
        {},
        {"counts": (Count(10, trainable=1_019_722),), "printed": "1.0 M"},
    ),
    Variant(
        "densenet_cifar_bc_100_12",
        "DenseNet-BC with 100 layers and growth rate 12, for 32 x 32 pixels.",
        {"blocks": (16, 16, 16), "stem_filters": 24, **_BOTTLENECK},
        {"counts": (Count(10, trainable=769_162),), "printed": "0.8 M"},
    ),
    Variant(
        "densenet_cifar_bc_190_40",
        "DenseNet-BC with 190 layers and growth rate 40, for 32 x 32 pixels.",
        {"blocks": (31, 31, 31), "growth_rate": 40, "stem_filters": 80, **_BOTTLENECK},
        {"counts": (Count(10, trainable=25_624_430),), "printed": "25.6 M"},
    ),
)


@encoder(
    CifarOptions(),
    CIFAR_VARIANTS,
    paper=PAPER,
    features=(1, 2, 4),
    num_classes=10,
    output_stride=4,
    smallest=8,
    image_size=32,
    tiny={"blocks": (2, 1, 1), "growth_rate": 4, "stem_filters": 8},
)
def densenet_cifar(image, name, strides, options):
    """DenseNet for small images such as CIFAR's: three blocks, no pooling at the beginning.

    Args:
        input_shape: (height, width, channels); height and width are at least 8, or None.
        num_classes: number of classes.
        blocks: number of layers in each of the three dense blocks.
        growth_rate: channels that each layer adds (k in the paper).
        stem_filters: channels of the first convolution: 16, with bottlenecks 2 growth rates.
        bottleneck: channels of the 1x1 convolution in each layer, in growth rates; 0 for none.
        compression: share of channels that a transition keeps, above 0 and up to 1.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        block_dropout_rate: share of values dropped after each convolution but the first while
            training, 0..1; the paper has 0.2 for images without augmentation.
        dropout_rate: share of values dropped before the classifier while training, 0..1.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.densenet_cifar_40_12((32, 32, 3)).output_shape
    (None, 10)
    """
    _check_options("densenet_cifar", options, 3)
    maps = {}
    x = normalized(image, "torch", name)
    x = conv(x, options.stem_filters, 3, f"{name}conv1_conv")
    for index, count in enumerate(options.blocks):
        block = f"{name}conv{index + 2}"
        x = _dense_block(x, count, block, options, 1)
        norm = f"{block}_transition" if index < 2 else block
        x = maps[2**index] = batch_norm(x, norm, epsilon=options.bn_epsilon)
        if index < 2:
            x = _transition(x, f"{block}_transition", options, strides.step())
    return maps


def _dense_block(x, count, name, options, dilation):
    """Layers that each add `growth_rate` channels to their input."""
    for index in range(1, count + 1):
        layer = f"{name}_block{index}"
        new = batch_norm(x, f"{layer}_0", epsilon=options.bn_epsilon)
        if options.bottleneck:
            filters = options.bottleneck * options.growth_rate
            new = _convolved(new, filters, 1, f"{layer}_1", options)
            new = batch_norm(new, f"{layer}_1", epsilon=options.bn_epsilon)
        new = _convolved(new, options.growth_rate, 3, f"{layer}_2", options, dilation)
        x = layers.Concatenate(name=f"{layer}_concat")([x, new])
    return x


def _transition(x, name, options, step):
    """1x1 convolution to fewer channels, and the mean over 2x2 pixels."""
    filters = max(1, int(x.shape[-1] * options.compression))
    x = _convolved(x, filters, 1, name, options)
    return pool(x, 2, f"{name}_pool", step, "average")


def _convolved(x, filters, kernel_size, name, options, dilation=1):
    """A convolution, and the dropout after it where the family has that option."""
    bias, rate = getattr(options, "use_bias", False), getattr(options, "block_dropout_rate", 0.0)
    x = conv(x, filters, kernel_size, f"{name}_conv", (1, dilation), use_bias=bias)
    return layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def _check_options(name, options, count):
    for option in ("growth_rate", "stem_filters"):
        _check.positive_integer(name, option, getattr(options, option))
    _check.positive_integer(name, "bottleneck", options.bottleneck, at_least=0)
    _check.number(name, "compression", options.compression, above=0, at_most=1)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.share(name, "block_dropout_rate", getattr(options, "block_dropout_rate", 0.0))
    _check.stage_counts(name, "blocks", options.blocks, count)
