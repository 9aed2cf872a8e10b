"""The parts of ContextNet: bottlenecks, branches, fusion, and the network put together."""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import AveragePooling2D, ResizeLike
from keras_seg.models._blocks import conv_bn, depthwise_bn

# Table 2: (expansion, channels, repeats, stride), after a 3x3 convolution with stride 2.
BOTTLENECKS = (
    (1, 32, 1, 1),
    (6, 32, 1, 1),
    (6, 48, 3, 2),
    (6, 64, 3, 2),
    (6, 96, 2, 1),
    (6, 128, 2, 1),
)
STEM = 32
DETAIL = (32, 64, 128, 128)
FUSION = 128


def bottleneck(x, filters, name, *, expansion, strides):
    """Inverted residual block: widen with 1x1, depthwise 3x3, narrow with 1x1 (Table 1).

    Args:
        x: KerasTensor (b, h, w, c).
        filters: channels out.
        name: prefix of the layers' names.
        expansion: the block works with `expansion * c` channels inside.
        strides: step of the depthwise convolution.

    Returns:
        KerasTensor (b, ceil(h / strides), ceil(w / strides), filters); the input is added where
        the shape stays the same.

    >>> import keras
    >>> bottleneck(keras.Input((8, 8, 4)), 6, "b", expansion=2, strides=2).shape
    (None, 4, 4, 6)
    """
    channels = x.shape[-1]
    inside = conv_bn(x, expansion * channels, 1, f"{name}_expand")
    inside = depthwise_bn(inside, name, strides=strides)
    inside = conv_bn(inside, filters, 1, f"{name}_project", activation=None)
    if strides == 1 and filters == channels:
        return layers.Add(name=f"{name}_add")([x, inside])
    return inside


def context_branch(x, *, factor, widths, last_kernel_size):
    """The deep branch (Table 2), on the picture made `factor` times smaller.

    Args:
        x: KerasTensor (b, h, w, c), normalised pixels.
        factor: 2, 4 or 8.
        widths: channels of the first convolution, the six stages and the last convolution.
        last_kernel_size: 1 or 3.

    Returns:
        KerasTensor at 1/(8 * factor) of the input's size.

    >>> import keras
    >>> context_branch(keras.Input((64, 64, 3)), factor=4, widths=(8,) * 8,
    ...                last_kernel_size=1).shape
    (None, 2, 2, 8)
    """
    x = shrink(x, factor, "context_shrink")
    x = conv_bn(x, widths[0], 3, "context_stem", strides=2)
    for stage, ((expansion, _, repeats, strides), filters) in enumerate(
        zip(BOTTLENECKS, widths[1:-1], strict=True), start=1
    ):
        for repeat in range(1, repeats + 1):
            x = bottleneck(
                x,
                filters,
                f"context{stage}_{repeat}",
                expansion=expansion,
                strides=strides if repeat == 1 else 1,
            )
    return conv_bn(x, widths[-1], last_kernel_size, "context_last")


def detail_branch(x, name, widths):
    """The shallow branch: one convolution and three depthwise separable ones, to 1/8 size.

    There is no non-linearity between depthwise and pointwise (section 2.2.1).

    Args:
        x: KerasTensor (b, h, w, c), normalised pixels.
        name: prefix of the layers' names.
        widths: four numbers of channels.

    Returns:
        KerasTensor (b, ceil(h / 8), ceil(w / 8), widths[-1]).

    >>> import keras
    >>> detail_branch(keras.Input((64, 64, 3)), "detail", (4, 8, 16, 16)).shape
    (None, 8, 8, 16)
    """
    x = conv_bn(x, widths[0], 3, f"{name}1", strides=2)
    for number, (filters, strides) in enumerate(zip(widths[1:], (2, 2, 1), strict=True), start=2):
        x = depthwise_bn(x, f"{name}{number}", strides=strides, activation=None)
        x = conv_bn(x, filters, 1, f"{name}{number}_pointwise")
    return x


