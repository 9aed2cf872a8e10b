"""FC-DenseNet in plain PyTorch functions: a second implementation to compare the Keras one with.

Written from the paper, without a look at the Keras one: Jégou, Drozdzal, Vazquez, Romero and
Bengio, "The One Hundred Layers Tiramisu", CVPRW 2017, arXiv 1611.09326, section 3, tables 1 and 2,
and what the authors' code settles: biases in every convolution, the upsampled maps before the skip
connection, only a block's new maps go up, a transposed convolution that is cropped at its end.
Settings:

num_classes: number of logits per pixel.
layers: layers per dense block: down blocks, bottleneck, up blocks.
growth_rate: new maps per layer.
first_filters: filters of the first convolution.
compression: share of the channels that a transition down keeps, rounded down; 1 in the paper.

`python tests/reference/fc_densenet.py`, in an environment with torch 2.13 and numpy, writes
fc_densenet.npz beside this file and prints the parameter counts for 11 and 12 classes.
"""

from pathlib import Path

import torch
from torch.nn import functional
from torch_layers import add_bias, batch_norm, compute, conv, normalized, transposed
from weights import counts, image, write

VARIANTS = {
    "fc_densenet56": {"layers": [4] * 11, "growth_rate": 12},
    "fc_densenet67": {"layers": [5] * 11, "growth_rate": 16},
    "fc_densenet103": {"layers": [4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4], "growth_rate": 16},
    "fc_densenet_mobile": {
        "layers": [2, 3, 4, 5, 6, 8, 6, 5, 4, 3, 2],
        "growth_rate": 8,
        "compression": 0.5,
    },
}
# Height, width, settings. All have five classes where the weights are stored, else three.
STORED = {
    "fc_densenet56": (43, 69, {"layers": [1] * 11, "growth_rate": 5}),
    "fc_densenet67": (39, 54, {"layers": [2] * 11, "growth_rate": 2}),
    "fc_densenet103": (38, 53, {"layers": [1, 1, 2, 2, 2, 3, 2, 2, 2, 1, 1], "growth_rate": 3}),
    "fc_densenet_mobile": (43, 36, {**VARIANTS["fc_densenet_mobile"], "growth_rate": 2}),
}
BY_RULE = {
    "fc_densenet56_full": (45, 38, VARIANTS["fc_densenet56"]),
    "fc_densenet67_full": (35, 32, VARIANTS["fc_densenet67"]),
    "fc_densenet103_full": (32, 39, VARIANTS["fc_densenet103"]),
    "fc_densenet_mobile_full": (39, 50, VARIANTS["fc_densenet_mobile"]),
}


def activated_conv(x, weights, name, filters, size):
    """Batch normalization, ReLU, convolution with bias; the dropout after it does nothing here."""
    x = functional.relu(batch_norm(x, weights, name, epsilon=1e-4))
    return add_bias(conv(x, weights, name, filters, size), weights, name)


def dense_block(x, weights, name, layers, growth_rate):
    """The stack of the input and all new maps, and the new maps alone."""
    new = []
    for layer in range(1, layers + 1):
        new.append(activated_conv(x, weights, f"{name}/layer{layer}", growth_rate, 3))
        x = torch.cat([x, new[-1]], dim=1)
    return x, torch.cat(new, dim=1)


def transition_down(x, weights, name, compression):
    x = activated_conv(x, weights, name, int(x.shape[1] * compression), 1)
    return functional.max_pool2d(x, 2)


def transition_up(x, skip, weights, name):
    x = add_bias(transposed(x, weights, name, x.shape[1]), weights, name)
    return torch.cat([x[:, :, : skip.shape[2], : skip.shape[3]], skip], dim=1)


def fc_densenet(
    pixels, weights, num_classes, layers, growth_rate, first_filters=48, compression=1.0
):
    """Logits of shape (1, num_classes, height, width) of an image (height, width, 3) of 0..255."""
    x = conv(normalized(pixels), weights, "first", first_filters)
    stack = add_bias(x, weights, "first")
    depth = len(layers) // 2
    skips = []
    for number, repeats in enumerate(layers[:depth], start=1):
        stack, _ = dense_block(stack, weights, f"down{number}", repeats, growth_rate)
        skips.append(stack)
        stack = transition_down(stack, weights, f"down{number}/transition", compression)
    _, new = dense_block(stack, weights, "bottleneck", layers[depth], growth_rate)
    for number, repeats in enumerate(layers[depth + 1 :], start=1):
        stack = transition_up(new, skips.pop(), weights, f"up{number}/transition")
        stack, new = dense_block(stack, weights, f"up{number}", repeats, growth_rate)
    logits = conv(stack, weights, "classifier", num_classes, size=1)
    return add_bias(logits, weights, "classifier")


def make(cases, num_classes):
    """Compute cases, each on an image of its own."""
    return {
        name: compute(
            fc_densenet, image(seed, height, width), {"num_classes": num_classes, **settings}
        )
        for seed, (name, (height, width, settings)) in enumerate(cases.items())
    }


def print_counts():
    for name, settings in VARIANTS.items():
        for num_classes in (11, 12):
            settings = {**settings, "num_classes": num_classes}
            case = compute(fc_densenet, image(0, 32, 32), settings)
            print(name, num_classes, "classes", counts(case.weights))


if __name__ == "__main__":
    write(Path(__file__).with_suffix(".npz"), make(STORED, 5), make(BY_RULE, 3))
    print_counts()
