"""Training on several devices gives the loss and the batch statistics of one."""

import re

import keras
import numpy as np
import pytest
from _process import run_on

import keras_seg
from keras_seg.models.cloning import clone, copied
from keras_seg.training import devices, recipes

# Four devices of this processor, and what both tests of a backend train.
START = """
import sys
sys.path.insert(0, "tests")
import keras, numpy as np, pytest
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    four = [tf.config.LogicalDeviceConfiguration()] * 4
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, four)
import keras_seg, pipelines
from _training import Breaks, squares
from keras_seg import layers
from keras_seg.training import devices, recipes

folder = sys.argv[1]
images, labels = squares(8, 0)
for number, label in enumerate(labels):
    label[: 4 * number] = 255  # Each device gets another number of pixels that count.
splits = {"train": (images, labels), "val": squares(2, 1)}
data = pipelines.Dataset.from_arrays("toy", ["road", "sky", "car"], None, splits)
PLAIN = {"augmentation": (), "warmup_epochs": 0, "averaging": 0.0, "class_weights": None}
"""

BY_HAND = """
batches = []

class Remember(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        bn, logits = self.model.get_layer("bn"), self.model.get_layer("logits")
        to_numpy = keras.ops.convert_to_numpy
        self.found = [np.array(to_numpy(x)) for x in (bn.moving_mean, bn.moving_variance)]
        self.bias, self.loss = np.array(to_numpy(logits.bias)), logs["loss"]

image = keras.Input((None, None, 3))
x = layers.BatchNormalization(momentum=0.5, name="bn")(image)
kernel = np.array([[0.5, -1, 0], [1, 0, 0.25], [0, 0.5, -0.5]], "float32")
set_to = keras.initializers.Constant(kernel[None, None])
x = keras.layers.Conv2D(3, 1, kernel_initializer=set_to, name="logits")(x)
model, remember = keras.Model(image, x, name="by_hand"), Remember()
sgd = keras.optimizers.SGD(0.1)
run = keras_seg.fit(model, data, folder=folder, epochs=1, batch_size=8, devices=4, optimizer=sgd,
                    loss="cross_entropy", callbacks=remember, **PLAIN)
assert len(run.settings["devices"]) == 4
# One step, with all pictures. Momentum 0.5, from mean 0 and variance 1.
pixels = images.reshape(-1, 3).astype("float64")
mean, variance = pixels.mean(0), pixels.var(0)
np.testing.assert_allclose(remember.found[0], 0.5 * mean, rtol=1e-5)
np.testing.assert_allclose(remember.found[1], 0.5 + 0.5 * variance, rtol=1e-4)
logits = (pixels - mean) / np.sqrt(variance + 1e-3) @ kernel
share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
counts, of_class = labels.ravel() != 255, np.eye(3)[np.minimum(labels.ravel(), 2)]
# -log of the share of the right class, and its gradient: means over all pixels that count.
loss = -np.log((share * of_class).sum(1))[counts].mean()
assert abs(remember.loss - loss) < 1e-4 * loss, (remember.loss, loss)
gradient = (share - of_class)[counts].mean(0)
np.testing.assert_allclose(remember.bias, -0.1 * gradient, rtol=1e-3, atol=1e-6)
# The mean of the means of the devices, two pictures each, is another number.
parts = [(-np.log((share * of_class).sum(1))).reshape(4, -1)[i][counts.reshape(4, -1)[i]].mean()
         for i in range(4)]
assert abs(np.mean(parts) - loss) > 1e-3
if keras.backend.backend() == "tensorflow":
    # The same step in a strategy of the user's own.
    from keras_seg.losses import SparseCrossEntropy
    from keras_seg.training.shares import share_of_loss

    with tf.distribute.MirroredStrategy([f"cpu:{i}" for i in range(4)]).scope():
        model = keras.models.clone_model(model)
        model.get_layer("logits").kernel.assign(kernel[None, None])
        model.compile(keras.optimizers.SGD(0.1), share_of_loss(SparseCrossEntropy(3)))
    batch = tf.data.Dataset.from_tensors((images.astype("float32"), labels))
    found = model.fit(batch, verbose=0).history["loss"][0]
    assert abs(found - loss) < 1e-4 * loss, (found, loss)
    bias = model.get_layer("logits").bias.numpy()
    np.testing.assert_allclose(bias, -0.1 * gradient, rtol=1e-3, atol=1e-6)
"""

