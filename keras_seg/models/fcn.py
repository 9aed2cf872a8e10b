"""FCN: a convolutional classifier whose scores are enlarged and added to finer ones.

J. Long, E. Shelhamer, T. Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR
2015, arXiv 1411.4038; TPAMI 2017, arXiv 1605.06211.

What differs from the authors' Caffe files (github.com/shelhamer/fcn.berkeleyvision.org):
- They pad the image with 100 zeros, so that fc6 can be a 7x7 convolution without padding, and
  crop the logits. Here fc6 is padded, and the image is mirrored at the lower right up to a multiple
  of 32 pixels: every score is aligned with its pixels. `padding="image"` is the authors' way, which
  their weights need: with it, the logits are those of their files.
- Their deconvolutions are fixed bilinear kernels (learning rate 0), with zeros between
  different classes. The same applies here, and they do not count as trainable; `learn_upsampling`
  trains them.

All scores are initially zero, as in the paper. Staged training: train `fcn32s`, build
`fcn16s(weights=...)` of it, and so on: each network starts with about the output of the last one.
`at_once=True` scales the finer maps instead.
"""

from collections.abc import Mapping
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from keras_seg import _check
from keras_seg.layers import Bilinear, CropLike, MirrorPadding2D, ResizeLike
from keras_seg.models import encoders
from keras_seg.models.encoder_maps import encoder_maps
from keras_seg.models.registry import Count, Variant, architecture
from keras_seg.models.weights import donor_of, fill, units_of

PAPER = (
    "Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation. CVPR 2015. "
    "arXiv:1411.4038"
)
# Factors of the finer maps when all are trained at once, from the authors' files.
AT_ONCE = {16: 1e-2, 8: 1e-4}


class Options(NamedTuple):
    """The options that all variants share; `fcn` describes them.

    >>> Options().encoder
    'vgg16'
    """

    finest: int = 32
    encoder: str = "vgg16"
    encoder_weights: str | None = None
    encoder_options: Mapping | None = None
    freeze: str | None = None
    output_stride: int = 32
    dense_units: int = 4096
    dropout_rate: float = 0.5
    at_once: bool = False
    padding: str = "maps"
    learn_upsampling: bool = False


def _variant(finest, trainable, total, score):
    """A row of the table, with the score on VOC 2011's seg11valid from the authors' files."""
    about = f"FCN-{finest}s: scores of maps down to 1/{finest} of the size."
    facts = {"counts": (Count(21, trainable, total),), "scores": (("VOC 2011", "val", score),)}
    return Variant(f"fcn{finest}s", about, {"finest": finest}, facts)


