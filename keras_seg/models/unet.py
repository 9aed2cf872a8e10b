"""U-Net: a contracting path, an expanding one, and their maps concatenated level by level.

O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image
Segmentation, MICCAI 2015, arXiv 1505.04597.

Three forms:
- As published: convolutions without padding. The image is mirrored at its border by 92 pixels and
  up to the next size that can be halved four times without remainder, so that the logits have the
  image's own size; 388x388 pixels are computed from 572x572, as in the paper's figure 1. The
  paper's dropout "at the end of the contracting path" is given without a rate; here it is 0.5.
- `padding="same"`, with zero padding of the maps, and `normalization=True` as in most
  implementations.
- `encoder="resnet50"` or any other classifier: its feature maps as the contracting path, and the
  decoder of segmentation_models_pytorch: nearest enlargement, concatenation, two convolutions.
"""

from collections.abc import Mapping
from typing import NamedTuple

from keras import initializers, layers

from keras_seg import _check
from keras_seg.layers import CropLike, MirrorPadding2D, ResizeLike
from keras_seg.models.encoder_maps import encoder_maps, refuse_without_encoder
from keras_seg.models.encoders.blocks import batch_norm, conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. "
    "MICCAI 2015. arXiv:1505.04597"
)


class Options(NamedTuple):
    """The options; `unet` describes them.

    >>> Options().padding
    'mirror'
    """

    filters: tuple = (64, 128, 256, 512, 1024)
    padding: str = "mirror"
    normalization: bool = False
    dropout_rate: float = 0.5
    input_range: str = "symmetric"
    encoder: str | None = None
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 32
    decoder_filters: tuple = (256, 128, 64, 32, 16)


