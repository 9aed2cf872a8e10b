"""Write the shapes and logits of public PyTorch networks: `python make.py`, with torch installed.

Needs torch, torchvision, timm, pytorchcv and segmentation_models_pytorch in an environment of their
own; the tests need none of them. A case holds the state dict's names and shapes and the logits for
one image. The weights themselves follow from `rule.py`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import rule
import torch

# Our name, package, and the package's name where it is another one.
CASES = (
    ("resnet18", "torchvision", ""),
    ("resnet34", "torchvision", ""),
    ("resnet50", "torchvision", ""),
    ("resnet101", "torchvision", ""),
    ("resnet152", "torchvision", ""),
    ("wrn_50_2", "torchvision", "wide_resnet50_2"),
    ("resnext50", "torchvision", "resnext50_32x4d"),
    ("resnext101", "torchvision", "resnext101_32x8d"),
    ("vgg16", "torchvision", ""),
    ("vgg16", "torchvision", "vgg16_bn"),
    ("vgg19", "torchvision", ""),
    ("vgg19", "torchvision", "vgg19_bn"),
    ("squeezenet1_0", "torchvision", ""),
    ("squeezenet1_1", "torchvision", ""),
    ("densenet121", "torchvision", ""),
    ("densenet161", "torchvision", ""),
    ("densenet169", "torchvision", ""),
    ("densenet201", "torchvision", ""),
    ("mobilenet_v2", "torchvision", ""),
    ("mobilenet_v3_large", "torchvision", ""),
    ("mobilenet_v3_small", "torchvision", ""),
    *((f"efficientnet_b{number}", "torchvision", "") for number in range(8)),
    ("convnext_tiny", "torchvision", ""),
    ("convnext_small", "torchvision", ""),
    ("convnext_base", "torchvision", ""),
    ("resnet50", "timm", "resnet50"),
    ("resnext50", "timm", "resnext50_32x4d"),
    ("vgg16", "timm", "vgg16"),
    ("densenet121", "timm", "densenet121"),
    ("mobilenet_v1", "timm", "mobilenetv1_100"),
    ("mobilenet_v2", "timm", "mobilenetv2_100"),
    ("mobilenet_v3_large", "timm", "mobilenetv3_large_100"),
    ("mobilenet_v3_small", "timm", "mobilenetv3_small_100"),
    ("mobilenet_v3_large", "timm_tf", "tf_mobilenetv3_large_100"),
    *((f"efficientnet_b{number}", "timm", f"efficientnet_b{number}") for number in range(5)),
    *((f"efficientnet_b{number}", "timm_tf", f"tf_efficientnet_b{number}") for number in range(8)),
    *((f"convnext_{size}", "timm", f"convnext_{size}") for size in ("tiny", "small", "base")),
    *((f"repvgg_{x}", "timm", f"repvgg_{x}") for x in ("a0", "a1", "a2", "b0", "b1", "b1g4")),
    *((f"repvgg_{x}", "timm", f"repvgg_{x}") for x in ("b2", "b2g4", "b3", "b3g4")),
    ("resnet18", "pytorchcv", "resnet18"),
    ("resnet50", "pytorchcv", "resnet50"),
    ("se_resnet50", "pytorchcv", "seresnet50"),
    ("resnext50", "pytorchcv", "resnext50_32x4d"),
    ("vgg16", "pytorchcv", "vgg16"),
    ("squeezenet1_0", "pytorchcv", "squeezenet_v1_0"),
    ("squeezenet1_1", "pytorchcv", "squeezenet_v1_1"),
    ("densenet121", "pytorchcv", "densenet121"),
    ("mobilenet_v2", "pytorchcv", "mobilenetv2_w1"),
    ("mobilenet_v3_large", "pytorchcv", "mobilenetv3_large_w1"),
    ("efficientnet_b0", "pytorchcv", "efficientnet_b0"),
    ("alexnet_one_tower", "torchvision", "alexnet"),
    ("googlenet", "torchvision", ""),
    ("inception_v3", "torchvision", ""),
    ("inception_v3", "timm", ""),
    ("inception_v4", "timm", ""),
    ("inception_resnet_v2", "timm", ""),
    ("xception", "timm", "legacy_xception"),
    ("xception", "pytorchcv", ""),
    ("inception_v2", "pytorchcv", "bninception"),
    ("inception_v3", "pytorchcv", "inceptionv3"),
    ("inception_v4", "pytorchcv", "inceptionv4"),
    ("inception_resnet_v1", "pytorchcv", "inceptionresnetv1"),
    ("inception_resnet_v2", "pytorchcv", "inceptionresnetv2"),
    ("wrn_28_10", "pytorchcv", "wrn28_10_cifar10"),
    ("pspnet", "pytorchcv", "pspnet_resnetd101b_cityscapes"),
    ("segnet", "pytorchcv", "segnet_cityscapes"),
    ("erfnet", "pytorchcv", "erfnet_cityscapes"),
    ("unet", "segmentation_models_pytorch", "resnet34"),
    ("unet", "segmentation_models_pytorch", "mobilenet_v2"),
    ("unet", "segmentation_models_pytorch", "tu-mobilenetv2_100"),
    ("unet", "segmentation_models_pytorch", "tu-resnet18"),
    ("unet", "segmentation_models_pytorch", "tu-mobilenetv1_100"),
    ("unet", "segmentation_models_pytorch", "tu-mobilenetv3_large_100"),
    ("unet", "segmentation_models_pytorch", "tu-efficientnet_b0"),
    ("unet", "segmentation_models_pytorch", "tu-repvgg_a0"),
)
# Our names of encoders, where they are others.
ENCODERS = {
    "tu-mobilenetv1_100": "mobilenet_v1",
    "tu-mobilenetv2_100": "mobilenet_v2",
    "tu-mobilenetv3_large_100": "mobilenet_v3_large",
}
# Of networks whose logits are as many as the image's pixels: the image's side, and every which
# pixel is stored.
MAPS = {"pspnet": (41, 1), "segnet": (64, 4), "erfnet": (64, 4), "unet": (64, 4)}
# Networks whose images become -1..1.
SYMMETRIC = ("googlenet", "inception", "xception", "legacy_xception")

# With scales of 1, gates of squeeze-and-excite turn rounding into a difference of a hundredth and
# more, in PyTorch as well; with much smaller ones, the logits no longer depend on the image.
# Xception's values grow beyond the -30,000 with which our centered poolings fill the border.
SCALES = {"seresnet": 0.5, "xception": 0.5, "efficientnet_b": 0.9, "tu-mobilenetv3": 0.9}
SCALES |= {"efficientnet_b5": 0.85, "efficientnet_b6": 0.85, "efficientnet_b7": 0.8}
SCALES = dict(sorted(SCALES.items(), reverse=True))


def network(package, theirs):
    """A network of 10 classes with random weights."""
    if package == "torchvision":
        import torchvision

        arguments = {"init_weights": False} if "inception" in theirs or "googl" in theirs else {}
        return torchvision.models.get_model(theirs, weights=None, num_classes=10, **arguments)
    if package.startswith("timm"):
        import timm

        return timm.create_model(theirs, pretrained=False, num_classes=10)
    if package == "segmentation_models_pytorch":
        import segmentation_models_pytorch

        return segmentation_models_pytorch.Unet(theirs, encoder_weights=None, classes=3)
    from pytorchcv.model_provider import get_model

    if theirs.startswith("pspnet"):
        return get_model(theirs, num_classes=3, pretrained_backbone=False, fixed_size=False)
    if theirs.startswith(("segnet", "erfnet")):
        return get_model(theirs, num_classes=3)
    return get_model(theirs, pretrained=False, num_classes=10)


def case(package, theirs, side, step):
    """Names and shapes in order, and logits in float64."""
    model = network(package, theirs).eval()
    shapes = {
        key: list(value.shape)
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    scale = next((scale for name, scale in SCALES.items() if name in theirs), 1.0)
    weights = rule.weights(shapes, scale)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    image = rule.image(side).astype("float64")
    # All of them are trained on ImageNet's means and standard deviations of pixels in 0..1.
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    if package != "pytorchcv" and theirs.startswith(SYMMETRIC):
        mean = deviation = np.array([0.5, 0.5, 0.5])
    x = torch.from_numpy((image / 255 - mean) / deviation).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = model.double()(x)
    # Segmentation networks may return their auxiliary logits as well.
    logits = (logits[0] if isinstance(logits, tuple) else logits).numpy()
    if logits.ndim == 4:
        logits = logits.transpose(0, 2, 3, 1)[:, ::step, ::step]
    return {"shapes": shapes, "scale": scale, "side": side, "step": step, "logits": logits.tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="*", help="our or their names; all if none are given")
    only = parser.parse_args().only
    folder = Path(__file__).parent
    for ours, package, theirs in CASES:
        theirs = theirs or ours
        if only and ours not in only and theirs not in only:
            continue
        # pytorchcv pools a map of 7x7 pixels in the end.
        large = ours.startswith(("inception_v3", "inception_v4", "inception_resnet"))
        side = 96 if large else 64
        if package == "pytorchcv":
            side = 32 if ours.startswith("wrn") else 299 if large or ours == "xception" else 224
        side, step = MAPS.get(ours, (side, 1))
        found = {"ours": ours, "package": package, "theirs": theirs}
        if ours == "unet":
            found["options"] = {"encoder": ENCODERS.get(theirs, theirs.removeprefix("tu-"))}
        found |= case(package, theirs, side, step)
        path = folder / f"{package}-{theirs}.json"
        path.write_text(json.dumps(found, separators=(",", ":")))
        print(path.name, np.ptp(found["logits"]))
