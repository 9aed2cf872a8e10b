"""Classifiers in plain PyTorch functions: second implementations to compare the Keras ones with.

Written from the papers, without a look at the code of the Keras ones. Their documentation, the
names and shapes of their variables and the range to which they first convert pixels were known, as
the papers leave the range open or mean another one; weights have the same names.

`python tests/reference/classifiers.py`, in an environment with torch 2.14 and numpy, writes
classifiers.npz beside this file: for each network its settings, two images and float64's logits.
The weights follow from the rule in weights.py.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch_layers import add_bias, ask, batch_norm
from weights import Case, RuleWeights, image, write

CLASSES = 7


def conv(x, weights, name, filters, size, stride=1, padding=0):
    """Convolution without bias, with `padding` zeros on each side."""
    kernel = ask(weights, f"{name}/kernel", (size, size, x.shape[1], filters), (3, 2, 0, 1))
    return functional.conv2d(x, kernel, stride=stride, padding=padding)


def conv_bias(x, weights, name, filters, size, stride=1, padding=0):
    return add_bias(conv(x, weights, name, filters, size, stride, padding), weights, name)


def grouped(x, weights, name, filters, size, groups):
    """Convolution in groups without bias, to a map of the same size."""
    shape = (size, size, x.shape[1] // groups, filters)
    kernel = ask(weights, f"{name}/kernel", shape, (3, 2, 0, 1))
    return functional.conv2d(x, kernel, padding=size // 2, groups=groups)


def depthwise(x, weights, name, size, stride=1):
    """Convolution of each channel by itself with an odd kernel, zeros around the map."""
    size = (size, size) if isinstance(size, int) else size
    kernel = ask(weights, f"{name}/kernel", (*size, x.shape[1], 1), (2, 3, 0, 1))
    padding = (size[0] // 2, size[1] // 2)
    return functional.conv2d(x, kernel, stride=stride, padding=padding, groups=x.shape[1])


def norm(x, weights, name):
    return batch_norm(x, weights, name, epsilon=1e-5)


def norm_relu(x, weights, name):
    return functional.relu(norm(x, weights, name))


def dense(x, weights, name, units):
    kernel = ask(weights, f"{name}/kernel", (x.shape[1], units))
    return x @ kernel + ask(weights, f"{name}/bias", (units,))


def classify(x, weights):
    """Logits from the means of the maps."""
    return dense(x.mean((2, 3)), weights, "predictions", CLASSES)


# LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
# Proceedings of the IEEE 86, 1998, section II.B. Table I: the maps of S2 that each map of C3 reads.
C3 = [
    *[(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)],
    *[(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)],
    *[(0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)],
]


def squash(x):
    """Equation 6 and appendix A."""
    return 1.7159 * torch.tanh(2 / 3 * x)


def subsample(x, weights, name):
    """Four pixels' sum times a coefficient, plus a bias; the stored factor is that of the mean."""
    factor = ask(weights, f"{name}/kernel", (1, 1, x.shape[1], 1), (0, 2, 1, 3)) / 4
    total = sum(x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1))
    return squash(add_bias(total * factor, weights, name))


def sparse_c3(x, weights):
    """Each map with the maps of table I; kernels are stored by the number of maps read."""
    banks = {}
    for count, maps in ((3, 6), (4, 9), (6, 1)):
        name = f"c3_of_{count}"
        kernel = ask(weights, f"{name}/kernel", (5, 5, count, maps), (3, 2, 0, 1))
        banks[count] = [kernel, ask(weights, f"{name}/bias", (maps,)), 0]
    found = []
    for read in C3:
        kernel, bias, number = banks[len(read)]
        y = functional.conv2d(x[:, list(read)], kernel[number : number + 1])
        found.append(y + bias[number])
        banks[len(read)][2] += 1
    return torch.cat(found, dim=1)


def ink(x):
    """Background -0.1, foreground 1.175, section III.A."""
    return -0.1 + 1.275 * x / 255


def lenet5(x, weights, dense_units):
    x = squash(conv_bias(ink(x), weights, "c1", 6, 5))
    x = subsample(x, weights, "s2")
    x = squash(sparse_c3(x, weights))
    x = subsample(x, weights, "s4")
    x = squash(conv_bias(x, weights, "c5", dense_units[0], 5)).flatten(1)
    x = squash(dense(x, weights, "f6", dense_units[1]))
    codes = ask(weights, "output/codes", (dense_units[1], CLASSES))
    return -((x[:, :, None] - codes) ** 2).sum(1)  # The penalty with the sign of a logit.


