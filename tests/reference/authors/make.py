"""Write the shapes and logits of networks in their authors' code: `python make.py FOLDER`.

Needs torch, for ENet lupa, for MobileNetV2 timm and pytorchcv, and clones in FOLDER of the
repositories that the functions below name. Some are the authors' own, as Python, Caffe's text (run
by caffe.py) or Lua (by lua.py); others are ports that have the authors' weights, or that are widely
used. Where the code differs from the paper, and ours follows the paper, the function says what is
changed. The tests need none of them. The weights follow from the rule of ../ports. The logits are
those of the networks' own size, before they are enlarged to the image's, or every few pixels of the
image's.
"""

import argparse
import importlib
import itertools
import json
import sys
import types
from pathlib import Path
from typing import NamedTuple

import caffe
import lua
import mobilenet
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "ports"))
import rule

CLASSES = 3


def module(folder, name):
    """A module of a package whose own beginning needs more than is installed."""
    package = types.ModuleType(f"of_{Path(folder).parts[-2]}")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return importlib.import_module(f"{package.__name__}.{name}")


def hrnet(folder):
    """HRNetV2 of 6 channels, with the modules of the small form and one stage more."""
    code = module(folder / "HRNet-Semantic-Segmentation/lib/models", "seg_hrnet")
    code.np.int = int  # as old NumPy had it

    class Extra(dict):
        FINAL_CONV_KERNEL = 1

    def stage(block, modules, blocks, channels):
        return {
            "NUM_MODULES": modules,
            "NUM_BRANCHES": len(channels),
            "BLOCK": block,
            "NUM_BLOCKS": [blocks] * len(channels),
            "NUM_CHANNELS": channels,
            "FUSE_METHOD": "SUM",
        }

    extra = Extra(STAGE1=stage("BOTTLENECK", 1, 2, [8]))
    for number, modules in ((2, 1), (3, 2), (4, 2)):
        channels = [6, 12, 24, 48][:number]
        extra[f"STAGE{number}"] = stage("BASIC", modules, 2, channels)
    space = types.SimpleNamespace
    return code.HighResolutionNet(
        space(MODEL=space(EXTRA=extra, ALIGN_CORNERS=False), DATASET=space(NUM_CLASSES=CLASSES))
    )


def refinenet(folder):
    """RefineNet with one block in each stage of the ResNet."""
    sys.path.insert(0, str(folder / "refinenet-pytorch"))
    code = module(folder / "refinenet-pytorch/models", "resnet")
    return code.RefineNet(code.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES)


def deeplab_v2(folder):
    """DeepLab-v2 with two blocks in each stage of the ResNet."""
    code = module(folder / "deeplab-pytorch/libs/models", "deeplabv2")
    return code.DeepLabV2(CLASSES, [2, 2, 2, 2], [6, 12, 18, 24])


def deeplab_v3_plus(folder):
    """DeepLab v3+ with ResNet-50, up to the enlargement to the image's size."""
    code = module(folder / "DeepLabV3Plus-Pytorch/network", "modeling")
    model = code.deeplabv3plus_resnet50(CLASSES, output_stride=16, pretrained_backbone=False)
    model.forward = lambda x: model.classifier(model.backbone(x))
    return model


def caffe_network(path, width, heads):
    """A network of a Caffe file."""
    return caffe.Network(path.read_text(), width, CLASSES, heads)


def deeplab_v3_plus_mobilenet_v2(folder):
    """See mobilenet.py."""
    return mobilenet.deeplab_v3_plus(module(folder / "DeepLabV3Plus-Pytorch/network", "_deeplab"))


def pspnet_mobilenet_v2(folder):
    """See mobilenet.py."""
    return mobilenet.pspnet()


def refinenet_mobilenet_v2(folder):
    """See mobilenet.py."""
    sys.path.insert(0, str(folder / "refinenet-pytorch"))
    return mobilenet.refinenet(module(folder / "refinenet-pytorch/models", "resnet"))


def fcn8s_mobilenet_v2(folder):
    """See mobilenet.py."""
    return mobilenet.FCN8s()


def segnet_mobilenet_v2(folder):
    """See mobilenet.py."""
    return mobilenet.SegNet()


