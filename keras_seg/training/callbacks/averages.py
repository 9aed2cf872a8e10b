"""Callbacks that replace the weights by averaged ones between epochs."""

import keras
import numpy as np

from keras_seg import _check


class AveragedWeights(keras.callbacks.Callback):
    """Replaces the weights by their moving average between epochs.

    For an optimizer with `use_ema=True`. Callbacks later in the list (validation, best weights)
    use the averaged weights; training continues with the raw ones. After the last epoch, the model
    keeps the averaged weights.

    >>> AveragedWeights().raw is None
    True
    """

    def __init__(self):
        super().__init__()
        self.raw: list | None = None

    def on_epoch_end(self, epoch, logs=None):
        # Copies: on torch an array shares its memory with the variable.
        self.raw = [
            np.array(keras.ops.convert_to_numpy(variable))
            for variable in self.model.trainable_variables
        ]
        self.average(epoch)

    def average(self, epoch):
        """Put the average into the model, and keep its own weights in `raw`."""
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def on_epoch_begin(self, epoch, logs=None):
        if self.raw is not None:
            for variable, value in zip(self.model.trainable_variables, self.raw, strict=True):
                variable.assign(value)
            self.raw = None

    def get_state(self):
        """The state needed to resume a training: a dict of arrays by name."""
        return {}

    def set_state(self, state):
        """Restore what `get_state` returned."""


class StochasticWeightAverage(AveragedWeights):
    """Replaces the weights by the mean of those at the end of each later epoch (SWA).

    Izmailov et al.: Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018,
    arXiv 1803.05407. Meant for a learning rate that is constant, or cycles, over those epochs.
    Follow it with `ReestimateStatistics` where the network has batch normalization, as the paper
    does: the moving statistics belong to the raw weights.

    Args:
        first_epoch: first epoch, counted from 0, whose weights are averaged.

    Raises:
        ValueError: `first_epoch` is not a whole number from 0.

    >>> StochasticWeightAverage(first_epoch=75).count
    0
    """

    def __init__(self, first_epoch):
        super().__init__()
        _check.positive_integer("StochasticWeightAverage", "first_epoch", first_epoch, at_least=0)
        self.first_epoch = first_epoch
        self.mean, self.count = [], 0

    def average(self, epoch):
        if epoch < self.first_epoch:
            return
        self.count += 1
        # In float64: a mean over hundreds of epochs adds small differences to large numbers.
        raw = self.raw or []
        old = self.mean or [np.zeros(value.shape) for value in raw]
        self.mean = [m + (value - m) / self.count for m, value in zip(old, raw, strict=True)]
        for variable, value in zip(self.model.trainable_variables, self.mean, strict=True):
            variable.assign(value.astype("float32"))

    def get_state(self):
        return {"count": np.array(self.count), **{str(i): m for i, m in enumerate(self.mean)}}

    def set_state(self, state):
        self.count = int(state["count"])
        self.mean = [state[str(i)] for i in range(len(state) - 1)]