def lenet5_modern(x, weights, dense_units):
    """Every map of C3 reads all, ReLU, max pooling, a dense layer at the end; 28x28 pixels."""
    x = functional.relu(conv_bias(ink(functional.pad(x, (2,) * 4)), weights, "c1", 6, 5))
    x = functional.relu(conv_bias(functional.max_pool2d(x, 2), weights, "c3", 16, 5))
    x = conv_bias(functional.max_pool2d(x, 2), weights, "c5", dense_units[0], 5)
    x = functional.relu(dense(functional.relu(x).flatten(1), weights, "f6", dense_units[1]))
    return dense(x, weights, "output", CLASSES)


# Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
# networks", NeurIPS 2012, sections 3.3 to 3.5.
def local_response(x):
    """Section 3.3: k = 2, n = 5, alpha = 1e-4 for the sum of the squares, beta = 0.75."""
    squares = functional.pad(x**2, (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, shift : shift + x.shape[1]] for shift in range(5))
    return x / (2 + 1e-4 * total) ** 0.75


def alexnet(x, weights, filters, dense_units):
    x = functional.relu(conv_bias(without_means(x), weights, "conv1", filters[0], 11, stride=4))
    x = functional.max_pool2d(local_response(x), 3, 2)
    x = add_bias(grouped(x, weights, "conv2", filters[1], 5, groups=2), weights, "conv2")
    x = functional.max_pool2d(local_response(functional.relu(x)), 3, 2)
    for number, groups in ((3, 1), (4, 2), (5, 2)):
        name, count = f"conv{number}", filters[number - 1]
        x = functional.relu(add_bias(grouped(x, weights, name, count, 3, groups), weights, name))
    x = functional.max_pool2d(x, 3, 2).permute(0, 2, 3, 1).flatten(1)
    x = functional.relu(dense(x, weights, "fc6", dense_units))
    x = functional.relu(dense(x, weights, "fc7", dense_units))
    return dense(x, weights, "predictions", CLASSES)


# Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for simplicity: the all convolutional
# net", arXiv 1412.6806, table 1 and appendix: channels, size, stride, padding. The last maps
# have 6x6 pixels for images of 32x32 and of 224x224, as there.
ALL_CNN_C = [
    *[(96, 3, 1, 1), (96, 3, 1, 1), (96, 3, 2, 1), (192, 3, 1, 1), (192, 3, 1, 1), (192, 3, 2, 1)],
    *[(192, 3, 1, 0), (192, 1, 1, 0)],
]
ALL_CNN_IMAGENET = [
    *[(96, 11, 4, 2), (96, 1, 1, 0), (96, 3, 2, 0), (256, 5, 1, 2), (256, 1, 1, 0)],
    *[(256, 3, 2, 0), (384, 3, 1, 1), (384, 1, 1, 0), (384, 3, 2, 0), (1024, 3, 1, 1)],
    (1024, 1, 1, 0),
]


def all_cnn(x, weights, width, layers):
    x = imagenet(x)
    for number, (filters, size, stride, padding) in enumerate(layers, start=1):
        count = round(filters * width)
        x = conv_bias(x, weights, f"conv{number}", count, size, stride, padding)
        x = functional.relu(x)
    # Both tables have ReLU after the last convolution as well.
    return functional.relu(conv_bias(x, weights, "predictions", CLASSES, 1)).mean((2, 3))


# Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", CVPR 2017,
# section 3, table 1, section 4.2 for CIFAR; and its form in "Dive into deep learning", 8.7.
def dense_layer(x, weights, name, growth_rate, bottleneck, bias):
    y = norm_relu(x, weights, f"{name}_0_bn")
    convolution = conv_bias if bias else conv
    if bottleneck:
        y = convolution(y, weights, f"{name}_1_conv", bottleneck * growth_rate, 1)
        y = norm_relu(y, weights, f"{name}_1_bn")
    y = convolution(y, weights, f"{name}_2_conv", growth_rate, 3, padding=1)
    return torch.cat([x, y], dim=1)


