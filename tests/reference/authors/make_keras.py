"""Write the shapes and logits of DeepLab v3+ in Keras 2: `python make_keras.py FOLDER`.

Needs TensorFlow and a clone of bonlime/keras-deeplab-v3-plus in FOLDER, whose layers are those of
the authors' code. Names and shapes are written as PyTorch's, so that the rule of ../ports gives the
weights.
"""

import json
import re
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1] / "ports"))
import rule

SIDE, CLASSES, STEP = 65, 3, 4
# Ours, theirs, and the scale of batch normalization: with less, ReLU6 would leave the logits of
# MobileNetV2 without the image; with more, Xception's sums grow.
CASES = (("xception65", "xception", 0.5), ("deeplab_mobilenet_v2", "mobilenetv2", 0.8))
AXES = {"Conv2D": (3, 2, 0, 1), "DepthwiseConv2D": (2, 3, 0, 1)}
PARTS = ("weight", "bias", "running_mean", "running_var")


def network(folder, backbone):
    """The network, with today's names of modules."""
    text = (folder / "keras-deeplab-v3-plus/model.py").read_text()
    text = text.replace("tensorflow.python.keras", "keras").replace("shape[-1].value", "shape[-1]")
    text = re.sub(r"from keras\.utils\..*", "", text).replace("shape_before = tf.shape(x)", "")
    text = re.sub(r"tf\.keras\.backend\.int_shape\((\w+)\)", r"tuple(\1.shape)", text)
    # `layers.Resizing` within a network of Keras 3.15 makes the layers behind it train.
    text = text.replace("tf.keras.layers.experimental.preprocessing.Resizing", "Resized")
    space = {"Resized": resized}
    exec(compile(text, "model.py", "exec"), space)
    return space["Deeplabv3"](None, input_shape=(SIDE, SIDE, 3), classes=CLASSES, backbone=backbone)


def resized(height, width, interpolation):
    return keras.layers.Lambda(lambda x: tf.image.resize(x, (height, width), interpolation))


def variables(model):
    """Variables by PyTorch's name, with the axes of PyTorch's kernels; None for vectors."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            weights = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
            yield from ((f"{layer.name}.{x}", y, None) for x, y in zip(PARTS, weights, strict=True))
        elif type(layer).__name__ in AXES:
            axes = (AXES[type(layer).__name__], None)
            for part, weight, order in zip(PARTS[:2], layer.weights, axes, strict=False):
                yield f"{layer.name}.{part}", weight, order


def case(model, scale):
    """Names and shapes in order, and logits."""
    found = list(variables(model))
    shapes = {
        name: [weight.shape[i] for i in axes or range(len(weight.shape))]
        for name, weight, axes in found
    }
    weights = rule.weights(shapes, scale)
    for name, weight, axes in found:
        value = weights[name]
        weight.assign(value if axes is None else value.transpose(np.argsort(axes)))
    logits = np.array(model(rule.image(SIDE) / 127.5 - 1.0))[:, ::STEP, ::STEP]
    logits = np.reshape([float(f"{x:.7g}") for x in logits.ravel()], logits.shape).tolist()
    return {"shapes": shapes, "scale": scale, "side": SIDE, "step": STEP, "logits": logits}


if __name__ == "__main__":
    for ours, theirs, scale in CASES:
        found = case(network(Path(sys.argv[1]), theirs), scale)
        path = Path(__file__).parent / f"{ours}.json"
        path.write_text(json.dumps(found, separators=(",", ":")))
        print(path.name, np.shape(found["logits"]), np.ptp(found["logits"]))
