"""RepLKNet: depthwise kernels of up to 31x31, each trained with a small one in parallel.

X. Ding, X. Zhang, Y. Zhou, J. Han, G. Ding, J. Sun: Scaling Up Your Kernels to 31x31, CVPR 2022,
arXiv 2203.06717, section 4.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.models.blocks import depthwise_he_normal
from keras_seg.models.encoders.blocks import batch_norm, check_kernels, conv, squeezed
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.encoders.registry import encoder
from keras_seg.models.registry import Count, Variant

PAPER = "Ding, Zhang, Zhou, Han, Ding, Sun: RepLKNet. CVPR 2022. arXiv:2203.06717"


class Options(NamedTuple):
    """The options that all variants share; `replknet` describes them.

    >>> Options().kernels
    (31, 29, 27, 13)
    """

    blocks: tuple = (2, 2, 18, 2)
    filters: tuple = (128, 256, 512, 1024)
    kernels: tuple = (31, 29, 27, 13)
    small_kernel: int = 5
    expansion: int = 4
    merged: bool = False
    drop_path_rate: float = 0.5
    squeeze_ratio: int = 0
    output_stride: int = 32


def _counts(branches, merged):
    """Counts with branches and without, each with its moving statistics; 1000 classes."""
    return (
        Count(1000, trainable=branches[0], total=None if len(branches) < 2 else sum(branches)),
        Count(1000, trainable=merged, options={"merged": True}),
    )


VARIANTS = (
    Variant(
        "replknet31b",
        "RepLKNet-31B.",
        {},
        {
            "printed": "79 M",
            "counts": _counts((79_864_168, 274_944), 79_527_272),
            "scores": (("ImageNet", "val", 83.5),),
        },
    ),
    Variant(
        "replknet31l",
        "RepLKNet-31L.",
        # In the authors' command for training on ImageNet.
        {"filters": (192, 384, 768, 1536), "drop_path_rate": 0.3},
        {"printed": "172 M", "counts": _counts((172_671_016,), 172_165_672)},
    ),
)


@encoder(
    Options(),
    VARIANTS,
    paper=PAPER,
    features=(2, 4, 8, 16, 32),
    tiny={
        "blocks": (1, 1, 1, 1),
        "filters": (8, 8, 16, 16),
        "kernels": (7, 7, 5, 5),
        "small_kernel": 3,
        "expansion": 2,
        "drop_path_rate": 0.0,
    },
)
def replknet(image, name, strides, options):
    """RepLKNet, any variant.

    A block of large kernels is the sum of a large and of a small depthwise convolution, each
    followed by its own batch normalization. With `merged=True` it is one convolution;
    `keras_seg.models.encoders.merge_branches` computes its weights from those of a trained
    network.

    Args:
        input_shape: (height, width, channels); height and width are at least 32, or None.
        num_classes: number of classes.
        blocks: pairs of a large-kernel block and a feed-forward block in each of the four stages.
        filters: channels of each of the four stages.
        kernels: side of the large kernels of each stage in pixels, odd.
        small_kernel: side of the small kernels in pixels, odd.
        expansion: factor of the number of channels inside feed-forward blocks.
        merged: whether each pair of kernels is merged into one, for inference.
        drop_path_rate: share of training images for which the last block is left out, 0..1;
            earlier blocks in proportion to their number.
        squeeze_ratio: reduction of squeeze-and-excite at the end of each residual block (arXiv
            1709.01507); 0 for none.
        output_stride: 32; 16 or 8 replace the last strides by dilation.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> small = {"blocks": (1, 1, 1, 1), "filters": (8, 8, 8, 8), "kernels": (7, 7, 5, 5)}
    >>> models.replknet31b((64, 64, 3), num_classes=10, **small).output_shape
    (None, 10)
    """
    _check_options(options)
    first, stages = options.filters[0], len(options.blocks)
    x = normalized(image, "torch", name)
    x = _conv_relu(x, first, 3, f"{name}stem1", strides.step())
    maps = {2: x}
    x = _depthwise_relu(x, 3, f"{name}stem2")
    x = _conv_relu(x, first, 1, f"{name}stem3")
    x = _depthwise_relu(x, 3, f"{name}stem4", strides.step())
    number, total = 0, sum(options.blocks)
    for stage in range(stages):
        for index in range(1, options.blocks[stage] + 1):
            block = f"{name}stage{stage + 1}_block{index}"
            drop = options.drop_path_rate * number / max(total - 1, 1)
            number += 1
            kernel = (options.kernels[stage], strides.dilation)
            x = _large_kernel_block(x, kernel, f"{block}_mix", options, drop)
            x = _feed_forward(x, f"{block}_ffn", options, drop)
        reduction = 4 * 2**stage
        if stage == stages - 1:
            x = batch_norm(x, f"{name}norm", None)
        maps[reduction] = x
        if stage < stages - 1:
            x = _conv_relu(x, options.filters[stage + 1], 1, f"{name}down{stage + 1}_1")
            x = _depthwise_relu(x, 3, f"{name}down{stage + 1}_2", strides.step())
    return maps


def _large_kernel_block(shortcut, kernel, name, options, drop):
    """1x1, large depthwise and 1x1 convolution, and the shortcut."""
    filters = shortcut.shape[-1]
    x = batch_norm(shortcut, name, None)
    x = _conv_relu(x, filters, 1, f"{name}_1")
    side, dilation = kernel
    if options.merged:
        x = _depthwise(x, side, f"{name}_merged", (1, dilation), use_bias=True)
    else:
        parts = []
        for part, size in (("large", side), ("small", options.small_kernel)):
            y = _depthwise(x, size, f"{name}_{part}", (1, dilation))
            parts.append(batch_norm(y, f"{name}_{part}", None))
        x = layers.Add(name=f"{name}_sum")(parts)
    x = layers.Activation("relu", name=f"{name}_relu")(x)
    x = batch_norm(conv(x, filters, 1, f"{name}_2_conv"), f"{name}_2", None)
    return _added(shortcut, squeezed(x, options, name), name, drop)


def _feed_forward(shortcut, name, options, drop):
    """Two 1x1 convolutions with GELU between them, and the shortcut."""
    filters = shortcut.shape[-1]
    x = batch_norm(shortcut, name, None)
    x = conv(x, options.expansion * filters, 1, f"{name}_1_conv")
    x = batch_norm(x, f"{name}_1", "gelu")
    x = batch_norm(conv(x, filters, 1, f"{name}_2_conv"), f"{name}_2", None)
    return _added(shortcut, squeezed(x, options, name), name, drop)


def _added(shortcut, x, name, drop):
    if drop:
        x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def _conv_relu(x, filters, kernel_size, name, step=(1, 1)):
    return batch_norm(conv(x, filters, kernel_size, f"{name}_conv", step), name)


def _depthwise_relu(x, kernel_size, name, step=(1, 1)):
    return batch_norm(_depthwise(x, kernel_size, f"{name}_depthwise", step), name)


def _depthwise(x, kernel_size, name, step=(1, 1), use_bias=False):
    """Depthwise convolution, with equal zero padding on both sides of the map."""
    (stride, dilation), padding = step, "same"
    if stride > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.DepthwiseConv2D(
        kernel_size,
        stride,
        padding,
        dilation_rate=dilation,
        use_bias=use_bias,
        depthwise_initializer=depthwise_he_normal(kernel_size),
        name=name,
    )(x)


def _check_options(options):
    for option in ("blocks", "filters", "kernels"):
        _check.stage_counts("replknet", option, getattr(options, option), 4)
    for option in ("small_kernel", "expansion"):
        _check.positive_integer("replknet", option, getattr(options, option))
    _check.share("replknet", "drop_path_rate", options.drop_path_rate)
    check_kernels("replknet", options)
    _check.positive_integer("replknet", "squeeze_ratio", options.squeeze_ratio, at_least=0)
