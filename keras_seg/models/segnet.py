"""SegNet: a decoder that unpools values to the positions of the encoder's maxima.

V. Badrinarayanan, A. Kendall, R. Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture
for Image Segmentation, TPAMI 2017, arXiv 1511.00561.

The layers follow the authors' Caffe files (github.com/alexgkendall/SegNet-Tutorial): all
convolutions have biases and batch normalization, although the paper's section 3.1 says that
SegNet-Basic has no biases; poolings round sizes up; SegNet-Basic's decoder has no ReLU. Not
included: the local normalization of SegNet-Basic's pixels; the batch normalization after the first
convolution replaces it.

With `encoder="resnet50"` or any other classifier, the decoder has the same form: each map is given
the channels of the next finer one and unpooled to the positions of its maxima. The finer maps'
values are not used. With "vgg16" these are the paper's poolings. Encoders without a map of the
image's own size end at half of it: each value then goes to four pixels.

With dropout, `dropout_rate=0.5`, it is Bayesian SegNet (A. Kendall et al., arXiv 1511.02680):
after the poolings and the decoders of all levels but the first two.
`keras_seg.inference.mc_dropout` draws samples from it to estimate the uncertainty.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import MaxPoolingIndices2D, MaxUnpooling2D, ResizeLike
from keras_seg.models.encoder_maps import encoder_maps, refuse_without_encoder
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
    encoder: str | None = None
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 32


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
            # CamVid: trained with pictures of other data sets, too, some 3,500 in all.
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
        encoder: name of a classifier that takes the place of the encoder, see
            `keras_seg.models.names("classification")`; `blocks`, `filters`, `basic` and
            `input_range` are then not used.
        encoder_weights: None for random ones, "imagenet", or the path of a file.
        encoder_options: options of the encoder in place of its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: 32; 16 or 8 replace the encoder's last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or options of an encoder are given without one.

    >>> from keras_seg import models
    >>> options = {"blocks": (1, 1), "filters": (8, 16)}
    >>> models.build("segnet", (64, 96, 3), num_classes=11, **options).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    if options.encoder is not None:
        maps = encoder_maps("segnet", image, options)
        return on_encoder(maps, image, num_classes, options)
    refuse_without_encoder("segnet", options)
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
    return _logits(x, num_classes, 1 if options.basic else options.kernel_size)


def on_encoder(maps, image, num_classes, options):
    """The decoder for an encoder: from the coarsest map to the image's size.

    If the encoder has no map of a size, the map is only enlarged by two.

    Args:
        maps: KerasTensors by reduction.
        image: KerasTensor (b, h, w, c).
        num_classes: channels of the logits.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, h, w, num_classes).

    >>> import keras
    >>> maps, options = {2: keras.Input((5, 4, 8)), 4: keras.Input((3, 2, 9))}, Options()
    >>> on_encoder(maps, keras.Input((9, 8, 3)), 6, options).shape
    (None, 9, 8, 6)
    """
    x = maps[max(maps)]
    for reduction in (16, 8, 4, 2, 1):
        name, finer = f"decoder{reduction}", maps.get(reduction)
        if reduction >= max(maps):
            continue
        filters = x.shape[-1] if finer is None else finer.shape[-1]
        x = convolutions(x, (filters,), f"{name}_before", options, relu=True)
        if finer is not None and reduction < options.output_stride:
            indices = MaxPoolingIndices2D(name=f"{name}_indices")(finer)
            # Some encoders' maps are a pixel smaller than half of the finer ones.
            x = ResizeLike("nearest", name=f"{name}_fit")([x, indices])
            x = MaxUnpooling2D(name=f"{name}_unpool")([x, indices, finer])
        elif reduction == 1:
            x = ResizeLike("nearest", name=f"{name}_enlarge")([x, image])
        elif finer is None:
            x = layers.UpSampling2D(2, name=f"{name}_enlarge")(x)
        x = convolutions(x, (filters,), name, options, relu=True)
        if options.dropout_rate and reduction >= 4:
            x = layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)
    return _logits(x, num_classes, 3)


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


def _logits(x, num_classes, kernel_size):
    return layers.Conv2D(
        num_classes,
        kernel_size,
        padding="same",
        kernel_initializer="he_normal",  # Section 4.1: all weights, as K. He et al.
        dtype="float32",
        name="logits",
    )(x)


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
    name = "segnet_basic" if options.basic else "segnet"
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
