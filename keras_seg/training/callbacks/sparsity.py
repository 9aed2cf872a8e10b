"""Dynamic sparse training: a fixed share of zeros in kernels, at changing places."""

import math

import keras
import numpy as np
from keras import ops

from keras_seg import _check

# Initial value of an activated weight: too small to change a result, but not 0.
SEED = 1e-30
SLOWEST = 0.005  # share of weights that are still replaced at the end, as in SLaK's code


class DynamicSparsity(keras.callbacks.Callback):
    """Keeps a share of all kernels' weights at zero, and periodically changes which ones.

    S. Liu et al.: More ConvNets in the 2020s: Scaling up Kernels Beyond 51x51 using Sparsity, ICLR
    2023, arXiv 2207.03620, section 3.3; the ratios of the layers by N. Lee et al.: SNIP, ICLR 2019,
    arXiv 1810.02340. Every `every` steps the smallest weights of each kernel are set to zero, and
    as many zeros, chosen at random, are activated; their share falls from `rate` along half a
    cosine until the end of the training. Between these steps zeros stay zeros.

    A weight is inactive if and only if it is 0: activated weights start from 1e-30. The weights
    therefore contain the whole state, and a resumed training gives the same weights as an
    uninterrupted one. Averages of weights (`averaging` of a recipe) are not sparse.

    Args:
        density: share of the weights of all kernels that are not zero, above 0 and up to 1; SLaK
            keeps 0.6.
        every: steps between two changes.
        rate: share of a kernel's non-zero weights that the first change replaces, 0..1.
        batch: (images, labels) by whose gradients the densities of the layers are chosen, as SNIP
            does; None for the same density in each.
        seed: of the random choices.

    Raises:
        ValueError: an argument is out of its range; when training begins, the number of steps is
            not known, or several are taken in one call.
        RuntimeError: training runs on JAX, where callbacks cannot change weights.

    >>> image = keras.Input((8,))
    >>> model = keras.Model(image, keras.layers.Dense(10, name="dense")(image))
    >>> model.compile("sgd", "mse")
    >>> sparsity = DynamicSparsity(density=0.25, every=2)
    >>> _ = model.fit(np.ones((4, 8)), np.ones((4, 10)), verbose=0, callbacks=sparsity)
    >>> sparsity.densities()
    {'dense': 0.25}
    """

    def __init__(self, density=0.6, every=2000, rate=0.3, batch=None, seed=0):
        super().__init__()
        _check.number("DynamicSparsity", "density", density, above=0, at_most=1)
        _check.positive_integer("DynamicSparsity", "every", every)
        _check.share("DynamicSparsity", "rate", rate)
        self.density, self.every, self.rate = density, every, rate
        self.batch, self.seed = batch, seed
        self.kernels, self.masks = {}, {}

    def densities(self):
        """Share of weights other than zero of each kernel, by the path of its layer."""
        return {name: float(np.mean(_array(kernel) != 0)) for name, kernel in self.kernels.items()}

    def on_train_begin(self, logs=None):
        self._check_training()
        self.total = self.params["steps"] * self.params["epochs"]
        self.kernels = dict(_kernels(self.model))
        found = {name: _array(kernel) != 0 for name, kernel in self.kernels.items()}
        size, active = (sum(count(x) for x in found.values()) for count in (np.size, np.sum))
        if active > self.density * size + len(found):  # dense as yet; counts are rounded
            counts = self._counts(found)
            found = {
                name: self._chosen(mask, np.ones(mask.size, bool), counts[name], index, step=-1)
                for index, (name, mask) in enumerate(found.items())
            }
        self._take(found)

    def on_train_batch_end(self, batch, logs=None):
        step = self._step()
        if step % self.every == 0 and step < self.total:
            rate = cosine(self.rate, step / self.total)
            for index, (name, kernel) in enumerate(self.kernels.items()):
                mask = self._moved(name, rate, index, step)
                kernel.assign(np.where(mask & (_array(kernel) == 0), SEED, _array(kernel)))
                self.masks[name].assign(mask.astype("float32"))
        for name, kernel in self.kernels.items():
            kernel.assign(kernel * self.masks[name])

    def _moved(self, name, rate, index, step):
        """The mask of a kernel after its smallest weights were exchanged for others."""
        values = _array(self.kernels[name])
        flat = np.abs(values).ravel()
        # Weights that an update happened to leave at exactly 0 are still active.
        mask = _array(self.masks[name]).ravel() > 0
        count = math.ceil(rate * mask.sum())
        smallest = np.argsort(np.where(mask, flat, np.inf), kind="stable")[:count]
        mask[smallest] = False
        grown = self._chosen(mask, ~mask, count, index, step).ravel()
        return (mask | grown).reshape(values.shape)

    def _chosen(self, like, candidates, count, index, step):
        """A mask of `count` random places among the candidates."""
        rng = np.random.default_rng((self.seed, step + 1, index))
        places = np.flatnonzero(candidates)
        mask = np.zeros(like.size, bool)
        mask[rng.choice(places, min(count, len(places)), replace=False)] = True
        return mask.reshape(like.shape)

    def _counts(self, masks):
        """How many weights of each kernel may be other than zero."""
        sizes = {name: mask.size for name, mask in masks.items()}
        if self.batch is None:
            return {name: max(1, round(self.density * size)) for name, size in sizes.items()}
        return snip_counts(self.model, self.kernels, self.batch, self.density)

    def _take(self, found):
        for name, mask in found.items():
            values = _array(self.kernels[name])
            self.kernels[name].assign(np.where(mask & (values == 0), SEED, values * mask))
            self.masks[name] = keras.Variable(mask.astype("float32"), trainable=False)

    def _step(self):
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return int(optimizer.iterations)

    def _check_training(self):
        if keras.backend.backend() == "jax":
            raise RuntimeError(
                "`DynamicSparsity` changes weights between steps, which is not possible on JAX. "
                "Received: KERAS_BACKEND=jax. Train on TensorFlow or torch."
            )
        together = getattr(self.model, "steps_per_execution", 1) or 1
        if not self.params.get("steps") or together > 1:
            raise ValueError(
                "`DynamicSparsity` needs to know the number of steps, and to act after each. "
                f"Received: steps={self.params.get('steps')}, steps_per_execution={together}. Pass "
                "steps_per_epoch to `fit`, and leave steps_per_execution at 1."
            )


