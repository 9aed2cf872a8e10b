"""Training: a network, a data set and a recipe in, a run out."""

import dataclasses
import json
import logging
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from keras_seg import _check, _settings, _state, callbacks, models
from keras_seg import recipes as _recipes
from keras_seg._compiled import logits_model
from keras_seg.plain_data import PlainData
from keras_seg.predict import Segmenter
from keras_seg.run import Run, pick_examples, read_history, write_text

log = logging.getLogger("keras_seg")


def fit(model, data, recipe="small_data", *, seed=0, folder="saved_models", tag=None, **changes):
    """Train a network; the same call again continues a run that was interrupted.

    Everything is kept in `<folder>/<architecture>-<data set>[-<tag>]/`: the best weights by mean
    IoU on the validation set, the history, pictures, and all settings. After each epoch the whole
    state is saved, so `Ctrl-C` or a crash costs at most the epoch under way. A folder that holds
    something else is left alone: `-2`, `-3`, ... is added to the name.

    Args:
        model: name of an architecture, see `keras_seg.models.names()`, or a `keras.Model` with
            pixels 0..255 in and logits out, which is then trained in place.
        data: a data set of `pipelines`, or (training batches, validation batches) as
            `tf.data.Dataset`s of uint8 pictures (b, h, w, c) and integer labels (b, h, w), 255
            where ignored; these need a built model.
        recipe: "small_data" (a few hundred pictures, a laptop), "contextnet" (the paper's), or a
            `keras_seg.recipes.Recipe`.
        seed: 0..2**31 - 1. The same seed on the same machine gives the same weights.
        folder: where runs are kept.
        tag: added to the run's name, to tell trainings apart.
        **changes: fields of the recipe in place of its own, such as epochs=20, batch_size=4,
            learning_rate=1e-3; also callbacks=[...], plain Keras callbacks to add.

    Returns:
        `keras_seg.run.Run`.

    Raises:
        ValueError: an argument or a file of the data set is not usable; says which and why.
        FloatingPointError: the loss is no longer finite; the last good weights are kept.
    """
    more_callbacks = changes.pop("callbacks", ())
    _check.positive_integer("fit", "seed", seed, at_least=0)
    recipe = _recipes.recipe(recipe, **changes)
    if not hasattr(data, "train_batches"):
        data = _plain_data(data, model)
    keras.utils.set_random_seed(seed)
    recipe = dataclasses.replace(recipe, crop_size=_crop_size(recipe, data))
    network = _network(model, data, recipe)
    setup = _settings.setup(network, data, recipe, seed)
    name = "-".join(filter(None, (network.name, data.name, tag)))
    training = _Training(network, data, recipe, _settings.choose_folder(folder, name, setup), setup)
    if training.finished:
        log.warning(
            "Already trained: %s. Pass another tag= or seed= to train anew.", training.folder
        )
    else:
        training.run(more_callbacks)
    run = Run(training.folder, data)
    if isinstance(model, keras.Model):
        logits_model(model).set_weights(run.model.get_weights())
    return run


