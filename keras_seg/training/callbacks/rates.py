"""Learning rates by epoch."""

import keras

from keras_seg import _check


class ExponentialDecay(keras.callbacks.Callback):
    """Multiplies the learning rate by `rate` after each epoch, as for FC-DenseNet.

    The rate of epoch e is `initial * rate ** e`, also if a training is resumed; after a warm-up,
    epochs are counted from its end. For an optimizer whose learning rate is a number;
    `keras_seg.schedules.Exponential` is the same as a schedule, with a warm-up by steps.

    Args:
        rate: factor per epoch, above 0 and up to 1.
        warmup_epochs: epochs of linear rise before: 1 / (n + 1), 2 / (n + 1), ... of `initial`.
        initial_learning_rate: rate of the first epoch; the optimizer's own when the training
            starts, if None.

    Raises:
        ValueError: `rate` is out of range, or the optimizer follows a schedule already.

    >>> decay = ExponentialDecay(0.995, initial_learning_rate=1e-3)
    >>> round(decay.learning_rate(138), 6)  # 1e-3 * 0.995 ** 138
    0.000501
    """

    def __init__(self, rate=0.995, warmup_epochs=0, initial_learning_rate=None):
        super().__init__()
        subject = "ExponentialDecay"
        _check.number(subject, "rate", rate, above=0, at_most=1)
        _check.positive_integer(subject, "warmup_epochs", warmup_epochs, at_least=0)
        if initial_learning_rate is not None:
            _check.number(subject, "initial_learning_rate", initial_learning_rate, at_least=0)
        self.rate = rate
        self.warmup_epochs = warmup_epochs
        self.initial_learning_rate = initial_learning_rate

    def learning_rate(self, epoch):
        """The learning rate of an epoch, counted from 0."""
        if epoch < self.warmup_epochs:
            return self.initial_learning_rate * (epoch + 1) / (self.warmup_epochs + 1)
        return self.initial_learning_rate * self.rate ** (epoch - self.warmup_epochs)

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        if isinstance(
            getattr(optimizer, "_learning_rate", None),
            keras.optimizers.schedules.LearningRateSchedule,
        ):
            raise ValueError(
                "`ExponentialDecay` needs an optimizer whose learning rate is a number. Received: "
                "an optimizer with a schedule. Use `keras_seg.schedules.Exponential` as its "
                "schedule and leave this callback out."
            )
        if self.initial_learning_rate is None:
            self.initial_learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.learning_rate(epoch)