def cosine(rate, progress):
    """The share of weights that a change replaces.

    Args:
        rate: that of the first change.
        progress: 0 at the beginning of the training, 1 at its end.

    Returns:
        float.

    >>> [round(cosine(0.3, progress), 4) for progress in (0, 0.5, 1)]
    [0.3, 0.1525, 0.005]
    """
    slowest = min(rate, SLOWEST)
    return slowest + (rate - slowest) * (1 + math.cos(math.pi * progress)) / 2


def snip_counts(model, kernels, batch, density):
    """Weights per kernel that are among the most important of the network.

    A weight's importance is |weight * gradient|, the change of the loss that its removal makes to
    first order.

    Args:
        model: compiled `keras.Model`.
        kernels: dict of its kernels by name.
        batch: (images, labels).
        density: share of all weights to keep.

    Returns:
        dict of int by name, at least 1 each.
    """
    gradients = _gradients(model, list(kernels.values()), batch)
    scores = [
        np.abs(_array(kernel) * gradient).ravel()
        for kernel, gradient in zip(kernels.values(), gradients, strict=True)
    ]
    every = np.concatenate(scores)
    keep = max(1, round(density * every.size))
    best = np.argpartition(every, every.size - keep)[every.size - keep :]
    ends = np.cumsum([score.size for score in scores])
    found = np.bincount(np.searchsorted(ends, best, side="right"), minlength=len(scores))
    return {name: max(1, int(count)) for name, count in zip(kernels, found, strict=True)}


def _gradients(model, kernels, batch):
    """Gradients of the compiled loss to kernels, as arrays."""
    images, labels = (ops.convert_to_tensor(part) for part in batch)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = model.compute_loss(images, labels, model(images, training=False))
        return [np.asarray(g) for g in tape.gradient(loss, [k.value for k in kernels])]
    model.zero_grad()
    model.compute_loss(images, labels, model(images, training=False)).backward()
    return [kernel.value.grad.detach().cpu().numpy() for kernel in kernels]


def _kernels(model):
    """Trainable kernels of convolutions and dense layers by the paths of their layers."""
    for layer in model._flatten_layers(include_self=False):
        for weight in [] if isinstance(layer, keras.Model) else layer.trainable_weights:
            if len(weight.shape) > 1 and weight.name.endswith("kernel"):
                yield weight.path.removesuffix("/kernel"), weight


def _array(variable):
    return np.array(ops.convert_to_numpy(variable))
