"""LeNet-5: the first convolutional network in wide use, which read the digits on checks.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document
Recognition, Proceedings of the IEEE 86(11), 1998, section II.B, figure 2 and table I.
"""

from typing import NamedTuple

from keras import initializers, layers

from keras_seg import _check
from keras_seg.layers import AdaptiveAveragePooling2D, RadialBasis, SelectChannels
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant

# Table I: the maps of S2 that each of the 16 maps of C3 reads, by how many they are.
_READS = (
    ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    (
        (0, 1, 2, 3),
        (1, 2, 3, 4),
        (2, 3, 4, 5),
        (0, 3, 4, 5),
        (0, 1, 4, 5),
        (0, 1, 2, 5),
        (0, 1, 3, 4),
        (1, 2, 4, 5),
        (0, 2, 3, 5),
    ),
    ((0, 1, 2, 3, 4, 5),),
)
# Appendix A: A tanh(S a), which is 1 at 1 and -1 at -1.
_AMPLITUDE, _SLOPE = 1.7159, 2 / 3
_ACTIVATIONS = ("scaled_tanh", "tanh", "sigmoid", "relu")


class Options(NamedTuple):
    """The options that both forms share; `lenet` describes them.

    >>> Options().dense_units
    (120, 84)
    """

    sparse: bool = True
    pooling: str = "trainable"
    activation: str = "scaled_tanh"
    radial: bool = True
    padding: int = 0
    dense_units: tuple = (120, 84)


def _counts():
    """156 + 12 + 1516 + 32 + 48,120 + 10,164, and 84 fixed numbers for the code of each class."""
    classes = (10, 100, 1000)
    return tuple(Count(n, trainable=60_000, total=60_000 + 84 * n, channels=1) for n in classes)


VARIANTS = (
    Variant(
        "lenet5",
        "LeNet-5 as published, for 32 x 32 gray pixels and 10 classes.",
        {},
        {"printed": "60,000", "counts": _counts()},
    ),
    Variant(
        "lenet5_modern",
        "LeNet-5 as it is built today, for 28 x 28 gray pixels and 10 classes.",
        {
            "sparse": False,
            "pooling": "max",
            "activation": "relu",
            "radial": False,
            "padding": 2,
        },
        # 156 + 2416 + 48,120 + 10,164, and 84 weights and a bias for each class.
        {
            "counts": tuple(Count(n, total=60_856 + 85 * n, channels=1) for n in (10, 100, 1000)),
            "image_size": 28,
        },
    ),
)


