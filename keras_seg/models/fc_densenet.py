"""FC-DenseNet, the One Hundred Layers Tiramisu: dense blocks in an encoder and a decoder.

S. Jegou, M. Drozdzal, D. Vazquez, A. Romero, Y. Bengio: The One Hundred Layers Tiramisu: Fully
Convolutional DenseNets for Semantic Segmentation, CVPR Workshops 2017, arXiv 1611.09326.

The layers follow the authors' code (github.com/SimJeg/FC-DenseNet), which is more detailed
than the paper and differs from many reimplementations:
- In the decoder, only a block's new maps are enlarged, not its input; the classifier gets the
  last block's input and its new maps.
- There are five transitions down and five up. All convolutions have biases.
- A layer consists of batch normalization, ReLU, convolution and dropout of single values, in this
  order.
- Transposed convolutions return 2n + 1 pixels, which are cropped at the lower right to the
  skip connection's size, so that every size works.
"""

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
from keras_seg.models.blocks import BN_MOMENTUM
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Jegou, Drozdzal, Vazquez, Romero, Bengio: The One Hundred Layers Tiramisu: Fully "
    "Convolutional DenseNets for Semantic Segmentation. CVPR Workshops 2017. arXiv:1611.09326"
)
FIRST_FILTERS = 48
BN_EPSILON = 1e-4  # Lasagne's, as in the authors' code.
NORMALIZATION = {"moving": BatchNormalization, "batch": BatchStatistics}
# By the number of spatial dimensions.
CONVOLUTION = {2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}
POOLING = {2: layers.MaxPooling2D, 3: layers.MaxPooling3D}


class Options(NamedTuple):
    """The options that all variants share; `fc_densenet` describes them."""

    growth_rate: int = 16
    layers_per_block: tuple = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)
    compression: float = 1.0
    dropout_rate: float = 0.2
    attention: bool = False
    bn_mode: str = "moving"
    recompute: bool = False


VARIANTS = (
    Variant(
        "fc_densenet56",
        "FC-DenseNet with 56 convolutions, 4 layers in each block.",
        {"growth_rate": 12, "layers_per_block": (4,) * 11},
        {
            "printed": "1.5 M",
            "counts": (Count(11, trainable=1_376_795, total=1_397_963),),
            "scores": (("CamVid", "test", 58.9),),
        },
    ),
    Variant(
        "fc_densenet67",
        "FC-DenseNet with 67 convolutions, 5 layers in each block.",
        {"layers_per_block": (5,) * 11},
        {
            "printed": "3.5 M",
            "counts": (Count(11, trainable=3_463_243, total=3_502_923),),
            "scores": (("CamVid", "test", 65.8),),
        },
    ),
    Variant(
        "fc_densenet103",
        "FC-DenseNet with 103 convolutions: the One Hundred Layers Tiramisu.",
        {},
        {
            "printed": "9.4 M",
            "counts": (Count(11, trainable=9_322_091, total=9_425_163),),
            "scores": (("CamVid", "test", 66.9),),
        },
    ),
    Variant(
        "fc_densenet103_3d",
        "FC-DenseNet103 for volumes: kernels, pools and transposed convolutions have a third axis.",
        {},
        # The same layers in three dimensions, counted by PyTorch.
        {
            "counts": (
                Count(4, trainable=26_169_732, total=26_272_804),
                Count(4, trainable=26_171_028, channels=4),
            ),
            "dimensions": (3,),
        },
    ),
    Variant(
        # Not in a paper: a widely read guide calls it "FC-DenseNet37". It is built here as in the
        # paper; the guide's own code enlarges whole stacks and has twice the parameters.
        "fc_densenet_mobile",
        "A small FC-DenseNet: growth rate 8, and transitions down that halve the channels.",
        {
            "growth_rate": 8,
            "layers_per_block": (2, 3, 4, 5, 6, 8, 6, 5, 4, 3, 2),
            "compression": 0.5,
        },
        {"counts": (Count(11, trainable=404_104, total=412_946),)},
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="fc_densenet",
    dimensions=(2, 3),
    tiny={"growth_rate": 4, "layers_per_block": (1, 2, 2, 2, 1)},
)
def fc_densenet(image, num_classes, options):
    """FC-DenseNet, any variant.

    Args:
        input_shape: (height, width, channels), or (depth, height, width, channels) for volumes;
            each size is at least 32, or None for any size.
        num_classes: number of classes, not counting the ignored one.
        growth_rate: channels that each layer adds.
        layers_per_block: layers of the blocks going down, of the bottleneck, and of the blocks
            going up; 11 numbers in the paper, fewer for fewer transitions.
        compression: share of channels that a transition down keeps; 1 in the paper.
        dropout_rate: share of values dropped after each convolution while training, 0..1.
        attention: whether to add self-attention in the bottleneck, with a factor that is initially
            zero.
        bn_mode: "moving" normalizes with moving statistics at inference, as usual; "batch" with
            those of the current batch, as for the published scores.
        recompute: whether to use less memory in training: intermediate values of each layer are
            recomputed for the gradient instead of being kept.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes);
        for volumes (b, d, h, w, channels) to (b, d, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> options = {"layers_per_block": (1, 1, 1), "recompute": True}
    >>> models.fc_densenet103((32, 48, 4), 11, **options).output_shape
    (None, 32, 48, 11)
    >>> models.fc_densenet103_3d((32, 32, 48, 1), 4, **options).output_shape
    (None, 32, 32, 48, 4)
    """
    _check_options(options)
    per_block = options.layers_per_block
    depth = len(per_block) // 2
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalize")(image)
    maps = [_convolution(x, FIRST_FILTERS, 3, "first")]
    skips = []
    for number, num_layers in enumerate(per_block[:depth], start=1):
        maps, new = dense_block(maps, num_layers, f"down{number}", options)
        maps = maps + new
        skips.append(maps)
        maps = [transition_down(maps, f"down{number}_transition", options)]
    _, new = dense_block(maps, per_block[depth], "bottleneck", options)
    for number, num_layers in enumerate(per_block[depth + 1 :], start=1):
        skip = skips.pop()
        attention = options.attention and number == 1
        enlarged = transition_up(new, skip[0], f"up{number}_transition", attention)
        maps, new = dense_block([enlarged, *skip], num_layers, f"up{number}", options)

    def classifier(maps):
        stack = _concatenated(maps, "logits")
        return _convolution(stack, num_classes, 1, "logits", dtype="float32")

    return _block(classifier, [*maps, *new], "logits", options)


def dense_layer(maps, name, options, passes=False):
    """Batch normalization, ReLU, 3x3 convolution and dropout of all maps so far.

    Args:
        maps: list of KerasTensors of one size.
        name: prefix of the layers' names.
        options: `Options`.
        passes: also return the maps, which replace the input maps in later layers.

    Returns:
        KerasTensor with `growth_rate` new channels; with `passes`, a list of that and the maps.

    >>> dense_layer([keras.Input((8, 8, 4)), keras.Input((8, 8, 2))], "d", Options()).shape
    (None, 8, 8, 16)
    """

    def layer(maps):
        x = _normalized(_concatenated(maps, name), name, options)
        x = _convolution(x, options.growth_rate, 3, name)
        return layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)

    return _block(layer, maps, name, options, passes)