VARIANTS = (
    # The totals include the fixed kernels: 64 * 64 * 21 * 21; 4 * 4 and 32 * 32; twice 4 * 4 and
    # 16 * 16.
    _variant(32, 134_346_581, 136_152_917, 63.6),
    _variant(16, 134_357_354, 134_815_994, 65.0),
    _variant(8, 134_362_751, 134_489_759, 65.5),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="fcn",
    num_classes=21,
    tiny={
        "encoder_options": {"width": 0.125, "blocks": (1, 1, 1, 1, 1)},
        "dense_units": 16,
    },
)
def fcn(image, num_classes, options):
    """FCN, any variant.

    The classifier's first two dense layers are those of VGG, as 7x7 and 1x1 convolutions; they
    start with the weights that `encoder_weights` has for them, as in the paper. Other encoders end
    in a single dense layer, which becomes the convolution of the scores; AlexNet's two hidden ones,
    which the paper keeps, are left out. MobileNetV2 has a 1x1
    convolution to 1280 channels before it, which the paper would keep:
    `encoder_options={"last_convolution": True}`.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        finest: 32, 16 or 8: reduction of the finest map that has scores of its own.
        encoder: name of a classifier; see `keras_seg.models.names("classification")`.
        encoder_weights: None for random ones, "imagenet" (with VGG's dense layers 550 MB), or the
            path of a file.
        encoder_options: options of the encoder in place of its defaults.
        freeze: "encoder" to keep the encoder's weights and batch statistics as they are while
            training, "encoder_batch_norm" to keep its batch normalization alone, or None.
        output_stride: 32; 16 or 8 replace the encoder's last strides by dilation.
        dense_units: channels of the two hidden layers after VGG.
        dropout_rate: share of their values dropped while training, 0..1.
        at_once: whether to scale finer maps, for a training of all scores from the beginning.
        padding: "maps" for zeros around each map, or "image" for 100 zeros around the image, as
            in the authors' files; for VGG with output stride 32.
        learn_upsampling: whether to train the deconvolutions, which are initialized as bilinear.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range, or the encoder lacks a feature map.

    >>> from keras_seg import models
    >>> tiny = models.facts("fcn8s").tiny
    >>> models.fcn8s((64, 96, 3), num_classes=11, **tiny).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    if options.padding == "image":
        return on_padded_image(image, num_classes, options)
    vgg = _is_vgg(options)
    donor, options = _donor(options)
    finer = [reduction for reduction in (16, 8) if reduction >= options.finest]
    whole = MirrorPadding2D(multiple=32, name="pad")(image)
    maps = encoder_maps(f"fcn{options.finest}s", whole, options, _needed(vgg, finer))
    x = dense_convolutions(maps[32], options) if vgg else maps[32]
    _take_dense_layers(donor, image, maps[32], x)
    x = _scores(x, num_classes, "score32")
    reached = min(32, options.output_stride)
    for reduction in finer:
        skip = _finer_scores(maps, reduction, num_classes, options)
        aim = min(reduction, options.output_stride)
        x = deconvolution(x, reached // aim, f"enlarge{reduction}", options)
        # The maps of some encoders are one pixel smaller than the image divided by the reduction.
        x = ResizeLike(name=f"fit{reduction}")([x, skip])
        x, reached = layers.Add(name=f"add{reduction}")([x, skip]), aim
    x = deconvolution(x, reached, "enlarge", options, dtype="float32")
    x = ResizeLike(name="fit", dtype="float32")([x, whole])
    return CropLike(name="logits", dtype="float32")([x, image])


# Pixels that are cropped above and left of the skips and of the logits, from the authors' files.
_OFFSETS = {16: 5, 8: 9}
_LAST_OFFSETS = {32: 19, 16: 27, 8: 31}


def on_padded_image(image, num_classes, options):
    """The authors' form: 100 zeros around the image, no padding of fc6, cropped scores.

    Args:
        image: KerasTensor (b, h, w, c).
        num_classes: channels of the logits.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, h, w, num_classes).

    >>> import keras
    >>> tiny = {"width": 0.125, "blocks": (1, 1, 1, 1, 1)}
    >>> options = Options(8, encoder_options=tiny, dense_units=16, padding="image")
    >>> on_padded_image(keras.Input((33, 64, 3)), 5, options).shape
    (None, 33, 64, 5)
    """
    finer = [reduction for reduction in (16, 8) if reduction >= options.finest]
    donor, options = _donor(options)
    inside = {**(options.encoder_options or {}), "first_padding": 100}
    options = options._replace(encoder_options=inside)
    maps = encoder_maps(f"fcn{options.finest}s", image, options, _needed(True, finer))
    x = dense_convolutions(maps[32], options)
    _take_dense_layers(donor, image, maps[32], x)
    x = _scores(x, num_classes, "score32")
    for reduction in finer:
        x = deconvolution(x, 2, f"enlarge{reduction}", options)
        skip = _finer_scores(maps, reduction, num_classes, options)
        border = ((_OFFSETS[reduction], 0), (_OFFSETS[reduction], 0))
        skip = layers.Cropping2D(border, name=f"crop{reduction}")(skip)
        skip = CropLike(name=f"fit{reduction}")([skip, x])
        x = layers.Add(name=f"add{reduction}")([x, skip])
    x = deconvolution(x, options.finest, "enlarge", options, dtype="float32")
    border = ((_LAST_OFFSETS[options.finest], 0),) * 2
    x = layers.Cropping2D(border, name="fit", dtype="float32")(x)
    return CropLike(name="logits", dtype="float32")([x, image])


def dense_convolutions(x, options):
    """VGG's two hidden dense layers as convolutions, each with ReLU and dropout.

    Args:
        x: KerasTensor (b, h, w, c), the last pooling.
        options: `Options`.

    Returns:
        KerasTensor (b, h, w, dense_units); 6 pixels less on both axes without padding.

    >>> import keras
    >>> dense_convolutions(keras.Input((2, 3, 8)), Options(dense_units=16)).shape
    (None, 2, 3, 16)
    """
    for name, kernel_size in (("fc6", 7), ("fc7", 1)):
        x = layers.Conv2D(
            options.dense_units,
            kernel_size,
            padding="same" if options.padding == "maps" else "valid",
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)
        if options.dropout_rate:
            x = layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)
    return x


def _donor(options):
    """VGG's weights with its dense layers, and the options to build it for them; None without."""
    weights, inside = options.encoder_weights, options.encoder_options or {}
    known = _is_vgg(options) and options.encoder in encoders.names()
    if weights is None or not known or not isinstance(inside, Mapping):
        return None, options  # `encoder_maps` says what is wrong.
    whole = options.dense_units == Options().dense_units  # ImageNet's file has these.
    donor = donor_of(options.encoder, weights, inside, top=whole)
    inside = {**donor.options, **inside}
    return donor, options._replace(encoder_weights=None, encoder_options=inside)


