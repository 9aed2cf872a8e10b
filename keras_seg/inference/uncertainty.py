"""Uncertainty of each pixel: entropy, Monte Carlo dropout, heat maps."""

from typing import NamedTuple

import cv2
import keras
import numpy as np
from keras import layers

from keras_seg import _check
from keras_seg.inference.predictor import Predictor, share_properties
from keras_seg.models.cloning import clone, copied

DROPOUTS = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.GaussianDropout,
    layers.AlphaDropout,
)


def entropy(probabilities):
    """Entropy of the class probabilities at each pixel, as a fraction of the largest possible.

    Args:
        probabilities: (..., num_classes) in 0..1, which sum to 1 over the classes.

    Returns:
        float32 (...): 0 where one class is certain, 1 where all are equally probable.

    Raises:
        ValueError: if there are fewer than two classes, or values outside 0..1.

    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [0.0, 1.0]
    """
    probabilities = np.asarray(probabilities, np.float32)
    lowest, highest = probabilities.min(initial=0), probabilities.max(initial=0)
    if probabilities.shape[-1:] < (2,) or not (-1e-4 <= lowest and highest <= 1 + 1e-4):
        raise ValueError(
            "`entropy` needs probabilities (..., num_classes) in 0..1 of two classes or more. "
            f"Received: shape={probabilities.shape}, range {lowest}..{highest}. "
            "Take those of `segmenter.probabilities(picture)`."
        )
    logarithms = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    share = (0 - (probabilities * logarithms).sum(axis=-1)) / np.log(probabilities.shape[-1])
    return np.clip(share, 0, 1).astype(np.float32)


