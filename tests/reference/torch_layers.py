"""The few layers that the reference networks are made of, as PyTorch functions.

Maps are float64 of shape (1, channels, height, width). `weights` is a `RuleWeights`: it makes each
weight when a layer asks for it, so that the forward pass alone says which weights there are.
"""

import numpy as np
import torch
from torch.nn import functional
from weights import Case, RuleWeights


def ask(weights, name, shape, axes=None):
    """A weight as a float64 tensor, its axes in PyTorch's order."""
    array = weights.make(name, shape).astype(np.float64)
    return torch.from_numpy(array if axes is None else array.transpose(axes).copy())


def normalized(pixels):
    """Bring an image of 0..255, (height, width, 3), to a map of -1..1."""
    return torch.from_numpy(pixels.astype(np.float64) / 127.5 - 1).permute(2, 0, 1)[None]


def pad_same(x, size, stride, dilation):
    """Pad with zeros as TensorFlow does: ceil(n / stride) outputs, the odd pixel at the end."""
    pads = []
    for length in (x.shape[3], x.shape[2]):
        outputs = -(-length // stride)
        total = max((outputs - 1) * stride + (size - 1) * dilation + 1 - length, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


def conv(x, weights, name, filters, size=3, stride=1):
    """'Same' convolution without bias."""
    kernel = ask(weights, f"{name}/kernel", (size, size, x.shape[1], filters), (3, 2, 0, 1))
    return functional.conv2d(pad_same(x, size, stride, 1), kernel, stride=stride)


def depthwise(x, weights, name, stride=1, dilation=1):
    """'Same' 3x3 convolution of each channel by itself, without bias."""
    channels = x.shape[1]
    kernel = ask(weights, f"{name}/kernel", (3, 3, channels, 1), (2, 3, 0, 1))
    x = pad_same(x, 3, stride, dilation)
    return functional.conv2d(x, kernel, stride=stride, dilation=dilation, groups=channels)


def transposed(x, weights, name, filters):
    """'Valid' transposed 3x3 convolution with stride 2, without bias: n pixels become 2n + 1."""
    kernel = ask(weights, f"{name}/kernel", (3, 3, filters, x.shape[1]), (3, 2, 0, 1))
    return functional.conv_transpose2d(x, kernel, stride=2)


def add_bias(x, weights, name):
    return x + ask(weights, f"{name}/bias", (x.shape[1],))[:, None, None]


def batch_norm(x, weights, name, epsilon):
    """Normalize with the moving statistics."""
    kinds = ("gamma", "beta", "moving_mean", "moving_variance")
    gamma, beta, mean, variance = (
        ask(weights, f"{name}/{kind}", (x.shape[1],))[:, None, None] for kind in kinds
    )
    return (x - mean) / torch.sqrt(variance + epsilon) * gamma + beta


def resize(x, size):
    """Bilinear, with pixels' centers at halves."""
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def compute(network, pixels, settings):
    """Run a network on an image of shape (height, width, 3), with weights by rule."""
    weights = RuleWeights()
    with torch.inference_mode():
        logits = network(pixels, weights, **settings)[0].permute(1, 2, 0)
    return Case(settings, pixels, logits.numpy().astype(np.float32), dict(weights))
