"""Names of PyTorch's packages: the order of layers, and the options that a package asks for."""

import json
import random

import numpy as np
import pytest
from _authors import CASES, FOLDER
from _weights import PORTS, port_cases

from keras_seg.models.weights.torch_layouts import torch_donor


def names(*keys, name="resnet18"):
    """The places of the layers that a state dict with these keys is read as, in order."""
    state = {}
    for key in keys:
        state[key] = np.ones((2, 2, 1, 1) if key.endswith("weight") else 2)
    return [unit.name for unit in torch_donor(name, state).units]


def test_shortcuts_come_before_the_branches_of_their_block():
    keys = ("conv1.weight", "a.0.conv1.weight", "a.0.conv2.weight", "a.0.downsample.0.weight",
            "a.1.conv1.weight")  # fmt: skip
    assert names(*keys) == ["conv1", "a.0.downsample.0", "a.0.conv1", "a.0.conv2", "a.1.conv1"]
    keys = ("u.body.conv1.conv.weight", "u.identity_conv.conv.weight", "output.weight")
    assert names(*keys) == ["u.identity_conv.conv", "u.body.conv1.conv", "output"]


def test_shortcuts_of_xception_come_behind_the_branch_of_their_block():
    keys = ("b.skip.weight", "b.skipbn.running_mean", "b.rep.0.weight", "b.rep.1.weight",
            "fc.weight")  # fmt: skip
    found = names(*keys, name="xception")
    assert found == ["b.rep.0", "b.rep.1", "b.skip", "b.skipbn", "fc"]


def test_identities_come_behind_the_branches_of_their_block():
    keys = ("s.0.identity.running_mean", "s.0.large.weight", "s.0.small.weight", "s.1.large.weight")
    assert names(*keys) == ["s.0.large", "s.0.small", "s.0.identity", "s.1.large"]


def test_heads_for_training_and_counters_are_left_out():
    keys = ("conv.weight", "aux1.conv.weight", "AuxLogits.fc.weight", "aux_classifier.0.weight",
            "bn.num_batches_tracked", "loss.criterion.weight", "module.fc.weight")  # fmt: skip
    assert names(*keys) == ["conv", "fc"]


def donor(stored, name, keys, package=None, prefix=""):
    """The weights of a stored state dict whose keys are in another order, and their layers' names,
    apart for each kind."""
    shapes = stored["shapes"]
    state = {prefix + key: np.broadcast_to(np.float32(0), shapes[key]) for key in keys}
    encoder = stored.get("options", {}).get("encoder")
    found = torch_donor(name, state, package, encoder=encoder)
    kinds = {unit.kind for unit in found.units}
    return found, {x: [unit.name for unit in found.units if unit.kind == x] for x in kinds}


@pytest.mark.parametrize("case", port_cases())
def test_the_order_of_a_state_dict_does_not_matter(case):
    stored = json.loads((PORTS / f"{case}.json").read_text())
    name, package = stored["ours"], stored["package"]
    # A whole state dict lists layers as they were defined, the library safetensors by name.
    _, expected = donor(stored, name, stored["shapes"], package)
    by_name = sorted(stored["shapes"])
    for keys in (by_name, random.Random(0).sample(by_name, len(by_name))):
        assert donor(stored, name, keys, package)[1] == expected


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case].layout is None])
def test_the_first_kernel_of_an_authors_network_is_found_in_a_sorted_file(case):
    stored = json.loads((FOLDER / f"{case}.json").read_text())
    # `port` builds the network for as many channels as it takes.
    found, _ = donor(stored, CASES[case].name, sorted(stored["shapes"]))
    assert found.layout is not None
    assert next(unit for unit in found.units if unit.kind == "kernel").shape[2] == 3


@pytest.mark.parametrize("prefix", ["module._orig_mod.", "model.", "net.", "backbone."])
@pytest.mark.parametrize("case", ["timm-mobilenetv3_large_100", "pytorchcv-resnet50"])
def test_wrapped_networks_are_told_by_their_own_names(case, prefix):
    # The options follow from the names: timm's epsilon, and pytorchcv's place of the stride.
    stored = json.loads((PORTS / f"{case}.json").read_text())
    bare, expected = donor(stored, stored["ours"], stored["shapes"])
    wrapped, found = donor(stored, stored["ours"], stored["shapes"], prefix=prefix)
    assert wrapped.options == bare.options
    inside = {x: [name.removeprefix("backbone.") for name in found[x]] for x in found}
    assert inside == expected


