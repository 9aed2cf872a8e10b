"""Inception v2, or BN-Inception: the first network with batch normalization.

S. Ioffe, C. Szegedy: Batch Normalization: Accelerating Deep Network Training by Reducing Internal
Covariate Shift, ICML 2015, arXiv 1502.03167, figure 5.
"""

from typing import NamedTuple

from keras_seg import _check
from keras_seg.models.encoders.blocks import pool
from keras_seg.models.encoders.inception_blocks import (
    Conv,
    Pool,
    check_modules,
    convolved,
    module,
    style_of,
)
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Variant

# Figure 5: 1x1, 3x3 after a reduction, two 3x3 after a reduction, the pooling's projection.
_MODULES = (
    ((64, (64, 64), (64, 96), 32), (64, (64, 96), (64, 96), 64)),
    (
        (224, (64, 96), (96, 128), 128),
        (192, (96, 128), (96, 128), 128),
        (160, (128, 160), (128, 160), None),
        (96, (128, 192), (160, 192), None),
    ),
    ((352, (192, 320), (160, 224), 128), (352, (192, 320), (192, 224), 128)),
)
# The modules that halve the map: 3x3, and two 3x3, each after a reduction.
_REDUCTIONS = (((128, 160), (64, 96)), ((128, 192), (192, 256)))


class Options(NamedTuple):
    """The options of Inception v2; `inception_v2` describes them.

    >>> Options().blocks
    (2, 4, 2)
    """

    blocks: tuple = (2, 4, 2)
    width: float = 1.0
    pool_filters: int = 128
    use_bias: bool = False
    bn_epsilon: float = 1e-3
    count_padding: bool = False
    dropout_rate: float = 0.0
    input_range: str = "caffe"
    output_stride: int = 32


def _counts():
    """Of pytorchcv's network, and without its 10,016 biases before normalization."""
    biased = dense_counts(11_295_240, 20_032, 1024, use_bias=True)
    return (*dense_counts(11_295_240 - 10_016, 20_032, 1024), *biased)


@encoder(
    Options(),
    (
        Variant(
            "inception_v2",
            "Inception v2, or BN-Inception, for 224 x 224 pixels.",
            {},
            {
                "counts": _counts(),
                "scores": (("ImageNet", "val", 74.8),),
            },
        ),
    ),
    paper="Ioffe, Szegedy: Batch Normalization. ICML 2015. arXiv:1502.03167",
    features=(2, 4, 8, 16, 32),
    tiny={"blocks": (1, 1, 1), "width": 0.125, "pool_filters": 16},
)
def inception_v2(image, name, strides, options):
    """Inception v2: GoogLeNet with batch normalization and two 3x3 kernels in place of a 5x5 one.

    The paper's figure gives the modules 4c and 4d a projection of 128 channels, and outputs of
    576, which would need 96: `pool_filters` has both. Its separable first convolution, which
    TensorFlow's network also has, is an ordinary one here, as in Caffe's and pytorchcv's.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of modules in each of the three stages, counted from the first, without those
            that halve the map; up to (2, 4, 2).
        width: factor of the numbers of channels.
        pool_filters: channels of the pooling's projection in the modules 4c and 4d: 128, or 96.
        use_bias: whether the convolutions have biases, as in pytorchcv.
        bn_epsilon: epsilon of batch normalization, added to the variance.
        count_padding: whether averages at the border count the zero padding, as in PyTorch.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        input_range: range that pixels 0..255 are converted to: "unit" for 0..1, "symmetric" for
            -1..1, "caffe" to subtract ImageNet's means, "torch" to also divide by the standard
            deviations.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.inception_v2((64, 64, 3), num_classes=10, blocks=(1, 1, 1)).output_shape
    (None, 10)
    """
    _check_options(options)
    style, maps = style_of(options), {}
    x = normalized(image, options.input_range, name)
    x = maps[2] = convolved(x, Conv(64, 7, strided=True), f"{name}conv1", style, strides.step())
    x = pool(x, 3, f"{name}pool1", strides.step(), padding="begin")
    x = convolved(x, Conv(64), f"{name}conv2_reduce", style)
    x = maps[4] = convolved(x, Conv(192, 3), f"{name}conv2", style)
    x = pool(x, 3, f"{name}pool2", strides.step(), padding="begin")
    for stage, (count, rows) in enumerate(zip(options.blocks, _MODULES, strict=True)):
        if stage:
            branches = _reduction(_REDUCTIONS[stage - 1])
            x = module(x, branches, f"{name}inception{stage + 2}_last", style, strides.step())
        for number, row in enumerate(rows[:count]):
            place = f"{name}inception{stage + 3}{'abcd'[number]}"
            # The very last module has maximum pooling.
            mode = "max" if (stage, number) == (2, 1) else "average"
            branches = _branches(row, mode, options)
            x = module(x, branches, place, style, (1, strides.dilation))
        maps[8 * 2**stage] = x
    return maps


def _branches(row, mode, options):
    one, three, double, projection = row
    return (
        (Conv(one),),
        (Conv(three[0]), Conv(three[1], 3)),
        (Conv(double[0]), Conv(double[1], 3), Conv(double[1], 3)),
        (Pool(mode), Conv(projection or options.pool_filters)),
    )


def _reduction(row):
    three, double = row
    return (
        (Conv(three[0]), Conv(three[1], 3, strided=True)),
        (Conv(double[0]), Conv(double[1], 3), Conv(double[1], 3, strided=True)),
        (Pool("max", "begin"),),
    )


def _check_options(options):
    name = "inception_v2"
    _check.stage_counts(name, "blocks", options.blocks, 3, example=(2, 4, 2))
    check_modules(name, options.blocks, (2, 4, 2))
    _check.number(name, "width", options.width, above=0)
    _check.positive_integer(name, "pool_filters", options.pool_filters)
    _check.number(name, "bn_epsilon", options.bn_epsilon, above=0)
    _check.share(name, "dropout_rate", options.dropout_rate)