def dense_stages(x, weights, blocks, growth_rate, bottleneck, compression, bias=False):
    convolution, last = conv_bias if bias else conv, len(blocks) + 1
    for stage, layers in enumerate(blocks, start=2):
        for layer in range(1, layers + 1):
            name = f"conv{stage}_block{layer}"
            x = dense_layer(x, weights, name, growth_rate, bottleneck, bias)
        if stage < last:
            x = norm_relu(x, weights, f"conv{stage}_transition_bn")
            filters = int(x.shape[1] * compression)
            x = convolution(x, weights, f"conv{stage}_transition_conv", filters, 1)
            x = functional.avg_pool2d(x, 2)
    return classify(norm_relu(x, weights, f"conv{last}_bn"), weights)


def densenet_cifar(x, weights, blocks, growth_rate, stem_filters, bottleneck, compression):
    x = conv(imagenet(x), weights, "conv1_conv", stem_filters, 3, padding=1)
    return dense_stages(x, weights, blocks, growth_rate, bottleneck, compression)


def densenet(x, weights, blocks, growth_rate, stem_filters, bottleneck, bias=False):
    convolution = conv_bias if bias else conv
    x = convolution(imagenet(x), weights, "conv1_conv", stem_filters, 7, 2, 3)
    x = functional.max_pool2d(norm_relu(x, weights, "conv1_bn"), 3, 2, padding=1)
    return dense_stages(x, weights, blocks, growth_rate, bottleneck, 0.5, bias)


def without_means(x):
    """Subtract ImageNet's means, as Caffe's networks do."""
    return x - torch.tensor([123.68, 116.779, 103.939], dtype=x.dtype)[:, None, None]


def imagenet(x):
    """Subtract ImageNet's means and divide by its standard deviations."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    mean, deviation = (torch.from_numpy(value)[:, None, None] for value in (mean, deviation))
    return (x / 255 - mean) / deviation


# Ding, Zhang, Zhou, Han, Ding and Sun, "Scaling up your kernels to 31x31", CVPR 2022,
# arXiv 2203.06717, section 4.1, figure 4.
def conv_norm_relu(x, weights, name, filters, size=1, stride=1):
    x = conv(x, weights, f"{name}_conv", filters, size, stride, padding=size // 2)
    return norm_relu(x, weights, f"{name}_bn")


def depthwise_norm_relu(x, weights, name, stride=1):
    return norm_relu(depthwise(x, weights, f"{name}_depthwise", 3, stride), weights, f"{name}_bn")


def large_kernel_block(x, weights, name, kernel, small_kernel):
    y = norm(x, weights, f"{name}_bn")
    y = conv_norm_relu(y, weights, f"{name}_1", x.shape[1])
    branches = (("large", kernel), ("small", small_kernel))
    y = functional.relu(branches_sum(y, weights, name, branches))
    y = conv(y, weights, f"{name}_2_conv", x.shape[1], 1)
    return x + norm(y, weights, f"{name}_2_bn")


def branches_sum(x, weights, name, branches):
    """Sum of depthwise convolutions, each with batch normalization."""
    parts = [(f"{name}_{branch}", size) for branch, size in branches]
    return sum(norm(depthwise(x, weights, n, size), weights, f"{n}_bn") for n, size in parts)


def feed_forward(x, weights, name, expansion):
    y = norm(x, weights, f"{name}_bn")
    y = conv(y, weights, f"{name}_1_conv", x.shape[1] * expansion, 1)
    y = functional.gelu(norm(y, weights, f"{name}_1_bn"))
    y = conv(y, weights, f"{name}_2_conv", x.shape[1], 1)
    return x + norm(y, weights, f"{name}_2_bn")


def replknet(x, weights, blocks, filters, kernels=(31, 29, 27, 13), small_kernel=5, expansion=4):
    x = conv_norm_relu(imagenet(x), weights, "stem1", filters[0], 3, 2)
    x = depthwise_norm_relu(x, weights, "stem2")
    x = conv_norm_relu(x, weights, "stem3", filters[0])
    x = depthwise_norm_relu(x, weights, "stem4", 2)
    for stage, (repeats, kernel) in enumerate(zip(blocks, kernels, strict=True), start=1):
        if stage > 1:
            x = conv_norm_relu(x, weights, f"down{stage - 1}_1", filters[stage - 1])
            x = depthwise_norm_relu(x, weights, f"down{stage - 1}_2", 2)
        for block in range(1, repeats + 1):
            name = f"stage{stage}_block{block}"
            x = large_kernel_block(x, weights, f"{name}_mix", kernel, small_kernel)
            x = feed_forward(x, weights, f"{name}_ffn", expansion)
    return classify(norm(x, weights, "norm_bn"), weights)


# Liu et al., "More ConvNets in the 2020s: scaling up kernels beyond 51x51 using sparsity",
# ICLR 2023, arXiv 2207.03620, section 4; blocks, stem and head are ConvNeXt's.
def layer_norm(x, weights, name):
    """Over the channels of each pixel."""
    gamma, beta = (ask(weights, f"{name}/{kind}", (x.shape[1],)) for kind in ("gamma", "beta"))
    pixels = x.movedim(1, -1)
    return functional.layer_norm(pixels, gamma.shape, gamma, beta, eps=1e-6).movedim(-1, 1)


def slak_block(x, weights, name, kernel, small_kernel):
    """Tall, wide and square kernels together, then the rest of ConvNeXt's block."""
    sizes = {"tall": (kernel, small_kernel), "wide": (small_kernel, kernel)}
    y = branches_sum(x, weights, name, [*sizes.items(), ("small", small_kernel)])
    y = layer_norm(y, weights, f"{name}_norm")
    y = functional.gelu(conv_bias(y, weights, f"{name}_expand", 4 * x.shape[1], 1))
    y = conv_bias(y, weights, f"{name}_project", x.shape[1], 1)
    return x + y * ask(weights, f"{name}_scale/gamma", (x.shape[1],))[:, None, None]


