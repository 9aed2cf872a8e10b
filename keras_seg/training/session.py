"""One training: its network, its folder, its epochs, and resuming it."""

import dataclasses
import io
import logging
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from keras_seg import tasks
from keras_seg.inference.classifier import Classifier
from keras_seg.inference.compiled import logits_model
from keras_seg.inference.one_picture import is_slow_alone
from keras_seg.inference.segmenter import Segmenter
from keras_seg.run_files import pick_examples, picture_size, write_text
from keras_seg.training import callbacks, run_folder, same_run, state
from keras_seg.training.callbacks import record
from keras_seg.training.devices import require_equal_batches
from keras_seg.training.network import batches_for, compile_network, create_loss_metrics
from keras_seg.training.statistics import inner_layers

log = logging.getLogger("keras_seg")


class Training:
    """One training: its network, its folder, and its progress.

    Args:
        network: the `keras.Model` to train.
        twin: the network that is scored and saved, with the same weights; often the same one.
        data: a data set.
        recipe: a `Recipe` with its crop size filled in.
        folder: the run's folder.
        setup: its settings, see `run_folder.setup`.
        devices: the `Devices` that share each batch.
    """

    def __init__(self, network, twin, data, recipe, folder, setup, devices):
        self.network, self.twin, self.data, self.recipe = network, twin, data, recipe
        self.folder, self.setup, self.devices = Path(folder), setup, devices
        self.steps = int(self._batches(0, 1).cardinality())
        if self.steps < 1:
            raise ValueError(
                "`fit` needs at least one training batch, and a known number of batches. "
                f"Received: {self.steps} batches per epoch. Use a data set of `pipelines`, or "
                "`.apply(tf.data.experimental.assert_cardinality(n))`."
            )
        _require_labels(data)
        settings = run_folder.read(self.folder)
        self.ends = same_run.ends(settings)
        self.more_epochs = settings.get("more_epochs", 0)
        self.finished = False
        self.seconds = settings.get("seconds", 0.0)
        self.environment = run_folder.environment()
        self.history = pd.DataFrame()
        self.average = self.loss = None
        self.task = tasks.task_of_data(data)
        self.monitor = tasks.MONITORS[self.task]

    @cached_property
    def picture_size(self):
        """The most common size of whole pictures, which TFLite files take by default."""
        return list(map(int, picture_size(self.data)))

    @property
    def state(self):
        """The file with the whole state that the next epoch depends on."""
        return self.folder / "state.npz"

    def run(self, more_callbacks=(), more_epochs=0):
        """Train the epochs that are left.

        Args:
            more_callbacks: Keras callbacks, called after those of the training itself.
            more_epochs: epochs that follow those of the recipe, see `fit`.

        Raises:
            ValueError: more epochs are asked for, and the state of the finished run is missing.
        """
        with self.devices.scope():
            self._train_what_is_left(more_callbacks, more_epochs)

    def _train_what_is_left(self, more_callbacks, more_epochs):
        if not self.ends:
            self._train(self.recipe.epochs, 0, more_callbacks)
        if more_epochs > self.more_epochs:
            if not self.state.is_file():
                raise ValueError(
                    "More epochs need the state in which a run ended. Received: "
                    f"more_epochs={more_epochs} and no file '{self.state}'. Start a new run from "
                    "its weights instead, with weights= and another tag=."
                )
            self.more_epochs, before = more_epochs, self.more_epochs
            self._train(self.ends[0] + more_epochs, self.ends[-1], more_callbacks, before)

    def _train(self, total, begin, more_callbacks, more_before=0):
        """Train up to epoch `total`; `begin` epochs are of trainings that have ended."""
        recipe = dataclasses.replace(self.recipe, epochs=total)
        self.average = _average(recipe, begin)
        self.loss = compile_network(self.network, self.data, recipe, self.steps, self.devices)
        _warn_of_slow_steps(self.network, recipe, self.devices.count)
        self._restore(begin)
        done = len(self.history)
        self.finished, asked, self.more_epochs = False, self.more_epochs, more_before
        self.write()
        if done:
            log.warning("Continuing %s after epoch %d.", self.folder, done)
            self._write_history()
        else:
            # A model that was passed in cannot be built again after an interruption.
            self._save_state()
        batches = self._batches(done, max(total - done, 1))
        require_equal_batches(batches, self.devices.count)
        create_loss_metrics(self.network, batches)
        try:
            self.network.fit(
                self.devices.batches(batches),
                epochs=total,
                initial_epoch=done,
                steps_per_epoch=self.steps,
                shuffle=False,
                verbose=0,
                callbacks=[*self._callbacks(total, begin), *more_callbacks],
            )
        except KeyboardInterrupt as stop:
            stop.add_note(
                f"{len(self.history)} epochs are kept in '{self.folder}'. The same call of fit "
                "continues from there."
            )
            raise
        self.finished, self.more_epochs = True, asked
        self.ends = [*self.ends, len(self.history)]
        self.write()

    def _restore(self, begin):
        done, more = state.restore(self.state, self.network)
        text = str(more.pop("history", ""))
        self.history = pd.read_csv(io.StringIO(text)) if done else pd.DataFrame()
        if self.average and more and done > begin:
            self.average.set_state(more)

    def _save_state(self):
        raw, average = None, {}
        if self.average:
            raw, average = self.average.raw, self.average.get_state()
        # The history is kept here, too: an edited history.csv changes nothing of the training.
        average["history"] = np.array(self.history.to_csv(index=False))
        state.save(self.state, self.network, len(self.history), raw, average)

    def _batches(self, first_epoch, epochs):
        return batches_for(
            self.network, self.data, self.recipe, self.setup["seed"], first_epoch, epochs
        )

    def _callbacks(self, total, begin):
        """Callbacks in the order in which they run at the end of an epoch."""
        validated = "val" in self.data.splits
        monitor = self.monitor
        # There is no such column before the first measurement.
        before = self.history[monitor] if monitor in self.history else pd.Series(dtype=float)
        bar = callbacks.ProgressBar(total, self.steps)
        bar.best = best = max(before.dropna(), default=-np.inf)
        patience = self.recipe.patience if validated else None
        since = before[begin:].dropna().tolist()
        keep_last = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: self._save_best())
        scores, figures = self._validation(total) if validated else ([], [])
        return [
            record.Notes(),
            callbacks.StopOnBadLoss(f"Finished epochs are kept in '{self.folder}'."),
            *([self.average] if self.average else []),
            *self._statistics(),
            *([record.Twin(self.twin)] if self.twin is not self.network else []),
            *scores,
            callbacks.BestWeights(self._save_best, monitor, best) if validated else keep_last,
            *([callbacks.EarlyStopping(patience, monitor, since)] if patience else []),
            bar,
            record.Journal(self),
            # Last: an epoch is kept even if drawing its figure is interrupted.
            *figures,
        ]

    def _statistics(self):
        """Re-estimate batch normalization on augmented batches of the training set."""
        count, layers = self.recipe.statistics_batches, list(inner_layers(self.network))
        if not count or not any(isinstance(x, keras.layers.BatchNormalization) for x in layers):
            return []
        recipe = dataclasses.replace(self.recipe, accumulate=1)
        batches = batches_for(self.network, self.data, recipe, self.setup["seed"], 0, 1)
        return [callbacks.ReestimateStatistics(batches.take(count), recipe.validate_every)]

    def _validation(self, total):
        """Scores after each epoch, and every few epochs a figure of a few fixed pictures."""
        if self.task == "classification":
            return self._validation_of_classes(total)
        data, recipe = self.data, self.recipe
        segmenter = Segmenter(self.twin, data.class_names, data.palette, engine="keras")
        batches = data.eval_batches("val", recipe.batch_size)
        images, truths = pick_examples(data, "val", 3)

        def draw():
            from keras_seg.show import show_predictions

            found = [segmenter(image) for image in images]
            return show_predictions(images, truths, found, data.class_names, data.palette)

        measured = callbacks.ValidationIoU(
            segmenter.logits if recipe.validation_loss else segmenter.labels,
            batches,
            data.class_names,
            data.ignore_class,
            recipe.validate_every,
            self.loss if recipe.validation_loss else None,
        )
        return [measured], self._figures(draw, total)

    def _validation_of_classes(self, total):
        """The same for a classifier."""
        data, recipe = self.data, self.recipe
        classifier = Classifier(self.twin, data.class_names, freeze=False)
        images, truths = pick_examples(data, "val", 16)

        def draw():
            from keras_seg.show import show_classified

            found = [classifier.probabilities(image[np.newaxis])[0] for image in images]
            return show_classified(images, truths, found, data.class_names)

        measured = callbacks.ValidationAccuracy(
            classifier.logits,
            data.eval_batches("val", recipe.batch_size),
            data.class_names,
            recipe.validate_every,
            self.loss if recipe.validation_loss else None,
        )
        return [measured], self._figures(draw, total)

    def _figures(self, draw, total):
        return [callbacks.Overlays(draw, self.folder / "figures", max(total // 10, 1))]

    def _save_best(self):
        """Write the inference network with its current weights to model.keras, atomically."""
        temporary = self.folder / ".part.keras"
        network = logits_model(self.twin)
        # A separate model that was never compiled: otherwise the optimizer's state would be saved.
        keras.Model(network.inputs, network.outputs[0], name=network.name).save(temporary)
        temporary.replace(self.folder / "model.keras")

    def note(self, row):
        """Write one epoch's row of the history, and the whole state."""
        self.history = pd.concat([self.history, pd.DataFrame([row])], ignore_index=True)
        self.seconds += row["seconds"]
        self._write_history()
        self.write()
        self._save_state()  # Last: only an epoch whose state is kept counts as finished.

    def _write_history(self):
        write_text(self.folder / "history.csv", self.history.to_csv(index=False))

    def write(self):
        """Write run.json."""
        best = {}
        scores = self.history.get(self.monitor, pd.Series(dtype=float)).dropna()
        if len(scores):
            row = self.history.loc[scores.idxmax()]
            best = {"epoch": int(row["epoch"]), self.monitor: float(row[self.monitor])}
        settings = {
            "task": self.task,
            **{
                key: self.setup[key]
                for key in ("architecture", "num_classes", "class_names", "palette", "ignore_class")
            },
            "input_spec": self.setup["input_spec"],
            "crop_size": self.setup["recipe"]["crop_size"],
            "picture_size": self.picture_size,
            "epochs_done": len(self.history),
            "finished": self.finished,
            "ends": self.ends,
            "more_epochs": self.more_epochs,
            "seconds": round(self.seconds, 1),
            "best": best,
            # With it, `evaluate` and `export` on the command line find the data set again.
            "opened_by": getattr(self.data, "opened_by", None),
            **self.environment,
            **({"devices": self.devices.names} if self.devices.names else {}),
            "setup": self.setup,
        }
        run_folder.write(self.folder, settings)


def _require_labels(data):
    """Raise if no pixel of "val" has a class: its first score would stop the training."""
    if "val" not in data.splits or tasks.task_of_data(data) != "segmentation":
        return
    batches = data.eval_batches("val", 8)
    if not any(np.any(np.asarray(label) != data.ignore_class) for _, label in batches):
        raise ValueError(
            "`fit` scores the network on the split 'val', which needs pixels with a class. "
            f"Received: data '{data.name}', whose split 'val' has none: it has no masks, or all "
            "of their pixels are ignored. Give its masks, or call it 'test' to train without it."
        )


def _warn_of_slow_steps(network, recipe, count):
    """Say what to do where a step of one picture takes minutes."""
    pictures, crop = recipe.batch_size // count, recipe.crop_size
    if pictures == 1 and crop and is_slow_alone(network, (1, *crop, network.input_shape[-1])):
        log.warning(
            "Steps of one picture of %s pixels are slow: oneDNN has no fast convolution of '%s' "
            "for them on this processor. Train with batch_size=%d, or set "
            "TF_ENABLE_ONEDNN_OPTS=0 in the environment.",
            "x".join(map(str, crop)),
            network.name,
            2 * count,
        )


def _average(recipe, begin):
    """The callback that averages weights, or None; `begin` epochs were trained before."""
    if recipe.swa:
        share = (recipe.epochs - begin) * (1 - recipe.swa)
        return callbacks.StochasticWeightAverage(begin + round(share))
    return callbacks.AveragedWeights() if recipe.averaging else None
