"""One training: its network, its folder, its epochs, and how it goes on after a stop."""

import dataclasses
import json
import logging
import time
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from keras_seg.inference.compiled import logits_model
from keras_seg.inference.segmenter import Segmenter
from keras_seg.run_files import pick_examples, picture_size, read_history, write_text
from keras_seg.training import callbacks, run_folder, state
from keras_seg.training.network import batches_for, compile_network
from keras_seg.training.statistics import inner_layers

log = logging.getLogger("keras_seg")


class Training:
    """One training: its network, its folder, and how far it has come.

    Args:
        network: the `keras.Model` to train.
        twin: the network that is scored and kept, with the same weights; often the same one.
        data: a data set.
        recipe: a `Recipe` with its crop size filled in.
        folder: where the run is kept.
        setup: what the folder's name and settings say of it.
    """

    def __init__(self, network, twin, data, recipe, folder, setup):
        self.network, self.twin, self.data, self.recipe = network, twin, data, recipe
        self.folder, self.setup = Path(folder), setup
        self.average = _average(recipe)
        self.steps = int(self._batches(0, 1).cardinality())
        if self.steps < 1:
            raise ValueError(
                "`fit` needs at least one training batch, and a number of batches that is known. "
                f"Received: {self.steps} batches per epoch. Use a data set of `pipelines`, or "
                "`.apply(tf.data.experimental.assert_cardinality(n))`."
            )
        settings = run_folder.read(self.folder)
        self.finished = settings.get("finished", False)
        self.seconds = settings.get("seconds", 0.0)
        self.environment = run_folder.environment()
        compile_network(network, data, recipe, self.steps)
        done = settings["epochs_done"] if self.finished else self._restore()
        self.history = read_history(self.folder).head(done) if done else pd.DataFrame()

    @cached_property
    def picture_size(self):
        """The most common size of whole pictures, which TFLite files take by default."""
        return list(map(int, picture_size(self.data)))

    @property
    def _state(self):
        return self.folder / "state.npz"

    def _restore(self):
        done, average = state.restore(self._state, self.network)
        if self.average and average:
            self.average.set_state(average)
        return done

    def _batches(self, first_epoch, epochs):
        return batches_for(
            self.network, self.data, self.recipe, self.setup["seed"], first_epoch, epochs
        )

    def run(self, more_callbacks):
        """Train the epochs that are left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        done, total = len(self.history), self.recipe.epochs
        if done:
            log.warning("Continuing %s after epoch %d.", self.folder, done)
        else:
            # A model that was handed in cannot be built anew, should this be interrupted.
            state.save(self._state, self.network, 0)
        self.write()
        try:
            self.network.fit(
                self._batches(done, max(total - done, 1)),
                epochs=total,
                initial_epoch=done,
                steps_per_epoch=self.steps,
                shuffle=False,
                verbose=0,
                callbacks=[*self._callbacks(), *more_callbacks],
            )
        except KeyboardInterrupt as stop:
            stop.add_note(
                f"{len(self.history)} epochs are kept in '{self.folder}'. The same call of fit "
                "continues from there."
            )
            raise
        self.finished = True
        self.write()
        self._state.unlink(missing_ok=True)

    def _callbacks(self):
        """In the order of their work at an epoch's end: average, measure, keep, note down."""
        validated = "val" in self.data.splits
        monitor = "val_mean_iou" if validated else "epoch"
        # There is no such column before the first measurement.
        scores = self.history[monitor].dropna().tolist() if monitor in self.history else []
        bar = callbacks.ProgressBar(self.recipe.epochs, self.steps)
        bar.best = best = max(scores, default=-np.inf)
        patience = self.recipe.patience
        return [
            _Notes(),
            callbacks.StopOnBadLoss(f"Finished epochs are kept in '{self.folder}'."),
            *([self.average] if self.average else []),
            *self._statistics(),
            *([_Twin(self.twin)] if self.twin is not self.network else []),
            *(self._validation() if validated else []),
            callbacks.BestWeights(self._save_best, monitor, best),
            *([callbacks.EarlyStopping(patience, monitor, scores)] if patience else []),
            bar,
            _Journal(self),
        ]

    def _statistics(self):
        """Re-estimate batch normalization on augmented batches of the training set."""
        count, layers = self.recipe.statistics_batches, list(inner_layers(self.network))
        if not count or not any(isinstance(x, keras.layers.BatchNormalization) for x in layers):
            return []
        recipe = dataclasses.replace(self.recipe, accumulate=1)
        batches = batches_for(self.network, self.data, recipe, self.setup["seed"], 0, 1)
        return [callbacks.ReestimateStatistics(batches.take(count), recipe.validate_every)]

    def _validation(self):
        """Scores after each epoch, and now and then a figure of a few fixed pictures."""
        data, recipe = self.data, self.recipe
        segmenter = Segmenter(self.twin, data.class_names, data.palette, freeze=False)
        batches = data.eval_batches("val", recipe.batch_size)
        images, truths = pick_examples(data, "val", 3)

        def draw():
            from keras_seg.show import show_predictions

            found = [segmenter(image) for image in images]
            return show_predictions(images, truths, found, data.class_names, data.palette)

        return [
            callbacks.ValidationIoU(
                segmenter.labels,
                batches,
                data.class_names,
                data.ignore_class,
                recipe.validate_every,
            ),
            callbacks.Overlays(draw, self.folder / "figures", max(recipe.epochs // 10, 1)),
        ]

    def _save_best(self):
        """The inference network with its present weights, as model.keras, at once."""
        temporary = self.folder / ".part.keras"
        network = logits_model(self.twin)
        # A model of its own, that was never compiled: the optimizer's state would be saved along.
        keras.Model(network.inputs, network.outputs[0], name=network.name).save(temporary)
        temporary.replace(self.folder / "model.keras")

    def note(self, row):
        """Keep one epoch's row and the whole state."""
        self.history = pd.concat([self.history, pd.DataFrame([row])], ignore_index=True)
        self.seconds += row["seconds"]
        write_text(self.folder / "history.csv", self.history.to_csv(index=False))
        self.write()
        # Last: only an epoch whose state is kept counts as finished.
        raw, average = None, {}
        if self.average:
            raw, average = self.average.raw, self.average.get_state()
        state.save(self._state, self.network, len(self.history), raw, average)

    def write(self):
        """Write run.json."""
        best = {}
        if "val_mean_iou" in self.history:
            row = self.history.loc[self.history["val_mean_iou"].idxmax()]
            best = {"epoch": int(row["epoch"]), "val_mean_iou": float(row["val_mean_iou"])}
        settings = {
            **{
                key: self.setup[key]
                for key in ("architecture", "num_classes", "class_names", "palette", "ignore_class")
            },
            "crop_size": self.setup["recipe"]["crop_size"],
            "picture_size": self.picture_size,
            "epochs_done": len(self.history),
            "finished": self.finished,
            "seconds": round(self.seconds, 1),
            "best": best,
            **self.environment,
            "setup": self.setup,
        }
        write_text(self.folder / "run.json", json.dumps(settings, indent=1))


class _Notes(keras.callbacks.Callback):
    """Adds the epoch's number, learning rate and seconds of training to the logs."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs: dict):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        seconds = round(time.perf_counter() - self.started, 2)
        logs.update(epoch=epoch + 1, learning_rate=float(rate), train_seconds=seconds)


class _Journal(keras.callbacks.Callback):
    """Writes history and state when everything else of an epoch is done."""

    def __init__(self, training):
        super().__init__()
        self.training = training

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.seed = self.training.setup["seed"] + epoch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0 and keras.backend.backend() == "torch":
            # Dropout draws from one global stream there, which is no variable of the model.
            keras.utils.set_random_seed(self.seed)

    def on_epoch_end(self, epoch, logs: dict):
        seconds = round(time.perf_counter() - self.started, 2)
        self.training.note({**logs, "seconds": seconds})


class _Twin(keras.callbacks.Callback):
    """Brings the weights into the network that is scored and kept."""

    def __init__(self, twin):
        super().__init__()
        self.twin = twin

    def on_epoch_end(self, epoch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # During fit, JAX keeps the weights outside the model.
        self.twin.set_weights(self.model.get_weights())


def _average(recipe):
    """The callback that averages weights, or None."""
    if recipe.swa:
        return callbacks.StochasticWeightAverage(round(recipe.epochs * (1 - recipe.swa)))
    return callbacks.AveragedWeights() if recipe.averaging else None
