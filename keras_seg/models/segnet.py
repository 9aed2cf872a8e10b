"""SegNet: a decoder that unpools values to the positions of the encoder's maxima.

V. Badrinarayanan, A. Kendall, R. Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture
for Image Segmentation, TPAMI 2017, arXiv 1511.00561.

The layers follow the authors' Caffe files (github.com/alexgkendall/SegNet-Tutorial): all
convolutions have biases and batch normalization; poolings round sizes up; SegNet-Basic's decoder
has no ReLU. Not included: the local normalization of SegNet-Basic's pixels; the batch
normalization after the first convolution replaces it.

With dropout, `dropout_rate=0.5`, it is Bayesian SegNet (A. Kendall et al., arXiv 1511.02680):
after the poolings and the decoders of all levels but the first two.
`keras_seg.Segmenter` draws samples from it to estimate the uncertainty.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import MaxPoolingIndices2D, MaxUnpooling2D
from keras_seg.models.encoders.blocks import batch_norm, conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture "
    "for Image Segmentation. TPAMI 2017. arXiv:1511.00561"
)
FIRST_DROPOUT_LEVEL = 3


class Options(NamedTuple):
    """The options that both variants share; `segnet` describes them.

    >>> Options().blocks
    (2, 2, 3, 3, 3)
    """

    blocks: tuple = (2, 2, 3, 3, 3)
    filters: tuple = (64, 128, 256, 512, 512)
    kernel_size: int = 3
    basic: bool = False
    dropout_rate: float = 0.0
    input_range: str = "symmetric"


VARIANTS = (
    Variant(
        "segnet",
        "SegNet with the 13 convolutions of VGG-16 and their mirror image.",
        {},
        {
            "counts": (
                # Each class has a 3x3 kernel of 64 channels and a bias.
                Count(11, trainable=29_449_355, total=29_465_227),
                Count(19, trainable=29_453_971),
            ),
            "printed": "29.46 M",
            "scores": (("CamVid", "test", 60.1), ("Cityscapes", "test", 56.1)),
        },
    ),
    Variant(
        "segnet_basic",
        "SegNet-Basic: four 7x7 convolutions and their mirror image.",
        {"blocks": (1, 1, 1, 1), "filters": (64, 64, 64, 64), "kernel_size": 7, "basic": True},
        # The authors' 1.4 million. Each class has 64 weights and a bias.
        {
            "printed": "1.4 M",
            "counts": (Count(11, trainable=1_416_587, total=1_417_611),),
            "output_stride": 16,
        },
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="segnet",
    num_classes=11,
    tiny={"blocks": (2, 1, 1), "filters": (8, 12, 16)},
)
def segnet(image, num_classes, options):
    """SegNet, both variants.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        blocks: convolutions of each level of the encoder, the finest first.
        filters: their channels.
        kernel_size: side of their kernels.
        basic: whether the decoder has no ReLU and the classifier is a 1x1 convolution after it;
            otherwise the classifier is the decoder's last convolution.
        dropout_rate: share of values dropped at the coarser levels while training, 0..1; 0.5 for
            Bayesian SegNet.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> options = {"blocks": (1, 1), "filters": (8, 16)}
    >>> models.build("segnet", (64, 96, 3), num_classes=11, **options).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    x = normalized(image, options.input_range, "")
    poolings = []
    for level, (count, filters) in enumerate(
        zip(options.blocks, options.filters, strict=True), start=1
    ):
        x = convolutions(x, (filters,) * count, f"encoder{level}", options, relu=True)
        poolings.append((x, MaxPoolingIndices2D(name=f"encoder{level}_indices")(x)))
        x = layers.MaxPooling2D(2, padding="same", name=f"encoder{level}_pool")(x)
        x = _dropped(x, level, f"encoder{level}", options)
    for level in range(len(options.blocks), 0, -1):
        name = f"decoder{level}"
        reference, indices = poolings.pop()
        x = MaxUnpooling2D(name=f"{name}_unpool")([x, indices, reference])
        widths = _decoder_widths(level, options)
        x = convolutions(x, widths, name, options, relu=not options.basic)
        x = _dropped(x, level, name, options)
    kernel_size = 1 if options.basic else options.kernel_size
    return layers.Conv2D(num_classes, kernel_size, padding="same", dtype="float32", name="logits")(
        x
    )


def convolutions(x, widths, name, options, relu):
    """Convolutions of one level, each with batch normalization.

    Args:
        x: KerasTensor (b, h, w, c).
        widths: channels of each.
        name: prefix of the layers' names.
        options: `Options`.
        relu: whether ReLU follows.

    Returns:
        KerasTensor (b, h, w, widths[-1]).

    >>> import keras
    >>> convolutions(keras.Input((8, 9, 3)), (4, 6), "encoder1", Options(), relu=True).shape
    (None, 8, 9, 6)
    """
    for number, filters in enumerate(widths, start=1):
        layer = f"{name}_conv{number}"
        x = conv(x, filters, options.kernel_size, layer, use_bias=True)
        x = batch_norm(x, layer, "relu" if relu else None)
    return x


def _decoder_widths(level, options):
    """Channels of a level's decoder: those of its encoder, and of the level above at the end."""
    count, filters = options.blocks[level - 1], options.filters[level - 1]
    if level > 1:
        return (*(filters,) * (count - 1), options.filters[level - 2])
    return (filters,) * (count if options.basic else count - 1)


def _dropped(x, level, name, options):
    if not options.dropout_rate or level < FIRST_DROPOUT_LEVEL:
        return x
    return layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)


def _check_options(options):
    name = "segnet"
    _check.share(name, "dropout_rate", options.dropout_rate)
    if options.kernel_size not in (1, 3, 5, 7):
        raise ValueError(
            f"`{name}` needs kernel_size to be 1, 3, 5 or 7. "
            f"Received: kernel_size={options.kernel_size!r}."
        )
    levels = len(options.blocks) if isinstance(options.blocks, tuple | list) else 5
    what, example = "the convolutions of each level", (2, 2, 3, 3, 3)
    _check.stage_counts(name, "blocks", options.blocks, max(1, levels), what, example)
    what, example = "the channels of each level", (64, 128, 256, 512, 512)
    _check.stage_counts(name, "filters", options.filters, levels, what, example)