def heat_map(values):
    """Color a map of values in 0..1: dark where they are 0, bright where they are 1.

    Args:
        values: (h, w) in 0..1, such as an entropy; other values are clipped.

    Returns:
        uint8 (h, w, 3), red, green, blue.

    Raises:
        ValueError: if `values` has another number of axes.

    >>> heat_map(np.zeros((4, 5))).shape
    (4, 5, 3)
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(
            "`heat_map` needs one number per pixel, (h, w). "
            f"Received: shape={values.shape}. Take the entropy of one picture."
        )
    gray = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


class Uncertainty(NamedTuple):
    """The uncertainty of a prediction, from several samples.

    Attributes:
        probabilities: float32 (h, w, num_classes), mean over the samples; for volumes, here and
            below, with a leading depth axis.
        entropy: float32 (h, w) of that mean, 0..1: the total uncertainty.
        mutual_information: float32 (h, w), 0..1 on the same scale: the part of the entropy due to
            disagreement between samples, which more training data could reduce.
        variance: float32 (h, w), 0..0.25: mean over the classes of the variance of their
            probabilities, the measure of Bayesian SegNet (A. Kendall et al., arXiv 1511.02680).
    """

    probabilities: np.ndarray
    entropy: np.ndarray
    mutual_information: np.ndarray
    variance: np.ndarray


def mc_dropout(segmenter, samples=20, seed=0):
    """Estimate uncertainty by Monte Carlo dropout: sample a network with active dropout.

    Y. Gal, Z. Ghahramani: Dropout as a Bayesian Approximation, ICML 2016, arXiv 1506.02142.
    Only dropout runs in training mode; batch normalization uses its moving statistics. The
    weights are copied when this function is called.

    Args:
        segmenter: a `Segmenter` whose network has dropout.
        samples: forward passes for each picture.
        seed: the same seed gives the same numbers for the same picture.

    Returns:
        An object with the interface of `Segmenter` that averages the samples, and with a method
        `uncertainty(picture)` that returns an `Uncertainty`.

    Raises:
        ValueError: if the network has no dropout, or `samples` is below 1.
        TypeError: if `segmenter` is not a `Segmenter`.

    >>> from keras_seg import Segmenter
    >>> image = keras.Input((None, None, 3))
    >>> model = keras.Model(image, layers.Conv2D(4, 1)(layers.Dropout(0.5)(image)))
    >>> found = mc_dropout(Segmenter(model), samples=2).uncertainty(np.zeros((37, 51, 3), "uint8"))
    >>> found.entropy.shape
    (37, 51)
    """
    return MonteCarlo(segmenter, samples, seed)


class MonteCarlo(Predictor):
    """See `mc_dropout`."""

    def __init__(self, segmenter, samples, seed):
        from keras_seg.inference.segmenter import Segmenter

        if not isinstance(segmenter, Segmenter):
            raise TypeError(
                "`mc_dropout` needs a Segmenter, whose network it copies. "
                f"Received: {type(segmenter).__name__}. Pass Segmenter(model); average or "
                "augment what comes back."
            )
        _check.positive_integer("mc_dropout", "samples", samples)
        _check.positive_integer("mc_dropout", "seed", seed, at_least=0)
        self.samples, self.seed = samples, seed
        self.network = sampling_model(segmenter.network)
        self.sampler = Segmenter(self.network, engine="keras")  # Masks are drawn from state.
        share_properties(self, segmenter)
        self.output_stride = segmenter.output_stride
        self._generators = [
            layer.dropout.seed_generator
            for layer in self.network._flatten_layers()
            if isinstance(layer, AlwaysDropout)
        ]
        if not self._generators:
            raise ValueError(
                "`mc_dropout` needs a network with dropout. Received: "
                f"{segmenter.model.name!r}, which has none. Build it with dropout_rate above 0."
            )

    def _probabilities(self, batch):
        return self._means(batch)[0]

    def uncertainty(self, picture) -> Uncertainty:
        """Return mean probabilities of a picture, their entropy, mutual information and variance.

        Args:
            picture: path or array, as in `__call__`.

        Returns:
            `Uncertainty`.
        """
        batch = self.read(picture)[None]
        mean, entropies, squares = self._means(batch)
        of_mean = entropy(mean)
        # Never below 0 (Jensen's inequality) but for rounding.
        mutual_information = np.maximum(of_mean - entropies, 0)
        variance = np.maximum(squares - (mean**2).mean(axis=-1), 0)
        return Uncertainty(mean[0], of_mean[0], mutual_information[0], variance[0])

    def _means(self, batch):
        """Means over the samples: probabilities, their entropies, and squares over the classes."""
        mean = np.zeros((*batch.shape[:-1], self.num_classes), np.float32)
        entropies, squares = np.zeros((2, *batch.shape[:-1]), np.float32)
        for sample in range(self.samples):
            for index, generator in enumerate(self._generators):
                # Not left to the layer: JAX's compiled functions do not keep what they change,
                # and torch adds the two numbers of a state.
                first = np.random.SeedSequence((self.seed, index, sample)).generate_state(1)
                generator.state.assign(np.array([first[0] >> 1, 0], "uint32"))
            found = self.sampler.probabilities(batch)
            mean += found
            entropies += entropy(found)
            squares += np.square(found).mean(axis=-1)
        return mean / self.samples, entropies / self.samples, squares / self.samples


class AlwaysDropout(layers.Layer):
    """A dropout layer that is active in training and in inference.

    Args:
        dropout: one of Keras's dropout layers.
        **kwargs: arguments of `keras.layers.Layer`, such as name.

    >>> layer = AlwaysDropout(layers.Dropout(0.5, seed=0))
    >>> bool(keras.ops.any(layer(keras.ops.ones((1, 64)), training=False) == 0))
    True
    """

    def __init__(self, dropout, **kwargs):
        super().__init__(dtype=dropout.dtype_policy, **kwargs)
        self.dropout = dropout

    def call(self, inputs):
        # Not __call__: Keras would hand its training=True on to the layers that follow.
        return self.dropout.call(inputs, training=True)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, self.compute_dtype)


def sampling_model(model):
    """Copy a functional model and its weights, with dropout always active.

    Args:
        model: functional or sequential; models and `Recompute` inside it are copied likewise.

    Returns:
        `keras.Model` that shares nothing with the original.

    >>> model = keras.Sequential([keras.Input((8,)), layers.Dropout(0.5)])
    >>> type(sampling_model(model).layers[-1]).__name__
    'AlwaysDropout'
    """

    def made(layer):
        if isinstance(layer, DROPOUTS) and layer.rate > 0:
            # Without a seed of its own, torch would use the one that all layers share.
            return AlwaysDropout(copied(layer, seed=0), name=layer.name)
        return copied(layer)

    copy, pairs = clone(model, made)
    for old, new in pairs:
        if getattr(old, "weights", ()):
            new.set_weights(old.get_weights())
    return copy