def dense_block(maps, num_layers, name, options):
    """Layers that each get the block's input and the outputs of all earlier layers.

    Args:
        maps: list of KerasTensors of one size.
        num_layers: how many layers.
        name: prefix of the layers' names.
        options: `Options`.

    Returns:
        (the maps for later layers; list of `num_layers` KerasTensors, only the new maps).

    >>> maps, new = dense_block([keras.Input((8, 8, 4))], 3, "down1", Options())
    >>> len(maps), len(new)
    (1, 3)
    """
    seen = list(maps)
    for number in range(1, num_layers):
        made, *seen = dense_layer(seen, f"{name}_{number}", options, passes=True)
        seen.append(made)
    made = dense_layer(seen, f"{name}_{num_layers}", options)
    return seen[: len(maps)], [*seen[len(maps) :], made]


def transition_down(maps, name, options):
    """Batch normalization, ReLU, 1x1 convolution, dropout, and max-pooling to half the size.

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
        x = _normalized(_concatenated(maps, name), name, options)
        x = _convolution(x, int(options.compression * x.shape[-1]), 1, name)
        x = layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)
        return POOLING[_dimensions(x)](2, name=f"{name}_pool")(x)

    return _block(transition, maps, name, options)


def transition_up(maps, skip, name, attention=False):
    """3x3 transposed convolution to twice the size, cropped to the skip connection's.

    Args:
        maps: list of KerasTensors of one size: the new maps of the block below.
        skip: KerasTensor that gives the size.
        name: prefix of the layers' names.
        attention: apply self-attention to the maps first.

    Returns:
        KerasTensor of the skip connection's size, with as many channels as the maps have.

    >>> transition_up([keras.Input((4, 4, 6))], keras.Input((9, 8, 4)), "up1", False).shape
    (None, 9, 8, 6)
    """
    x = _concatenated(maps, name)
    if attention:
        x = PositionAttention(name=f"{name}_attention")(x)
    # Not "same": PyTorch aligns pixels differently, and 2n is too small for odd sizes.
    x = TRANSPOSED[_dimensions(x)](
        x.shape[-1],
        3,
        strides=2,
        padding="valid",
        kernel_initializer="he_uniform",
        name=f"{name}_transposed",
    )(x)
    return CropLike(name=f"{name}_crop")([x, skip])


def _block(function, maps, name, options, passes=False):
    """`function(maps)`, as layers of the network or as one `Recompute` layer."""
    if not options.recompute:
        return [function(maps), *maps] if passes else function(maps)
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in maps]
    block = keras.Model(inputs, function(inputs), name=f"{name}_block")
    return Recompute(block, passes, name=name)(maps)


def _concatenated(maps, name):
    return layers.Concatenate(name=f"{name}_concat")(maps) if len(maps) > 1 else maps[0]


def _normalized(x, name, options):
    normalization = NORMALIZATION[options.bn_mode]
    x = normalization(momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=f"{name}_bn")(x)
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


def _check_options(options):
    name = "fc_densenet"
    _check.positive_integer(name, "growth_rate", options.growth_rate)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.one_of(f"bn_mode of `{name}`", "bn_mode", options.bn_mode, NORMALIZATION)
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
            f"Received: layers_per_block={per_block!r}. For example, pass (4, 5, 7, 5, 4)."
        )
