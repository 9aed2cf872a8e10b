"""Blocks that several families of encoders share: a KerasTensor and a name in, a KerasTensor out.

Kernels that make a map smaller are padded alike on both sides, as in the networks' first
implementations: a map of n pixels becomes one of ceil(n / stride) at every size, known or not, and
with dilation in place of the stride the kernels stay where they were.
"""

from keras import layers

from keras_seg.layers import BatchNormalization, DilatedPooling2D
from keras_seg.models.blocks import BN_MOMENTUM


def conv(x, filters, kernel_size, name, step=(1, 1), groups=1, use_bias=False):
    """Convolution with zeros around the map, alike on both sides.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        kernel_size: side of the kernel in pixels, odd.
        name: the layer's name.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        groups: parts of the channels that are convolved each by itself.
        use_bias: whether to add a bias per channel.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), filters).

    >>> import keras
    >>> conv(keras.Input((33, 32, 3)), 8, 7, "stem", (2, 1)).shape
    (None, 17, 16, 8)
    """
    (stride, dilation), padding = step, "same"
    if stride > 1 and kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.Conv2D(
        filters,
        kernel_size,
        stride,
        padding=padding,
        dilation_rate=dilation,
        groups=groups,
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def batch_norm(x, name, activation: str | None = "relu", epsilon=1e-5):
    """Batch normalization and an activation.

    Args:
        x: KerasTensor (b, h, w, c).
        name: prefix of the layers' names, which end with "_bn" and the activation's.
        activation: name of a Keras activation, or None.
        epsilon: what is added to the variance; 1e-5 in most of the authors' code.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> batch_norm(keras.Input((8, 8, 3)), "conv1").shape
    (None, 8, 8, 3)
    """
    x = BatchNormalization(momentum=BN_MOMENTUM, epsilon=epsilon, name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


def pool(x, size, name, step=(2, 1), mode="max"):
    """Pooling that may have given its stride up for dilation.

    Args:
        x: KerasTensor (b, h, w, c). For 3x3 windows its values are 0 or more, as after a ReLU:
            zeros around the map then change no maximum.
        size: side of the window: 2 (begins at its pixel) or 3 (is centered there).
        name: the layer's name.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        mode: "max" or "average".

    Returns:
        KerasTensor (b, h', w', c): ceil(n / stride) pixels for windows of 3, floor(n / stride)
        for windows of 2.

    >>> import keras
    >>> pool(keras.Input((33, 32, 3)), 3, "pool1").shape
    (None, 17, 16, 3)
    """
    stride, dilation = step
    if dilation > 1:
        return DilatedPooling2D(size, dilation, mode, name=name)(x)
    layer = layers.MaxPooling2D if mode == "max" else layers.AveragePooling2D
    if stride == 1:
        return layer(size, 1, padding="same", name=name)(x)
    if size == 3:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layer(size, stride, name=name)(x)


def squeeze_excite(x, ratio, name):
    """Scales each channel by a number between 0 and 1 that all of the map decides.

    J. Hu et al.: Squeeze-and-Excitation Networks, arXiv 1709.01507, section 3.

    Args:
        x: KerasTensor (b, h, w, c).
        ratio: how many times fewer channels the bottleneck has.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> squeeze_excite(keras.Input((8, 8, 32)), 16, "block1").shape
    (None, 8, 8, 32)
    """
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)
    gate = layers.Conv2D(max(1, channels // ratio), 1, activation="relu", name=f"{name}_se_reduce")(
        gate
    )
    gate = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_se_expand")(gate)
    return layers.Multiply(name=f"{name}_se_excite")([x, gate])