class _Training:
    """One training: its network, its folder, and how far it has come."""

    def __init__(self, network, data, recipe, folder, setup):
        self.network, self.data, self.recipe = network, data, recipe
        self.folder, self.setup = Path(folder), setup
        self.steps = int(self._batches(0, 1).cardinality())
        if self.steps < 1:
            raise ValueError(
                "`fit` needs at least one training batch, and a number of batches that is known. "
                f"Received: {self.steps} batches per epoch. Use a data set of `pipelines`, or "
                "`.apply(tf.data.experimental.assert_cardinality(n))`."
            )
        settings = _settings.read(self.folder)
        self.finished = settings.get("finished", False)
        self.seconds = settings.get("seconds", 0.0)
        self.environment = _settings.environment()
        self._compile()
        done = settings["epochs_done"] if self.finished else _state.restore(self._state, network)
        self.history = read_history(self.folder).head(done) if done else pd.DataFrame()

    @property
    def _state(self):
        return self.folder / "state.npz"

    def _compile(self):
        recipe, output = self.recipe, self.network.output
        weights = recipe.class_weights
        if isinstance(weights, dict):
            weights = self.data.class_weights(**weights)
        loss = _recipes.loss(recipe, self.data.num_classes, self.data.ignore_class, weights)
        loss_weights = None
        if isinstance(output, dict):
            loss_weights = {name: recipe.auxiliary_weight for name in output} | {"logits": 1.0}
            loss = dict.fromkeys(output, loss)
        self.network.compile(
            _recipes.optimizer(recipe, self.network, self.steps),
            loss,
            loss_weights=loss_weights,
            # On a CPU, XLA makes depthwise convolutions of TensorFlow several times slower.
            jit_compile="auto" if keras.backend.backend() == "jax" else False,
        )

    def _batches(self, first_epoch, epochs):
        recipe = self.recipe
        batches = self.data.train_batches(
            recipe.batch_size,
            _ops(recipe),
            seed=self.setup["seed"],
            first_epoch=first_epoch,
            epochs=epochs,
        )
        if not isinstance(self.network.output, dict):
            return batches
        names = tuple(self.network.output)
        return batches.map(lambda image, label: (image, dict.fromkeys(names, label)))

    def run(self, more_callbacks):
        """Train the epochs that are left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        done, total = len(self.history), self.recipe.epochs
        if done:
            log.warning("Continuing %s after epoch %d.", self.folder, done)
        else:
            # A model that was handed in cannot be built anew, should this be interrupted.
            _state.save(self._state, self.network, 0)
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
        averaged = [callbacks.AveragedWeights()] if self.recipe.averaging else []
        validated = "val" in self.data.splits
        monitor = "val_mean_iou" if validated else "epoch"
        scores = self.history[monitor].dropna().tolist() if len(self.history) else []
        bar = callbacks.ProgressBar(self.recipe.epochs, self.steps)
        bar.best = best = max(scores, default=-np.inf)
        patience = self.recipe.patience
        return [
            _Notes(),
            callbacks.StopOnBadLoss(f"Finished epochs are kept in '{self.folder}'."),
            *averaged,
            *(self._validation() if validated else []),
            callbacks.BestWeights(self._save_best, monitor, best),
            *([callbacks.EarlyStopping(patience, monitor, scores)] if patience else []),
            bar,
            _Journal(self, averaged),
        ]

    def _validation(self):
        """Scores after each epoch, and now and then a figure of a few fixed pictures."""
        data, recipe = self.data, self.recipe
        segmenter = Segmenter(self.network, data.class_names, data.palette, freeze=False)
        batches = data.eval_batches("val", recipe.batch_size)
        images, truths = pick_examples(data, "val", 3)

        def draw():
            from keras_seg.show import show_predictions

            found = [segmenter(image) for image in images]
            return show_predictions(images, truths, found, data.class_names, data.palette)

        return [
            callbacks.ValidationIoU(segmenter.labels, batches, data.class_names, data.ignore_class),
            callbacks.Overlays(draw, self.folder / "figures", max(recipe.epochs // 10, 1)),
        ]

    def _save_best(self):
        """The inference network with its present weights, as model.keras, at once."""
        temporary = self.folder / ".part.keras"
        logits_model(self.network).save(temporary)
        temporary.replace(self.folder / "model.keras")

    def note(self, row, raw_weights):
        """Keep one epoch's row and the whole state."""
        self.history = pd.concat([self.history, pd.DataFrame([row])], ignore_index=True)
        self.seconds += row["seconds"]
        write_text(self.folder / "history.csv", self.history.to_csv(index=False))
        self.write()
        # Last: only an epoch whose state is kept counts as finished.
        _state.save(self._state, self.network, len(self.history), raw_weights)

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

    def __init__(self, training, averaged):
        super().__init__()
        self.training = training
        self.averaged = averaged

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.seed = self.training.setup["seed"] + epoch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0 and keras.backend.backend() == "torch":
            # Dropout draws from one global stream there, which is no variable of the model.
            keras.utils.set_random_seed(self.seed)

    def on_epoch_end(self, epoch, logs: dict):
        raw = self.averaged[0].raw if self.averaged else None
        seconds = round(time.perf_counter() - self.started, 2)
        self.training.note({**logs, "seconds": seconds}, raw)


def _network(model, data, recipe):
    """The network to train, with auxiliary heads if the recipe weighs them."""
    if isinstance(model, keras.Model):
        _check_fits(logits_model(model), data)
        return model
    options = dict(recipe.options)
    shape = (None, None, data.num_channels)
    if recipe.auxiliary_weight and models.has_option(model, "auxiliary_head"):
        options["auxiliary_head"] = True
    return models.build(model, shape, data.num_classes, **options)


def _check_fits(model, data):
    classes, channels = model.output_shape[-1], model.input_shape[-1]
    if (classes, channels) != (data.num_classes, data.num_channels):
        raise ValueError(
            f"`fit` needs a model for {data.num_channels} channels and {data.num_classes} classes, "
            f"as in data set '{data.name}'. Received: a model with {channels} "
            f"channels and {classes} classes. Build it with num_classes={data.num_classes}."
        )


def _plain_data(data, model):
    if not isinstance(data, tuple | list) or len(data) not in (1, 2):
        raise ValueError(
            "`fit` needs a data set of `pipelines`, or (training batches, validation batches). "
            f"Received: data of type {type(data).__name__}. Pass (batches, None) if there are "
            "none for validation."
        )
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`fit` needs a built model with plain tf.data datasets, which do not say how many "
            f"classes they have. Received: model={model!r}. Use `keras_seg.models.build(...)`."
        )
    return PlainData(*data, num_classes=logits_model(model).output_shape[-1])


def _crop_size(recipe, data):
    """The recipe's own crop size, or the size of the first training picture."""
    if recipe.crop_size is not None:
        return tuple(recipe.crop_size)
    image, _ = next(iter(data.eval_batches("train", 1)))
    return tuple(int(side) for side in image.shape[1:3])


def _ops(recipe):
    """The augmentation with the crop size filled in where an op crops."""
    height, width = recipe.crop_size
    crop = {"height": height, "width": width}
    return [
        (op[0], {**op[1], **crop}) if not callable(op) and "crop" in op[0] else op
        for op in recipe.augmentation
    ]
