"""The order in which PyTorch's packages define the layers of their networks."""

import re

# Layers beside each other by name, in the order of their definition; # is a number. The first line
# that has all names counts. Kernels and normalizations are matched apart, so that only the order
# among each of them matters.
_ORDERS = """
conv1 conv2 se conv3
conv# bn# se downsample layer# fc
conv# block block#
conv1 bn1 conv2 bn2 block# conv3 bn3 conv4 bn4 fc
conv fc#
conv# inception# aux# fc
conv0 norm0 denseblock1 transition1 denseblock2 transition2 denseblock3 transition3 denseblock4 norm5
norm# conv#
norm conv bn bn# norm_activ
norm fc
conv# pointwise
conv_stem bn1 blocks conv_head bn2 classifier
conv_dw bn1 se conv_pw bn2
conv_pw bn1 conv_dw bn2 se conv_pwl bn3
conv_dw norm mlp
conv_reduce conv_expand
exp_conv conv1 se conv2
dw_conv se pw_conv
lw_conv rw_conv
body se identity_conv
identity conv_kxk conv_1x1
skip skipbn rep
squeeze expand1x1 expand3x3
fc1 bn fc2
branches conv
conv_list conv1x3 conv3x1
branch# conv2d
branch1x1 branch5x5_# branch3x3 branch3x3_# branch7x7_# branch3x3dbl_# branch7x7dbl_# branch7x7x3_# branch_pool
Conv2d_# Mixed_# AuxLogits fc
conv2d_1a conv2d_2a conv2d_2b conv2d_3b conv2d_4a mixed_5b repeat mixed_6a repeat_1 mixed_7a repeat_2 block8 conv2d_7b classif
trans# unit#
downsample blocks
stem stages stages_# head
init_block stage# final_conv final_block post_activ
down_stage# up_stage# head
backbone pool final_block aux_block
features pre_logits output classifier last_linear head
encoder decoder segmentation_head head
"""  # noqa: E501
_LINES = [
    [re.compile(name.replace("#", r"\d\w*")) for name in line.split()]
    for line in _ORDERS.strip().splitlines()
]


def in_order_of_definition(state, about="the state dict"):
    """A state dict in the order of its layers' definition, in whichever order it is given.

    The library safetensors sorts files by name, so that `bn1` precedes `conv1`, and `10` precedes
    `2`. Layers whose names are not known keep the given order.

    Args:
        state: dict of arrays by name.
        about: description for messages.

    Returns:
        dict.

    Raises:
        ValueError: it is sorted, and the order of its layers is not known.

    >>> list(in_order_of_definition({"bn1.weight": 0, "conv1.weight": 1, "fc.weight": 2}))
    ['conv1.weight', 'bn1.weight', 'fc.weight']
    """
    beside = {}
    for key in state:
        places = key.split(".")[:-1]
        for depth, name in enumerate(places):
            beside.setdefault(tuple(places[:depth]), {})[name] = None
    position = {key: i for i, key in enumerate(state)}
    # PyTorch defines a layer's weight first.
    is_sorted = any(
        i < position.get(re.sub(r"bias$", "weight", key), 0) for key, i in position.items()
    )
    ranks = {}
    for place, names in beside.items():
        ordered = _ordered(list(names))
        if ordered is None and is_sorted:
            raise ValueError(
                "Weights are matched by the order of their layers, which must be known. Received: "
                f"{about}, sorted by name as .safetensors files are, with '{', '.join(names)}' in "
                f"'{'.'.join(place)}'. Pass `model.state_dict()` or a .pth file."
            )
        ranks |= {(*place, name): rank for rank, name in enumerate(ordered or names)}

    def rank_of(key):
        places = key.split(".")[:-1]
        return [ranks[tuple(places[: depth + 1])] for depth in range(len(places))]

    return {key: state[key] for key in sorted(state, key=rank_of)}


def _ordered(names):
    """Names of layers beside each other in the order of their definition, None if not known."""
    if len({re.sub(r"\d+", "#", name) for name in names}) == 1:
        return sorted(names, key=_numbers)
    for line in _LINES:
        places = [next((i for i, x in enumerate(line) if x.fullmatch(n)), None) for n in names]
        if None not in places:
            pairs = sorted(zip(places, map(_numbers, names), names, strict=True))
            return [name for _, _, name in pairs]
    return None


def _numbers(name):
    """A name whose numbers are compared as numbers."""
    return [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", name)]
