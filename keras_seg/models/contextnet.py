"""ContextNet: a deep branch at low resolution for context, a shallow one at full for detail.

R. Poudel, U. Bonde, S. Liwicki, C. Zach: ContextNet: Exploring Context and Detail for Semantic
Segmentation in Real-time, BMVC 2018, arXiv 1805.04554.

What the paper leaves open, and what was chosen:
- The kernel of Table 2's last convolution. With 1x1 the network has the 0.85 M parameters that
  the paper prints; 3x3 gives 0.98 M. `last_kernel_size` has both.
- How the picture is made smaller: by averaging blocks of pixels, so that no pixel is left out.
- Where the auxiliary head sits: a 1x1 convolution on the context branch's last map.
- The dropout rate: 0.1.
"""

from keras_seg.models._contextnet import Options, network
from keras_seg.models._registry import architecture

PAPER = (
    "Poudel, Bonde, Liwicki, Zach: ContextNet: Exploring Context and Detail for Semantic "
    "Segmentation in Real-time. BMVC 2018. arXiv:1805.04554"
)


@architecture(
    Options(),
    paper=PAPER,
    parameters={"folded": 846_179, "trainable": 856_851, "total": 878_195},
    output_stride=64,
    scores=(("Cityscapes", "val", 60.1),),
    recipe="contextnet",
)
def contextnet_cn18(image, num_classes, options):
    """ContextNet with its context branch at an eighth of the resolution.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `contextnet_cn14`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> contextnet_cn18((64, 64, 3), num_classes=11).output_shape
    (None, 64, 64, 11)
    """
    return network(image, num_classes, 8, options)


@architecture(
    Options(),
    paper=PAPER,
    parameters={"folded": 846_179, "trainable": 856_851, "total": 878_195},
    output_stride=32,
    scores=(("Cityscapes", "val", 65.9),),
    recipe="contextnet",
)
def contextnet_cn14(image, num_classes, options):
    """ContextNet with its context branch at a quarter of the resolution: the default.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` (height, width, channels)
            in its place, where height and width may be None.
        num_classes: classes to tell apart, the ignored one not counted.
        options: as keyword arguments:
            dropout_rate: share of values dropped before the classifier while training, 0..1.
            last_kernel_size: kernel of the context branch's last convolution, 1 or 3.
            separable_fusion: read Table 3's "DWConv" as depthwise and pointwise.
            auxiliary_head: return also "aux_context", the context branch's own logits at the
                detail branch's size, for training.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> contextnet_cn14((64, 64, 3), num_classes=11).output_shape
    (None, 64, 64, 11)
    """
    return network(image, num_classes, 4, options)


@architecture(
    Options(),
    paper=PAPER,
    parameters={"folded": 846_179, "trainable": 856_851, "total": 878_195},
    output_stride=16,
    scores=(("Cityscapes", "val", 68.7),),
    recipe="contextnet",
)
def contextnet_cn12(image, num_classes, options):
    """ContextNet with its context branch at half the resolution: slower, more accurate.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `contextnet_cn14`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> contextnet_cn12((64, 64, 3), num_classes=11).output_shape
    (None, 64, 64, 11)
    """
    return network(image, num_classes, 2, options)


@architecture(
    Options(),
    paper=PAPER,
    parameters={"folded": 910_563},
    output_stride=32,
    scores=(("Cityscapes", "val", 67.3),),
    recipe="contextnet",
)
def contextnet_cn124(image, num_classes, options):
    """ContextNet with detail branches at full and half resolution.

    The paper prints 0.93 M parameters. Table 3's "DWConv" read as depthwise alone, as in the
    other variants, gives 0.91 M; `separable_fusion=True` gives 0.93 M of kernels.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `contextnet_cn14`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> contextnet_cn124((64, 64, 3), num_classes=11).output_shape
    (None, 64, 64, 11)
    """
    return network(image, num_classes, 4, options, half_resolution=True)


@architecture(
    Options(),
    paper=PAPER,
    parameters={"folded": 486_703, "trainable": 494_707, "total": 510_715},
    output_stride=32,
    scores=(("Cityscapes", "val", 62.1),),
    recipe="contextnet",
)
def contextnet_cn14_500(image, num_classes, options):
    """ContextNet cn14 at 0.75 of the width, in place of the paper's 490,459 parameters.

    The paper prints the number of parameters and not the widths, and no uniform width gives it
    exactly; this one comes within 1 % of it when batch normalisation is folded.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `contextnet_cn14`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> contextnet_cn14_500((64, 64, 3), num_classes=11).output_shape
    (None, 64, 64, 11)
    """
    return network(image, num_classes, 4, options, width=0.75)


@architecture(
    Options(),
    paper=PAPER,
    parameters={"folded": 158_350, "trainable": 162_752},
    output_stride=32,
    scores=(("Cityscapes", "val", 57.7),),
    recipe="contextnet",
)
def contextnet_cn14_160(image, num_classes, options):
    """ContextNet cn14 at 0.414 of the width, in place of the paper's 159,387 parameters.

    The paper prints the number of parameters and not the widths, and no uniform width gives it
    exactly; this one comes within 1 % of it when batch normalisation is folded.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `contextnet_cn14`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> contextnet_cn14_160((64, 64, 3), num_classes=11).output_shape
    (None, 64, 64, 11)
    """
    return network(image, num_classes, 4, options, width=0.414)
