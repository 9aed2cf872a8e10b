"""Aligned Xception, the encoder of DeepLab v3+: deeper, and without poolings.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam: Encoder-Decoder with Atrous Separable
Convolution for Semantic Image Segmentation, ECCV 2018, arXiv 1802.02611, figure 4; after H. Qi et
al.: Deformable Convolutional Networks, COCO challenge 2017.

It differs from Xception in that every pooling is a separable convolution with stride 2, that each
depthwise convolution has a batch normalization of its own, that each block has three separable
convolutions, and that the middle flow has 16 blocks. Where the figure leaves things open, the
layers are those of the authors' code (tensorflow/models, research/deeplab): ReLUs precede the
separable convolutions, except for the last three, where they follow each depthwise and each 1x1
convolution; kernels with a stride are padded equally on both sides.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.blocks import depthwise_he_normal
from keras_seg.models.encoders.blocks import batch_norm, conv, squeezed
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant


class Options(NamedTuple):
    """The options; `xception_aligned` describes them.

    >>> Options().blocks
    16
    """

    blocks: int = 16
    width: float = 1.0
    bn_epsilon: float = 1e-3
    dropout_rate: float = 0.5
    input_range: str = "symmetric"
    squeeze_ratio: int = 0
    output_stride: int = 32


@encoder(
    Options(),
    (
        Variant(
            "xception65",
            "Aligned Xception with 65 layers, the encoder of DeepLab v3+.",
            {},
            # DeepLab v3+ with it has 41,055,413 for 21 classes, 41,258,213 with moving statistics.
            # Without its pyramid (3,019,776), its decoder (162,928) and its classifier (5,397),
            # with a dense layer of 2049 * 1000: 39,916,312. Statistics without those of the other
            # 8,800 channels: 202,800 - 17,600.
            {"counts": dense_counts(39_916_312, 185_200, 2048)},
        ),
    ),
    paper="Chen, Zhu, Papandreou, Schroff, Adam: DeepLab v3+. ECCV 2018. arXiv:1802.02611",
    features=(2, 4, 8, 16, 32),
    tiny={"blocks": 1, "width": 0.125},
)
def xception_aligned(image, name, strides, options):
    """Aligned Xception.

    The feature maps of reduction 2, 4 and 8 are the last ones before the next stride; that of
    reduction 16 is the middle flow's, as in `xception`.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of blocks of the middle flow.
        width: factor of the numbers of channels.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
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
    >>> models.xception65((64, 64, 3), num_classes=10, blocks=1, width=0.25).output_shape
    (None, 10)
    """
    _check_options(options)
    maps = {}
    x = normalized(image, options.input_range, name)
    for number, (filters, step) in enumerate(((32, strides.step()), (64, (1, 1))), start=1):
        x = conv(x, _scaled(filters, options), 3, f"{name}entry_conv{number}", step)
        x = batch_norm(x, f"{name}entry_conv{number}", epsilon=options.bn_epsilon)
    maps[2] = x
    for number, filters in enumerate((128, 256, 728), start=1):
        block, rows = f"{name}entry_block{number}", (filters,) * 3
        x, inside = _shrinking(x, rows, block, strides, options)
        if number > 1:
            maps[2**number] = inside
    for number in range(1, options.blocks + 1):
        block, step = f"{name}middle_block{number}", (1, strides.dilation)
        shortcut = x
        for place in (1, 2, 3):
            x = _separable(x, 728, f"{block}_sepconv{place}", step, options)
        x = layers.Add(name=f"{block}_add")([squeezed(x, options, block), shortcut])
    maps[16] = x
    x, _ = _shrinking(x, (728, 1024, 1024), f"{name}exit_block1", strides, options)
    for number, filters in enumerate((1536, 1536, 2048), start=1):
        place, step = f"{name}exit_block2_sepconv{number}", (1, strides.dilation)
        x = _separable(x, filters, place, step, options, relu_first=False)
    maps[32] = x
    return maps


def _shrinking(x, rows, name, strides, options):
    """Three separable convolutions, the last one with a stride, and a 1x1 convolution beside them.

    Returns their sum, and the map before the stride.
    """
    shortcut, behind = x, (1, strides.dilation)
    for number in (1, 2):
        x = _separable(x, rows[number - 1], f"{name}_sepconv{number}", behind, options)
    inside, step = x, strides.step()
    x = _separable(x, rows[2], f"{name}_sepconv3", step, options)
    shortcut = conv(shortcut, _scaled(rows[2], options), 1, f"{name}_shortcut", (step[0], 1))
    shortcut = batch_norm(shortcut, f"{name}_shortcut", None, options.bn_epsilon)
    return layers.Add(name=f"{name}_add")([squeezed(x, options, name), shortcut]), inside


def _separable(x, filters, name, step, options, relu_first=True):
    """Depthwise 3x3 and 1x1 convolution, each normalized; ReLU before both or after each."""
    if relu_first:
        x = layers.Activation("relu", name=f"{name}_relu")(x)
    return separable_conv(
        x,
        _scaled(filters, options),
        name,
        step,
        None if relu_first else "relu",
        options.bn_epsilon,
    )


def separable_conv(x, filters, name, step=(1, 1), activation: str | None = "relu", epsilon=1e-5):
    """Depthwise 3x3 and 1x1 convolution without biases, each normalized and activated.

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        name: prefix of the layers' names.
        step: (stride, dilation rate) of the depthwise convolution, one of which is 1.
        activation: name of a Keras activation, or None.
        epsilon: epsilon of batch normalization, added to the variance.

    Returns:
        KerasTensor (b, ceil(h / stride), ceil(w / stride), filters).

    >>> import keras
    >>> separable_conv(keras.Input((33, 32, 6)), 8, "sepconv", (2, 1)).shape
    (None, 17, 16, 8)
    """
    (stride, dilation), padding = step, "same"
    if stride > 1:
        x, padding = layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
    x = layers.DepthwiseConv2D(
        3,
        stride,
        padding=padding,
        dilation_rate=dilation,
        use_bias=False,
        depthwise_initializer=depthwise_he_normal(3),
        name=f"{name}_depthwise",
    )(x)
    x = batch_norm(x, f"{name}_depthwise", activation, epsilon)
    x = conv(x, filters, 1, f"{name}_pointwise")
    return batch_norm(x, f"{name}_pointwise", activation, epsilon)


def _scaled(channels, options):
    return max(1, round(channels * options.width))


def _check_options(options):
    name = "xception_aligned"
    _check.positive_integer(name, "blocks", options.blocks)
    _check.number(name, "width", options.width, above=0)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
    _check.positive_integer(name, "squeeze_ratio", options.squeeze_ratio, at_least=0)
