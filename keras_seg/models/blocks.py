"""Blocks shared by several families: functions from a KerasTensor and a name to a KerasTensor."""

import math

from keras import initializers, layers

from keras_seg.layers import BatchNormalization, CropLike

# With Keras's default 0.99, the moving variance is dominated by its initial 1 for a thousand
# steps; a few hundred pictures give no more than 50 steps an epoch, and until then the network
# predicts a single class.
BN_MOMENTUM = 0.95

# Standard deviation of a standard normal distribution that is truncated at 2, as in Keras.
TRUNCATED_STD = 0.87962566103423978


def conv_bn(x, filters, kernel_size, name, *, strides=1, activation: str | None = "relu6"):
    """Convolution without bias, batch normalization, activation.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        kernel_size: side of the kernel in pixels.
        name: prefix of the layers' names.
        strides: step in pixels; sizes are rounded up.
        activation: name of a Keras activation, or None.

    Returns:
        KerasTensor (b, ceil(h / strides), ceil(w / strides), filters).

    >>> import keras
    >>> conv_bn(keras.Input((33, 32, 3)), 8, 3, "stem", strides=2).shape
    (None, 17, 16, 8)
    """
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return _bn(x, name, activation)


def depthwise_he_normal(kernel_size):
    """He initialization for depthwise kernels: a variance of 2 / (taps of the kernel).

    Keras's own "he_normal" multiplies the taps by the channels: a depthwise kernel (height, width,
    channels, 1) has the same shape as an ordinary one that sums over all channels. With 576
    channels its kernels are initialized 24 times too small.

    K. He et al.: Delving Deep into Rectifiers, arXiv 1502.01852, equation 10.

    Args:
        kernel_size: side of the kernel in pixels, or its sides along each axis.

    Returns:
        `keras.initializers.TruncatedNormal`.

    >>> round(TRUNCATED_STD * depthwise_he_normal(3).stddev, 4)  # sqrt(2 / 9)
    0.4714
    """
    sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return initializers.TruncatedNormal(stddev=math.sqrt(2 / math.prod(sides)) / TRUNCATED_STD)


def depthwise_bn(x, name, *, strides=1, dilation=1, activation: str | None = "relu6"):
    """Depthwise 3x3 convolution without bias, batch normalization, activation.

    Args:
        x: KerasTensor (b, h, w, c).
        name: prefix of the layers' names.
        strides: step in pixels; sizes are rounded up.
        dilation: distance between the kernel's taps in pixels.
        activation: name of a Keras activation, or None.

    Returns:
        KerasTensor (b, ceil(h / strides), ceil(w / strides), c).

    >>> import keras
    >>> depthwise_bn(keras.Input((32, 32, 6)), "detail", strides=2).shape
    (None, 16, 16, 6)
    """
    x = layers.DepthwiseConv2D(
        3,
        strides,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        depthwise_initializer=depthwise_he_normal(3),
        name=f"{name}_depthwise",
    )(x)
    return _bn(x, f"{name}_depthwise", activation)


def _bn(x, name, activation):
    x = BatchNormalization(momentum=BN_MOMENTUM, name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


def enlarging_conv(x, filters, reference, name):
    """3x3 transposed convolution to twice the size, or one pixel less, with biases.

    Pixels are placed as in PyTorch with padding=1 and output_padding=1: the kernel is centered
    on even pixels.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        reference: KerasTensor (b, 2h or 2h - 1, 2w or 2w - 1, any) that gives the size.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the reference's size.

    >>> import keras
    >>> enlarging_conv(keras.Input((5, 4, 8)), 6, keras.Input((9, 8, 3)), "up1").shape
    (None, 9, 8, 6)
    """
    x = layers.Conv2DTranspose(
        filters, 3, 2, padding="valid", kernel_initializer="he_normal", name=f"{name}_transposed"
    )(x)
    x = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_first")(x)
    return CropLike(name=f"{name}_crop")([x, reference])


def enlarging_logits(x, num_classes, image):
    """2x2 transposed convolution of stride 2 to the logits, in float32.

    Args:
        x: KerasTensor (b, ceil(h / 2), ceil(w / 2), c).
        num_classes: channels out.
        image: KerasTensor (b, h, w, any) that gives the size.

    Returns:
        KerasTensor (b, h, w, num_classes).

    >>> import keras
    >>> enlarging_logits(keras.Input((5, 4, 8)), 6, keras.Input((9, 8, 3))).shape
    (None, 9, 8, 6)
    """
    x = layers.Conv2DTranspose(num_classes, 2, 2, dtype="float32", name="logits_transposed")(x)
    return CropLike(name="logits", dtype="float32")([x, image])


def bottleneck(x, filters, name, *, expansion, strides, activation="relu6"):
    """Inverted residual block of ContextNet and Fast-SCNN: 1x1, depthwise 3x3, 1x1 convolution.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        name: prefix of the layers' names.
        expansion: the block has `expansion * c` channels inside.
        strides: step of the depthwise convolution.
        activation: name of a Keras activation, after the first two convolutions.

    Returns:
        KerasTensor (b, ceil(h / strides), ceil(w / strides), filters); the input is added where
        the shape stays the same.

    >>> import keras
    >>> bottleneck(keras.Input((8, 8, 4)), 6, "b", expansion=2, strides=2).shape
    (None, 4, 4, 6)
    """
    channels = x.shape[-1]
    inside = conv_bn(x, expansion * channels, 1, f"{name}_expand", activation=activation)
    inside = depthwise_bn(inside, name, strides=strides, activation=activation)
    inside = conv_bn(inside, filters, 1, f"{name}_project", activation=None)
    if strides == 1 and filters == channels:
        return layers.Add(name=f"{name}_add")([x, inside])
    return inside
