"""Networks of others with random weights, and how far ours are from them."""

import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np

from keras_seg import models

PORTS = Path(__file__).parent / "reference" / "ports"
sys.path.insert(0, str(PORTS))
import rule  # noqa: E402

MODULES = {
    "VGG16": "vgg16", "VGG19": "vgg19", "MobileNet": "mobilenet", "MobileNetV2": "mobilenet_v2",
    "Xception": "xception", "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
}  # fmt: skip


def module(theirs):
    """The module of a network of `keras.applications`, with its `preprocess_input`."""
    families = ("MobileNetV3", "ResNet", "DenseNet", "EfficientNet", "ConvNeXt")
    own = next((x.lower() for x in families if theirs.startswith(x)), MODULES.get(theirs))
    own = {"mobilenetv3": "mobilenet_v3"}.get(own, own)
    return importlib.import_module(f"keras.applications.{own}")


def random_source(theirs, side, top=True, **arguments):
    """A model of `keras.applications` whose weights, biases and statistics all matter."""
    arguments |= {"classifier_activation": None} if top else {}
    model = getattr(keras.applications, theirs)(
        weights=None, include_top=top, input_shape=(side, side, 3), **arguments
    )
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.Normalization):
            if theirs.startswith("EfficientNet"):
                # What their file holds and their second Rescaling make of pixels in 0..1.
                deviation = np.array([0.229, 0.224, 0.225])
                layer.set_weights([np.array([0.485, 0.456, 0.406]), deviation**2, np.array(0)])
                layer.finalize_state()
            continue
        for weight in () if isinstance(layer, keras.Model) else layer.weights:
            if len(weight.shape) == 1:
                weight.assign(rng.uniform(0.5, 1, weight.shape))
            elif isinstance(layer, keras.layers.DepthwiseConv2D) or weight.shape[2:3] == (1,):
                # Their depthwise kernels begin near zero, which would hide them.
                weight.assign(rng.normal(size=weight.shape) / weight.shape[0])
    # Statistics of pixels, so that no layer saturates and every layer's inputs differ.
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(module(theirs).preprocess_input(pixels(side)), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model


def pixels(side):
    """Two images: noise, and stripes."""
    x = np.random.default_rng(1).integers(0, 256, (2, side, side, 3)).astype("float32")
    x[1, :, ::4] = (200, 100, 50)
    return x


def assert_same(found, expected):
    """Equal to 1e-4 of the largest logit, for images whose logits differ by 20 times as much."""
    expected = np.array(expected)
    assert np.abs(expected[0] - expected[1]).max() > 2e-3 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def difference(found, expected):
    """Largest difference of logits, relative to the largest logit."""
    expected = np.array(expected)
    return float(np.abs(np.array(found) - expected).max() / np.abs(expected).max())


def port_cases():
    """Names of the state dicts that are stored."""
    return sorted(path.stem for path in PORTS.glob("*.json"))


def ported(case):
    """Our network with a stored case's weights, the images and the package's logits."""
    stored = json.loads((PORTS / f"{case}.json").read_text())
    weights = rule.weights(stored["shapes"], stored["scale"])
    options, step = stored.get("options", {}), stored.get("step", 1)
    model = models.port(stored["ours"], weights, stored["package"], **options)
    if step > 1:  # Every few pixels of the logits are stored.
        model = keras.Model(model.input, model.output[:, ::step, ::step])
    return model, rule.image(stored["side"]), np.array(stored["logits"])
