"""Modules of parallel branches, defined by tables: the blocks of the Inception networks."""

from typing import NamedTuple

from keras import layers

from keras_seg.layers import AdaptiveAveragePooling2D, BatchNormalization
from keras_seg.models.blocks import BN_MOMENTUM
from keras_seg.models.encoders.blocks import conv, pool, squeezed, valid_conv
from keras_seg.models.encoders.registry import pooled_head


class Conv(NamedTuple):
    """A convolution with normalization and ReLU; its kernel is a side, or height and width.

    >>> Conv(64).kernel
    1
    """

    filters: int
    kernel: int | tuple = 1
    strided: bool = False
    valid: bool = False


class Pool(NamedTuple):
    """A 3x3 pooling: "max" or "average"; `strided` is the padding of strided windows, see `pool`.

    >>> Pool("average").strided is None
    True
    """

    mode: str
    strided: str | None = None


class Fork(NamedTuple):
    """The end of a branch that divides into further branches.

    >>> len(Fork(((Conv(4, (1, 3)),), (Conv(4, (3, 1)),))).branches)
    2
    """

    branches: tuple


class Style(NamedTuple):
    """What all convolutions of a network share; the names are those of the families' options.

    >>> Style().normalization
    True
    """

    width: float = 1.0
    normalization: bool = True
    bn_epsilon: float = 1e-3
    bn_scale: bool = True
    use_bias: bool = False
    count_padding: bool = False
    squeeze_ratio: int = 0


def style_of(options):
    """The style for a family's options.

    Args:
        options: a NamedTuple with any of the fields of `Style`.

    Returns:
        `Style`.

    >>> style_of(Style(width=0.5)).width
    0.5
    """
    return Style(**{key: getattr(options, key) for key in Style._fields if hasattr(options, key)})


def convolved(x, row, name, style, step=(1, 1)):
    """One convolution of a table, with batch normalization and ReLU.

    Args:
        x: KerasTensor (b, h, w, c).
        row: `Conv`.
        name: prefix of the layers' names.
        style: `Style`.
        step: (stride, dilation rate) of the module; the stride is that of strided rows only.

    Returns:
        KerasTensor.
    """
    filters = max(1, round(row.filters * style.width))
    bias = style.use_bias or not style.normalization
    make = valid_conv if row.valid else conv
    step = step if row.strided else (1, step[1])
    x = make(x, filters, row.kernel, f"{name}_conv", step, use_bias=bias)
    if style.normalization:
        x = BatchNormalization(
            momentum=BN_MOMENTUM, epsilon=style.bn_epsilon, scale=style.bn_scale, name=f"{name}_bn"
        )(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def module(x, branches, name, style, step=(1, 1)):
    """Branches side by side, concatenated.

    Args:
        x: KerasTensor (b, h, w, c).
        branches: a tuple of branches, each a tuple of `Conv`, `Pool`, and at the end `Fork`.
        name: name of the concatenation, and prefix of the other layers' names.
        style: `Style`.
        step: (stride, dilation rate); rows that are not strided take the dilation rate.

    Returns:
        KerasTensor.
    """
    made = []
    for number, branch in enumerate(branches, start=1):
        made += _branch(x, branch, f"{name}_branch{number}", style, step)
    return layers.Concatenate(name=name)(made)


def residual(x, branches, scale, name, style, step=(1, 1), activated=True):
    """A module whose concatenation, through a 1x1 convolution and a factor, is added to its input.

    Squeeze-and-excite, where the style has it, follows the 1x1 convolution.

    Args:
        x: KerasTensor (b, h, w, c).
        branches: as for `module`.
        scale: factor of the added map.
        name: prefix of the layers' names.
        style: `Style`.
        step: (1, dilation rate).
        activated: whether a ReLU follows.

    Returns:
        KerasTensor of the input's shape.
    """
    new = module(x, branches, f"{name}_mixed", style, step)
    new = conv(new, x.shape[-1], 1, f"{name}_up_conv", use_bias=True)
    new = layers.Rescaling(scale, name=f"{name}_scale")(squeezed(new, style, name))
    x = layers.Add(name=f"{name}_add")([x, new])
    return layers.Activation("relu", name=f"{name}_relu")(x) if activated else x


def full(x, pixels, name, strides):
    """A map padded with zeros for the pixels that valid kernels removed from its sides.

    Args:
        x: KerasTensor (b, h, w, c).
        pixels: pixels per side, in pixels of the undilated network's map.
        name: the layer's name.
        strides: the network's `Strides`, in their state after the map.

    Returns:
        KerasTensor (b, h + 2 p, w + 2 p, c) with p = pixels * dilation.
    """
    return layers.ZeroPadding2D(pixels * strides.dilation, name=name)(x)


def without_border(maps, options):
    """The coarsest map without the zeros that `full` put around it.

    Args:
        maps: feature maps by reduction.
        options: the family's options.

    Returns:
        KerasTensor.
    """
    return layers.Cropping2D(32 // options.output_stride, name="full32_crop")(maps[32])


def cropped_head(maps, num_classes, options):
    """Global average pooling without the zeros around the map, dropout, and a dense layer.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: the family's options.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    return pooled_head({32: without_border(maps, options)}, num_classes, options)


def auxiliary_pool(x, grid, name):
    """The 5x5 average pooling with stride 3 before an auxiliary classifier.

    Args:
        x: KerasTensor (b, h, w, c).
        grid: height and width of the map at the paper's size of images; others are averaged to it.
        name: prefix of the layers' names.

    Returns:
        KerasTensor (b, n, n, c) with n = floor((grid - 5) / 3) + 1.
    """
    x = AdaptiveAveragePooling2D(grid, name=f"{name}_grid")(x)
    return layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)


def check_modules(name, blocks, most):
    """Raise unless a network has as many modules of each kind as were published, or fewer.

    Args:
        name: the family's name.
        blocks: number of modules of each kind.
        most: those of the published network; None for any number.

    Raises:
        ValueError: there are more, whose numbers of channels are not known.

    >>> check_modules("googlenet", (1, 2, 1), (2, 5, 2))
    """
    if any(limit is not None and count > limit for count, limit in zip(blocks, most, strict=True)):
        known = ", ".join("any" if limit is None else str(limit) for limit in most)
        raise ValueError(
            f"`{name}` has numbers of channels for up to ({known}) modules. Received: "
            f"blocks={blocks}. Pass these numbers or smaller ones."
        )


def _branch(x, rows, name, style, step):
    """The maps at the end of a branch: one, or those of its fork."""
    for number, row in enumerate(rows, start=1):
        place = f"{name}_{number}"
        if isinstance(row, Fork):
            ends = [
                _branch(x, branch, f"{place}{letter}", style, step)
                for letter, branch in zip("ab", row.branches, strict=True)
            ]
            return [end for listed in ends for end in listed]
        make = _pooled if isinstance(row, Pool) else convolved
        x = make(x, row, place, style, step)
    return [x]


def _pooled(x, row, name, style, step):
    """A row of pooling; averages count the zero padding only where the style says so."""
    name, dilation = f"{name}_pool", step[1]
    if row.strided:
        return pool(x, 3, name, step, row.mode, row.strided)
    if row.mode == "average" and style.count_padding:
        x = layers.ZeroPadding2D(dilation, name=f"{name}_pad")(x)
        return pool(x, 3, name, (1, dilation), row.mode, "valid")
    return pool(x, 3, name, (1, dilation), row.mode)
