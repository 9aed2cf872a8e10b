"""FC-DenseNet, the One Hundred Layers Tiramisu: dense blocks in an encoder and a decoder.

S. Jegou, M. Drozdzal, D. Vazquez, A. Romero, Y. Bengio: The One Hundred Layers Tiramisu: Fully
Convolutional DenseNets for Semantic Segmentation, CVPR Workshops 2017, arXiv 1611.09326.

The layers follow the authors' code (github.com/SimJeg/FC-DenseNet), which says more than the
paper and other things than many copies of it:
- Going up, only the maps that a block has made are enlarged, never what it was given; the last
  block's input goes to the classifier with what the block has made.
- There are five transitions down and five up. All convolutions have biases.
- A layer is batch normalisation, ReLU, convolution, dropout of single values, in this order.
- Transposed convolutions give 2n + 1 pixels and are cut to the skip connection's size, at the
  lower right, so that every size works.
"""

import functools
import inspect
from typing import NamedTuple

import keras
from keras import layers

from keras_seg import _check
from keras_seg.layers import (
    BatchNormalization,
    BatchStatistics,
    CropLike,
    PositionAttention,
    Recompute,
)
from keras_seg.models._blocks import BN_MOMENTUM
from keras_seg.models._registry import architecture

PAPER = (
    "Jegou, Drozdzal, Vazquez, Romero, Bengio: The One Hundred Layers Tiramisu: Fully "
    "Convolutional DenseNets for Semantic Segmentation. CVPR Workshops 2017. arXiv:1611.09326"
)
FIRST_FILTERS = 48
BN_EPSILON = 1e-4  # Lasagne's, as in the authors' code.
NORMALISATION = {"moving": BatchNormalization, "batch": BatchStatistics}
# By the number of spatial dimensions.
CONVOLUTION = {2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}
POOLING = {2: layers.MaxPooling2D, 3: layers.MaxPooling3D}


class Options(NamedTuple):
    """The arguments that all variants share; see `fc_densenet103`."""

    growth_rate: int = 16
    layers_per_block: tuple = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)
    compression: float = 1.0
    dropout_rate: float = 0.2
    attention: bool = False
    bn_mode: str = "moving"
    recompute: bool = False


def dense_layer(maps, name, options):
    """Batch normalisation, ReLU, 3x3 convolution and dropout of all maps so far.

    Args:
        maps: list of KerasTensors of one size.
        name: prefix of the layers' names.
        options: `Options`.

    Returns:
        KerasTensor with `growth_rate` new channels.

    >>> dense_layer([keras.Input((8, 8, 4)), keras.Input((8, 8, 2))], "d", Options()).shape
    (None, 8, 8, 16)
    """

    def layer(maps):
        x = _normalised(_concatenated(maps, name), name, options)
        x = _convolution(x, options.growth_rate, 3, name)
        return layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)

    return _block(layer, maps, name, options)


def dense_block(maps, num_layers, name, options):
    """Layers that each see the input and what all layers before them have made.

    Args:
        maps: list of KerasTensors of one size.
        num_layers: how many layers.
        name: prefix of the layers' names.
        options: `Options`.

    Returns:
        List of `num_layers` KerasTensors, the new maps alone.

    >>> len(dense_block([keras.Input((8, 8, 4))], 3, "down1", Options()))
    3
    """
    new = []
    for number in range(1, num_layers + 1):
        new.append(dense_layer([*maps, *new], f"{name}_{number}", options))
    return new


def transition_down(maps, name, options):
    """Batch normalisation, ReLU, 1x1 convolution, dropout, and max-pooling to half the size.

    Args:
        maps: list of KerasTensors of one size.
        name: prefix of the layers' names.
        options: `Options`; `compression` is the share of channels that are kept.

    Returns:
        KerasTensor of half the size, rounded down.

    >>> transition_down([keras.Input((9, 8, 4))], "down1_transition", Options()).shape
    (None, 4, 4, 4)
    """

    def transition(maps):
        x = _normalised(_concatenated(maps, name), name, options)
        x = _convolution(x, int(options.compression * x.shape[-1]), 1, name)
        x = layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)
        return POOLING[_dimensions(x)](2, name=f"{name}_pool")(x)

    return _block(transition, maps, name, options)