def head(maps, num_classes, options):
    """C5, F6 and the output: 5x5 kernels on the whole of S4, a dense layer, and the classes.

    At 32 pixels S4 is 5x5 already; of other sizes it is averaged to that.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: `Options`.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    x = layers.Cropping2D(1, name="s4_crop")(maps[4])
    x = AdaptiveAveragePooling2D(5, name="s4_grid")(x)
    x = _conv(x, options.dense_units[0], 5, "c5", options)
    x = layers.Flatten(name="flatten")(_activated(x, "c5", options))
    begin = _initializer(options.dense_units[0], options)
    x = layers.Dense(options.dense_units[1], kernel_initializer=begin, name="f6")(x)
    x = _activated(x, "f6", options)
    if options.radial:
        return RadialBasis(num_classes, dtype="float32", name="output")(x)
    return layers.Dense(num_classes, dtype="float32", name="output")(x)


@encoder(
    Options(),
    VARIANTS,
    head=head,
    paper="LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning. Proc. IEEE 86(11), 1998",
    features=(1, 2, 4),
    num_classes=10,
    channels=1,
    output_stride=4,
    smallest=28,
    image_size=32,
    tiny={"dense_units": (16, 12)},
)
def lenet(image, name, strides, options):
    """LeNet-5, both forms.

    The published network multiplies the means of 2x2 pixels by a trained factor and adds a trained
    bias; each map of C3 reads some of the six maps before it; the activation is 1.7159 tanh(2 a /
    3); and the outputs are squared distances from the fixed code of each class, here with a minus
    sign. The authors drew the codes as small pictures of the characters; these are the random
    codes that the paper names as the alternative. Implementations of today mostly are the modern
    form: max pooling, every map reads all, ReLU, a dense layer at the end.

    Args:
        input_shape: (height, width, channels); height and width are at least 28, or None.
        num_classes: number of classes.
        sparse: whether the maps of C3 read the maps of the paper's table I only.
        pooling: "trainable", "average" or "max".
        activation: "scaled_tanh", "tanh", "sigmoid" or "relu".
        radial: whether the outputs are distances from fixed codes; a dense layer if not.
        padding: pixels of zeros around the image: 0 for 32 x 32 pixels, 2 for 28 x 28.
        dense_units: units of C5 and F6.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.lenet5((32, 32, 1)).output_shape
    (None, 10)
    """
    _check_options(options)
    x = image
    if options.padding:
        x = layers.ZeroPadding2D(options.padding, name=f"{name}pad")(x)
    x = normalized(x, "lenet", name)
    c1 = _activated(_conv(x, 6, 5, f"{name}c1", options), f"{name}c1", options)
    x = _pooled(c1, f"{name}s2", options)
    x = (
        _sparse(x, f"{name}c3", options)
        if options.sparse
        else _conv(x, 16, 5, f"{name}c3", options)
    )
    c3 = _activated(x, f"{name}c3", options)
    s4 = _pooled(c3, f"{name}s4", options)
    # Padded by half of what valid kernels remove, so that maps are aligned with the image.
    lost = {1: (c1, 2 - options.padding), 2: (c3, 3 - options.padding // 2), 4: (s4, 1)}
    return {
        reduction: layers.ZeroPadding2D(max(0, pixels), name=f"{name}full{reduction}")(x)
        for reduction, (x, pixels) in lost.items()
    }


def _conv(x, filters, kernel_size, name, options, groups=1):
    inputs = x.shape[-1] // groups * kernel_size**2
    begin = _initializer(inputs, options)
    return layers.Conv2D(filters, kernel_size, groups=groups, kernel_initializer=begin, name=name)(
        x
    )


def _sparse(x, name, options):
    """16 maps: the first six read three maps of the input, nine read four, and one reads all."""
    parts = []
    for reads in _READS:
        part = f"{name}_of_{len(reads[0])}"
        channels = [channel for listed in reads for channel in listed]
        taken = SelectChannels(channels, name=f"{part}_select")(x)
        parts.append(_conv(taken, len(reads), 5, part, options, groups=len(reads)))
    return layers.Concatenate(name=name)(parts)


def _pooled(x, name, options):
    """Half the size; in the published form with a factor and a bias per map, and the activation."""
    if options.pooling == "max":
        return layers.MaxPooling2D(2, name=name)(x)
    x = layers.AveragePooling2D(2, name=f"{name}_mean" if options.pooling == "trainable" else name)(
        x
    )
    if options.pooling == "average":
        return x
    x = layers.DepthwiseConv2D(1, depthwise_initializer="ones", name=name)(x)
    return _activated(x, name, options)


def _activated(x, name, options):
    if options.activation != "scaled_tanh":
        return layers.Activation(options.activation, name=f"{name}_{options.activation}")(x)
    x = layers.Rescaling(_SLOPE, name=f"{name}_slope")(x)
    x = layers.Activation("tanh", name=f"{name}_tanh")(x)
    return layers.Rescaling(_AMPLITUDE, name=f"{name}_amplitude")(x)


def _initializer(inputs, options):
    """Appendix A: uniform up to 2.4 / (inputs of a unit); for other activations those of today."""
    if options.activation == "scaled_tanh":
        return initializers.RandomUniform(-2.4 / inputs, 2.4 / inputs)
    return "he_normal" if options.activation == "relu" else "glorot_uniform"


def _check_options(options):
    name = "lenet"
    for option, known in (
        ("pooling", ("trainable", "average", "max")),
        ("activation", _ACTIVATIONS),
    ):
        _check.one_of(f"{option} of `{name}`", option, getattr(options, option), known)
    _check.positive_integer(name, "padding", options.padding, at_least=0)
    _check.stage_counts(
        name, "dense_units", options.dense_units, 2, "the units of C5 and F6", (120, 84)
    )
