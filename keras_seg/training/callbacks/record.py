"""Callbacks that `fit` itself uses to record an epoch."""

import time

import keras


class Notes(keras.callbacks.Callback):
    """Adds the learning rate of an epoch's first step and its seconds of training to the logs.

    The logs must not have names that Keras passes beside them, such as `epoch` and `batch`.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:  # Before the step: afterwards a schedule is at the next one.
            self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs: dict):
        seconds = round(time.perf_counter() - self.started, 2)
        logs.update(learning_rate=self.rate, train_seconds=seconds)


class Journal(keras.callbacks.Callback):
    """Writes history and state at the end of an epoch, after all other callbacks."""

    def __init__(self, training):
        super().__init__()
        self.training = training

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.seed = self.training.setup["seed"] + epoch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0 and keras.backend.backend() == "torch":
            # Dropout draws from one global stream there, which is not a variable of the model.
            keras.utils.set_random_seed(self.seed)

    def on_epoch_end(self, epoch, logs: dict):
        seconds = round(time.perf_counter() - self.started, 2)
        self.training.note({"epoch": epoch + 1, **logs, "seconds": seconds})


class Twin(keras.callbacks.Callback):
    """Copies the weights to the network that is scored and saved."""

    def __init__(self, twin):
        super().__init__()
        self.twin = twin

    def on_epoch_end(self, epoch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # During fit, JAX keeps the weights outside the model.
        self.twin.set_weights(self.model.get_weights())