def slak(x, weights, blocks, filters, width=1.3, kernels=(51, 49, 47, 13), small_kernel=5):
    filters = [int(count * width) for count in filters]
    x = conv_bias(imagenet(x), weights, "stem_conv", filters[0], 4, 4)
    x = layer_norm(x, weights, "stem_norm")
    for stage, (repeats, kernel) in enumerate(zip(blocks, kernels, strict=True), start=1):
        if stage > 1:
            x = layer_norm(x, weights, f"down{stage - 1}_norm")
            x = conv_bias(x, weights, f"down{stage - 1}_conv", filters[stage - 1], 2, 2)
        for block in range(1, repeats + 1):
            x = slak_block(x, weights, f"stage{stage}_block{block}", kernel, small_kernel)
    return dense(layer_norm(x.mean((2, 3)), weights, "norm"), weights, "predictions", CLASSES)


# Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016, arXiv 1605.07146, table 1; where a
# block changes the channels, its 1x1 shortcut begins after the first normalization and ReLU.
def wide_block(x, weights, name, filters, stride):
    first = norm_relu(x, weights, f"{name}_1_bn")
    y = conv(first, weights, f"{name}_1_conv", filters, 3, stride, 1)
    y = conv(norm_relu(y, weights, f"{name}_2_bn"), weights, f"{name}_2_conv", filters, 3, 1, 1)
    if x.shape[1] == filters:
        return x + y
    return y + conv(first, weights, f"{name}_0_conv", filters, 1, stride)


def wide_resnet(x, weights, blocks, width):
    x = conv(imagenet(x), weights, "conv1", 16, 3, padding=1)
    for stage, (repeats, filters) in enumerate(zip(blocks, (16, 32, 64), strict=True), start=2):
        for block in range(1, repeats + 1):
            stride = 2 if block == 1 and stage > 2 else 1
            x = wide_block(x, weights, f"conv{stage}_block{block}", int(filters * width), stride)
    return classify(norm_relu(x, weights, "last_bn"), weights)


# Ding, Zhang, Ma, Han, Ding and Sun, "RepVGG: making VGG-style ConvNets great again", CVPR 2021,
# arXiv 2101.03697, sections 3.2 and 3.4: the block after the first one has number 1, and blocks
# with even numbers have groups.
def repvgg_block(x, weights, name, filters, stride, groups=1):
    same = stride == 1 and x.shape[1] == filters
    found = norm(x, weights, f"{name}_identity_bn") if same else 0
    for branch, size in (("large", 3), ("small", 1)):
        y = grouped(x, weights, f"{name}_{branch}", filters, size, groups)[..., ::stride, ::stride]
        found = found + norm(y, weights, f"{name}_{branch}_bn")
    return functional.relu(found)


