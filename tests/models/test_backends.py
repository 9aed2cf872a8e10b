"""The same weights give the same numbers on TensorFlow, JAX and torch."""

import numpy as np
import pytest
from _architectures import structures
from _process import run_on

pytestmark = [pytest.mark.backends, pytest.mark.slow]
BACKENDS = ("jax", "torch")
# Kernels of the libraries add in other orders, and up to a hundred layers pass that on; measured
# differences are some 1e-6 of the largest logit.
TOLERANCE = 1e-4
NAMES = " ".join(structures())  # Variants of one structure have the same layers.

COMPUTE = """
import sys
import keras, numpy as np
from keras import ops
from keras_seg import layers, losses, metrics, models
from keras_seg import Segmenter

folder, names, first = sys.argv[1], sys.argv[2].split(), keras.backend.backend() == "tensorflow"
answers = {}

for name in names:
    facts = models.facts(name)
    if facts.dimensions[0] > 2:
        continue  # The same layers as in a network of images.
    keras.utils.set_random_seed(0)
    model = models.build(name, num_classes=5, **facts.tiny)
    path = f"{folder}/{name}.weights.h5"
    # Large areas of color, so that coarse maps differ from place to place, with noise: in flat
    # areas, rounding would decide which of four equal pixels is the largest for an unpooling.
    rng = np.random.default_rng(1)
    x = rng.integers(0, 224, (4, 8, 8, facts.channels)).repeat(16, axis=1).repeat(16, axis=2)
    x = (x + rng.integers(0, 32, x.shape)).astype("uint8")
    if first:
        # Statistics of the pictures, as a training learns them: no activation saturates.
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = 0.0
        model(x, training=True)
        for weight in model.weights:  # FCN's scores start as zeros.
            if len(weight.shape) == 4 and not np.any(ops.convert_to_numpy(weight)):
                weight.assign(np.random.default_rng(3).normal(0, 0.1, weight.shape))
        model.save_weights(path)
    else:
        model.load_weights(path)
    more = max(0, facts.smallest - 32)
    crop = x[:1, : 37 + more, : 51 + more]
    if facts.task == "classification":
        answers[name] = ops.convert_to_numpy(model(crop.astype("float32"), training=False))
    else:
        answers[name] = Segmenter(model, engine="keras").logits(crop)

random = np.random.default_rng(2)
logits = random.normal(size=(2, 12, 16, 5)).astype("float32")
labels = random.integers(0, 5, (2, 12, 16)).astype("uint8")
labels[0, :3] = 255
for name in losses.names():
    answers[f"loss {name}"] = ops.convert_to_numpy(losses.build(name, 5)(labels, logits))
smooth = losses.SparseCrossEntropy(5, label_smoothing=0.1, class_weights=[1, 2, 3, 4, 5])
answers["loss of smaller logits"] = ops.convert_to_numpy(smooth(labels, logits[:, ::3, ::3]))
metric = metrics.MeanIoU(5)
metric.update_state(labels, logits)
answers["metric"] = ops.convert_to_numpy(metric.result())
# Nearest: sizes where no center lies on the line between two pixels.
for kind, sizes in (("bilinear", ((37, 51), (5, 7))), ("nearest", ((36, 48), (4, 8)))):
    for size in sizes:
        resize = layers.ResizeLike(kind)
        answers[f"{kind} to {size}"] = ops.convert_to_numpy(
            resize([logits, np.zeros((2, *size, 1), "float32")])
        )
for size in ((37, 51), (5, 7), (1, 9)):
    resize = layers.ResizeLike(align_corners=True)
    answers[f"aligned corners to {size}"] = ops.convert_to_numpy(
        resize([logits, np.zeros((2, *size, 1), "float32")])
    )
bn = layers.BatchNormalization(momentum=0.8)
answers["batch normalization"] = ops.convert_to_numpy(bn(logits, training=True))
answers["moving variance"] = ops.convert_to_numpy(bn.moving_variance)
pool = layers.AveragePooling2D(4)
answers["average pooling of odd sizes"] = ops.convert_to_numpy(pool(logits[:, :11, :13]))
np.savez(f"{folder}/{keras.backend.backend()}.npz", **answers)
"""

FIT = """
import sys
import numpy as np
import keras, keras_seg, pipelines

class Breaks(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

data = pipelines.shapes(num_images=12, size=(64, 96), seed=0)
options = {"epochs": 2, "batch_size": 4, "crop_size": (64, 64), "averaging": 0.5}
name = "contextnet_cn14_160"
whole = keras_seg.fit(name, data, folder=sys.argv[1] + "/a", **options)
assert len(whole.history) == 2 and np.isfinite(whole.history["loss"]).all()
best = whole.history["val_mean_iou"].max()
assert abs(whole.evaluate("val").mean_iou - best) < 1e-6, "averaged weights are not what is kept"
try:
    keras_seg.fit(name, data, folder=sys.argv[1] + "/b", callbacks=[Breaks()], **options)
except KeyboardInterrupt:
    pass
again = keras_seg.fit(name, data, folder=sys.argv[1] + "/b", **options)
for a, b in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """TensorFlow's answers, and the weights, in one folder."""
    folder = tmp_path_factory.mktemp("backends")
    run_on("tensorflow", COMPUTE, folder, NAMES)
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
def test_logits_losses_and_metrics_are_those_of_tensorflow(backend, expected):
    run_on(backend, COMPUTE, expected, NAMES)
    with np.load(expected / "tensorflow.npz") as a, np.load(expected / f"{backend}.npz") as b:
        assert set(a) == set(b)
        differences = {
            name: float(np.abs(a[name] - b[name]).max() / max(np.abs(a[name]).max(), 1))
            for name in a
        }
    assert {name: x for name, x in differences.items() if not x < TOLERANCE} == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_fit_with_averaged_weights_and_a_pause_works(backend, tmp_path):
    run_on(backend, FIT, tmp_path)