AS_ONE = """
def network(normalization):
    image = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = normalization(momentum=0.5)(x)
    x = keras.layers.ReLU()(x)
    heads = {"logits": keras.layers.Conv2D(3, 1)(x), "aux": keras.layers.Conv2D(3, 1, strides=4)(x)}
    return keras.Model(image, heads, name="two_heads")

def trained(name, normalization, on, **changes):
    keras.utils.set_random_seed(3)
    model = network(normalization)
    changes = {**PLAIN, "epochs": 2, "batch_size": 4, "devices": on, **changes}
    return keras_seg.fit(model, data, folder=f"{folder}/{name}", **changes), model.get_weights()

def check(one, other):
    for column in ("loss", "val_mean_iou", "learning_rate"):
        np.testing.assert_allclose(one[0].history[column], other[0].history[column], atol=2e-5)
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)

# Clipping and an L2 penalty of the sum of the gradients; a loss of pixels, and one of areas.
mixed = {"loss": [(1.0, "focal"), (0.5, "dice")], "l2": 0.1}
mixed |= {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)}
ours, of_keras = layers.BatchNormalization, keras.layers.BatchNormalization
check(trained("a", ours, None, **mixed), trained("b", ours, 4, **mixed))
averaged = {"optimizer": "sgd", "averaging": 0.5, "statistics_batches": 2, "loss": "cross_entropy"}
one = trained("c", of_keras, None, **averaged)
check(one, trained("d", of_keras, ["cpu:2", "CPU:1"], **averaged))
# A training on four devices goes on with one.
with pytest.raises(KeyboardInterrupt):
    trained("e", of_keras, 4, callbacks=Breaks(2, 1), **averaged)
check(one, trained("e", of_keras, None, **averaged))

def refused(words, on, error=ValueError, **changes):
    with pytest.raises(error, match=words):
        trained("f", ours, on, **changes)

refused("to that of the devices there are.*devices=5, and there are 4: .'cpu:0'", 5)
refused("(?s)names of different devices that exist.*gpu:7.*There are: .'cpu:0'", ["gpu:7"])
refused("names of different devices", ["cpu:0", "cpu:0"])
refused("(?s)multiple of the number of devices.*batch_size=6 and 4 devices.*batch_size=4", 4,
        batch_size=6)
refused("number, or as a list of names.*devices='cpu:0'", "cpu:0", TypeError)
import tensorflow as tf
unknown = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)  # The last may be smaller.
with pytest.raises(ValueError, match="one known size on several devices.*different sizes.*4"):
    keras_seg.fit(network(ours), (unknown,), folder=folder + "/g", epochs=1, devices=4)
class Hidden(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(3, 1)
    def call(self, image):
        return self.conv(image)
with pytest.raises(ValueError, match="copies a model to several devices by its layers.*Hidden"):
    devices.devices_for(2, [recipes.recipe("small_data")]).copy(Hidden())
if keras.backend.backend() == "tensorflow":
    refused("updates the weights at every step.*accumulate=2", 2, accumulate=2)
    with pytest.raises(ValueError, match="(?s)loss scale.*precision='mixed_float16'"):
        keras_seg.fit("contextnet_cn14", data, folder=folder, devices=2, crop_size=(32, 32),
                      precision="mixed_float16", batch_size=4)
else:
    twice = {"optimizer": "sgd", "batch_size": 4, "accumulate": 2}
    check(trained("h", ours, None, **twice), trained("i", ours, 4, **twice))
"""


@pytest.mark.long
@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.backends)])
def test_loss_statistics_and_gradient_are_those_of_the_whole_batch(backend, tmp_path):
    run_on(backend, START + BY_HAND, tmp_path, devices=4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.backends)])
def test_four_devices_train_as_one_does(backend, tmp_path):
    run_on(backend, START + AS_ONE, tmp_path, devices=4)


def test_more_devices_than_there_are_are_refused():
    with pytest.raises(ValueError, match=r"(?s)devices=99, and there are \d+: .*To try several on"):
        devices.devices_for(99, [recipes.recipe("small_data")])


def test_torch_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=r"devices=2 with KERAS_BACKEND=torch\. Set KERAS_BACKEND"):
        devices.devices_for(2, [recipes.recipe("small_data")])


@pytest.mark.parametrize("name", ["contextnet_cn14", "unet"])
def test_copies_have_their_variables_in_the_same_order(name):
    # The state of a training, and the copy that is scored, go by positions.
    network = keras_seg.models.build(name, (None, None, 3), 4)
    other, _ = clone(network, copied)

    def paths(model):  # States of dropout are numbered.
        return [re.sub(r"_\d+/seed", "/seed", x.path) for x in model.variables]

    assert paths(other) == paths(network)
    devices.copy_variables(network, other)
    for a, b in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
