"""Xception: residual blocks of depthwise separable convolutions.

F. Chollet: Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017, arXiv
1610.02357, figure 5.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import DilatedPooling2D
from keras_seg.models.blocks import depthwise_he_normal
from keras_seg.models.encoders.blocks import batch_norm, conv, squeezed, valid_conv
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant


class Options(NamedTuple):
    """The options of Xception; `xception` describes them.

    >>> Options().blocks
    8
    """

    blocks: int = 8
    width: float = 1.0
    bn_epsilon: float = 1e-3
    dropout_rate: float = 0.5
    padding: str = "same"
    input_range: str = "symmetric"
    squeeze_ratio: int = 0
    output_stride: int = 32


@encoder(
    Options(),
    (
        Variant(
            "xception",
            "Xception, for 299 x 299 pixels.",
            {},
            {
                "printed": "22,855,952",
                "counts": dense_counts(22_855_952, 54_528, 2048),
                "scores": (("ImageNet", "val", 79.0),),
                "imagenet": "Xception",
            },
        ),
    ),
    paper="Chollet: Xception. CVPR 2017. arXiv:1610.02357",
    image_size=299,
    features=(2, 4, 8, 16, 32),
    tiny={"blocks": 1, "width": 0.125},
)
def xception(image, name, strides, options):
    """Xception.

    A separable convolution is a depthwise and a 1x1 convolution with nothing between them. The
    first two convolutions have no zero padding, as in the authors' code. The feature maps of
    reduction 4, 8 and 16 are those that the next block begins with.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of blocks of the middle flow.
        width: factor of the numbers of channels.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        padding: "same", where pooling windows on maps of even size begin at their pixel, or
            "symmetric" as in PyTorch's ports, where they are centered.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each residual branch (arXiv
            1709.01507); 0 for none.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.xception((64, 64, 3), num_classes=10, blocks=1).output_shape
    (None, 10)
    """
    _check_options(options)
    x = normalized(image, options.input_range, name)
    x = valid_conv(x, _scaled(32, options), 3, f"{name}block1_conv1", strides.step())
    x = batch_norm(x, f"{name}block1_conv1", epsilon=options.bn_epsilon)
    x = valid_conv(x, _scaled(64, options), 3, f"{name}block1_conv2")
    x = batch_norm(x, f"{name}block1_conv2", epsilon=options.bn_epsilon)
    # Half of what the valid kernels removed from each side, to align maps with the image.
    maps = {2: layers.ZeroPadding2D(1, name=f"{name}block1_full")(x)}
    for number, filters in enumerate((128, 256, 728), start=2):
        block, rows = f"{name}block{number}", (filters, filters)
        x = _shrinking(x, rows, block, strides.step(), options, begins=number > 2)
        maps[2**number] = x
    for number in range(5, 5 + options.blocks):
        block, step = f"{name}block{number}", (1, strides.dilation)
        maps[16] = x = _added(x, (728, 728, 728), block, step, options)
    block = f"{name}block{5 + options.blocks}"
    x = _shrinking(x, (728, 1024), block, strides.step(), options)
    for number, filters in enumerate((1536, 2048), start=1):
        place = f"{name}block{6 + options.blocks}_sepconv{number}"
        x = _separable(x, filters, place, (1, strides.dilation), options)
        x = layers.Activation("relu", name=f"{place}_act")(x)
    maps[32] = x
    return maps


def _shrinking(x, rows, name, step, options, begins=True):
    """Two separable convolutions and a pooling, added to a strided 1x1 convolution of the input."""
    shortcut = conv(x, _scaled(rows[-1], options), 1, f"{name}_0_conv", step)
    shortcut = batch_norm(shortcut, f"{name}_0", None, options.bn_epsilon)
    x = _separables(x, rows, name, (1, step[1]), options, begins)
    if step[0] > 1 and options.padding == "same":
        x = layers.MaxPooling2D(3, step[0], padding="same", name=f"{name}_pool")(x)
    else:
        x = DilatedPooling2D(3, step[1], name=f"{name}_pool")(x)
        if step[0] > 1:
            x = layers.MaxPooling2D(1, step[0], name=f"{name}_pool_step")(x)
    return layers.Add(name=f"{name}_add")([squeezed(x, options, name), shortcut])


def _added(x, rows, name, step, options):
    """A block of the middle flow."""
    inside = _separables(x, rows, name, step, options, True)
    return layers.Add(name=f"{name}_add")([squeezed(inside, options, name), x])


def _separables(x, rows, name, step, options, begins):
    """ReLU and separable convolution, several times; the very first block begins without ReLU."""
    for number, filters in enumerate(rows, start=1):
        place = f"{name}_sepconv{number}"
        if begins or number > 1:
            x = layers.Activation("relu", name=f"{place}_act")(x)
        x = _separable(x, filters, place, step, options)
    return x


def _separable(x, filters, name, step, options):
    """Depthwise 3x3 and 1x1 convolution, and batch normalization."""
    x = layers.DepthwiseConv2D(
        3,
        padding="same",
        dilation_rate=step[1],
        use_bias=False,
        depthwise_initializer=depthwise_he_normal(3),
        name=f"{name}_depthwise",
    )(x)
    x = conv(x, _scaled(filters, options), 1, f"{name}_pointwise")
    return batch_norm(x, name, None, options.bn_epsilon)


def _scaled(channels, options):
    return max(1, round(channels * options.width))


def _check_options(options):
    name = "xception"
    _check.positive_integer(name, "blocks", options.blocks)
    _check.number(name, "width", options.width, above=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.positive_integer(name, "squeeze_ratio", options.squeeze_ratio, at_least=0)
    known = ("same", "symmetric")
    _check.one_of(f"padding of `{name}`", "padding", options.padding, known)
