"""Training: a network, a data set and a recipe in, a run out."""

import contextlib
import dataclasses
import logging
from pathlib import Path
from typing import Any

import keras

from keras_seg import _check, tasks
from keras_seg.inference.compiled import logits_model
from keras_seg.pruning import prune
from keras_seg.run import Run
from keras_seg.training import lock, recipes, run_folder, same_run, state
from keras_seg.training.arguments import (
    check_callbacks,
    check_used,
    check_width,
    cropped,
    usable,
    used,
)
from keras_seg.training.devices import Devices, copy_variables, devices_for
from keras_seg.training.network import network_for, scored_network
from keras_seg.training.session import Training
from keras_seg.training.stages import stages
from keras_seg.training.transfer import identity, transfer, weights_file
from keras_seg.whole_files import require_folder

log = logging.getLogger("keras_seg")


def fit(
    model,
    data,
    recipe="small_data",
    *,
    seed=0,
    folder="saved_models",
    tag=None,
    weights=None,
    **changes,
):
    """Train a network; calling it again with the same arguments resumes an interrupted run.

    The results are saved in `<folder>/<architecture>-<data set>[-<tag>]/`: the best weights by mean
    IoU (of classifiers by top-1 accuracy) on the validation set, the history, pictures, and all
    settings. The whole state is saved after each epoch, so `Ctrl-C` or a crash loses at most the
    current epoch. Two calls are the same if network, recipe, seed and the content of all pictures
    and masks are; for a finished run also the first weights of a built model. A folder that holds
    something else is not changed: `-2`, `-3`, ... is added to the name, and what differs is logged.

    Args:
        model: name of an architecture, see `keras_seg.models.names()`, or a `keras.Model` with
            pixels 0..255 in and logits out, which is then trained in place.
        data: a data set of `pipelines`, or (training batches, validation batches) as
            `tf.data.Dataset`s of uint8 pictures (b, h, w, c) and integer labels (b, h, w), 255
            where ignored; of classifiers class ids (b,). These need a built model.
        recipe: a name in `keras_seg.recipes.RECIPES`: "small_data" (a few hundred
            pictures, a laptop), "contextnet", "fc_densenet" (the papers'), ...; a .json or .toml
            file with the fields of one; or a `keras_seg.Recipe`. One with a training `before`
            trains twice; the first training is a run of its own, whose name ends with `-before`.
            So are the trainings of the wider networks with `prune_from`: `-width2`, `-width1.5`
            and `-width1.25`.
        seed: 0..2**31 - 1. The same seed on the same machine gives the same weights.
        folder: folder for runs.
        tag: added to the run's name, to tell trainings apart.
        weights: start from these: a `Run`, its name or folder, or a .keras file. What fits is taken
            by layer name and shape; the rest, such as the classifier of other classes or the first
            layer of other channels, starts from its initial values and is named in the log.
        **changes: fields of the recipe in place of its own, such as epochs=20, batch_size=4,
            learning_rate=1e-3; also callbacks=, a Keras callback or a list of them, and
            more_epochs=, the number of epochs to add to those of the recipe: a finished run
            continues from its last weights and optimizer state, at the learning rates of a training
            of all these epochs; and devices=, a number of devices or a list of their names, which
            share each batch. batch_size is that of all devices together, and loss and batch
            statistics are those of one device. Callbacks then see a copy of a built model.

    Returns:
        `keras_seg.run.Run`.

    Raises:
        ValueError: an argument, the folder or a file of the data set is not usable, or another
            process trains this run; says which and why.
        FloatingPointError: the loss is no longer finite; the last good weights are kept.

    >>> import tempfile
    >>> import pipelines
    >>> image = keras.Input((None, None, 3))
    >>> model = keras.Model(image, keras.layers.Conv2D(4, 1)(image), name="linear")
    >>> data = pipelines.shapes(num_images=8, size=(32, 32), seed=0)
    >>> run = fit(model, data, folder=tempfile.mkdtemp(), epochs=1, batch_size=2)
    Epoch 1/1 | loss ...
    >>> run.folder.name
    'linear-shapes'
    """
    more_callbacks = changes.pop("callbacks", ())
    if isinstance(more_callbacks, keras.callbacks.Callback):
        more_callbacks = [more_callbacks]
    more_epochs = changes.pop("more_epochs", 0)
    devices = changes.pop("devices", None)
    _check.positive_integer("fit", "seed", seed, at_least=0)
    _check.positive_integer("fit", "more_epochs", more_epochs, at_least=0)
    recipe = recipes.recipe(recipe, **changes)
    check_callbacks(more_callbacks, recipe)
    check_used(data, model, changes)
    data = usable(data, model, recipe)
    tasks.require_fitting(model, data, recipe)
    recipe = used(recipe, data, model)
    check_width(recipe, model)
    require_folder("fit", folder)
    if tag is not None and (not isinstance(tag, str) or set(tag) & set("/\\")):
        raise ValueError(
            "`tag` is the end of a folder's name: text without / and \\. "
            f"Received: tag={tag!r}. Pass `folder` to save runs elsewhere."
        )
    weights = None if weights is None else weights_file(weights)
    call = _Call(model, data, seed, Path(folder), list(more_callbacks), more_epochs, weights)
    if isinstance(model, keras.Model):
        call.weights = run_folder.weights_digest(model)
    try:
        *earlier, last = trainings = stages(recipe, model)
        call.devices = devices_for(devices, [stage.recipe for stage in trainings])
        first = None
        for stage in earlier:
            first = _trained(call, stage, tag, first)
        run = _trained(call, last, tag, first)
        if first:
            (first.folder / run_folder.START).unlink(missing_ok=True)
        if call.weights:
            logits_model(model).set_weights(run.model.get_weights())
        return run
    finally:
        if call.weights:
            for made in call.folders:
                run_folder.note_weights(made, model)


