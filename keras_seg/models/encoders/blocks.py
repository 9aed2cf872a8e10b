"""Blocks that several families of encoders share: a KerasTensor and a name in, a KerasTensor out.

Strided kernels are padded equally on both sides, as in the networks' first implementations: a map
of n pixels becomes one of ceil(n / stride) at every size, known or not, and with dilation in place
of the stride the kernels keep their positions.
"""

from keras import layers

from keras_seg.layers import (
    AdaptiveAveragePooling2D,
    AveragePooling2D,
    BatchNormalization,
    DilatedPooling2D,
)
from keras_seg.models.blocks import BN_MOMENTUM


def conv(x, filters, kernel_size, name, step=(1, 1), groups=1, use_bias=False):
    """Convolution with as many zeros on each side of the map.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        kernel_size: side of the kernel in pixels, odd, or height and width if stride is 1.
        name: the layer's name.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        groups: number of groups of channels, as in `keras.layers.Conv2D`.
        use_bias: whether to add a bias per channel.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), filters).

    >>> import keras
    >>> conv(keras.Input((33, 32, 3)), 8, 7, "stem", (2, 1)).shape
    (None, 17, 16, 8)
    """
    (stride, dilation), padding = step, "same"
    if stride > 1 and kernel_size == 1:
        # Every second pixel, before the convolution: TensorFlow 2.21 on a CPU writes past the
        # gradient of 1x1 kernels with a stride and few input channels, and crashes later.
        x, stride = layers.MaxPooling2D(1, stride, name=f"{name}_step")(x), 1
    if stride > 1:
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


def valid_conv(x, filters, kernel_size, name, step=(1, 1), use_bias=False):
    """Convolution without padding: kernels stay within the map.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        kernel_size: side of the kernel in pixels.
        name: the layer's name.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        use_bias: whether to add a bias per channel.

    Returns:
        KerasTensor (b, h', w', filters): floor((n - kernel_size) / stride) + 1 pixels.

    >>> import keras
    >>> valid_conv(keras.Input((227, 227, 3)), 96, 11, "conv1", (4, 1)).shape
    (None, 55, 55, 96)
    """
    stride, dilation = step
    return layers.Conv2D(
        filters,
        kernel_size,
        stride,
        dilation_rate=dilation,
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
        epsilon: added to the variance; 1e-5 in most of the authors' code.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> batch_norm(keras.Input((8, 8, 3)), "conv1").shape
    (None, 8, 8, 3)
    """
    x = BatchNormalization(momentum=BN_MOMENTUM, epsilon=epsilon, name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


def pool(x, size, name, step=(2, 1), mode="max", padding="center"):
    """Pooling whose stride may be replaced by dilation.

    Args:
        x: KerasTensor (b, h, w, c). For windows of 3 that reach over the border its values are 0
            or more, as after a ReLU: zeros around the map then change no maximum.
        size: side of the window, 2 or 3.
        name: the layer's name.
        step: (stride, dilation rate), one of which is 1; see `Strides`.
        mode: "max" or "average".
        padding: position of the windows. "center": centered on their pixel, windows of 2 begin
            there; "begin": they begin at their pixel; "caffe": the same, but only those that lack
            one pixel at most; "valid": within the map.

    Returns:
        KerasTensor (b, h', w', c): ceil(n / stride) pixels for "center" and "begin", floor(n /
        stride) for windows of 2 and for "caffe".

    >>> import keras
    >>> pool(keras.Input((33, 32, 3)), 3, "pool1").shape
    (None, 17, 16, 3)
    """
    stride, dilation = step
    if padding in ("begin", "caffe"):
        lacking = 1 if (padding, stride) == ("caffe", 2) else (size - 1) * dilation
        x = layers.ZeroPadding2D(((0, lacking), (0, lacking)), name=f"{name}_pad")(x)
        padding = "valid"
    within = "same" if padding == "center" else "valid"
    if dilation > 1:
        return DilatedPooling2D(size, dilation, mode, within, name=name)(x)
    if (stride, mode, within) == (1, "average", "same"):
        return AveragePooling2D(size, 1, name=name)(x)
    layer = layers.MaxPooling2D if mode == "max" else layers.AveragePooling2D
    if stride == 1:
        return layer(size, 1, padding=within, name=name)(x)
    if size == 3 and padding == "center":
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layer(size, stride, name=name)(x)


def squeeze_excite(x, channels, name, activations=("relu", "sigmoid")):
    """Scales each channel by a factor that is computed from the whole map.

    J. Hu et al.: Squeeze-and-Excitation Networks, arXiv 1709.01507, section 3.

    Args:
        x: KerasTensor (b, h, w, c).
        channels: channels of the bottleneck.
        name: prefix of the layers' names.
        activations: names of the Keras activations after the bottleneck and of the gate.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> squeeze_excite(keras.Input((8, 8, 32)), 2, "block1").shape
    (None, 8, 8, 32)
    """
    inner, outer = activations
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)
    gate = layers.Conv2D(channels, 1, activation=inner, name=f"{name}_se_reduce")(gate)
    gate = layers.Conv2D(x.shape[-1], 1, activation=outer, name=f"{name}_se_expand")(gate)
    return layers.Multiply(name=f"{name}_se_excite")([x, gate])


def squeezed(x, options, name):
    """`squeeze_excite` at the end of a residual branch, if the options have a `squeeze_ratio`.

    Args:
        x: KerasTensor (b, h, w, c).
        options: has `squeeze_ratio`: c divided by the channels of the bottleneck, or 0.
        name: prefix of the layers' names.

    Returns:
        KerasTensor of the input's shape.

    >>> import types, keras
    >>> squeezed(keras.Input((8, 8, 32)), types.SimpleNamespace(squeeze_ratio=16), "b1").shape
    (None, 8, 8, 32)
    """
    if not options.squeeze_ratio:
        return x
    return squeeze_excite(x, max(1, x.shape[-1] // options.squeeze_ratio), name)


def dense_layers(x, grid, names, num_classes, options):
    """Average pooling to a fixed grid, hidden dense layers with dropout, and a classifier.

    At the authors' size of images the map is as large as the grid. For other sizes they apply the
    first dense layer as a convolution; averaging to the grid, as torchvision does, also takes
    smaller ones.

    Args:
        x: KerasTensor (b, h, w, c).
        grid: height and width of the grid.
        names: names of the hidden layers.
        num_classes: number of classes.
        options: has `dense_units`, the units of a hidden layer, and `dropout_rate`.

    Returns:
        KerasTensor of float32 logits (b, num_classes).
    """
    x = AdaptiveAveragePooling2D(grid, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in names:
        x = layers.Dense(
            options.dense_units, activation="relu", kernel_initializer="he_normal", name=name
        )(x)
        if options.dropout_rate:
            x = layers.Dropout(options.dropout_rate, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, dtype="float32", name="predictions")(x)


def check_kernels(name, options):
    """Raise unless large kernels and the small one beside them have their middle in common.

    Args:
        name: the family's name.
        options: has `kernels`, the sides of the large ones, and `small_kernel`.

    Raises:
        ValueError: a side is even, or the small kernel is larger than another one.
    """
    sides, small = options.kernels, options.small_kernel
    if any(side % 2 == 0 for side in (*sides, small)) or min(sides) < small:
        raise ValueError(
            f"`{name}` needs odd kernels, none smaller than the small kernel. Received: "
            f"kernels={sides}, small_kernel={small}. For example, pass (31, 29, 27, 13) and 5."
        )
