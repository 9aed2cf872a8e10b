"""Segmentation networks with MobileNetV2 as encoder, from the parts of others.

The encoder is timm's, with dilation in place of the last strides; the decoders are those of
repositories and of pytorchcv, with as many channels in as the encoder's maps have, or second
implementations from the papers. `make.py` runs them.
"""

import timm
from torch import nn
from torch.nn import functional

CHANNELS = {2: 16, 4: 24, 8: 32, 16: 96, 32: 320}
CLASSES = 3


class Encoder(nn.Module):
    """Maps of reduction 2, 4, 8, 16 and 32, of which the last ones may have more pixels."""

    def __init__(self, output_stride=32):
        super().__init__()
        self.maps = timm.create_model(
            "mobilenetv2_100", pretrained=False, features_only=True, output_stride=output_stride
        )

    def forward(self, x):
        return dict(zip(CHANNELS, self.maps(x), strict=True))


def deeplab_v3_plus(code):
    """DeepLab v3+ with the decoder of VainF/DeepLabV3Plus-Pytorch, up to the last enlargement.

    MobileNetV2 there is another network: its first convolution is not padded, and its blocks pad
    the map before the expansion, whose offsets then fill the border.
    """

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = Encoder(16)
            rates = [6, 12, 18]
            self.classifier = code.DeepLabHeadV3Plus(CHANNELS[32], CHANNELS[4], CLASSES, rates)

        def forward(self, x):
            maps = self.backbone(x)
            return self.classifier({"low_level": maps[4], "out": maps[32]})

    return Network()


def pspnet():
    """PSPNet of pytorchcv."""
    from pytorchcv.models.pspnet import PSPNet

    class Backbone(Encoder):
        def forward(self, x):
            maps = super().forward(x)
            return maps[32], maps[16]

    return PSPNet(Backbone(8), CHANNELS[32], fixed_size=False, num_classes=CLASSES)


def refinenet(code):
    """RefineNet of DrSleep/refinenet-pytorch with MobileNetV2's stages in place of ResNet's."""
    model = code.RefineNet(code.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES)
    theirs = timm.create_model("mobilenetv2_100", pretrained=False)
    model.conv1 = nn.Sequential(theirs.conv_stem, theirs.bn1)  # timm's bn1 has the ReLU6.
    model.bn1 = model.maxpool = nn.Identity()
    ends = {4: (0, 2), 8: (2, 3), 16: (3, 5), 32: (5, 7)}
    for number, (reduction, (begin, end)) in enumerate(ends.items(), start=1):
        setattr(model, f"layer{number}", theirs.blocks[begin:end])
        channels = 512 if reduction == 32 else 256
        first = code.conv3x3(CHANNELS[reduction], channels, bias=False)
        setattr(model, f"p_ims1d2_outl{5 - number}_dimred", first)
    return model


class FCN8s(nn.Module):
    """FCN-8s, arXiv 1411.4038: a second implementation, for sizes that are multiples of 32.

    "We discard the final classifier layer, and convert all fully connected layers to
    convolutions": MobileNetV2 ends in a 1x1 convolution to 1280 channels, the mean and the
    classifier, which becomes the 1x1 convolution of the scores. Scores of finer maps are added to
    the enlarged ones.
    """

    def __init__(self):
        super().__init__()
        whole = timm.create_model("mobilenetv2_100", pretrained=False)
        self.encoder = Encoder()
        self.last = nn.Sequential(whole.conv_head, whole.bn2)  # timm's bn2 has the ReLU6.
        for name, channels in (
            ("score32", 1280),
            ("score16", CHANNELS[16]),
            ("score8", CHANNELS[8]),
        ):
            setattr(self, name, nn.Conv2d(channels, CLASSES, 1))
        for name, factor in (("enlarge16", 2), ("enlarge8", 2), ("enlarge", 8)):
            sizes = {"kernel_size": 2 * factor, "stride": factor, "padding": factor // 2}
            setattr(self, name, nn.ConvTranspose2d(CLASSES, CLASSES, bias=False, **sizes))

    def forward(self, x):
        maps = self.encoder(x)
        scores = self.enlarge16(self.score32(self.last(maps[32]))) + self.score16(maps[16])
        scores = self.enlarge8(scores) + self.score8(maps[8])
        return self.enlarge(scores)


class SegNet(nn.Module):
    """SegNet's decoder, arXiv 1511.00561, on other maps than VGG's: a second implementation.

    From the coarsest map on: a convolution to the channels of the next finer map, the positions of
    that map's maxima in blocks of 2x2 pixels, where the values go, and a convolution that makes the
    sparse map dense. There is no map of the image's own size: each value goes to four pixels.
    """

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        channels = [*CHANNELS.values()][::-1]
        steps = zip(channels, [*channels[1:], channels[-1]], (16, 8, 4, 2, 1), strict=True)
        for into, out, reduction in steps:
            setattr(self, f"before{reduction}", _conv_bn(into, out))
            setattr(self, f"behind{reduction}", _conv_bn(out, out))
        self.logits = nn.Conv2d(channels[-1], CLASSES, 3, padding=1)

    def forward(self, image):
        maps = self.encoder(image)
        x = maps[32]
        for reduction in (16, 8, 4, 2):
            x = getattr(self, f"before{reduction}")(x)
            finer = maps[reduction]
            _, places = functional.max_pool2d(finer, 2, ceil_mode=True, return_indices=True)
            x = functional.max_unpool2d(x, places, 2, output_size=finer.shape[2:])
            x = getattr(self, f"behind{reduction}")(x)
        x = functional.interpolate(self.before1(x), size=image.shape[2:], mode="nearest-exact")
        return self.logits(self.behind1(x))


def _conv_bn(into, out):
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU())