def test_sorted_layers_of_an_unknown_order_are_refused():
    keys = ("a.bias", "a.weight", "c.weight", "b.weight")
    with pytest.raises(ValueError, match=r"sorted by name as .*with 'a, c, b' in ''.*a \.pth file"):
        names(*keys)
    assert names("a.weight", "a.bias", "c.weight", "b.weight") == ["a", "c", "b"]


def test_kinds_are_told_by_shape():
    state = {
        "a.gamma": np.ones((2, 1, 1)),
        "a.norm.weight": np.ones(2),
        "a.norm.bias": np.zeros(2),
        "a.act.weight": np.ones(2),
        "a.fc.weight": np.ones((3, 2)),
        "a.conv.weight": np.zeros((4, 1, 3, 5)),
    }
    found = [(unit.kind, unit.shape) for unit in torch_donor("resnet18", state).units]
    assert found == [
        ("factors", (2,)), ("layer_norm", (2,)), ("slopes", (2,)), ("kernel", (1, 1, 2, 3)),
        ("kernel", (3, 5, 1, 4)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "key", "package", "expected"),
    [
        ("resnet50", "conv1.weight", None, {"stride_on": "3x3", "bn_epsilon": 1e-5}),
        ("resnet50", "features.init_block.conv.weight", None, {"stride_on": "1x1"}),
        ("resnext50", "features.init_block.conv.weight", None, {"stride_on": "3x3"}),
        ("mobilenet_v3_large", "features.0.0.weight", None, {"bn_epsilon": 1e-3}),
        ("mobilenet_v3_large", "conv_stem.weight", None, {"bn_epsilon": 1e-5}),
        ("efficientnet_b5", "features.0.0.weight", None, {"bn_epsilon": 1e-3}),
        ("efficientnet_b5", "conv_stem.weight", None, {"bn_epsilon": 1e-5}),
        ("efficientnet_b0", "conv_stem.weight", "timm_tf", {"padding": "same", "bn_epsilon": 1e-3}),
        ("efficientnet_b0", "conv_stem.weight", "timm", {"padding": "symmetric"}),
        ("vgg16", "features.0.weight", None, {"normalization": False, "input_range": "torch"}),
        ("repvgg_a0", "stem.reparam.weight", None, {"merged": True}),
        ("googlenet", "conv1.conv.weight", None, {"wide_kernel": 3, "last_pool": 2}),
        ("inception_v3", "fc.weight", None, {"input_range": "symmetric", "bn_epsilon": 1e-3}),
        ("inception_v4", "fc.weight", "pytorchcv", {"input_range": "torch", "bn_epsilon": 1e-3}),
        ("inception_v2", "fc.weight", "pytorchcv", {"count_padding": True, "bn_epsilon": 1e-5}),
        ("xception", "fc.weight", "timm", {"padding": "symmetric", "bn_epsilon": 1e-5}),
    ],
)
def test_options_are_those_of_the_package(name, key, package, expected):
    found = torch_donor(name, {key: np.ones((2, 2, 1, 1))}, package).options
    assert expected.items() <= found.items()


def test_alexnet_of_pytorchcv_is_refused():
    # One group, and a fifth of the factor of response normalization.
    keys = ("features.stage1.unit1.conv.weight", "features.stage2.unit1.conv.weight")
    with pytest.raises(ValueError, match=r"not pytorchcv's network.*Port pytorchcv's `alexnetb`"):
        names(*keys, name="alexnet")
    assert names(*keys, name="alexnet_one_tower")


def test_the_legacy_se_resnet_is_refused():
    # timm/models/senet.py: MaxPool2d(3, stride=2, ceil_mode=True), where ours pads by 1.
    with pytest.raises(ValueError, match=r"not timm's `legacy_seresnet50`.*Port pytorchcv's `sere"):
        names("layer0.conv1.weight", name="se_resnet50")
    assert names("conv1.weight", name="se_resnet50")
