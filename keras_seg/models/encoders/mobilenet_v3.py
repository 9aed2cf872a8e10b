"""MobileNetV3: inverted residuals found by search, with squeeze-and-excite and hard swish.

A. Howard et al.: Searching for MobileNetV3, ICCV 2019, arXiv 1905.02244, tables 1 and 2.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.mobile_blocks import (
    Inverted,
    conv_bn,
    divisible,
    inverted_residual,
    style_of,
)
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Count, Variant

PAPER = "Howard, Sandler, Chu et al.: Searching for MobileNetV3. ICCV 2019. arXiv:1905.02244"
_RE, _HS = "relu", "hard_silu"  # hard swish is Keras's "hard_silu"
# Kernel, expanded channels, channels out, squeeze-and-excite, activation, stride.
LARGE = (
    (3, 16, 16, False, _RE, 1), (3, 64, 24, False, _RE, 2), (3, 72, 24, False, _RE, 1),
    (5, 72, 40, True, _RE, 2), (5, 120, 40, True, _RE, 1), (5, 120, 40, True, _RE, 1),
    (3, 240, 80, False, _HS, 2), (3, 200, 80, False, _HS, 1), (3, 184, 80, False, _HS, 1),
    (3, 184, 80, False, _HS, 1), (3, 480, 112, True, _HS, 1), (3, 672, 112, True, _HS, 1),
    (5, 672, 160, True, _HS, 2), (5, 960, 160, True, _HS, 1), (5, 960, 160, True, _HS, 1),
)  # fmt: skip
SMALL = (
    (3, 16, 16, True, _RE, 2), (3, 72, 24, False, _RE, 2), (3, 88, 24, False, _RE, 1),
    (5, 96, 40, True, _HS, 2), (5, 240, 40, True, _HS, 1), (5, 240, 40, True, _HS, 1),
    (5, 120, 48, True, _HS, 1), (5, 144, 48, True, _HS, 1), (5, 288, 96, True, _HS, 2),
    (5, 576, 96, True, _HS, 1), (5, 576, 96, True, _HS, 1),
)  # fmt: skip
_ROWS = {"large": LARGE, "small": SMALL}
_HEADS = {"large": 1280, "small": 1024}


class Options(NamedTuple):
    """The options that both variants share; `mobilenet_v3` describes them.

    >>> Options().size
    'large'
    """

    size: str = "large"
    width: float = 1.0
    dropout_rate: float = 0.2
    padding: str = "same"
    bn_epsilon: float = 1e-3
    input_range: str = "symmetric"
    output_stride: int = 32


VARIANTS = (
    Variant(
        "mobilenet_v3_large",
        "MobileNetV3-Large.",
        {},
        {
            "printed": "5.4 M",
            # At 0.75 as in `keras.applications`; the authors' table says 4.0 million.
            "counts": (
                *dense_counts(5_483_032, 24_400, 1280),
                Count(1000, trainable=3_993_528, total=4_012_616, options={"width": 0.75}),
            ),
            "scores": (("ImageNet", "val", 75.2),),
            "imagenet": "MobileNetV3Large",
        },
    ),
    Variant(
        "mobilenet_v3_small",
        "MobileNetV3-Small.",
        {"size": "small"},
        {
            "printed": "2.5 M",
            "counts": (
                *dense_counts(2_542_856, 12_112, 1024),
                Count(1000, trainable=2_041_872, total=2_051_552, options={"width": 0.75}),
            ),
            "scores": (("ImageNet", "val", 67.4),),
            "imagenet": "MobileNetV3Small",
        },
    ),
)


def _head(maps, num_classes, options):
    """Pooling first, then a 1x1 convolution without batch normalization."""
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(maps[32])
    channels = divisible(_HEADS[options.size] * max(1.0, options.width))
    x = layers.Conv2D(channels, 1, activation=_HS, name="conv_last")(x)
    if options.dropout_rate:
        x = layers.Dropout(options.dropout_rate, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Dense(num_classes, dtype="float32", name="predictions")(x)


@encoder(
    Options(),
    VARIANTS,
    _head,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    tiny={"width": 0.125},
)
def mobilenet_v3(image, name, strides, options):
    """MobileNetV3, large or small.

    The coarsest feature map is that of the last 1x1 convolution before the pooling. The paper's
    first version had squeeze-and-excite after it in the small network (2.9 million parameters); the
    published one and the authors' code do not.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        size: "large" or "small": which of the paper's two tables.
        width: factor of all numbers of channels, which are rounded to multiples of 8; the paper
            has 0.35 to 1.25. Expanded channels are multiples of the rounded ones, as in the
            authors' code; torchvision rounds both separately. The last 1x1 convolution, after the
            pooling, does not become thinner.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        padding: "same", or "symmetric" as in PyTorch's ports, which pad with zeros equally on both
            sides.
        bn_epsilon: epsilon of batch normalization, added to the variance; 1e-5 in PyTorch's ports.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.mobilenet_v3_small((64, 64, 3), num_classes=10, width=0.5).output_shape
    (None, 10)
    """
    _check.one_of("size of `mobilenet_v3`", "size", options.size, _ROWS)
    _check.number("mobilenet_v3", "width", options.width, above=0)
    _check.share("mobilenet_v3", "dropout_rate", options.dropout_rate)
    style = style_of("mobilenet_v3", options)
    maps, reduction = {}, 2
    x = normalized(image, options.input_range, name)
    x = conv_bn(x, divisible(16 * options.width), 3, f"{name}conv1", strides.step(), _HS, style)
    maps[reduction], before = x, 16
    for number, (kernel, expanded, filters, squeeze, activation, stride) in enumerate(
        _ROWS[options.size], 1
    ):
        expanded = divisible(expanded / before * x.shape[-1])
        before, filters = filters, divisible(filters * options.width)
        squeezed = divisible(expanded / 4) if squeeze else 0
        block = Inverted(kernel, expanded, filters, stride, activation, squeezed)
        reduction *= stride
        x = maps[reduction] = inverted_residual(x, block, f"{name}block{number}", strides, style)
    maps[reduction] = conv_bn(x, 6 * x.shape[-1], 1, f"{name}conv2", (1, 1), _HS, style)
    return maps
