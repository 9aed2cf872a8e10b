"""Runs a network's Caffe file with PyTorch: the authors' own description of the layers.

Reads the text format of .prototxt files. What such a file fixes for one size of image (kernels of
average poolings, sizes of enlarged maps) is derived from the maps instead.
"""

import re

import torch
from torch.nn import functional

BN_EPSILON = 1e-5
TOKEN = re.compile(r'#[^\n]*|"[^"]*"|[{}]|[^\s{}:]+|:')


def parse(text):
    """A message as a dict of lists: values and messages, in the file's order."""
    tokens = iter([x for x in TOKEN.findall(text) if not x.startswith("#") and x != ":"])
    return _message(tokens)


def _message(tokens):
    found = {}
    for name in tokens:
        if name == "}":
            break
        value = next(tokens)
        found.setdefault(name, []).append(_message(tokens) if value == "{" else _value(value))
    return found


def _value(text):
    if text.startswith('"'):
        return text.strip('"')
    return float(text) if re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) else text


class Network:
    """The layers of a file, with fewer channels.

    Args:
        text: the file's text.
        width: factor of the channels of all convolutions but the classifiers'.
        classes: channels of the classifiers, whose names match `heads`.
    """

    def __init__(self, text, width, classes, heads):
        layers = parse(text)["layer"]
        skipped = ("Input", "DenseImageData", "Softmax", "Dropout", "Python", "SoftmaxWithLoss")
        self.layers = [x for x in layers if x["type"][0] not in skipped]
        self.width, self.classes, self.heads = width, classes, re.compile(heads)
        self.shapes, self.weights = {}, None

    def double(self):
        return self

    def eval(self):
        return self

    def state_dict(self):
        """Zeros of the weights' shapes, in the order of the layers; a pass finds them."""
        with torch.no_grad():
            self(torch.zeros(1, 3, 321, 321, dtype=torch.float64))
        return {name: torch.zeros(shape) for name, shape in self.shapes.items()}

    def load_state_dict(self, weights, strict):
        self.weights = {name: value.double() for name, value in weights.items()}

    def _weight(self, name, *shape):
        self.shapes[name] = shape
        return torch.zeros(shape).double() if self.weights is None else self.weights[name]

    def __call__(self, x):
        maps = {"data": x}
        for layer in self.layers:
            inputs = [maps[name] for name in layer["bottom"]]
            found = getattr(self, layer["type"][0].lower())(layer, *inputs)
            found = found if isinstance(found, tuple) else (found,)
            maps |= dict(zip(layer["top"], found, strict=True))
        return found[0]

    def _filters(self, layer):
        if self.heads.search(layer["name"][0]):
            return self.classes
        return round(layer["convolution_param"][0]["num_output"][0] * self.width)

    def convolution(self, layer, x):
        name, options = layer["name"][0], layer["convolution_param"][0]
        side, stride, pad, dilation = (
            int(options.get(key, [default])[0])
            for key, default in (("kernel_size", 1), ("stride", 1), ("pad", 0), ("dilation", 1))
        )
        filters = self._filters(layer)
        kernel = self._weight(f"{name}.weight", filters, x.shape[1], side, side)
        biased = options.get("bias_term", ["true"])[0] != "false"
        bias = self._weight(f"{name}.bias", filters) if biased else None
        return functional.conv2d(x, kernel, bias, stride, pad, dilation)

    def deconvolution(self, layer, x):
        options = layer["convolution_param"][0]
        side, stride = int(options["kernel_size"][0]), int(options["stride"][0])
        filters = self._filters(layer)
        kernel = self._weight(f"{layer['name'][0]}.weight", x.shape[1], filters, side, side)
        return functional.conv_transpose2d(x, kernel, stride=stride)

    def bn(self, layer, x):
        name, count = layer["name"][0], x.shape[1]
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (self._weight(f"{name}.{part}", count) for part in parts)
        if self.weights is None:
            variance = torch.ones(count).double()
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=BN_EPSILON)

    def relu(self, layer, x):
        return torch.relu(x)

    def lrn(self, layer, x):
        """The normalization of SegNet-Basic's pixels, which is left out here as in ours."""
        return x

    def pooling(self, layer, x):
        options = layer["pooling_param"][0]
        if options["pool"][0] == "AVE":  # "..._pool6" averages to a grid of 6 x 6.
            return functional.adaptive_avg_pool2d(x, int(layer["name"][0][-1]))
        side, stride, pad = (int(options.get(x, [0])[0]) for x in ("kernel_size", "stride", "pad"))
        found, indices = functional.max_pool2d(
            x, side, stride, pad, ceil_mode=True, return_indices=True
        )
        if len(layer["top"]) == 1:
            return found
        return found, (indices, x.shape[2:])

    def upsample(self, layer, x, mask):
        indices, size = mask
        return functional.max_unpool2d(x, indices, 2, 2, output_size=size)

    def interp(self, layer, x):
        options = layer["interp_param"][0]
        sides = torch.tensor(x.shape[2:])
        if "shrink_factor" in options:
            sides = (sides - 1) // int(options["shrink_factor"][0]) + 1
        elif "zoom_factor" in options:
            sides = (sides - 1) * int(options["zoom_factor"][0]) + 1
        else:  # The pyramid's averages are enlarged to the map that they were made of.
            sides = torch.tensor(self.pyramid)
        return functional.interpolate(
            x, size=tuple(sides.tolist()), mode="bilinear", align_corners=True
        )

    def eltwise(self, layer, *inputs):
        if "conv5_3" in layer["top"]:
            self.pyramid = inputs[0].shape[2:]
        return sum(inputs)

    def concat(self, layer, *inputs):
        return torch.cat(inputs, 1)

    def scale(self, layer, x):
        """A fixed factor, or none: ICNet's does nothing but subtract the mean, done before."""
        filler = layer.get("scale_param", [{}])[0].get("filler", [{"value": [1.0]}])[0]
        return x * filler["value"][0]

    def crop(self, layer, x, reference):
        offset = int(layer["crop_param"][0]["offset"][0])
        height, width = reference.shape[2:]
        return x[:, :, offset : offset + height, offset : offset + width]
