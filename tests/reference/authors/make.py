"""Write the shapes and logits of networks in their authors' code: `python make.py FOLDER`.

Needs torch, and clones of four repositories in FOLDER: HRNet/HRNet-Semantic-Segmentation,
DrSleep/refinenet-pytorch (the port with the authors' weights), kazuto1011/deeplab-pytorch (the
same for DeepLab-v2) and VainF/DeepLabV3Plus-Pytorch (a network of its own in places, which ours
has as options). The tests need none of them. The weights follow from the rule of ../ports.
The logits are those of the networks' own size, before they are enlarged to the image's.
"""

import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "ports"))
import rule

# 8n + 1 and 32n + 1 pixels: all implementations of strides and poolings give maps of one size.
SIDE = 65
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


def case(model):
    """Names and shapes in order, and logits in float64."""
    shapes = {
        key: list(value.shape)
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    # Sums of many branches grow with each other; half the scales keep them within float32.
    weights = rule.weights(shapes, 0.5)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    image = rule.image(SIDE).astype("float64")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.from_numpy((image / 255 - mean) / deviation).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = model.eval().double()(x).permute(0, 2, 3, 1)
    return {"shapes": shapes, "scale": 0.5, "side": SIDE, "logits": logits.tolist()}


if __name__ == "__main__":
    for build in (hrnet, refinenet, deeplab_v2, deeplab_v3_plus):
        found = case(build(Path(sys.argv[1])))
        path = Path(__file__).parent / f"{build.__name__}.json"
        path.write_text(json.dumps(found, separators=(",", ":")))
        print(path.name, np.shape(found["logits"]), np.ptp(found["logits"]))
