"""ICNet: a deep branch for a small image, two shallow ones for larger images, fused in a cascade.

H. Zhao, X. Qi, X. Shen, J. Shi, J. Jia: ICNet for Real-Time Semantic Segmentation on
High-Resolution Images, ECCV 2018, arXiv 1704.08545.

The layers are those of the authors' prototxt file (github.com/hszhao/ICNet,
`icnet_cityscapes.prototxt`), the network after pruning, whose ResNet-50 has half the channels. It
differs from the paper's text and figure 2 in places:
- The branches for the image at a half and at a quarter are merged: the half-size image passes the
  network up to the first block of the third stage, and its map is then halved.
- Images and maps are halved by taking every second pixel.
- The pyramid has no convolutions: its averages are added to the map. The file's windows, for
  images of 1025x2049 pixels, overlap: 8x15 pixels every 5x10 for the grid of 6x6. Here, as in
  PSPNet, they are those of adaptive pooling.
- The cascade's heads are a 1x1 convolution each, and read the maps after their enlargement; the
  authors' training file is not public, and all ports do the same.
The authors' images have 32n + 1 pixels; here they have any size.
"""

from typing import NamedTuple

from keras import layers

from keras_seg import _check
from keras_seg.layers import AdaptiveAveragePooling2D, ResizeLike
from keras_seg.models.decoding import auxiliary_classifier, bottleneck, classifier, conv_bn
from keras_seg.models.encoders.blocks import pool
from keras_seg.models.encoders.inputs import normalized
from keras_seg.models.registry import Count, architecture

PAPER = (
    "Zhao, Qi, Shen, Shi, Jia: ICNet for Real-Time Semantic Segmentation on High-Resolution "
    "Images. ECCV 2018. arXiv:1704.08545"
)
BINS = (1, 2, 3, 6)


class Options(NamedTuple):
    """The options; `icnet` describes them.

    >>> Options().blocks
    (3, 4, 6, 3)
    """

    blocks: tuple = (3, 4, 6, 3)
    width: float = 0.5
    align_corners: bool = True
    auxiliary_head: bool = False


@architecture(
    Options(),
    paper=PAPER,
    recipe="icnet",
    counts=(
        Count(19, folded=6_685_715),
        # The classifier has 128 inputs and a bias for each class.
        Count(11, folded=6_685_715 - 8 * 129),
    ),
    printed="6.68 M",
    scores=(("Cityscapes", "val", 67.7), ("Cityscapes", "test", 69.5)),
    tiny={"blocks": (1, 2, 1, 1), "width": 0.0625},
)
def icnet(image, num_classes, options):
    """ICNet.

    Args:
        input_shape: (height, width, channels); height and width are at least 32 pixels, or None
            for any size.
        num_classes: number of classes, not counting the ignored one.
        blocks: residual blocks of the four stages; the map is halved after the second stage's
            first block.
        width: factor of all numbers of channels: 0.5 as published, after pruning; 1 is the
            network that was pruned.
        align_corners: whether the corner pixels of enlarged maps are aligned with those of the
            smaller ones, as in the authors' code; False for pixel centers at half-integers.
        auxiliary_head: whether to return also the cascade's "aux_sub4" and "aux_sub24", logits at
            a 16th and an eighth of the image's size, for training.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) to float32 logits (b, h, w, num_classes).

    Raises:
        ValueError: an argument is out of its range.

    >>> from keras_seg import models
    >>> models.icnet((64, 96, 3), num_classes=11).output_shape
    (None, 64, 96, 11)
    """
    _check_options(options)
    x = normalized(image, "caffe", "")
    medium, small = deep_branch(halved(x, "sub2_image"), options)
    quarter, full = detail_branch(x, options.width)
    small = enlarged(small, medium, "conv5_4", options)
    filters = _scaled(256, options)
    fused = cascade_fusion(small, medium, "sub24", filters)
    fused = enlarged(fused, full, "sub24", options)
    last = cascade_fusion(fused, full, "sub12", filters)
    last = enlarged(last, quarter, "sub12", options)
    logits = classifier(last, image, num_classes, align_corners=options.align_corners)
    if not options.auxiliary_head:
        return logits
    return {
        "logits": logits,
        "aux_sub4": auxiliary_classifier(small, num_classes, "aux_sub4"),
        "aux_sub24": auxiliary_classifier(fused, num_classes, "aux_sub24"),
    }


def halved(x, name):
    """Every second pixel of a map.

    Args:
        x: KerasTensor (b, h, w, c).
        name: the layer's name.

    Returns:
        KerasTensor (b, ceil(h / 2), ceil(w / 2), c).

    >>> import keras
    >>> halved(keras.Input((33, 32, 3)), "half").shape
    (None, 17, 16, 3)
    """
    return layers.MaxPooling2D(1, 2, name=name)(x)


