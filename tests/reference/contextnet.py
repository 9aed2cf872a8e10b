"""ContextNet in plain PyTorch functions: a second implementation to compare the Keras one with.

Written from the paper, without a look at the Keras one: Poudel, Bonde, Liwicki and Zach,
"ContextNet: Exploring context and detail for semantic segmentation in real-time", BMVC 2018,
arXiv 1805.04554, sections 2.2 and 3.2, tables 1 to 4. Settings:

num_classes: number of logits per pixel.
factors: the image's reduction for the context branch, then for each detail branch, coarse to fine:
    (4, 1) is cn14, (8, 1) cn18, (2, 1) cn12, (4, 2, 1) cn124.
width: factor on every number of filters, rounded to the nearest integer; 0.75 stands for cn14-500
    and 0.414 for cn14-160, whose schedules the paper does not print.
last_kernel: size of the context branch's last convolution, which table 2 leaves open; 1 fits the
    published 0.85 million parameters.
separable_fusion: whether the fusion's dilated depthwise convolution has a pointwise one of its own
    (batch normalization and ReLU6 after each), the other reading of table 3.

`python tests/reference/contextnet.py`, in an environment with torch 2.13 and numpy, writes
contextnet.npz beside this file and prints the parameter counts for 19 classes.
"""

from pathlib import Path

from torch.nn import functional
from torch_layers import (
    add_bias,
    batch_norm,
    compute,
    conv,
    depthwise,
    normalized,
    resize,
)
from weights import counts, image, write

# Table 2: expansion, filters, repeats, stride of the first.
STAGES = [(1, 32, 1, 1), (6, 32, 1, 1), (6, 48, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1), (6, 128, 2, 1)]
DETAIL = [(32, 2), (64, 2), (128, 2), (128, 1)]

# Height, width, settings. All have five classes where the weights are stored, else three.
STORED = {
    "cn18": (67, 83, {"factors": (8, 1), "width": 0.1}),
    "cn14": (53, 75, {"factors": (4, 1), "width": 0.125}),
    "cn12": (45, 58, {"factors": (2, 1), "width": 0.1}),
    "cn124": (53, 39, {"factors": (4, 2, 1), "width": 0.1}),
    "cn14_500": (42, 55, {"factors": (4, 1), "width": 0.14}),
    "cn14_160": (37, 50, {"factors": (4, 1), "width": 0.07}),
}
BY_RULE = {
    "cn14_full": (64, 96, {"factors": (4, 1), "width": 1.0}),
    "cn14_500_full": (37, 41, {"factors": (4, 1), "width": 0.75}),
    "cn14_160_full": (33, 46, {"factors": (4, 1), "width": 0.414}),
    "cn14_last3x3": (33, 47, {"factors": (4, 1), "width": 0.25, "last_kernel": 3}),
    "cn14_separable": (35, 44, {"factors": (4, 1), "width": 0.25, "separable_fusion": True}),
}


def norm(x, weights, name):
    return batch_norm(x, weights, name, epsilon=1e-3)


def conv_norm(x, weights, name, filters, size=1, stride=1):
    return norm(conv(x, weights, name, filters, size, stride), weights, name)


def depthwise_norm(x, weights, name, stride=1, dilation=1):
    return norm(depthwise(x, weights, name, stride, dilation), weights, name)


def shrink(x, factor):
    """Mean of each block of factor x factor pixels; at the rim, of the pixels that are there."""
    return functional.avg_pool2d(x, factor, ceil_mode=True, count_include_pad=False)


def bottleneck(x, weights, name, expansion, filters, stride):
    """Table 1; the 1x1 expansion stays where the factor is 1, which gives the paper's 38 layers."""
    y = conv_norm(x, weights, f"{name}/expand", expansion * x.shape[1])
    y = depthwise_norm(functional.relu6(y), weights, f"{name}/depthwise", stride)
    y = conv_norm(functional.relu6(y), weights, f"{name}/project", filters)
    return x + y if stride == 1 and x.shape[1] == filters else y


def context_branch(x, weights, width, last_kernel):
    x = functional.relu6(conv_norm(x, weights, "context/stem", round(32 * width), 3, stride=2))
    for stage, (expansion, filters, repeats, stride) in enumerate(STAGES, start=1):
        for block in range(1, repeats + 1):
            name = f"context/stage{stage}/block{block}"
            first = stride if block == 1 else 1
            x = bottleneck(x, weights, name, expansion, round(filters * width), first)
    return functional.relu6(conv_norm(x, weights, "context/last", round(128 * width), last_kernel))


def detail_branch(x, weights, name, width):
    """Four layers, without a nonlinearity between depthwise and pointwise convolution."""
    for number, (filters, stride) in enumerate(DETAIL, start=1):
        if number == 1:
            x = conv_norm(x, weights, f"{name}/1", round(filters * width), 3, stride)
        else:
            x = depthwise_norm(x, weights, f"{name}/{number}/depthwise", stride)
            x = conv_norm(x, weights, f"{name}/{number}/pointwise", round(filters * width))
        x = functional.relu6(x)
    return x


def fuse(context, detail, weights, name, separable):
    """Table 3."""
    filters = detail.shape[1]
    context = resize(context, detail.shape[2:])
    context = functional.relu6(depthwise_norm(context, weights, f"{name}/depthwise", dilation=4))
    if separable:
        context = functional.relu6(conv_norm(context, weights, f"{name}/pointwise", filters))
    context = conv_norm(context, weights, f"{name}/context", filters)
    return functional.relu6(context + conv_norm(detail, weights, f"{name}/detail", filters))


def contextnet(
    pixels, weights, num_classes, factors=(4, 1), width=1.0, last_kernel=1, separable_fusion=False
):
    """Logits of shape (1, num_classes, height, width) of an image (height, width, 3) of 0..255."""
    full = normalized(pixels)
    x = context_branch(shrink(full, factors[0]), weights, width, last_kernel)
    for factor in factors[1:]:
        suffix = {2: "_half", 1: ""}[factor]
        detail = detail_branch(shrink(full, factor), weights, f"detail{suffix}", width)
        x = fuse(x, detail, weights, f"fusion{suffix}", separable_fusion)
    x = add_bias(conv(x, weights, "classifier", num_classes, size=1), weights, "classifier")
    return resize(x, full.shape[2:])


def make(cases, num_classes):
    """Compute cases, each on an image of its own."""
    return {
        name: compute(
            contextnet, image(seed, height, width), {"num_classes": num_classes, **settings}
        )
        for seed, (name, (height, width, settings)) in enumerate(cases.items())
    }


def print_counts():
    readings = {
        "cn18": {"factors": (8, 1)},
        "cn14": {"factors": (4, 1)},
        "cn12": {"factors": (2, 1)},
        "cn124": {"factors": (4, 2, 1)},
        "cn14_500": {"width": 0.75},
        "cn14_160": {"width": 0.414},
        "cn14_last3x3": {"last_kernel": 3},
        "cn14_separable": {"separable_fusion": True},
        "cn124_separable": {"factors": (4, 2, 1), "separable_fusion": True},
    }
    for name, settings in readings.items():
        case = compute(contextnet, image(0, 32, 32), {"num_classes": 19, **settings})
        print(name, counts(case.weights))


if __name__ == "__main__":
    write(Path(__file__).with_suffix(".npz"), make(STORED, 5), make(BY_RULE, 3))
    print_counts()
