"""ContextNet: a deep context branch at low resolution, a shallow detail branch at full resolution.

R. Poudel, U. Bonde, S. Liwicki, C. Zach: ContextNet: Exploring Context and Detail for Semantic
Segmentation in Real-time, BMVC 2018, arXiv 1805.04554.

What the paper leaves open, and what was chosen:
- The kernel of Table 2's last convolution. With 1x1 the network has the 0.85 M parameters that
  the paper prints; 3x3 gives 0.98 M. `last_kernel_size` selects either.
- How the image is downsampled: by averaging blocks of pixels, so that all pixels are used. If
  the size is not a multiple of the block, the smaller blocks are on both sides.
- The position of the auxiliary head: a 1x1 convolution on the context branch's last feature map.
- The dropout rate: 0.1.
- The widths of cn14-500 and cn14-160, for which the paper only prints the number of parameters
  (490,459 and 159,387). No uniform width gives these exactly; the ones here come within 1 %,
  folded.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import AveragePooling2D, ResizeLike
from keras_seg.models.blocks import bottleneck, conv_bn, depthwise_bn
from keras_seg.models.decoding import classifier
from keras_seg.models.registry import Count, Variant, architecture

PAPER = (
    "Poudel, Bonde, Liwicki, Zach: ContextNet: Exploring Context and Detail for Semantic "
    "Segmentation in Real-time. BMVC 2018. arXiv:1805.04554"
)

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


class Options(NamedTuple):
    """The options that all variants share; `contextnet` describes them.

    >>> Options().dropout_rate
    0.1
    """

    factor: int = 4
    width: float = 1.0
    half_resolution: bool = False
    dropout_rate: float = 0.1
    last_kernel_size: int = 1
    separable_fusion: bool = False
    branch: str = "both"
    auxiliary_head: bool = False


# The six networks of the paper's Table 4. All but cn124 with a context branch at 1/factor have the
# same parameters. cn124: Table 3's "DWConv" read as depthwise alone, as in the other variants,
# gives 0.91 M where the paper prints 0.93 M; `separable_fusion=True` gives 0.93 M of kernels.
_FULL = (Count(19, folded=846_179, trainable=856_851, total=878_195),)
VARIANTS = (
    Variant(
        "contextnet_cn18",
        "ContextNet with its context branch at an eighth of the resolution.",
        {"factor": 8},
        {
            "counts": _FULL,
            "printed": "0.85 M",
            "output_stride": 64,
            "scores": (("Cityscapes", "val", 60.1),),
        },
    ),
    Variant(
        "contextnet_cn14",
        "ContextNet with its context branch at a quarter of the resolution: the default.",
        {},
        {"counts": _FULL, "printed": "0.85 M", "scores": (("Cityscapes", "val", 65.9),)},
    ),
    Variant(
        "contextnet_cn12",
        "ContextNet with its context branch at half the resolution: slower, more accurate.",
        {"factor": 2},
        {
            "counts": _FULL,
            "printed": "0.85 M",
            "output_stride": 16,
            "scores": (("Cityscapes", "val", 68.7),),
        },
    ),
    Variant(
        "contextnet_cn124",
        "ContextNet with detail branches at full and half resolution.",
        {"half_resolution": True},
        {
            "counts": (Count(19, folded=910_563),),
            "printed": "0.93 M",
            "branches": (
                ("context", "context_last_relu6"),
                ("half detail", "half4_pointwise_relu6"),
                ("detail", "detail4_pointwise_relu6"),
            ),
            "scores": (("Cityscapes", "val", 67.3),),
        },
    ),
    Variant(
        "contextnet_cn14_500",
        "ContextNet cn14 at 0.75 of the width, in place of the paper's 490,459 parameters.",
        {"width": 0.75},
        {
            "printed": "0.49 M",
            "counts": (Count(19, folded=486_703, trainable=494_707, total=510_715),),
            "scores": (("Cityscapes", "val", 62.1),),
        },
    ),
    Variant(
        "contextnet_cn14_160",
        "ContextNet cn14 at 0.414 of the width, in place of the paper's 159,387 parameters.",
        {"width": 0.414},
        {
            "printed": "0.16 M",
            "counts": (Count(19, folded=158_350, trainable=162_752),),
            "scores": (("Cityscapes", "val", 57.7),),
        },
    ),
)


@architecture(
    Options(),
    VARIANTS,
    paper=PAPER,
    recipe="contextnet",
    tiny={"width": 0.1},
    branches=(("context", "context_last_relu6"), ("detail", "detail4_pointwise_relu6")),
)
def contextnet(image, num_classes, options):
    """ContextNet, any variant.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        factor: downsampling factor of the context branch's image.
        width: factor of all numbers of channels.
        half_resolution: whether to add a second detail branch, on the image at half its size.
        dropout_rate: share of values dropped before the classifier while training, 0..1.
        last_kernel_size: kernel of the context branch's last convolution, 1 or 3.
        separable_fusion: whether to read Table 3's "DWConv" as depthwise and pointwise.
        branch: "context" or "detail" for a network of this branch and the classifier alone, as in
            the paper's comparison with an ensemble (section 3.2.1); "both" for ContextNet.
        auxiliary_head: whether to return also "aux_context", the context branch's own logits at
            the detail branch's size, for training.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.contextnet_cn14((64, 96, 3), num_classes=11).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    widths, detail_widths, fusion_width = _widths(options.width)
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalize")(image)
    if options.branch == "detail":
        detail = detail_branch(x, "detail", detail_widths)
        return classifier(detail, image, num_classes, options.dropout_rate)
    context = context_branch(x, options.factor, widths, options.last_kernel_size)
    if options.branch == "context":
        return classifier(context, image, num_classes, options.dropout_rate)
    fused = context
    separable = options.separable_fusion
    if options.half_resolution:
        half = AveragePooling2D(2, name="half_shrink")(x)
        detail = detail_branch(half, "half", detail_widths)
        fused = fusion(fused, detail, "half_fusion", fusion_width, separable)
    detail = detail_branch(x, "detail", detail_widths)
    fused = fusion(fused, detail, "fusion", fusion_width, separable)
    logits = classifier(fused, image, num_classes, options.dropout_rate)
    if not options.auxiliary_head:
        return logits
    # At the detail branch's size, an eighth, where its loss adds almost no cost.
    auxiliary = classifier(context, detail, num_classes, options.dropout_rate, name="aux_context")
    return {"logits": logits, "aux_context": auxiliary}


