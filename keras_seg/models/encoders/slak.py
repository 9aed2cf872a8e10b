"""SLaK: kernels of 51x51 as two long stripes and a small square.

S. Liu et al.: More ConvNets in the 2020s: Scaling up Kernels Beyond 51x51 using Sparsity, ICLR
2023, arXiv 2207.03620, sections 3 and 4.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.blocks import batch_norm, check_kernels
from keras_seg.models.encoders.convnext import (
    check_options,
    patch_stages,
    pooled_and_normalized,
    truncated,
)
from keras_seg.models.encoders.registry import dense_counts, encoder
from keras_seg.models.registry import Count, Variant

PAPER = "Liu, Chen, Chen et al.: SLaK. ICLR 2023. arXiv:2207.03620"


class Options(NamedTuple):
    """The options that all variants share; `slak` describes them.

    >>> Options().kernels
    (51, 49, 47, 13)
    """

    blocks: tuple = (3, 3, 9, 3)
    filters: tuple = (96, 192, 384, 768)
    width: float = 1.3
    kernels: tuple = (51, 49, 47, 13)
    small_kernel: int = 5
    layer_scale: float = 1e-6
    drop_path_rate: float = 0.1
    squeeze_ratio: int = 0
    output_stride: int = 32


VARIANTS = (
    Variant(
        "slak_tiny",
        "SLaK-T.",
        {},
        {
            "printed": "30 M sparse",
            "counts": (
                *dense_counts(50_703_838, 51_624, 998),
                Count(1000, trainable=30_816_232, options={"width": 1.0}),
            ),
            "scores": (("ImageNet", "val", 82.5),),
        },
    ),
    Variant(
        "slak_small",
        "SLaK-S.",
        {"blocks": (3, 3, 27, 3), "drop_path_rate": 0.4},
        {
            # SLaK-T and 18 more blocks of 499 channels in the third stage. Each has stripes and
            # square 2 * 47 * 5 * 499 + 25 * 499, batch and layer normalization 8 * 499, dense
            # layers 2 * 499 * 1996 + 1996 + 499, factors 499: 2,245,999. The paper says 55 million
            # for 60 % of them.
            "printed": "55 M sparse",
            "counts": dense_counts(50_703_838 + 18 * 2_245_999, 51_624 + 18 * 6 * 499, 998),
            "scores": (("ImageNet", "val", 83.8),),
        },
    ),
)


@encoder(
    Options(),
    VARIANTS,
    pooled_and_normalized,
    paper=PAPER,
    features=(4, 8, 16, 32),
    tiny={
        "blocks": (1, 1, 1, 1),
        "filters": (8, 8, 16, 16),
        "width": 1.0,
        "kernels": (9, 7, 7, 5),
        "small_kernel": 3,
        "layer_scale": 1.0,
        "drop_path_rate": 0.0,
    },
)
def slak(image, name, strides, options):
    """SLaK, any variant: ConvNeXt with large depthwise kernels.

    Each large kernel is the sum of a tall, a wide and a small depthwise convolution, each
    followed by its own batch normalization. The counts are of the network with all its weights; the
    paper's figures (30 and 55 million) leave out the 40 % of them that it sets to zero, which
    `keras_seg.callbacks.DynamicSparsity` does.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: number of blocks in each of the four stages.
        filters: channels of each of the four stages, before `width`.
        width: factor of all numbers of channels.
        kernels: long side of the stripes of each stage in pixels, odd.
        small_kernel: short side of the stripes, and side of the small square, in pixels, odd.
        layer_scale: initial value of the factors at the end of each block, above 0.
        drop_path_rate: share of training images for which the last block is left out, 0..1;
            earlier blocks in proportion to their number.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each residual branch (arXiv
            1709.01507); 0 for none.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> small = {"blocks": (1, 1, 1, 1), "filters": (8, 8, 8, 8), "kernels": (9, 7, 7, 5)}
    >>> models.slak_tiny((64, 64, 3), num_classes=10, **small).output_shape
    (None, 10)
    """
    check_options("slak", options)
    _check.stage_counts("slak", "kernels", options.kernels, 4)
    _check.positive_integer("slak", "small_kernel", options.small_kernel)
    check_kernels("slak", options)
    _check.number("slak", "width", options.width, above=0)
    filters = tuple(max(1, int(options.width * count)) for count in options.filters)

    def mix(x, stage, block, dilation):
        long, short = options.kernels[stage], options.small_kernel
        parts = []
        for part, size in (("tall", (long, short)), ("wide", (short, long)), ("small", short)):
            y = layers.DepthwiseConv2D(
                size,
                padding="same",
                dilation_rate=dilation,
                use_bias=False,
                depthwise_initializer=truncated(),
                name=f"{block}_{part}",
            )(x)
            parts.append(batch_norm(y, f"{block}_{part}", None))
        return layers.Add(name=f"{block}_sum")(parts)

    return patch_stages(image, name, strides, options._replace(filters=filters), mix)
