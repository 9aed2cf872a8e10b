"""Networks in their authors' code, or in ports, and ours with the same weights.

tests/reference/authors holds names, shapes and logits of small networks; the weights follow from
the rule of tests/reference/ports.
"""

import json
from pathlib import Path
from typing import NamedTuple

import _layouts
import _mobilenet_layouts as mobilenet
import keras
import numpy as np
from _weights import rule

from keras_seg import models
from keras_seg.models.weights.copy import Donor, fill
from keras_seg.models.weights.torch_layouts import units_of_state
from keras_seg.models.weights.units import units_of

FOLDER = Path(__file__).parent / "reference" / "authors"


class Case(NamedTuple):
    """What a stored network is in ours.

    Attributes:
        name: our network.
        source: repository or file whose code computed the logits, or name in the package.
        options: ours for its size; `port` or the layout choose the others.
        layer: the layer whose output the stored logits are.
        layout: names of its layers where `port` does not know them.
        epsilon: of its batch normalization where ours differs.
        package: the package that it is from, or "second implementation".
    """

    name: str
    source: str
    options: dict = {}  # noqa: RUF012
    layer: str = "logits"
    layout: object = None
    epsilon: float | None = None
    package: str = "repository"


SMALL_VGG = {"encoder_options": {"width": 1 / 16}, "dense_units": 256}
SMALL_UNET = {"filters": (4, 8, 16, 32, 64)}
SMALL_HRNET = {"width": 6, "modules": (1, 2, 2), "blocks": 2, "first_blocks": 2, "first_width": 8}
FCN, SEGNET = "shelhamer/fcn.berkeleyvision.org", "alexgkendall/SegNet-Tutorial"
SECOND = "tests/reference/authors/mobilenet.py"
BONLIME = "bonlime/keras-deeplab-v3-plus"
CASES = {
    "hrnet": Case("hrnet_v2_w18", "HRNet/HRNet-Semantic-Segmentation", SMALL_HRNET, "logits_conv"),
    "refinenet": Case(
        "refinenet",
        "DrSleep/refinenet-pytorch",
        {"encoder_options": {"blocks": (1,) * 4}},
        "logits_conv",
    ),
    "deeplab_v2": Case(
        "deeplab_v2",
        "kazuto1011/deeplab-pytorch",
        {"encoder_options": {"blocks": (2,) * 4}},
        "aspp_add",
    ),
    "deeplab_v3_plus": Case("deeplab_v3_plus", "VainF/DeepLabV3Plus-Pytorch", layer="logits_conv"),
    "xception65": Case("deeplab_v3_plus", BONLIME, layout=_layouts.XCEPTION65),
    "fcn32s": Case("fcn32s", FCN, SMALL_VGG),
    "fcn16s": Case("fcn16s", FCN, SMALL_VGG),
    "fcn8s": Case("fcn8s", FCN, SMALL_VGG),
    "fcn8s_atonce": Case("fcn8s", f"{FCN} (at once)", {**SMALL_VGG, "at_once": True}),
    "segnet": Case("segnet", SEGNET, layout=_layouts.SEGNET),
    "segnet_basic": Case("segnet_basic", SEGNET, layout=_layouts.SEGNET_BASIC),
    "icnet": Case("icnet", "hszhao/ICNet", layout=_layouts.ICNET),
    "pspnet": Case("pspnet", "hszhao/PSPNet", layout=_layouts.PSPNET),
    "enet": Case("enet", "e-lab/ENet-training", layout=_layouts.ENET),
    "erfnet": Case("erfnet", "Eromera/erfnet_pytorch"),
    "fast_scnn": Case(
        "fast_scnn", "Tramac/Fast-SCNN-pytorch", layout=_layouts.FAST_SCNN, epsilon=1e-5
    ),
    "unet": Case("unet", "meetshah1995/pytorch-semseg", SMALL_UNET),
    "unet_normalized": Case("unet", "milesial/Pytorch-UNet", SMALL_UNET),
    "deeplab_mobilenet_v2": Case(
        "deeplab_v3_plus", f"{BONLIME} (MobileNetV2)", layout=mobilenet.AUTHORS
    ),
    # MobileNetV2 is timm's.
    "deeplab_v3_plus_mobilenet_v2": Case(
        "deeplab_v3_plus",
        "VainF/DeepLabV3Plus-Pytorch (MobileNetV2)",
        layer="logits_conv",
        layout=mobilenet.DEEPLAB_V3_PLUS,
    ),
    "pspnet_mobilenet_v2": Case(
        "pspnet", "PSPNet (MobileNetV2)", layout=mobilenet.PSPNET, package="pytorchcv"
    ),
    "refinenet_mobilenet_v2": Case(
        "refinenet",
        "DrSleep/refinenet-pytorch (MobileNetV2)",
        layer="logits_conv",
        layout=mobilenet.REFINENET,
    ),
    "fcn8s_mobilenet_v2": Case(
        "fcn8s", SECOND, layout=mobilenet.FCN8S, package="second implementation"
    ),
    "segnet_mobilenet_v2": Case(
        "segnet", SECOND, layout=mobilenet.SEGNET, package="second implementation"
    ),
}


def compared(case):
    """Our logits and the stored ones, for one of the stored networks."""
    stored = json.loads((FOLDER / f"{case}.json").read_text())
    side, step = stored["side"], stored.get("step", 1)
    logits = np.array(stored["logits"])
    case = CASES[case]
    model = _built(case, rule.weights(stored["shapes"], stored["scale"]), side, logits.shape[-1])
    found = keras.Model(model.input, model.get_layer(case.layer).output)(rule.image(side))
    return np.array(found)[:, ::step, ::step], logits


def _built(case, weights, side, classes):
    """Our network with the stored one's weights."""
    shape = (side, side, 3)
    if case.layout is None:
        return models.port(case.name, weights, input_shape=shape, **case.options)
    model = models.build(case.name, shape, classes, **{**case.layout.options, **case.options})
    units = units_of_state(weights)
    for unit in units:
        unit.epsilon = case.epsilon
    blue_first = case.layout.blue_first
    fill(units_of(model), Donor("the file", units, blue_first=blue_first, layout=case.layout))
    return model