def _take_dense_layers(donor, image, pooled, x):
    """Fill VGG, and its dense layers as convolutions where the donor has them of the same size."""
    if donor is None:
        return
    encoder, whole = (units_of(keras.Model(image, y)) for y in (pooled, x))
    theirs = [unit for unit in donor.units if unit.kind == "kernel"]
    first = sum(unit.kind == "kernel" for unit in encoder)
    dense = [unit for unit in whole if unit.kind == "kernel"][first:]
    given = theirs[first : first + len(dense)]
    fits = [np.prod(unit.shape) for unit in dense] == [np.prod(unit.shape) for unit in given]
    fill(whole if fits else encoder, donor, part=True)


def deconvolution(x, stride, name, options, dtype=None):
    """A transposed convolution initialized as bilinear interpolation; no layer for a stride of 1.

    Args:
        x: KerasTensor (b, h, w, c).
        stride: enlargement factor of the map.
        name: the layer's name.
        options: `Options`.
        dtype: data type of the layer; None for the policy's.

    Returns:
        KerasTensor (b, stride * h, stride * w, c); stride pixels more without padding.

    >>> import keras
    >>> deconvolution(keras.Input((2, 3, 5)), 8, "enlarge", Options()).shape
    (None, 16, 24, 5)
    """
    if stride == 1:
        return x
    return layers.Conv2DTranspose(
        x.shape[-1],
        2 * stride - stride % 2,
        stride,
        padding="same" if options.padding == "maps" else "valid",
        use_bias=False,
        kernel_initializer=Bilinear(),
        trainable=options.learn_upsampling,
        dtype=dtype,
        name=name,
    )(x)


def _finer_scores(maps, reduction, num_classes, options):
    """Scores of a finer map. VGG's is pooled first: it is taken before a pooling, not after it."""
    vgg = _is_vgg(options)
    skip = maps[reduction // 2 if vgg else reduction]
    if vgg:
        step = 2 if reduction <= options.output_stride else 1
        skip = layers.MaxPooling2D(2, step, padding="same", name=f"pool{reduction}")(skip)
    if options.at_once:
        skip = layers.Rescaling(AT_ONCE[reduction], name=f"scale{reduction}")(skip)
    return _scores(skip, num_classes, f"score{reduction}")


def _scores(x, num_classes, name):
    # The paper's section 4.3: random kernels gave neither better scores nor faster convergence.
    return layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=name)(x)


def _is_vgg(options):
    return str(options.encoder).startswith("vgg")


def _needed(vgg, finer):
    """Reductions of the maps that a variant reads; VGG's are taken before the poolings."""
    before = [reduction // 2 for reduction in finer] if vgg else []
    return sorted({32, *finer, *before}, reverse=True)


def _check_options(options):
    name = "fcn"
    if options.finest not in (32, 16, 8):
        raise ValueError(
            f"`{name}` needs finest to be 32, 16 or 8, the reduction of the finest map with scores "
            f"of its own. Received: finest={options.finest!r}."
        )
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.positive_integer(name, "dense_units", options.dense_units)
    _check.one_of(f"padding of `{name}`", "padding", options.padding, ("maps", "image"))
    if options.padding == "image" and not (_is_vgg(options) and options.output_stride == 32):
        raise ValueError(
            f"`{name}` needs VGG with output stride 32 for padding='image', the authors' 100 zeros "
            f"around the image. Received: encoder={options.encoder!r}, "
            f"output_stride={options.output_stride!r}. Leave padding at 'maps'."
        )