_SAME = {"padding": "same", "normalization": True}
VARIANTS = (
    Variant(
        "unet",
        "U-Net.",
        {},
        {
            "counts": (
                # Each class has 64 weights and a bias; a channel, 9 * 64 weights.
                Count(2, total=31_030_658, channels=1),
                Count(2, total=31_031_810),
                Count(19, total=31_032_915),
                # The same layers with batch normalization in place of their biases.
                Count(2, trainable=31_037_698, total=31_049_474, options=_SAME),
                Count(19, trainable=31_038_803, options=_SAME),
            ),
        },
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="unet",
    output_stride=16,
    num_classes=2,
    channels=1,
    tiny={"filters": (4, 8, 8)},
)
def unet(image, num_classes, options):
    """U-Net.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        filters: channels of each level, the finest first; five in the paper.
        padding: "mirror" for convolutions without padding on a mirrored margin, "same" for zeros
            around each map.
        normalization: whether batch normalization replaces the biases of the 3x3 convolutions.
        dropout_rate: share of values dropped at the coarsest level while training, 0..1.
        input_range: range that pixels 0..255 are converted to, without an encoder: "unit" for
            0..1, "symmetric" for -1..1, "caffe" to subtract ImageNet's means, "torch" to also
            divide by the standard deviations.
        encoder: name of a classifier whose maps are the contracting path, see
            `keras_seg.models.names("classification")`; `filters`, `padding` and `normalization`
            are then not used.
        encoder_weights: None for random ones, "imagenet", or the path of a file.
        encoder_options: options of the encoder in place of its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: 32; 16 or 8 replace the encoder's last strides by dilation.
        decoder_filters: channels of the decoder of an encoder, at 1/16, 1/8, 1/4, 1/2 of the
            size and at the image's own.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or options of an encoder are given without one.

    >>> from keras_seg import models
    >>> models.build("unet", (64, 96, 1), num_classes=2, filters=(8, 16, 32)).output_shape
    (None, 64, 96, 2)
    >>> small = {"encoder": "mobilenet_v2", "encoder_options": {"width": 0.35}}
    >>> models.build("unet", (64, 96, 3), num_classes=11, **small).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    if options.encoder is not None:
        maps = encoder_maps("unet", image, options)
        return on_encoder(maps, image, num_classes, options)
    refuse_without_encoder("unet", options)
    x = normalized(image, options.input_range, "")
    if options.padding == "mirror":
        x = mirrored(x, len(options.filters) - 1)
    skips = []
    for level, filters in enumerate(options.filters[:-1], start=1):
        x = two_convolutions(x, filters, f"down{level}", options)
        skips.append(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"down{level}_pool")(x)
    x = two_convolutions(x, options.filters[-1], "bottom", options)
    if options.dropout_rate:
        x = layers.Dropout(options.dropout_rate, name="bottom_dropout")(x)
    border = 0
    for level, filters in reversed(list(enumerate(options.filters[:-1], start=1))):
        # Each side loses 2 pixels in the encoder and 2 in the decoder, at twice the resolution
        # here.
        border = 2 * border + (4 if not border else 8)
        x = joined(x, skips.pop(), f"up{level}", border, options)
        x = two_convolutions(x, filters, f"up{level}", options)
    x = layers.Conv2D(
        num_classes, 1, kernel_initializer="he_normal", dtype="float32", name="logits_conv"
    )(x)
    return CropLike(name="logits", dtype="float32")([x, image])


def mirrored(x, depth):
    """The image, padded by the margin that convolutions without padding remove.

    In a network with `depth` poolings, two convolutions per level remove 2 pixels from each side
    of their maps in the encoder, at the bottom, and in the decoder: 6 * 2 ** depth - 4 pixels of
    the image.

    Args:
        x: KerasTensor (b, h, w, c).
        depth: number of poolings.

    Returns:
        KerasTensor (b, h', w', c) of sizes 2 ** depth * n + 4 * (2 ** depth - 1).

    >>> import keras
    >>> mirrored(keras.Input((388, 388, 1)), depth=4).shape
    (None, 572, 572, 1)
    """
    scale = 2**depth
    return MirrorPadding2D(6 * scale - 4, scale, 4 * (scale - 1), name="mirror")(x)


def two_convolutions(x, filters, name, options):
    """Two 3x3 convolutions with ReLU.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        name: prefix of the layers' names.
        options: `Options`.

    Returns:
        KerasTensor (b, h, w, filters); 4 pixels less on both axes without padding.

    >>> import keras
    >>> two_convolutions(keras.Input((572, 572, 1)), 64, "down1", Options()).shape
    (None, 568, 568, 64)
    """
    for number in (1, 2):
        layer = f"{name}_conv{number}"
        x = layers.Conv2D(
            filters,
            3,
            padding="valid" if options.padding == "mirror" else "same",
            use_bias=not options.normalization,
            # The paper's section 3: a standard deviation of sqrt(2 / N) for N incoming values.
            kernel_initializer="he_normal",
            name=layer,
        )(x)
        if options.normalization:
            x = batch_norm(x, layer)
        else:
            x = layers.Activation("relu", name=f"{layer}_relu")(x)
    return x


def joined(x, skip, name, border, options):
    """The map at twice its size with half its channels, and the skip connection cropped to it.

    Args:
        x: KerasTensor (b, h, w, c).
        skip: KerasTensor (b, 2h + 2 * border, 2w + 2 * border, c2) without padding; with padding
            (b, 2h or 2h - 1, 2w or 2w - 1, c2).
        name: prefix of the layers' names.
        border: pixels that are cropped from each side of the skip connection, without padding.
        options: `Options`.

    Returns:
        KerasTensor (b, 2h, 2w, c2 + c2).

    >>> import keras
    >>> joined(keras.Input((28, 28, 1024)), keras.Input((64, 64, 512)), "up4", 4, Options()).shape
    (None, 56, 56, 1024)
    """
    x = layers.Conv2DTranspose(
        skip.shape[-1],
        2,
        2,
        # Two by incoming values: one pixel's channels. Keras counts four pixels.
        kernel_initializer=initializers.VarianceScaling(4 * 2.0, "fan_out"),
        name=f"{name}_transposed",
    )(x)
    if options.padding == "mirror":
        skip = layers.Cropping2D(border, name=f"{name}_skip")(skip)
    else:
        x = CropLike(name=f"{name}_crop")([x, skip])
    return layers.Concatenate(name=f"{name}_concat")([skip, x])


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
    for reduction, filters in zip((16, 8, 4, 2, 1), options.decoder_filters, strict=True):
        if reduction >= max(maps):
            continue
        name, skip = f"up{reduction}", maps.get(reduction, image if reduction == 1 else None)
        if skip is None:
            x = layers.UpSampling2D(2, name=f"{name}_enlarge")(x)
        else:
            x = ResizeLike("nearest", name=f"{name}_enlarge")([x, skip])
        if reduction in maps:
            x = layers.Concatenate(name=f"{name}_concat")([x, skip])
        for number in (1, 2):
            x = conv(x, filters, 3, f"{name}_conv{number}")
            x = batch_norm(x, f"{name}_conv{number}")
    return layers.Conv2D(num_classes, 3, padding="same", dtype="float32", name="logits")(x)


def _check_options(options):
    name = "unet"
    _check.one_of(f"padding of `{name}`", "padding", options.padding, ("mirror", "same"))
    _check.share(name, "dropout_rate", options.dropout_rate)
    levels = len(options.filters) if isinstance(options.filters, tuple | list) else 5
    what = "the channels of each level, the finest first"
    _check.stage_counts(name, "filters", options.filters, max(2, levels), what, (64, 128, 256))
    what = "the channels at 1/16, 1/8, 1/4, 1/2 of the size and at the image's own"
    example = (256, 128, 64, 32, 16)
    _check.stage_counts(name, "decoder_filters", options.decoder_filters, 5, what, example)