def context_branch(x, factor, widths, last_kernel_size):
    """The deep branch (Table 2), on the picture reduced by `factor`.

    Args:
        x: KerasTensor (b, h, w, c), normalized pixels.
        factor: 2, 4 or 8.
        widths: channels of the first convolution, the six stages and the last convolution.
        last_kernel_size: 1 or 3.

    Returns:
        KerasTensor at 1/(8 * factor) of the input's size.

    >>> import keras
    >>> context_branch(keras.Input((64, 64, 3)), 4, (8,) * 8, 1).shape
    (None, 2, 2, 8)
    """
    x = AveragePooling2D(factor, name="context_shrink")(x)
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
        x: KerasTensor (b, h, w, c), normalized pixels.
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


def _widths(width):
    """Channels of the context branch, the detail branch and the fusion, times `width`."""
    context = (STEM, *(channels for _, channels, _, _ in BOTTLENECKS), FUSION)
    return (
        tuple(max(1, round(width * channels)) for channels in context),
        tuple(max(1, round(width * channels)) for channels in DETAIL),
        max(1, round(width * FUSION)),
    )


def _check_options(options):
    _check.share("contextnet", "dropout_rate", options.dropout_rate)
    _check.positive_integer("contextnet", "factor", options.factor)
    _check.number("contextnet", "width", options.width, above=0)
    if options.last_kernel_size not in (1, 3):
        raise ValueError(
            "`contextnet` needs last_kernel_size 1 (0.85 M parameters, as published) or 3. "
            f"Received: last_kernel_size={options.last_kernel_size!r}."
        )
    _check.one_of("branch", "branch", options.branch, ("both", "context", "detail"))
    for name in ("half_resolution", "auxiliary_head"):
        if options.branch != "both" and getattr(options, name):
            raise ValueError(
                f"`contextnet` has {name} with both branches only. Received: "
                f"branch={options.branch!r} and {name}=True. Leave it out; in `fit`, pass "
                "auxiliary_weight=0 for a network without auxiliary head."
            )