def fcn(folder, name):
    """FCN from the authors' files, with a 16th of the channels."""
    path = folder / f"fcn.berkeleyvision.org/voc-{name}/val.prototxt"
    return caffe_network(path, 1 / 16, "score")


def fcn32s(folder):
    return fcn(folder, "fcn32s")


def fcn16s(folder):
    return fcn(folder, "fcn16s")


def fcn8s(folder):
    return fcn(folder, "fcn8s")


def fcn8s_atonce(folder):
    return fcn(folder, "fcn8s-atonce")


def segnet(folder):
    """SegNet from the authors' file, with an eighth of the channels."""
    path = folder / "SegNet-Tutorial/Models/segnet_inference.prototxt"
    return caffe_network(path, 1 / 8, "^conv1_1_D$")


def segnet_basic(folder):
    """SegNet-Basic from the authors' file, without its normalization of the pixels."""
    path = folder / "SegNet-Tutorial/Models/segnet_basic_inference.prototxt"
    return caffe_network(path, 1 / 8, "classifier")


def icnet(folder):
    """ICNet from the authors' file, with an eighth of the channels."""
    path = folder / "ICNet/evaluation/prototxt/icnet_cityscapes_bnnomerge.prototxt"
    return caffe_network(path, 1 / 8, "conv6")


def pspnet(folder):
    """PSPNet-50 from the authors' file, with an eighth of the channels."""
    path = folder / "PSPNet/evaluation/prototxt/pspnet50_ADE20K_473.prototxt"
    return caffe_network(path, 1 / 8, "^conv6$")


def enet(folder):
    """ENet from the authors' file."""
    return lua.enet(folder / "ENet-training/train/models", CLASSES)


def erfnet(folder):
    """ERFNet from the authors' file."""
    return module(folder / "erfnet_pytorch/train", "erfnet").Net(CLASSES)


def fast_scnn(folder):
    """Tramac/Fast-SCNN-pytorch, with four changes that the paper asks for.

    The first convolution is padded, nothing is between depthwise and pointwise convolutions, the
    fusion's kernel is dilated by 4, and maps are enlarged with pixel centers at half-integers, as
    in TensorFlow, which the authors used.
    """
    code = module(folder / "Fast-SCNN-pytorch/models", "fast_scnn")
    interpolate = torch.nn.functional.interpolate

    def halves(x, size=None, scale_factor=None, **_):
        return interpolate(x, size, scale_factor, mode="bilinear", align_corners=False)

    code.F = types.SimpleNamespace(interpolate=halves)
    # 4 times 6 pixels are more than the image's 21.
    code.FeatureFusionModule.forward = _fusion(halves)
    model = code.FastSCNN(CLASSES)
    model.learning_to_downsample.conv.conv[0].padding = (1, 1)
    for part in model.modules():
        if isinstance(part, code._DSConv):
            part.conv[2] = torch.nn.Identity()
    fused = model.feature_fusion.dwconv.conv[0]
    fused.dilation = fused.padding = (4, 4)
    forward = model.forward
    model.forward = lambda x: forward(x)[0]
    return model


def _fusion(resize):
    """The fusion with the coarser map at exactly the finer one's size."""

    def forward(self, finer, coarser):
        coarser = resize(coarser, finer.shape[2:])
        coarser = self.conv_lower_res(self.dwconv(coarser))
        return self.relu(self.conv_higher_res(finer) + coarser)

    return forward


def unet(folder):
    """U-Net without padding, meetshah1995/pytorch-semseg, with a 16th of the channels.

    The image is mirrored by 92 pixels on each side, as the paper says for its tiles.
    """
    # Its package asks for data sets and Caffe's files.
    code = module(folder / "pytorch-semseg/ptsemseg/models", "utils")
    sys.modules["ptsemseg"] = sys.modules["ptsemseg.models"] = types.ModuleType("ptsemseg")
    sys.modules["ptsemseg.models.utils"] = code
    code = module(folder / "pytorch-semseg/ptsemseg/models", "unet")
    model = code.unet(feature_scale=16, n_classes=CLASSES, is_batchnorm=False)
    forward = model.forward
    mirror = torch.nn.ReflectionPad2d(92)
    model.forward = lambda x: forward(mirror(x))
    return model


