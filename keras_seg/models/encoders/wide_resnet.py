"""Wide residual networks for small images: few blocks of many channels.

S. Zagoruyko, N. Komodakis: Wide Residual Networks, BMVC 2016, arXiv 1605.07146, table 1.
Normalization precedes each convolution, as in K. He et al.: Identity Mappings in Deep Residual
Networks, arXiv 1603.05027. WRN-50-2, for large images, is in `resnet`.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import batch_norm, conv, squeezed
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant


class Options(NamedTuple):
    """The options that all variants share; `wide_resnet` describes them.

    >>> Options().blocks
    (4, 4, 4)
    """

    blocks: tuple = (4, 4, 4)
    width: float = 10.0
    squeeze_ratio: int = 0
    bn_epsilon: float = 1e-5
    block_dropout_rate: float = 0.0


def _counts(trainable, inputs, statistics=None):
    """Counts for 10, 100 and 1000 classes; the dense layer has inputs + 1 numbers per class."""
    found = []
    for classes in (10, 100, 1000):
        own = trainable + (classes - 10) * (inputs + 1)
        found.append(Count(classes, own, total=None if statistics is None else own + statistics))
    return tuple(found)


VARIANTS = (
    Variant(
        "wrn_28_10",
        "Wide ResNet with 28 layers, ten times as wide, for 32 x 32 pixels.",
        {},
        {"printed": "36.5 M", "counts": _counts(36_479_194, 640, 17_952)},
    ),
    Variant(
        "wrn_16_8",
        "Wide ResNet with 16 layers, eight times as wide, for 32 x 32 pixels.",
        {"blocks": (2, 2, 2), "width": 8.0},
        {"printed": "11.0 M", "counts": _counts(10_961_370, 512)},
    ),
)


@encoder(
    Options(),
    VARIANTS,
    paper="Zagoruyko, Komodakis: Wide Residual Networks. BMVC 2016. arXiv:1605.07146",
    features=(1, 2, 4),
    num_classes=10,
    output_stride=4,
    smallest=8,
    image_size=32,
    tiny={"blocks": (2, 1, 1), "width": 0.5},
)
def wide_resnet(image, name, strides, options):
    """Wide ResNet, any variant: WRN-d-k has d = 6 n + 4 layers and k times the channels.

    The feature maps are taken after the batch normalization and ReLU at the beginning of the next
    stage or of the classifier.

    Args:
        input_shape: (height, width, channels); height and width are at least 8, or None.
        num_classes: number of classes.
        blocks: number of blocks in each of the three stages: n.
        width: factor of the channels of the stages, 16, 32 and 64: k.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each block; 0 for none.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        block_dropout_rate: share of values dropped between the two convolutions of a block while
            training, 0..1; the paper has 0.3.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.wrn_16_8((32, 32, 3)).output_shape
    (None, 10)
    """
    _check_options(options)
    maps = {}
    x = conv(normalized(image, "torch", name), 16, 3, f"{name}conv1")
    for stage, count in enumerate(options.blocks):
        filters = max(1, round(16 * 2**stage * options.width))
        for number in range(1, count + 1):
            block = f"{name}conv{stage + 2}_block{number}"
            ready = batch_norm(x, f"{block}_1", epsilon=options.bn_epsilon)
            step = (1, 1)
            if stage and number == 1:
                maps[2 ** (stage - 1)] = ready
                step = strides.step()
            x = _block(x, ready, filters, block, step, options)
    maps[4] = batch_norm(x, f"{name}last", epsilon=options.bn_epsilon)
    return maps


def _block(x, ready, filters, name, step, options):
    """Two 3x3 convolutions of `ready`, the normalized input, added to the input `x`."""
    shortcut = x
    if x.shape[-1] != filters or step[0] > 1:
        shortcut = conv(ready, filters, 1, f"{name}_0_conv", step)
    x = conv(ready, filters, 3, f"{name}_1_conv", step)
    x = batch_norm(x, f"{name}_2", epsilon=options.bn_epsilon)
    if options.block_dropout_rate:
        x = layers.Dropout(options.block_dropout_rate, name=f"{name}_dropout")(x)
    x = conv(x, filters, 3, f"{name}_2_conv")
    return layers.Add(name=f"{name}_add")([shortcut, squeezed(x, options, name)])


def _check_options(options):
    name = "wide_resnet"
    _check.stage_counts(name, "blocks", options.blocks, 3)
    _check.number(name, "width", options.width, above=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.positive_integer(name, "squeeze_ratio", options.squeeze_ratio, at_least=0)
    _check.share(name, "block_dropout_rate", options.block_dropout_rate)