def repvgg(x, weights, blocks, width, last_width, groups):
    filters = [int(c * width) for c in (64, 128, 256)] + [int(512 * last_width)]
    x = repvgg_block(imagenet(x), weights, "stem", min(64, filters[0]), 2)
    number = 0
    for stage, repeats in enumerate(blocks, start=1):
        for block in range(1, repeats + 1):
            number += 1
            name, stride = f"stage{stage}_block{block}", 2 if block == 1 else 1
            size = filters[stage - 1]
            x = repvgg_block(x, weights, name, size, stride, groups if number % 2 == 0 else 1)
    return classify(x, weights)


# He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016,
# arXiv 1512.03385, table 1, with the first layers of PSPNet's: 3x3 of 64, 64 and 128 channels.
def bottleneck(x, weights, name, filters, stride):
    """The stride is that of the first 1x1 convolution, as in the paper."""
    y = conv_norm_relu(x, weights, f"{name}_1", filters, 1, stride)
    y = conv_norm_relu(y, weights, f"{name}_2", filters, 3)
    y = norm(conv(y, weights, f"{name}_3_conv", 4 * filters, 1), weights, f"{name}_3_bn")
    if stride > 1 or x.shape[1] != 4 * filters:
        x = conv(x, weights, f"{name}_0_conv", 4 * filters, 1, stride)
        x = norm(x, weights, f"{name}_0_bn")
    return functional.relu(x + y)


def resnet_deep(x, weights, blocks, width):
    x = without_means(x)
    for number, (filters, stride) in enumerate(((64, 2), (64, 1), (128, 1)), start=1):
        x = conv_norm_relu(x, weights, f"conv1_{number}", int(filters * width), 3, stride)
    x = functional.max_pool2d(x, 3, 2, padding=1)
    for stage, repeats in enumerate(blocks, start=2):
        for block in range(1, repeats + 1):
            stride = 2 if block == 1 and stage > 2 else 1
            filters = int(64 * width) * 2 ** (stage - 2)
            x = bottleneck(x, weights, f"conv{stage}_block{block}", filters, stride)
    return classify(x, weights)


# Chen, Zhu, Papandreou, Schroff and Adam, "Encoder-decoder with atrous separable convolution",
# ECCV 2018, arXiv 1802.02611, figure 4. ReLU is where the authors' code has it: before each
# separable convolution, in the last three after both of its parts instead.
def separable(x, weights, name, filters, stride=1, last=False):
    x = x if last else functional.relu(x)
    for part in ("depthwise", "pointwise"):
        place = f"{name}_{part}"
        if part == "depthwise":
            x = depthwise(x, weights, place, 3, stride)
        else:
            x = conv(x, weights, place, filters, 1)
        x = batch_norm(x, weights, f"{place}_bn", epsilon=1e-3)
        x = functional.relu(x) if last else x
    return x


def xception_block(x, weights, name, filters, stride=2):
    """Three separable convolutions, the last with the stride, and a shortcut."""
    y = x
    for number, count in enumerate(filters, start=1):
        y = separable(y, weights, f"{name}_sepconv{number}", count, stride if number == 3 else 1)
    if stride > 1:
        x = conv(x, weights, f"{name}_shortcut", filters[-1], 1, stride)
        x = batch_norm(x, weights, f"{name}_shortcut_bn", epsilon=1e-3)
    return x + y


def xception65(x, weights, blocks, width):
    def scaled(*filters):
        return [int(count * width) for count in filters]

    x = x / 127.5 - 1
    for number, (filters, stride) in enumerate(((32, 2), (64, 1)), start=1):
        x = conv(x, weights, f"entry_conv{number}", *scaled(filters), 3, stride, 1)
        x = functional.relu(batch_norm(x, weights, f"entry_conv{number}_bn", epsilon=1e-3))
    for number, filters in enumerate((128, 256, 728), start=1):
        x = xception_block(x, weights, f"entry_block{number}", scaled(*[filters] * 3))
    for number in range(1, blocks + 1):
        x = xception_block(x, weights, f"middle_block{number}", scaled(728, 728, 728), stride=1)
    x = xception_block(x, weights, "exit_block1", scaled(728, 1024, 1024))
    for number, filters in enumerate(scaled(1536, 1536, 2048), start=1):
        x = separable(x, weights, f"exit_block2_sepconv{number}", filters, last=True)
    return classify(x, weights)


