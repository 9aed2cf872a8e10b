"""Re-estimates the statistics of batch normalization, exactly, over a set of pictures."""

import weakref

import keras
import numpy as np

from keras_seg import _check
from keras_seg.training.bars import unobtrusive_bar

# The compiled pass of each model, by which of its normalizing layers are trainable; compiling it
# takes many times as long as running it.
_RUNNERS = weakref.WeakKeyDictionary()


def reestimate_statistics(model, batches):
    """Replace the moving statistics of batch normalization by means over a set of pictures.

    Moving averages cover only a few batches and lag behind the weights; they are inaccurate with
    small batches, and after weights were averaged or loaded. This pass runs the network once over
    the pictures, with batch statistics and without dropout, and stores mean and variance over all
    pixels. Layers that are not trainable keep their statistics.

    Y. Wu, J. Johnson: Rethinking "Batch" in BatchNorm, 2021, arXiv 2105.07576, section 3.

    Args:
        model: `keras.Model` with batch normalization, changed in place.
        batches: pictures as the network is trained on: an iterable of pixels 0..255 (b, h, w, c),
            or of pairs of pixels and labels. Batches of more than one picture give better estimates
            for deeper layers.

    Returns:
        Number of batches.

    Raises:
        ValueError: there is no batch, or no batch normalization. The model is then unchanged.

    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.BatchNormalization()])
    >>> reestimate_statistics(model, [np.full((1, 2, 2, 1), 2.0), np.full((1, 2, 2, 1), 4.0)])
    2
    >>> [float(model.layers[0].moving_mean[0]), float(model.layers[0].moving_variance[0])]
    [3.0, 1.0]
    """
    inside = list(inner_layers(model))
    normalizing = [x for x in inside if isinstance(x, keras.layers.BatchNormalization)]
    if not normalizing:
        raise ValueError(
            "`reestimate_statistics` needs a model with batch normalization. Received: "
            f"model={model.name!r}, which has none. It needs no such pass."
        )
    before = [keras.ops.convert_to_numpy(x) for x in model.non_trainable_variables]
    quiet = [(x, "rate", 0.0) for x in inside if isinstance(x, keras.layers.Dropout)]
    # Without memory, a layer's moving statistics are those of the last batch.
    quiet += [(x, "momentum", 0.0) for x in normalizing]
    were = [getattr(layer, name) for layer, name, _ in quiet]
    found = None
    try:
        for layer, name, value in quiet:
            setattr(layer, name, value)
        found = _mean_over(batches, _runner(model, normalizing), normalizing)
    finally:
        for (layer, name, _), value in zip(quiet, were, strict=True):
            setattr(layer, name, value)
        for variable, value in zip(model.non_trainable_variables, before, strict=True):
            variable.assign(value)
    means, squares, num_batches = found
    for layer, mean, square in zip(normalizing, means, squares, strict=True):
        if not layer.trainable:  # It kept its statistics; these are copies.
            continue
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(np.maximum(square - mean**2, 0))
    return num_batches


class ReestimateStatistics(keras.callbacks.Callback):
    """Re-estimates the statistics of batch normalization on the training set between epochs.

    Put it before callbacks that validate or save. See `reestimate_statistics`.

    Args:
        batches: the pictures: an iterable of (image, label), read from its beginning each time.
        every: epochs between two estimates; there is one after the last epoch, too.

    Raises:
        ValueError: `every` is not a whole number above 0.

    >>> ReestimateStatistics(batches=[], every=5).every
    5
    """

    def __init__(self, batches, every=1):
        super().__init__()
        _check.positive_integer("ReestimateStatistics", "every", every)
        self.batches = batches
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == (self.params or {}).get("epochs")
        if (epoch + 1) % self.every == 0 or last:
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()  # During fit, JAX keeps the weights outside the model.
            reestimate_statistics(
                self.model, unobtrusive_bar(self.batches, "Statistics of batch normalization")
            )


def inner_layers(layer):
    """All layers of a model, those of models and blocks within it too.

    Args:
        layer: a `keras.Model`, or any layer that has `layers`.

    Yields:
        `keras.Layer`, in their order.

    >>> [x.name for x in inner_layers(keras.Sequential([keras.layers.Dense(2, name="d")]))]
    ['d']
    """
    for inner in getattr(layer, "layers", ()):
        yield inner
        yield from inner_layers(inner)


def _mean_over(batches, run, normalizing):
    """Mean and mean square of each layer's input over all pixels of all batches."""
    means, squares = (np.zeros(len(normalizing), dtype=object) for _ in range(2))
    pixels, num_batches = 0, 0
    for batch in batches:
        image = np.asarray(batch[0] if isinstance(batch, tuple | list) else batch)
        run(image)
        new = int(np.prod(image.shape[:-1]))
        pixels, num_batches, share = pixels + new, num_batches + 1, new / (pixels + new)
        statistics = [
            [keras.ops.convert_to_numpy(x).astype("float64") for x in pair]
            for pair in ((x.moving_mean, x.moving_variance) for x in normalizing)
        ]
        mean = _each(statistics, lambda m, v: m)
        square = _each(statistics, lambda m, v: v + m**2)
        means = means + share * (mean - means)
        squares = squares + share * (square - squares)
    if not num_batches:
        raise ValueError(
            "`reestimate_statistics` needs at least one batch. Received: batches with none. Pass "
            "for example dataset.train_batches(4), and a list instead of an exhausted generator."
        )
    return means, squares, num_batches


def _each(statistics, function):
    """One object array with an array per layer, so that arithmetic works on all of them."""
    made = np.empty(len(statistics), dtype=object)
    for place, (mean, variance) in enumerate(statistics):
        made[place] = function(mean, variance)
    return made


def _runner(model, normalizing):
    """The model in training mode, which updates the statistics; compiled once per model.

    Layers that are not trainable keep their statistics; a change of `trainable` compiles it again.
    """
    runners = _RUNNERS.setdefault(model, {})
    trainable = tuple(layer.trainable for layer in normalizing)
    if trainable not in runners:
        # A weak reference: the function must not keep its model alive.
        runners[trainable] = _compiled(weakref.ref(model))
    return runners[trainable]


def _compiled(model):
    """The pass of a weakly referenced model, compiled where the backend compiles."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda image: model()(image, training=True), autograph=False)
    if keras.backend.backend() == "torch":
        import torch  # pyright: ignore[reportMissingImports]

        def run(image):
            with torch.no_grad():
                model()(image, training=True)

        return run
    return _compiled_by_jax(model)


def _compiled_by_jax(model):
    import jax  # pyright: ignore[reportMissingImports]

    @jax.jit
    def states(trainable, state, image):
        return model().stateless_call(trainable, state, image, training=True)[1]

    def run(image):
        trainable, state = (
            [variable.value for variable in variables]
            for variables in (model().trainable_variables, model().non_trainable_variables)
        )
        new = states(trainable, state, image)
        for variable, value in zip(model().non_trainable_variables, new, strict=True):
            variable.assign(value)

    return run
