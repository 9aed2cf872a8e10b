"""Networks with PyTorch's weights against the logits that their packages computed.

tests/reference/ports holds names, shapes and logits; the weights follow from a rule.
"""

import json
import struct

import numpy as np
import pytest
from _weights import PORTS, assert_same, port_cases, ported, rule

from keras_seg import models

QUICK = ("torchvision-resnet18", "torchvision-mobilenet_v2")


@pytest.mark.parametrize(
    "case", [pytest.param(x, marks=() if x in QUICK else pytest.mark.slow) for x in port_cases()]
)
def test_logits_are_those_of_the_package(case):
    model, images, logits = ported(case)
    assert_same(model(images), logits)


def state():
    """A state dict that lacks most of a network."""
    return rule.weights({"conv1.weight": (4, 3, 7, 7), "fc.weight": (3, 6), "fc.bias": (3,)})


def test_a_safetensors_file_gives_what_its_state_dict_gives(tmp_path):
    stored = json.loads((PORTS / "torchvision-squeezenet1_1.json").read_text())
    # By name, as the library safetensors writes them.
    weights = dict(sorted(rule.weights(stored["shapes"]).items()))
    header, begin = {}, 0
    for name, value in weights.items():
        end = begin + value.nbytes
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    numbers = b"".join(value.tobytes() for value in weights.values())
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + numbers)
    found = models.port("squeezenet1_1", tmp_path / "m.safetensors", input_shape=(64, 64, 3))
    images = rule.image(64)
    assert_same(found(images), np.array(stored["logits"]))
    # And as weights= of a network of other classes and channels.
    other = models.build("squeezenet1_1", (64, 64, 1), 2, weights=tmp_path / "m.safetensors")
    kernel = weights["features.0.weight"].transpose(2, 3, 1, 0).sum(2, keepdims=True)
    np.testing.assert_allclose(other.get_layer("conv1").kernel, kernel, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "resnet51"}, r"Unknown architecture\. Did you mean 'resnet"),
        ({"package": "torch"}, r"Unknown package.*package='torch'"),
        ({"weights": {}}, r"whole network. Received: the state dict without a convolution"),
        ({"weights": ["fc.weight"]}, r"dict of tensors.*Received: the state dict, a list"),
        (
            {"weights": {"fc.weight": "x"}},
            r"dict of tensors.*Received: the state dict, a dict in which 'fc.weight' is a str",
        ),
        (
            {"name": "unet", "encoder": "densenet121"},
            r"ResNet, ResNeXt and MobileNetV2 .*'densenet121'",
        ),
        (
            {
                "name": "unet",
                "encoder": "densenet121",
                "weights": {"encoder.model.features_conv0.weight": (64, 3, 7, 7)},
            },
            r"and with timm's .*its others differ from ours. Received: encoder='densenet121', the",
        ),
        ({"name": "fast_scnn"}, r"not the network of public state dicts.*the state dict"),
        (
            {
                "name": "deeplab_v3_plus",
                "weights": {"backbone.low_level_features.0.0.weight": (32, 3, 3, 3)},
            },
            r"not VainF's network with MobileNetV2.*Received: the state dict. Port the one with",
        ),
        (
            {
                "name": "deeplab_v3_plus",
                "weights": {"decoder.aspp.0.convs.0.0.weight": (256, 512, 1, 1)},
            },
            r"not segmentation_models_pytorch's network, which has no norm.*Port VainF's network",
        ),
        (
            {
                "name": "pspnet",
                "weights": {"decoder.psp.blocks.0.pool.1.0.weight": (32, 128, 1, 1)},
            },
            r"`pspnet` is not segmentation_models_pytorch's network.*Port pytorchcv's network",
        ),
        (
            {
                "name": "fcn8s",
                "weights": {"conv1_1.weight": (8, 3, 3, 3), "score_fr.weight": (2, 16, 1, 1)},
                "encoder_options": {"width": 0.125},
                "dense_units": 16,
            },
            r"the same structure\. Received: the state dict without \d+ layers .*of the network",
        ),
        ({"weights": "missing.safetensors"}, r"'missing\.safetensors' \(FileNotFoundError"),
        (
            {},
            r"the same structure.*2 convolutions and dense layers in the state dict for 21",
        ),
        ({"depth": 3}, r"Unknown option of `resnet18`.*option='depth'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    given = arguments.get("weights")
    if isinstance(given, dict) and any(isinstance(x, tuple) for x in given.values()):
        arguments = {**arguments, "weights": rule.weights(given)}
    with pytest.raises(ValueError, match=words):
        models.port(**{"name": "resnet18", "weights": state(), **arguments})