def transition_up(maps, skip, name, attention=False):
    """3x3 transposed convolution to twice the size, cut to the skip connection's.

    Args:
        maps: list of KerasTensors of one size: the new maps of the block below.
        skip: KerasTensor that gives the size.
        name: prefix of the layers' names.
        attention: let the maps attend to each other first.

    Returns:
        KerasTensor of the skip connection's size, with as many channels as the maps have.

    >>> transition_up([keras.Input((4, 4, 6))], keras.Input((9, 8, 4)), "up1", False).shape
    (None, 9, 8, 6)
    """
    x = _concatenated(maps, name)
    if attention:
        x = PositionAttention(name=f"{name}_attention")(x)
    # Not "same": PyTorch places its pixels differently, and 2n is too small for odd sizes.
    x = TRANSPOSED[_dimensions(x)](
        x.shape[-1],
        3,
        strides=2,
        padding="valid",
        kernel_initializer="he_uniform",
        name=f"{name}_transposed",
    )(x)
    return CropLike(name=f"{name}_crop")([x, skip])


def _block(function, maps, name, options):
    """`function(maps)`, as layers of the network or as one layer that computes its inside twice."""
    if not options.recompute:
        return function(maps)
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in maps]
    block = keras.Model(inputs, function(inputs), name=f"{name}_block")
    return Recompute(block, name=name)(maps)


def _concatenated(maps, name):
    return layers.Concatenate(name=f"{name}_concat")(maps) if len(maps) > 1 else maps[0]


