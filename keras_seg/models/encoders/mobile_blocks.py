"""Blocks of networks for phones: depthwise separable convolutions and inverted residuals.

Their authors' code pads as TensorFlow's "same" does: a map of n pixels becomes one of
ceil(n / stride), and where the zeros do not divide evenly, the odd one is at the end. PyTorch's
ports pad equally on both sides, which is another network where a map of even size is halved;
`Style` has both.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.blocks import depthwise_he_normal
from keras_seg.models.encoders.blocks import batch_norm, squeeze_excite

BN_EPSILON = 1e-3


class Style(NamedTuple):
    """Details in which implementations of one network differ.

    Attributes:
        padding: "same" as in TensorFlow, or "symmetric" as in PyTorch.
        bn_epsilon: epsilon of batch normalization, added to the variance.

    >>> Style().padding
    'same'
    """

    padding: str = "same"
    bn_epsilon: float = BN_EPSILON


def style_of(name, options):
    """The style for a family's options.

    Args:
        name: the family's name.
        options: the family's options, with `padding` and `bn_epsilon`.

    Returns:
        `Style`.

    Raises:
        ValueError: one of them is out of its range.

    >>> style_of("mobilenet", Style("symmetric", 1e-5))
    Style(padding='symmetric', bn_epsilon=1e-05)
    """
    _check.one_of(f"padding of `{name}`", "padding", options.padding, ("same", "symmetric"))
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    return Style(options.padding, options.bn_epsilon)


STYLE = Style()


class Inverted(NamedTuple):
    """An inverted residual block: expand, depthwise convolution, squeeze-and-excite, project.

    M. Sandler et al.: MobileNetV2, arXiv 1801.04381, section 3.3.

    Attributes:
        kernel_size: side of the depthwise kernel in pixels, odd.
        expanded: channels of the depthwise convolution; those of the input for no expansion.
        filters: channels out.
        stride: stride of the depthwise convolution. Only blocks with stride 1 that keep the number
            of channels have a shortcut.
        activation: name of the Keras activation after the first two convolutions.
        squeezed: channels of the bottleneck of squeeze-and-excite; 0 for none.
        squeeze_activations: names of its two Keras activations.
        drop: share of training images for which the block is left out, where it has a shortcut.

    >>> Inverted(3, 96, 24).activation
    'relu6'
    """

    kernel_size: int
    expanded: int
    filters: int
    stride: int = 1
    activation: str = "relu6"
    squeezed: int = 0
    squeeze_activations: tuple = ("relu", "hard_sigmoid")
    drop: float = 0.0


def conv_bn(
    x, filters, kernel_size, name, step=(1, 1), activation: str | None = "relu6", style=STYLE
):
    """Convolution without bias, batch normalization and an activation.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        kernel_size: side of the kernel in pixels, odd.
        name: prefix of the layers' names.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        activation: name of a Keras activation, or None.
        style: `Style`.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), filters).

    >>> import keras
    >>> conv_bn(keras.Input((33, 32, 3)), 8, 3, "stem", (2, 1)).shape
    (None, 17, 16, 8)
    """
    x, padding = _padded(x, kernel_size, f"{name}_conv", step, style)
    x = layers.Conv2D(
        filters,
        kernel_size,
        step[0],
        padding=padding,
        dilation_rate=step[1],
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return batch_norm(x, name, activation, style.bn_epsilon)


def depthwise_bn(x, kernel_size, name, step=(1, 1), activation: str | None = "relu6", style=STYLE):
    """Depthwise convolution without bias, batch normalization and an activation.

    Args:
        x: KerasTensor (b, h, w, c).
        kernel_size: side of the kernel in pixels, odd.
        name: prefix of the layers' names.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        activation: name of a Keras activation, or None.
        style: `Style`.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), c).

    >>> import keras
    >>> depthwise_bn(keras.Input((33, 32, 6)), 5, "block1", (2, 1)).shape
    (None, 17, 16, 6)
    """
    x, padding = _padded(x, kernel_size, f"{name}_depthwise", step, style)
    x = layers.DepthwiseConv2D(
        kernel_size,
        step[0],
        padding=padding,
        dilation_rate=step[1],
        use_bias=False,
        depthwise_initializer=depthwise_he_normal(kernel_size),
        name=f"{name}_depthwise",
    )(x)
    return batch_norm(x, f"{name}_depthwise", activation, style.bn_epsilon)


def inverted_residual(x, block, name, strides, style=STYLE):
    """Inverted residual, with a shortcut where the block keeps size and channels.

    Args:
        x: KerasTensor (b, h, w, c).
        block: `Inverted`.
        name: prefix of the layers' names.
        strides: `Strides`, which may replace the block's stride by dilation.
        style: `Style`.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), block.filters).

    >>> import keras
    >>> from keras_seg.models.encoders.strides import Strides
    >>> x = keras.Input((33, 32, 16))
    >>> inverted_residual(x, Inverted(3, 96, 24, stride=2), "b1", Strides()).shape
    (None, 17, 16, 24)
    """
    shortcut = x
    step = strides.step(block.stride) if block.stride > 1 else (1, strides.dilation)
    if block.expanded != x.shape[-1]:
        x = conv_bn(x, block.expanded, 1, f"{name}_expand", (1, 1), block.activation, style)
    x = depthwise_bn(x, block.kernel_size, name, step, block.activation, style)
    if block.squeezed:
        x = squeeze_excite(x, block.squeezed, name, block.squeeze_activations)
    x = conv_bn(x, block.filters, 1, f"{name}_project", (1, 1), None, style)
    if block.stride > 1 or shortcut.shape[-1] != block.filters:
        return x
    if block.drop:
        x = layers.Dropout(block.drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def divisible(channels, by=8):
    """The nearest multiple of `by`, but at least 90 % of the channels.

    M. Tan, Q. V. Le: EfficientNet, arXiv 1905.11946, and the MobileNets' code.

    Args:
        channels: number of channels, also a fraction.
        by: divisor of the result.

    Returns:
        int.

    >>> divisible(32 * 1.1), divisible(32 * 0.35)
    (32, 16)
    """
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest + by if nearest < 0.9 * channels else nearest


def _padded(x, kernel_size, name, step, style):
    """A map and the padding of the convolution that follows: zeros on both sides, or Keras's."""
    if style.padding == "same" or step[0] == 1 or kernel_size == 1:
        return x, "same"
    return layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x), "valid"
