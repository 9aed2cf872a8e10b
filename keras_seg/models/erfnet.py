"""ERFNet: residual blocks whose 3x3 kernels are factorized into 3x1 and 1x3.

E. Romera, J. M. Alvarez, L. M. Bergasa, R. Arroyo: ERFNet: Efficient Residual Factorized ConvNet
for Real-time Semantic Segmentation, IEEE Transactions on Intelligent Transportation Systems 2018.

The layers follow the authors' code for PyTorch (github.com/Eromera/erfnet_pytorch), which is
more detailed than the paper: all convolutions have biases, batch normalization has an epsilon of
1e-3, and dropout is of whole channels, in the encoder only.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.blocks import enlarging_conv, enlarging_logits
from keras_seg.models.encoders.blocks import batch_norm, conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Romera, Alvarez, Bergasa, Arroyo: ERFNet: Efficient Residual Factorized ConvNet for "
    "Real-time Semantic Segmentation. IEEE T-ITS 2018"
)
BN_EPSILON = 1e-3


class Options(NamedTuple):
    """The options; `erfnet` describes them.

    >>> Options().blocks
    (5, 2, 2, 2)
    """

    width: float = 1.0
    blocks: tuple = (5, 2, 2, 2)
    dilations: tuple = (2, 4, 8, 16)
    dropout_rate: float = 0.3
    first_dropout_rate: float = 0.03
    bn_epsilon: float = BN_EPSILON
    input_range: str = "unit"


VARIANTS = (
    Variant(
        "erfnet",
        "ERFNet with its decoder.",
        {},
        {
            # Each class has a 2x2 kernel of 16 channels and a bias.
            "counts": (
                Count(19, trainable=2_064_191, total=2_070_783),
                Count(20, trainable=2_064_256),
            ),
            "printed": "2.1 M",
            # The authors' result, of the code with weights from ImageNet.
            "scores": (("Cityscapes", "val", 72.1), ("Cityscapes", "test", 69.8)),
        },
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="erfnet",
    output_stride=8,
    tiny={"width": 0.25, "blocks": (1, 1, 1, 1), "dilations": (2, 4)},
)
def erfnet(image, num_classes, options):
    """ERFNet.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        width: factor of all numbers of channels.
        blocks: residual blocks at a quarter of the size, rounds of dilated blocks at an eighth,
            and residual blocks of the decoder at a quarter and at half of the size.
        dilations: dilation rate of each block of a round.
        dropout_rate: share of channels dropped at the end of the encoder's dilated blocks while
            training, 0..1.
        first_dropout_rate: the same for its blocks at a quarter of the size.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.build("erfnet", (64, 96, 3), num_classes=11, width=0.25).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    first, second, third = (max(4, round(options.width * c)) for c in (16, 64, 128))
    quarter, rounds, up_quarter, up_half = options.blocks
    epsilon = options.bn_epsilon
    x = normalized(image, options.input_range, "")
    # A downsampler keeps its input's channels: images of many channels need more than the paper's.
    half = x = downsampler(x, max(first, x.shape[-1] + 1), "down1", epsilon)
    x = downsampler(x, max(second, x.shape[-1] + 1), "down2", epsilon)
    for number in range(1, quarter + 1):
        x = factorized_block(x, f"block2_{number}", 1, options.first_dropout_rate, epsilon)
    fine = x
    x = downsampler(x, max(third, x.shape[-1] + 1), "down3", epsilon)
    for number in range(1, rounds + 1):
        for dilation in options.dilations:
            name = f"block3_{number}_dilation{dilation}"
            x = factorized_block(x, name, dilation, options.dropout_rate, epsilon)
    for level, (reference, filters, count) in enumerate(
        ((fine, second, up_quarter), (half, first, up_half)), start=1
    ):
        x = enlarging_conv(x, filters, reference, f"up{level}")
        x = batch_norm(x, f"up{level}", epsilon=epsilon)
        for number in range(1, count + 1):
            x = factorized_block(x, f"up{level}_{number}", epsilon=epsilon)
    return enlarging_logits(x, num_classes, image)


def downsampler(x, filters, name, epsilon=BN_EPSILON):
    """Half the size: a strided convolution beside a max pooling, batch normalization, ReLU.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out, more than c.
        name: prefix of the layers' names.
        epsilon: of batch normalization.

    Returns:
        KerasTensor (b, ceil(h / 2), ceil(w / 2), filters).

    >>> import keras
    >>> downsampler(keras.Input((33, 32, 3)), 16, "down1").shape
    (None, 17, 16, 16)
    """
    new = conv(x, filters - x.shape[-1], 3, f"{name}_conv", (2, 1), use_bias=True)
    pooled = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    x = layers.Concatenate(name=f"{name}_concat")([new, pooled])
    return batch_norm(x, name, epsilon=epsilon)


def factorized_block(x, name, dilation=1, dropout_rate=0.0, epsilon=BN_EPSILON):
    """The paper's non-bottleneck-1D: 3x1, 1x3, and both again with dilation; the input is added.

    Args:
        x: KerasTensor (b, h, w, c).
        name: prefix of the layers' names.
        dilation: dilation in pixels of the second pair.
        dropout_rate: share of channels dropped while training, 0..1.
        epsilon: of batch normalization.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> factorized_block(keras.Input((8, 8, 16)), "block", dilation=2).shape
    (None, 8, 8, 16)
    """
    inside, filters = x, x.shape[-1]
    for number, rate in ((1, 1), (2, dilation)):
        part, step = f"{name}_{number}", (1, rate)
        inside = conv(inside, filters, (3, 1), f"{part}_vertical", step, use_bias=True)
        inside = layers.Activation("relu", name=f"{part}_vertical_relu")(inside)
        inside = conv(inside, filters, (1, 3), f"{part}_horizontal", step, use_bias=True)
        inside = batch_norm(inside, part, "relu" if number == 1 else None, epsilon)
    if dropout_rate:
        inside = layers.SpatialDropout2D(dropout_rate, name=f"{name}_dropout")(inside)
    x = layers.Add(name=f"{name}_add")([x, inside])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _check_options(options):
    name = "erfnet"
    _check.number(name, "width", options.width, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.share(name, "first_dropout_rate", options.first_dropout_rate)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    what = "blocks of the encoder, rounds of dilated ones, and blocks of the decoder"
    _check.stage_counts(name, "blocks", options.blocks, 4, what, (5, 2, 2, 2))
    count = len(options.dilations) if isinstance(options.dilations, tuple | list) else 1
    what = "the dilation rate of each block of a round"
    _check.stage_counts(name, "dilations", options.dilations, max(1, count), what, (2, 4, 8, 16))