def _normalised(x, name, options):
    normalisation = NORMALISATION[options.bn_mode]
    x = normalisation(momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _convolution(x, filters, kernel_size, name, dtype=None):
    return CONVOLUTION[_dimensions(x)](
        filters,
        kernel_size,
        padding="same",
        kernel_initializer="he_uniform",
        dtype=dtype,
        name=f"{name}_conv",
    )(x)


def _dimensions(x):
    return len(x.shape) - 2


def _fc_densenet(image, num_classes, options):
    """The whole network: blocks going down, the bottleneck, blocks going up, classifier."""
    per_block = options.layers_per_block
    depth = len(per_block) // 2
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(image)
    maps = [_convolution(x, FIRST_FILTERS, 3, "first")]
    skips = []
    for number, num_layers in enumerate(per_block[:depth], start=1):
        maps = maps + dense_block(maps, num_layers, f"down{number}", options)
        skips.append(maps)
        maps = [transition_down(maps, f"down{number}_transition", options)]
    new = dense_block(maps, per_block[depth], "bottleneck", options)
    for number, num_layers in enumerate(per_block[depth + 1 :], start=1):
        skip = skips.pop()
        attention = options.attention and number == 1
        enlarged = transition_up(new, skip[0], f"up{number}_transition", attention)
        maps = [enlarged, *skip]
        new = dense_block(maps, num_layers, f"up{number}", options)

    def classifier(maps):
        x = _convolution(_concatenated(maps, "logits"), num_classes, 1, "logits", dtype="float32")
        return x

    return _block(classifier, [*maps, *new], "logits", options)


def _checked(name, options):
    """The options with their defaults filled in, or an error that says what is wrong."""
    _check.positive_integer(name, "growth_rate", options.growth_rate)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.one_of(f"bn_mode of `{name}`", "bn_mode", options.bn_mode, NORMALISATION)
    compression = options.compression
    if not isinstance(compression, int | float) or not 0 < compression <= 1:
        raise ValueError(
            f"`{name}` needs compression above 0 and up to 1, the share of channels that a "
            f"transition down keeps. Received: compression={compression!r}."
        )
    per_block = options.layers_per_block
    if (
        not isinstance(per_block, tuple | list)
        or len(per_block) not in (3, 5, 7, 9, 11)
        or not all(hasattr(number, "__index__") and number >= 1 for number in per_block)
    ):
        raise ValueError(
            f"`{name}` needs layers_per_block to be an odd number of whole numbers from 1, 3 to 11 "
            "of them: the blocks going down, the bottleneck, and as many blocks going up. "
            f"Received: layers_per_block={per_block!r}. Pass for example (4, 5, 7, 5, 4)."
        )
    return options


def _variant(**defaults):
    """Decorator for a builder's name and docstring: gives it its options, and what it builds."""

    def decorate(builder):
        own = Options(**defaults)._asdict()
        keyword = inspect.Parameter.KEYWORD_ONLY
        first = list(inspect.signature(builder).parameters.values())[:2]
        options = [inspect.Parameter(key, keyword, default=own[key]) for key in own]

        @functools.wraps(builder)
        def build(image, num_classes, **options):
            checked = _checked(builder.__name__, Options(**{**own, **options}))
            return _fc_densenet(image, num_classes, checked)

        build.__signature__ = inspect.Signature([*first, *options])  # pyright: ignore
        return build

    return decorate


@architecture(
    paper=PAPER,
    parameters={"trainable": 1_376_795, "total": 1_397_963},
    parameters_classes=11,
    scores=(("CamVid", "test", 58.9),),
    recipe="fc_densenet",
    dimensions=(2, 3),
)
@_variant(growth_rate=12, layers_per_block=(4,) * 11)
def fc_densenet56(image, num_classes, **options):
    """FC-DenseNet with 56 convolutions, 4 layers in each block.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        **options: as of `fc_densenet103`, with a growth rate of 12.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet56((32, 48, 3), 11, layers_per_block=(1, 1, 1), growth_rate=4).output_shape
    (None, 32, 48, 11)
    """


@architecture(
    paper=PAPER,
    parameters={"trainable": 3_463_243, "total": 3_502_923},
    parameters_classes=11,
    scores=(("CamVid", "test", 65.8),),
    recipe="fc_densenet",
    dimensions=(2, 3),
)
@_variant(growth_rate=16, layers_per_block=(5,) * 11)
def fc_densenet67(image, num_classes, **options):
    """FC-DenseNet with 67 convolutions, 5 layers in each block.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        **options: as of `fc_densenet103`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet67((32, 48, 3), 11, layers_per_block=(1, 1, 1), growth_rate=4).output_shape
    (None, 32, 48, 11)
    """


@architecture(
    paper=PAPER,
    parameters={"trainable": 9_322_091, "total": 9_425_163},
    parameters_classes=11,
    scores=(("CamVid", "test", 66.9),),
    recipe="fc_densenet",
    dimensions=(2, 3),
)
@_variant()
def fc_densenet103(image, num_classes, **options):
    """FC-DenseNet with 103 convolutions: the One Hundred Layers Tiramisu.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place: (height,
            width, channels), or (depth, height, width, channels) for volumes, each size at least
            32 or None.
        num_classes: classes to tell apart, the ignored one not counted.
        **options:
            growth_rate: channels that each layer adds.
            layers_per_block: layers of the blocks going down, of the bottleneck, and of the
                blocks going up; 11 numbers in the paper, fewer for fewer transitions.
            compression: share of channels that a transition down keeps; 1 in the paper.
            dropout_rate: share of values dropped after each convolution while training, 0..1.
            attention: let the positions of the bottleneck attend to each other, from nothing on.
            bn_mode: "moving" normalises with moving statistics at inference, as usual; "batch"
                with those of the batch at hand, as the published scores were measured.
            recompute: train in less memory: compute each layer's inside a second time for the
                gradient instead of keeping it.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet103((32, 48, 4), 11, layers_per_block=(1, 1, 1), recompute=True).output_shape
    (None, 32, 48, 11)
    """


@architecture(
    paper=PAPER,
    # The same layers in three dimensions, counted by PyTorch, for 4 classes and 4 channels:
    # 26_171_028 trainable. For 3 channels: 27 * 48 weights fewer.
    parameters={"trainable": 26_169_732, "total": 26_272_804},
    parameters_classes=4,
    recipe="fc_densenet",
    dimensions=(3,),
)
@_variant()
def fc_densenet103_3d(image, num_classes, **options):
    """FC-DenseNet103 for volumes: every kernel, pool and transposed convolution has a third axis.

    Args:
        image: KerasTensor of values 0..255; callers pass `input_shape` (depth, height, width,
            channels) in its place, each size at least 32 or None.
        num_classes: classes to tell apart, the ignored one not counted.
        **options: as of `fc_densenet103`.

    Returns:
        `keras.Model`: values 0..255 (b, d, h, w, channels) to float32 logits
        (b, d, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet103_3d((32, 32, 48, 1), 4, layers_per_block=(1, 1, 1)).output_shape
    (None, 32, 32, 48, 4)
    """


@architecture(
    paper=PAPER,
    parameters={"trainable": 404_104, "total": 412_946},
    parameters_classes=11,
    recipe="fc_densenet",
    dimensions=(2, 3),
)
@_variant(growth_rate=8, layers_per_block=(2, 3, 4, 5, 6, 8, 6, 5, 4, 3, 2), compression=0.5)
def fc_densenet_mobile(image, num_classes, **options):
    """A small FC-DenseNet: growth rate 8, and transitions down that halve the channels.

    No paper has it. It is what a widely read guide calls "FC-DenseNet37", built as the paper
    builds; the guide's own code enlarges whole stacks and has twice the parameters.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        **options: as of `fc_densenet103`, with its own growth rate, blocks and compression.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet_mobile((32, 48, 3), 11, layers_per_block=(1, 1, 1)).output_shape
    (None, 32, 48, 11)
    """