@dataclasses.dataclass
class _Call:
    """What the one or two trainings of a call of `fit` share."""

    model: Any
    data: Any
    seed: int
    folder: Path
    callbacks: list
    more_epochs: int
    start: Path | None = None  # File of the weights to start from.
    devices: Devices = dataclasses.field(default_factory=Devices)
    weights: str | None = None  # Digest of the first weights of a built model.
    folders: list = dataclasses.field(default_factory=list)  # Those of its runs.


def _trained(call, stage, tag, first=None):
    """The run of a training, trained to its end; `first` is the run of the training before it."""
    keras.utils.set_random_seed(call.seed)
    recipe = cropped(stage.recipe, call.data, call.model)
    network = network_for(call.model, call.data, recipe)
    setup = run_folder.setup(network, call.data, recipe, call.seed, call.weights)
    if call.start is not None:
        setup["weights"] = identity(call.start)
    if stage.pruned_from is not None:
        setup["pruned_from"] = stage.pruned_from
    encoder = recipe.options.get("encoder")
    name = "-".join(filter(None, (network.name, encoder, call.data.name, tag, stage.suffix)))
    more_epochs = call.more_epochs if stage.is_last else 0
    with contextlib.ExitStack() as stack:
        folder = _folder(stack, call.folder / name, setup, more_epochs)
        call.folders.append(folder)
        settings = run_folder.read(folder)
        _continue_with(call, setup, settings, folder)
        if same_run.is_trained(settings, more_epochs):
            log.warning("Already trained: %s. Pass another tag= or seed= to train again.", folder)
        else:
            twin = scored_network(call.model, network, call.data, recipe)
            trained = call.devices.copy(network)
            training = Training(trained, twin, call.data, recipe, folder, setup, call.devices)
            if not training.state.is_file():
                _start(call, stage, network, folder, first)
                copy_variables(network, trained)
            training.run(call.callbacks, more_epochs)
            if not stage.is_last:
                training.state.unlink(missing_ok=True)  # Only the last one can be continued.
    return Run(folder, call.data)


def _start(call, stage, network, folder, first):
    """Give a network its first weights: those of a file, or of the training before it."""
    if first is None:
        if call.start is not None:
            transfer(call.start, network)
        if call.weights and not stage.is_last:
            # The second training needs what best weights leave out: heads, states of dropout.
            state.save_model(folder / run_folder.START, network)
        return
    if call.weights:
        state.restore_model(first.folder / run_folder.START, network)
    target, trained = logits_model(network), first.model
    if stage.pruned_from is not None:
        trained = prune(trained, to=target)
    target.set_weights(trained.get_weights())


def _continue_with(call, setup, settings, folder):
    """Take a run's own first weights for those of the model; say so if they are others."""
    first = settings.get("setup", setup)["first_weights"]
    if first not in (call.weights, None) and call.weights != settings.get("weights_left"):
        log.warning(
            "%s continues from its own weights; those of the model that was passed are not used. "
            "Pass another tag= to start from them.",
            folder,
        )
    call.weights = setup["first_weights"] = first


def _folder(stack, path, setup, more_epochs):
    """The folder of a run, locked until `stack` ends if there is something to train."""
    folder = run_folder.choose_folder(path.parent, path.name, setup)
    while not same_run.is_trained(run_folder.read(folder), more_epochs):
        try:
            stack.enter_context(lock.held(folder))
        except ValueError:
            # Another process was faster: with the same run, or with one of the same name.
            before, folder = folder, run_folder.choose_folder(path.parent, path.name, setup)
            if folder == before:
                raise
        else:
            break
    return folder