def enlarged(x, reference, name, options):
    """A map at the size of another one.

    Args:
        x: KerasTensor (b, h1, w1, c).
        reference: KerasTensor that gives the size.
        name: prefix of the layer's name.
        options: `Options`.

    Returns:
        KerasTensor (b, h2, w2, c).

    >>> import keras
    >>> enlarged(keras.Input((4, 4, 8)), keras.Input((7, 8, 3)), "up", Options()).shape
    (None, 7, 8, 8)
    """
    resize = ResizeLike(align_corners=options.align_corners, name=f"{name}_enlarge")
    return resize([x, reference])


def deep_branch(x, options):
    """The ResNet: the half-size image up to stage 3's first block, then a map of half the size.

    Args:
        x: KerasTensor (b, h, w, c), the image at half its size.
        options: `Options`.

    Returns:
        KerasTensor at an eighth of x, and KerasTensor at a 16th of it, with the pyramid.

    >>> import keras
    >>> [y.shape[1:] for y in deep_branch(keras.Input((128, 64, 3)), Options())]
    [(16, 8, 256), (8, 4, 256)]
    """
    for number, filters in enumerate((64, 64, 128), start=1):
        step = (2, 1) if number == 1 else (1, 1)
        x = conv_bn(x, _scaled(filters, options), 3, f"conv1_{number}", step)
    x = pool(x, 3, "pool1")
    medium = None
    for stage, (count, dilation) in enumerate(zip(options.blocks, (1, 1, 2, 4), strict=True), 2):
        inside = _scaled(16 * 2**stage, options)
        for number in range(1, count + 1):
            stride = 2 if (stage, number) == (3, 1) else 1
            x = bottleneck(x, inside, 4 * inside, f"conv{stage}_{number}", stride, dilation)
            if (stage, number) == (3, 1):
                medium = x
                x = halved(x, "conv3_1_half")
    x = summed_pyramid(x, options)
    return medium, conv_bn(x, _scaled(512, options), 1, "conv5_4")


def summed_pyramid(x, options):
    """The map plus its averages over grids, enlarged to the map's size.

    Args:
        x: KerasTensor (b, h, w, c).
        options: `Options`.

    Returns:
        KerasTensor of the input's shape.

    >>> import keras
    >>> summed_pyramid(keras.Input((8, 12, 64)), Options()).shape
    (None, 8, 12, 64)
    """
    found = [x]
    for side in BINS:
        pooled = AdaptiveAveragePooling2D(side, name=f"pyramid{side}_pool")(x)
        found.append(enlarged(pooled, x, f"pyramid{side}", options))
    return layers.Add(name="pyramid_add")(found)


def detail_branch(x, width):
    """The shallow branch: three convolutions with stride 2 of the image at full size.

    Args:
        x: KerasTensor (b, h, w, c).
        width: factor of the numbers of channels.

    Returns:
        KerasTensors at a quarter and at an eighth of the image's size.

    >>> import keras
    >>> [y.shape[1:] for y in detail_branch(keras.Input((64, 33, 3)), 0.5)]
    [(16, 9, 32), (8, 5, 64)]
    """
    maps = []
    for number, filters in enumerate((64, 64, 128), start=1):
        x = conv_bn(x, max(1, round(filters * width)), 3, f"conv{number}_sub1", (2, 1))
        maps.append(x)
    return maps[1], maps[2]


def cascade_fusion(coarse, fine, name, filters):
    """The cascade feature fusion unit (figure 3), after the enlargement of the coarser map.

    Args:
        coarse: KerasTensor (b, h, w, c1), the coarser map, enlarged.
        fine: KerasTensor (b, h, w, c2).
        name: prefix of the layers' names.
        filters: channels out.

    Returns:
        KerasTensor (b, h, w, filters).

    >>> import keras
    >>> cascade_fusion(keras.Input((8, 8, 32)), keras.Input((8, 8, 16)), "sub24", 12).shape
    (None, 8, 8, 12)
    """
    coarse = conv_bn(coarse, filters, 3, f"{name}_coarse", (1, 2), None)
    fine = conv_bn(fine, filters, 1, f"{name}_fine", (1, 1), None)
    x = layers.Add(name=f"{name}_add")([fine, coarse])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _scaled(channels, options):
    return max(1, round(channels * options.width))


def _check_options(options):
    name = "icnet"
    _check.stage_counts(name, "blocks", options.blocks, 4, example=(3, 4, 6, 3))
    _check.number(name, "width", options.width, above=0)
