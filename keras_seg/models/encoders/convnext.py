"""ConvNeXt: a residual network with design choices of transformers.

Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell, S. Xie: A ConvNet for the 2020s, CVPR 2022,
arXiv 2201.03545, section 2 and table 9.
"""

from typing import NamedTuple

from keras import initializers, layers

from keras_seg import _check
from keras_seg.layers import LayerScale
from keras_seg.models.encoders.blocks import squeezed
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant

PAPER = "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: ConvNeXt. CVPR 2022. arXiv:2201.03545"
EPSILON = 1e-6  # of layer normalization
DEVIATION = 0.02  # of all kernels when training begins


class Options(NamedTuple):
    """The options that all variants share; `convnext` describes them.

    >>> Options().filters
    (96, 192, 384, 768)
    """

    blocks: tuple = (3, 3, 9, 3)
    filters: tuple = (96, 192, 384, 768)
    layer_scale: float = 1e-6
    drop_path_rate: float = 0.1
    squeeze_ratio: int = 0
    output_stride: int = 32


# Counts of the authors' code; it has no batch normalization, so that all of them are trainable.
VARIANTS = (
    Variant(
        "convnext_tiny",
        "ConvNeXt-T.",
        {},
        {
            "printed": "29 M",
            "counts": dense_counts(28_589_128, 0, 768),
            "scores": (("ImageNet", "val", 82.1),),
            "imagenet": "ConvNeXtTiny",
        },
    ),
    Variant(
        "convnext_small",
        "ConvNeXt-S.",
        {"blocks": (3, 3, 27, 3), "drop_path_rate": 0.4},
        {
            "printed": "50 M",
            "counts": dense_counts(50_223_688, 0, 768),
            "scores": (("ImageNet", "val", 83.1),),
            "imagenet": "ConvNeXtSmall",
        },
    ),
    Variant(
        "convnext_base",
        "ConvNeXt-B.",
        {"blocks": (3, 3, 27, 3), "filters": (128, 256, 512, 1024), "drop_path_rate": 0.5},
        {
            "printed": "89 M",
            "counts": dense_counts(88_591_464, 0, 1024),
            "scores": (("ImageNet", "val", 83.8),),
            "imagenet": "ConvNeXtBase",
        },
    ),
)


def pooled_and_normalized(maps, num_classes, options):
    """Global average pooling, layer normalization and a dense layer, as in the authors' code.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: the family's options, which are not used.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    x = layers.GlobalAveragePooling2D(name="pool")(maps[32])
    x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    return layers.Dense(num_classes, dtype="float32", name="predictions")(x)


@encoder(
    Options(),
    VARIANTS,
    pooled_and_normalized,
    paper=PAPER,
    features=(4, 8, 16, 32),
    tiny={
        "blocks": (1, 1, 2, 1),
        "filters": (8, 16, 24, 32),
        "layer_scale": 1.0,
        "drop_path_rate": 0.1,
    },
)
def convnext(image, name, strides, options):
    """ConvNeXt, any variant.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of blocks in each of the four stages.
        filters: channels of each of the four stages.
        layer_scale: initial value of the factors at the end of each block, above 0.
        drop_path_rate: share of training images for which the last block is left out, 0..1;
            earlier blocks in proportion to their number.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each residual branch (arXiv
            1709.01507); 0 for none.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> small = {"blocks": (1, 1, 1, 1), "filters": (8, 8, 8, 8)}
    >>> models.convnext_tiny((64, 64, 3), num_classes=10, **small).output_shape
    (None, 10)
    """
    check_options("convnext", options)

    def mix(x, stage, block, dilation):
        return layers.DepthwiseConv2D(
            7,
            padding="same",
            dilation_rate=dilation,
            depthwise_initializer=truncated(),
            name=f"{block}_depthwise",
        )(x)

    return patch_stages(image, name, strides, options, mix)


def patch_stages(image, name, strides, options, mix):
    """Four stages of blocks on patches of 4x4 pixels; each further stage halves the map.

    Args:
        image: KerasTensor of pixels 0..255 (b, h, w, c).
        name: prefix of the layers' names.
        strides: `Strides`.
        options: blocks, filters, layer_scale, drop_path_rate and squeeze_ratio.
        mix: `f(x, stage, name, dilation)`, the depthwise part of a block; stages from 0.

    Returns:
        dict of feature maps by reduction, 4 to 32.

    >>> import keras
    >>> from keras_seg.models.encoders.strides import Strides
    >>> small = Options((1, 1, 1, 1), (8, 8, 8, 8))
    >>> sorted(patch_stages(keras.Input((64, 64, 3)), "", Strides(), small, lambda x, *_: x))
    [4, 8, 16, 32]
    """
    maps, number, total = {}, 0, sum(options.blocks)
    x = normalized(image, "torch", name)
    stride, _ = strides.step(4)
    x = _conv(x, options.filters[0], 4, f"{name}stem_conv", strides=stride)
    x = _norm(x, f"{name}stem_norm")
    for stage, (count, filters) in enumerate(zip(options.blocks, options.filters, strict=True)):
        if stage:
            x = _halved(x, filters, f"{name}down{stage}", strides.step())
        for index in range(1, count + 1):
            block = f"{name}stage{stage + 1}_block{index}"
            drop = options.drop_path_rate * number / max(total - 1, 1)
            number += 1
            inside = mix(x, stage, block, strides.dilation)
            x = _mlp(x, inside, block, options, drop)
        maps[4 * 2**stage] = x
    return maps


def _halved(x, filters, name, step):
    """Layer normalization and a 2x2 convolution with stride 2, or dilated."""
    x = _norm(x, f"{name}_norm")
    stride, dilation = step
    padding = "valid" if stride > 1 else "same"
    where = {"strides": stride, "dilation_rate": dilation, "padding": padding}
    return _conv(x, filters, 2, f"{name}_conv", **where)


def _mlp(shortcut, x, name, options, drop):
    """Two dense layers per pixel after the depthwise convolution, and the shortcut."""
    filters = shortcut.shape[-1]
    x = _norm(x, f"{name}_norm")
    x = _conv(x, 4 * filters, 1, f"{name}_expand")
    x = layers.Activation("gelu", name=f"{name}_gelu")(x)
    x = _conv(x, filters, 1, f"{name}_project")
    x = squeezed(x, options, name)
    x = LayerScale(options.layer_scale, name=f"{name}_scale")(x)
    if drop:
        x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def truncated():
    """Initializer of kernels: normal with a deviation of 0.02, cut off at two deviations.

    Returns:
        `keras.initializers.Initializer`.

    >>> truncated().stddev
    0.02
    """
    return initializers.TruncatedNormal(stddev=DEVIATION)


def _conv(x, filters, kernel_size, name, **where):
    begin = truncated()
    return layers.Conv2D(filters, kernel_size, kernel_initializer=begin, name=name, **where)(x)


def _norm(x, name):
    return layers.LayerNormalization(epsilon=EPSILON, name=name)(x)


def check_options(name, options):
    """Raise unless the options of a network of four stages are usable.

    Args:
        name: the family's name.
        options: as those of `patch_stages`.

    Raises:
        ValueError: one of them is out of its range.

    >>> check_options("convnext", Options())
    """
    for option in ("blocks", "filters"):
        _check.stage_counts(name, option, getattr(options, option), 4)
    _check.share(name, "drop_path_rate", options.drop_path_rate)
    _check.number(name, "layer_scale", options.layer_scale, above=0)
    _check.positive_integer(name, "squeeze_ratio", options.squeeze_ratio, at_least=0)