def unet_normalized(folder):
    """U-Net with padding and batch normalization, milesial/Pytorch-UNet, with fewer channels."""
    code = module(folder / "Pytorch-UNet/unet", "unet_model")
    model = code.UNet(3, CLASSES)
    widths = (4, 8, 16, 32, 64)
    model.inc = code.DoubleConv(3, widths[0])
    for number, (into, out) in enumerate(itertools.pairwise(widths), start=1):
        setattr(model, f"down{number}", code.Down(into, out))
        setattr(model, f"up{5 - number}", code.Up(out, into, bilinear=False))
    model.outc = code.OutConv(widths[0], CLASSES)
    return model


class How(NamedTuple):
    """How a case is computed.

    Attributes:
        pixels: range of the pixels: "torch" for ImageNet's means and deviations, "caffe" for blue,
            green, red less their means, "unit" for 0..1, "symmetric" for -1..1.
        side: of the image. 8n + 1 and 32n + 1: all implementations of strides and poolings then
            give maps of one size.
        step: every which pixel of the logits is stored.
        scale: of the scales of batch normalization. Sums of many branches grow with each other;
            half the scales keep them within float32.
    """

    pixels: str = "torch"
    side: int = 65
    step: int = 1
    scale: float = 0.5


CASES = {
    hrnet: How(),
    refinenet: How(),
    deeplab_v2: How("caffe"),
    deeplab_v3_plus: How(),
    **dict.fromkeys((fcn32s, fcn16s, fcn8s, fcn8s_atonce), How("caffe", 65, 4, 1.0)),
    segnet: How("symmetric", 45, 3, 1.0),
    segnet_basic: How("symmetric", 45, 3, 1.0),
    # 6 pixels remain of 161: the pyramid's grids divide the map.
    icnet: How("caffe", 161, 8),
    # 6 remain of 41.
    pspnet: How("caffe", 41, 4),
    enet: How("symmetric", 64, 4, 0.4),
    erfnet: How("unit", 64, 4, 0.7),
    fast_scnn: How("symmetric", 161, 8, 0.7),
    unet: How("symmetric", 100, 5, 1.0),
    # 9 pixels remain of 129, so that kernels of rate 6 read more than one.
    deeplab_v3_plus_mobilenet_v2: How(side=129, step=2, scale=0.8),
    pspnet_mobilenet_v2: How(side=41, step=4, scale=1.0),
    refinenet_mobilenet_v2: How(scale=1.0),
    fcn8s_mobilenet_v2: How(side=64, step=4, scale=1.0),
    segnet_mobilenet_v2: How(step=4, scale=0.8),
    unet_normalized: How("unit", 64, 4, 1.0),
}


def tensor(side, pixels):
    """The images in a network's range of pixels."""
    image = rule.image(side).astype("float64")
    if pixels == "caffe":
        image = (image - np.array([123.68, 116.779, 103.939]))[..., ::-1].copy()
    elif pixels == "torch":
        image = (image / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    else:
        image = image / 255 if pixels == "unit" else image / 127.5 - 1
    return torch.from_numpy(image).permute(0, 3, 1, 2)


def case(model, how):
    """Names and shapes in order, and logits in float64."""
    shapes = {
        key: list(value.shape)
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    weights = rule.weights(shapes, how.scale)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    with torch.no_grad():
        logits = model.eval().double()(tensor(how.side, how.pixels)).permute(0, 2, 3, 1)
    logits = logits.numpy()[:, :: how.step, :: how.step].astype("float32")
    rounded = [float(f"{x:.7g}") for x in logits.ravel()]
    logits = np.reshape(rounded, logits.shape).tolist()
    how = {"scale": how.scale, "side": how.side, "step": how.step}
    return {"shapes": shapes, **how, "logits": logits}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("only", nargs="*", help="names of the cases; all if none are given")
    arguments = parser.parse_args()
    for build, how in CASES.items():
        if arguments.only and build.__name__ not in arguments.only:
            continue
        found = case(build(arguments.folder), how)
        path = Path(__file__).parent / f"{build.__name__}.json"
        path.write_text(json.dumps(found, separators=(",", ":")))
        print(path.name, np.shape(found["logits"]), np.ptp(found["logits"]))
