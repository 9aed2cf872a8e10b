"""Sparse kernels whose zeros move: densities, zeros between moves, and trainings continued."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.training import state
from keras_seg.training.callbacks import DynamicSparsity
from keras_seg.training.callbacks.sparsity import SEED, cosine, snip_counts

X = np.random.default_rng(0).normal(size=(16, 6, 6, 2)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 3)).astype("float32")


def network():
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(10, 3, name="conv")(image)  # 180 weights
    x = layers.DepthwiseConv2D(2, name="depthwise")(layers.ReLU()(x))  # 40
    x = layers.Flatten()(layers.BatchNormalization()(x))  # 3 * 3 * 10
    model = keras.Model(image, layers.Dense(3, name="dense")(x))  # 270
    model.compile(keras.optimizers.Adam(1e-2), "mse", run_eagerly=True)
    return model


def kernels(model):
    return {x.name: np.array(x.kernel) for x in model.layers if hasattr(x, "kernel")}


class Zeros(keras.callbacks.Callback):
    """Which weights are zero after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append({name: kernel == 0 for name, kernel in kernels(self.model).items()})


def train(model, epochs, *callbacks, initial_epoch=0):
    # 4 steps in each epoch.
    model.fit(
        X, Y, 4, epochs=epochs, initial_epoch=initial_epoch, verbose=0, shuffle=False,
        callbacks=list(callbacks),
    )  # fmt: skip


def test_density_is_kept_and_zeros_move_only_when_they_should():
    zeros, sparsity = Zeros(), DynamicSparsity(density=0.25, every=3, rate=0.5)
    model = network()
    before = kernels(model)
    train(model, 3, sparsity, zeros)
    assert sparsity.densities() == {"conv": 45 / 180, "depthwise": 10 / 40, "dense": 68 / 270}
    moves = []
    for step, (old, new) in enumerate(zip(zeros.seen, zeros.seen[1:], strict=False), start=2):
        for name, mask in new.items():
            assert (
                mask.sum() == before[name].size - {"conv": 45, "depthwise": 10, "dense": 68}[name]
            )
        if any((old[name] != new[name]).any() for name in new):
            moves.append(step)
    assert moves == [3, 6, 9]  # not 12, which is the end
    # The first mask is not the smallest weights, but random ones.
    assert np.abs(before["conv"][zeros.seen[0]["conv"]]).max() > np.median(np.abs(before["conv"]))


def test_a_move_replaces_the_smallest_weights():
    sparsity = DynamicSparsity(density=0.5, every=1, rate=0.5, seed=1)
    values = np.array([5.0, 0.1, 0.0, -3.0, 0.0, 0.0, 0.2, 0.0])
    sparsity.kernels = {"a": keras.Variable(values)}
    sparsity.masks = {"a": keras.Variable((values != 0).astype("float32"))}
    for step in range(20):
        # Half of the four active weights go: 0.1 and 0.2; two of the six others come.
        mask = sparsity._moved("a", 0.5, 0, step)
        assert mask.sum() == 4
        assert mask[[0, 3]].all()


def test_what_grows_begins_near_zero():
    sparsity, model = DynamicSparsity(density=0.5, every=1, rate=0.5), network()
    model.optimizer.learning_rate = 0.0
    begin = {}

    class Begin(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            begin.setdefault("conv", kernels(self.model)["conv"])

    train(model, 1, sparsity, Begin())
    end = kernels(model)["conv"]
    grown = (begin["conv"] == 0) & (end != 0)
    assert grown.sum() > 10
    np.testing.assert_array_equal(end[grown], np.float32(SEED))


@pytest.mark.long
def test_a_training_that_is_continued_is_the_one_that_was_not(tmp_path):
    options = {"density": 0.3, "every": 2, "rate": 0.4}
    whole = network()
    train(whole, 4, DynamicSparsity(**options))
    first = network()

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    train(first, 4, DynamicSparsity(**options), Stop())
    state.save(tmp_path / "state.npz", first, 2)
    again = network()
    state.restore(tmp_path / "state.npz", again)
    train(again, 4, DynamicSparsity(**options), initial_epoch=2)
    for expected, found in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_share_that_moves_falls_along_a_cosine():
    # 0.005 + 0.295 * (1 + cos(pi / 3)) / 2 with cos 60 degrees = 0.5.
    assert cosine(0.3, 1 / 3) == pytest.approx(0.005 + 0.295 * 0.75)
    assert cosine(0.0, 0.5) == 0.0


def test_snip_keeps_the_weights_whose_removal_changes_the_loss():
    image = keras.Input((2,))
    model = keras.Model(image, layers.Dense(2, use_bias=False, name="dense")(image))
    model.compile("sgd", "mse")
    model.layers[-1].set_weights([np.array([[1.0, 2.0], [3.0, 4.0]])])
    # Prediction (1, 2) for (1, 0), wanted (0, 2): loss (1 + 0) / 2, gradient 1 for the first
    # weight and 0 for all others.
    batch = np.array([[1.0, 0.0]], "float32"), np.array([[0.0, 2.0]], "float32")
    kernels_of = {"dense": model.layers[-1].kernel}
    assert snip_counts(model, kernels_of, batch, 0.25) == {"dense": 1}
    deep = network()
    sparsity = DynamicSparsity(density=0.5, every=100, batch=(X, Y))
    train(deep, 1, sparsity)
    found = sparsity.densities()
    total = 180 * found["conv"] + 40 * found["depthwise"] + 270 * found["dense"]
    assert total == pytest.approx(245)  # half of 490 weights, not half of each kernel
    assert len({round(density, 2) for density in found.values()}) > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"density": 0}, r"density to be a finite number above 0 and up to 1. Received: density=0"),
        ({"density": 1.5}, "density=1.5"),
        ({"every": 0}, "every to be a whole number"),
        ({"rate": -0.1}, "rate"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        DynamicSparsity(**arguments)


def test_trainings_that_hide_steps_are_refused(monkeypatch):
    model = network()
    model.compile("sgd", "mse", steps_per_execution=2)
    with pytest.raises(ValueError, match=r"number of steps.*steps_per_execution=2"):
        train(model, 1, DynamicSparsity())
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=r"KERAS_BACKEND=jax\. Train on TensorFlow or torch"):
        DynamicSparsity().on_train_begin()
