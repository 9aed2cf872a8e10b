"""FC-DenseNet, the One Hundred Layers Tiramisu: dense blocks in an encoder and a decoder.

S. Jegou, M. Drozdzal, D. Vazquez, A. Romero, Y. Bengio: The One Hundred Layers Tiramisu: Fully
Convolutional DenseNets for Semantic Segmentation, CVPR Workshops 2017, arXiv 1611.09326.

The layers follow the authors' code (github.com/SimJeg/FC-DenseNet), which says more than the
paper and other things than many copies of it:
- Going up, only the maps that a block has made are enlarged, never what it was given; the last
  block's input goes to the classifier with what the block has made.
- There are five transitions down and five up. All convolutions have biases.
- A layer is batch normalisation, ReLU, convolution, dropout of single values, in this order.
- Transposed convolutions give 2n + 1 pixels and are cut to the skip connection's size, at the
  lower right, so that every size works.
"""

from keras_seg.models._dense import Options, checked, network
from keras_seg.models._registry import architecture

PAPER = (
    "Jegou, Drozdzal, Vazquez, Romero, Bengio: The One Hundred Layers Tiramisu: Fully "
    "Convolutional DenseNets for Semantic Segmentation. CVPR Workshops 2017. arXiv:1611.09326"
)


@architecture(
    Options(growth_rate=12, layers_per_block=(4,) * 11),
    paper=PAPER,
    parameters={"trainable": 1_376_795, "total": 1_397_963},
    parameters_classes=11,
    scores=(("CamVid", "test", 58.9),),
    recipe="fc_densenet",
    dimensions=(2, 3),
)
def fc_densenet56(image, num_classes, options):
    """FC-DenseNet with 56 convolutions, 4 layers in each block.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `fc_densenet103`, with a growth rate of 12.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet56((32, 48, 3), 11, layers_per_block=(1, 1, 1), growth_rate=4).output_shape
    (None, 32, 48, 11)
    """
    return network(image, num_classes, checked("fc_densenet56", options))


@architecture(
    Options(growth_rate=16, layers_per_block=(5,) * 11),
    paper=PAPER,
    parameters={"trainable": 3_463_243, "total": 3_502_923},
    parameters_classes=11,
    scores=(("CamVid", "test", 65.8),),
    recipe="fc_densenet",
    dimensions=(2, 3),
)
def fc_densenet67(image, num_classes, options):
    """FC-DenseNet with 67 convolutions, 5 layers in each block.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `fc_densenet103`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet67((32, 48, 3), 11, layers_per_block=(1, 1, 1), growth_rate=4).output_shape
    (None, 32, 48, 11)
    """
    return network(image, num_classes, checked("fc_densenet67", options))


@architecture(
    Options(),
    paper=PAPER,
    parameters={"trainable": 9_322_091, "total": 9_425_163},
    parameters_classes=11,
    scores=(("CamVid", "test", 66.9),),
    recipe="fc_densenet",
    dimensions=(2, 3),
)
def fc_densenet103(image, num_classes, options):
    """FC-DenseNet with 103 convolutions: the One Hundred Layers Tiramisu.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place: (height,
            width, channels), or (depth, height, width, channels) for volumes, each size at least
            32 or None.
        num_classes: classes to tell apart, the ignored one not counted.
        options: as keyword arguments:
            growth_rate: channels that each layer adds.
            layers_per_block: layers of the blocks going down, of the bottleneck, and of the
                blocks going up; 11 numbers in the paper, fewer for fewer transitions.
            compression: share of channels that a transition down keeps; 1 in the paper.
            dropout_rate: share of values dropped after each convolution while training, 0..1.
            attention: let the positions of the bottleneck attend to each other, from nothing on.
            bn_mode: "moving" normalises with moving statistics at inference, as usual; "batch"
                with those of the batch at hand, as the published scores were measured.
            recompute: train in less memory: compute each layer's inside a second time for the
                gradient instead of keeping it.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet103((32, 48, 4), 11, layers_per_block=(1, 1, 1), recompute=True).output_shape
    (None, 32, 48, 11)
    """
    return network(image, num_classes, checked("fc_densenet103", options))


@architecture(
    Options(),
    paper=PAPER,
    # The same layers in three dimensions, counted by PyTorch, for 4 classes and 4 channels:
    # 26_171_028 trainable. For 3 channels: 27 * 48 weights fewer.
    parameters={"trainable": 26_169_732, "total": 26_272_804},
    parameters_classes=4,
    recipe="fc_densenet",
    dimensions=(3,),
)
def fc_densenet103_3d(image, num_classes, options):
    """FC-DenseNet103 for volumes: every kernel, pool and transposed convolution has a third axis.

    Args:
        image: KerasTensor of values 0..255; callers pass `input_shape` (depth, height, width,
            channels) in its place, each size at least 32 or None.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `fc_densenet103`.

    Returns:
        `keras.Model`: values 0..255 (b, d, h, w, channels) to float32 logits
        (b, d, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet103_3d((32, 32, 48, 1), 4, layers_per_block=(1, 1, 1)).output_shape
    (None, 32, 32, 48, 4)
    """
    return network(image, num_classes, checked("fc_densenet103_3d", options))


@architecture(
    Options(growth_rate=8, layers_per_block=(2, 3, 4, 5, 6, 8, 6, 5, 4, 3, 2), compression=0.5),
    paper=PAPER,
    parameters={"trainable": 404_104, "total": 412_946},
    parameters_classes=11,
    recipe="fc_densenet",
    dimensions=(2, 3),
)
def fc_densenet_mobile(image, num_classes, options):
    """A small FC-DenseNet: growth rate 8, and transitions down that halve the channels.

    No paper has it. It is what a widely read guide calls "FC-DenseNet37", built as the paper
    builds; the guide's own code enlarges whole stacks and has twice the parameters.

    Args:
        image: KerasTensor of pixels 0..255; callers pass `input_shape` in its place.
        num_classes: classes to tell apart, the ignored one not counted.
        options: keyword arguments as of `fc_densenet103`, with its own growth rate, blocks and
            compression.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> fc_densenet_mobile((32, 48, 3), 11, layers_per_block=(1, 1, 1)).output_shape
    (None, 32, 48, 11)
    """
    return network(image, num_classes, checked("fc_densenet_mobile", options))