# Function, image's height, width and channels, the Keras builder's options, what these stand for.
SMALL_DENSENET = {"blocks": (2, 3, 1), "growth_rate": 4, "stem_filters": 8}
NETWORKS = {
    "lenet5": (lenet5, (32, 32, 1), {"dense_units": (16, 12)}, {}),
    "lenet5_modern": (lenet5_modern, (28, 28, 1), {"dense_units": (16, 12)}, {}),
    "alexnet": (
        alexnet,
        (227, 227, 3),
        {"filters": (8, 12, 12, 12, 8), "dense_units": 16},
        {},
    ),
    "all_cnn_c": (all_cnn, (32, 32, 3), {"width": 0.125}, {"layers": ALL_CNN_C}),
    "all_cnn_imagenet": (all_cnn, (224, 224, 3), {"width": 0.0625}, {"layers": ALL_CNN_IMAGENET}),
    "densenet_cifar_40_12": (
        densenet_cifar,
        (32, 32, 3),
        SMALL_DENSENET,
        {"bottleneck": 0, "compression": 1.0},
    ),
    "densenet_cifar_bc_100_12": (
        densenet_cifar,
        (32, 32, 3),
        SMALL_DENSENET,
        {"bottleneck": 4, "compression": 0.5},
    ),
    "densenet_d2l": (
        densenet,
        (64, 64, 3),
        {**SMALL_DENSENET, "blocks": (2, 1, 3, 1)},
        {"bottleneck": 0, "bias": True},
    ),
    "densenet264": (
        densenet,
        (64, 64, 3),
        {**SMALL_DENSENET, "blocks": (2, 1, 3, 1)},
        {"bottleneck": 4},
    ),
    "replknet31b": (
        replknet,
        (64, 64, 3),
        {"blocks": (1, 2, 1, 1), "filters": (6, 8, 12, 16), "drop_path_rate": 0.0},
        {},
    ),
    "slak_tiny": (
        slak,
        (64, 64, 3),
        {"blocks": (1, 2, 1, 1), "filters": (6, 8, 12, 16), "drop_path_rate": 0.0},
        {},
    ),
    "densenet_cifar_bc_190_40": (
        densenet_cifar,
        (33, 35, 3),
        {"blocks": (1, 3, 2), "growth_rate": 5, "stem_filters": 10},
        {"bottleneck": 4, "compression": 0.5},
    ),
    "replknet31l": (
        replknet,
        (33, 67, 3),
        {"blocks": (1, 1, 1, 1), "filters": (6, 12, 24, 48), "drop_path_rate": 0.0},
        {},
    ),
    "slak_small": (
        slak,
        (64, 32, 3),
        {"blocks": (1, 1, 2, 1), "filters": (6, 12, 24, 48), "drop_path_rate": 0.0},
        {},
    ),
    "wrn_16_8": (wide_resnet, (33, 32, 3), {"blocks": (2, 1, 2), "width": 0.5}, {}),
    "repvgg_b1g2": (
        repvgg,
        (65, 64, 3),
        {"blocks": (2, 3, 2, 1), "width": 0.125, "last_width": 0.0625, "groups": 2},
        {},
    ),
    "resnet50_deep": (
        resnet_deep,
        (64, 47, 3),
        {"blocks": (2, 1, 2, 1), "width": 0.125},
        {},
    ),
    "resnet101_deep": (resnet_deep, (33, 40, 3), {"blocks": (1, 2, 1, 1), "width": 0.125}, {}),
    "xception65": (xception65, (65, 65, 3), {"blocks": 1, "width": 0.125}, {}),
}


def compute(name, seed):
    """Logits of a network for two images, with weights by rule."""
    network, (height, width, channels), options, settings = NETWORKS[name]
    pixels = np.stack([image(2 * seed + one, height, width)[..., :channels] for one in (0, 1)])
    weights = RuleWeights()
    known = {key: value for key, value in options.items() if key != "drop_path_rate"}
    with torch.inference_mode():
        x = torch.from_numpy(pixels.astype(np.float64)).permute(0, 3, 1, 2)
        logits = network(x, weights, **known, **settings).numpy().astype(np.float32)
    settings = {"network": name, "num_classes": CLASSES, "options": options}
    return Case(settings, pixels, logits, dict(weights))


if __name__ == "__main__":
    cases = {name: compute(name, seed) for seed, name in enumerate(NETWORKS)}
    for name, case in cases.items():
        print(name, np.ptp(case.logits, axis=0).max(), np.abs(case.logits).max())
    write(Path(__file__).with_suffix(".npz"), {}, cases)