def fusion(context, detail, name, filters, separable):
    """The fusion unit (Table 3): the context is enlarged, filtered and added to the detail.

    Args:
        context: KerasTensor (b, h1, w1, c1), the smaller one.
        detail: KerasTensor (b, h2, w2, c2).
        name: prefix of the layers' names.
        filters: channels out.
        separable: read the table's "DWConv" as depthwise and pointwise.

    Returns:
        KerasTensor (b, h2, w2, filters).

    >>> import keras
    >>> fusion(keras.Input((2, 3, 8)), keras.Input((8, 11, 4)), "fusion", 6, False).shape
    (None, 8, 11, 6)
    """
    context = ResizeLike(name=f"{name}_enlarge")([context, detail])
    context = depthwise_bn(context, f"{name}_context", dilation=4)
    if separable:
        context = conv_bn(context, context.shape[-1], 1, f"{name}_pointwise")
    context = conv_bn(context, filters, 1, f"{name}_context", activation=None)
    detail = conv_bn(detail, filters, 1, f"{name}_detail", activation=None)
    x = layers.Add(name=f"{name}_add")([context, detail])
    return layers.Activation("relu6", name=f"{name}_relu6")(x)


def shrink(x, factor, name):
    """The picture `factor` times smaller, each pixel the mean of a block.

    Args:
        x: KerasTensor (b, h, w, c).
        factor: side of the block in pixels.
        name: the layer's name.

    Returns:
        KerasTensor (b, ceil(h / factor), ceil(w / factor), c).

    >>> import keras
    >>> shrink(keras.Input((10, 8, 3)), 4, "small").shape
    (None, 3, 2, 3)
    """
    return AveragePooling2D(factor, name=name)(x)


class Options(NamedTuple):
    """The arguments that all variants share; see `contextnet_cn14`.

    >>> Options().dropout_rate
    0.1
    """

    dropout_rate: float = 0.1
    last_kernel_size: int = 1
    separable_fusion: bool = False
    auxiliary_head: bool = False


def network(image, num_classes, factor, options, *, width=1.0, half_resolution=False):
    """The whole network: branches, fusion, classifier.

    Args:
        image: KerasTensor of pixels 0..255 (b, h, w, c).
        num_classes: classes to tell apart, the ignored one not counted.
        factor: how many times smaller the context branch's picture is.
        options: `Options`.
        width: factor of all numbers of channels.
        half_resolution: add a second detail branch, on the picture at half its size.

    Returns:
        KerasTensor of logits (b, h, w, num_classes), or a dict with these under "logits" and
        the auxiliary head's under "aux_context".

    Raises:
        ValueError: an option is out of its range.

    >>> import keras
    >>> network(keras.Input((64, 64, 3)), 11, 4, Options(), width=0.1).shape
    (None, 64, 64, 11)
    """
    _check_options(options)
    widths, detail_widths, fusion_width = _widths(width)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(image)
    context = context_branch(
        x, factor=factor, widths=widths, last_kernel_size=options.last_kernel_size
    )
    fused = context
    separable = options.separable_fusion
    if half_resolution:
        detail = detail_branch(shrink(x, 2, "half_shrink"), "half", detail_widths)
        fused = fusion(fused, detail, "half_fusion", fusion_width, separable)
    detail = detail_branch(x, "detail", detail_widths)
    fused = fusion(fused, detail, "fusion", fusion_width, separable)
    logits = _classifier(fused, image, num_classes, "logits", options.dropout_rate)
    if not options.auxiliary_head:
        return logits
    # At the detail branch's size, an eighth: its loss costs next to nothing there.
    auxiliary = _classifier(context, detail, num_classes, "aux_context", options.dropout_rate)
    return {"logits": logits, "aux_context": auxiliary}


def _classifier(x, reference, num_classes, name, dropout_rate):
    """Dropout, a 1x1 convolution, and bilinear enlargement to the reference's size, in float32."""
    x = layers.Dropout(dropout_rate, name=f"{name}_dropout")(x)
    x = layers.Conv2D(num_classes, 1, name=f"{name}_conv")(x)
    return ResizeLike(name=name, dtype="float32")([x, reference])


def _widths(width):
    """Channels of the context branch, the detail branch and the fusion, times `width`."""
    context = (STEM, *(channels for _, channels, _, _ in BOTTLENECKS), FUSION)
    return (
        tuple(round(width * channels) for channels in context),
        tuple(round(width * channels) for channels in DETAIL),
        round(width * FUSION),
    )


def _check_options(options):
    _check.share("contextnet", "dropout_rate", options.dropout_rate)
    if options.last_kernel_size not in (1, 3):
        raise ValueError(
            "`contextnet` needs last_kernel_size 1 (0.85 M parameters, as published) or 3. "
            f"Received: last_kernel_size={options.last_kernel_size!r}."
        )
