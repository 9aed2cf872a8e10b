"""Layers that several decoders share: convolutions of ResNets, and the last layers."""

from keras import layers

from keras_seg.layers import ResizeLike
from keras_seg.models.encoders.blocks import batch_norm, conv


def conv_bn(x, filters, kernel_size, name, step=(1, 1), activation: str | None = "relu"):
    """Convolution without bias with equal padding on both sides, batch normalization, activation.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        kernel_size: side of the kernel in pixels, odd.
        name: prefix of the layers' names.
        step: (stride, dilation rate), one of which is 1.
        activation: name of a Keras activation, or None.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), filters).

    >>> import keras
    >>> conv_bn(keras.Input((33, 32, 3)), 8, 3, "stem", (2, 1)).shape
    (None, 17, 16, 8)
    """
    x = conv(x, filters, kernel_size, f"{name}_conv", step)
    return batch_norm(x, name, activation)


def bottleneck(x, inside, filters, name, stride=1, dilation=1):
    """ResNet's block of 1x1, 3x3 and 1x1 convolutions; the first one has the stride.

    K. He et al.: Deep Residual Learning for Image Recognition, arXiv 1512.03385, figure 5.

    Args:
        x: KerasTensor (b, h, w, c).
        inside: channels of the first two convolutions.
        filters: channels out.
        name: prefix of the layers' names.
        stride: step in pixels.
        dilation: distance between the taps of the 3x3 kernel in pixels.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), filters). The shortcut has a 1x1
        convolution where the shape changes.

    >>> import keras
    >>> bottleneck(keras.Input((33, 32, 16)), 8, 32, "block", stride=2).shape
    (None, 17, 16, 32)
    """
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = conv_bn(x, filters, 1, f"{name}_project", (stride, 1), None)
    x = conv_bn(x, inside, 1, f"{name}_reduce", (stride, 1))
    x = conv_bn(x, inside, 3, f"{name}_middle", (1, dilation))
    x = conv_bn(x, filters, 1, f"{name}_increase", (1, 1), None)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def classifier(
    x, image, num_classes, dropout_rate=0.0, kernel_size=1, align_corners=False, name="logits"
):
    """Dropout, a convolution with bias, and bilinear enlargement to the image's size, in float32.

    Args:
        x: KerasTensor (b, h, w, c).
        image: KerasTensor that gives the size: the image, or a feature map.
        num_classes: number of classes.
        dropout_rate: share of values dropped while training; 0 adds no layer.
        kernel_size: side of the kernel in pixels.
        align_corners: whether the enlargement aligns corner pixels, see `ResizeLike`.
        name: name of the output, and prefix of the other layers' names.

    Returns:
        KerasTensor of logits with the image's height and width.

    >>> import keras
    >>> classifier(keras.Input((4, 4, 16)), keras.Input((33, 32, 3)), 5).shape
    (None, 33, 32, 5)
    """
    if dropout_rate:
        x = layers.Dropout(dropout_rate, name=f"{name}_dropout")(x)
    x = layers.Conv2D(num_classes, kernel_size, padding="same", name=f"{name}_conv")(x)
    enlarge = ResizeLike(align_corners=align_corners, name=name, dtype="float32")
    return enlarge([x, image])


def auxiliary_classifier(x, num_classes, name):
    """A 1x1 convolution to logits at the map's own size, in float32, for training.

    Args:
        x: KerasTensor (b, h, w, c).
        num_classes: number of classes.
        name: key of the output, "aux_...".

    Returns:
        KerasTensor (b, h, w, num_classes).

    >>> import keras
    >>> auxiliary_classifier(keras.Input((4, 4, 16)), 5, "aux_stage4").shape
    (None, 4, 4, 5)
    """
    return layers.Conv2D(num_classes, 1, dtype="float32", name=name)(x)
