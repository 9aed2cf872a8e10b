"""Training: a network, a data set and a recipe in, a run out."""

import dataclasses
import logging

import keras

from keras_seg import _check
from keras_seg.inference.compiled import logits_model
from keras_seg.run import Run
from keras_seg.training import recipes, run_folder
from keras_seg.training.network import network_for, scored_network
from keras_seg.training.plain_data import PlainData
from keras_seg.training.session import Training
from keras_seg.training.transfer import identity, transfer, weights_file

log = logging.getLogger("keras_seg")
SMALLEST = 32  # Side of a picture in pixels, as for crops.


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
        recipe: a name that `keras_seg.recipes.recipe` knows: "small_data" (a few hundred
            pictures, a laptop), "contextnet", "fc_densenet" (the papers'), ...; a .json or .toml
            file with the fields of one; or a `keras_seg.Recipe`. One with a training `before`
            trains twice; the first training is a run of its own, whose name ends with `-before`.
        seed: 0..2**31 - 1. The same seed on the same machine gives the same weights.
        folder: where runs are kept.
        tag: added to the run's name, to tell trainings apart.
        weights: start from these: name or folder of a run, or a .keras file. What fits is taken by
            layer name and shape; the rest, such as the classifier of other classes or the first
            layer of other channels, starts from its initial values and is named in the log.
        **changes: fields of the recipe in place of its own, such as epochs=20, batch_size=4,
            learning_rate=1e-3; also callbacks=, a plain Keras callback or a list of them.

    Returns:
        `keras_seg.run.Run`.

    Raises:
        ValueError: an argument or a file of the data set is not usable; says which and why.
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
    _check.positive_integer("fit", "seed", seed, at_least=0)
    recipe = recipes.recipe(recipe, **changes)
    check_used(data, model, changes)
    data = usable(data, model, recipe)
    recipe = used(recipe, data, model)
    weights = None if weights is None else weights_file(weights)
    first = None
    if recipe.before:
        earlier = "-".join(filter(None, (tag, "before")))
        first = _training(model, data, recipe.first(), seed, folder, earlier, weights)
        first = _trained(first, more_callbacks)
    training = _training(model, data, recipe, seed, folder, tag, weights)
    if first is not None and not training.history.size:
        # Auxiliary heads are not kept, and start anew.
        logits_model(training.network).set_weights(first.model.get_weights())
    run = _trained(training, more_callbacks)
    if isinstance(model, keras.Model):
        logits_model(model).set_weights(run.model.get_weights())
    return run


def _training(model, data, recipe, seed, folder, tag, weights):
    """A training that is ready to run, with what is already done of it."""
    keras.utils.set_random_seed(seed)
    recipe = cropped(recipe, data)
    network = network_for(model, data, recipe)
    if weights is not None and not recipe.before:
        transfer(weights, network)
    twin = scored_network(model, network, data, recipe)
    setup = run_folder.setup(network, data, recipe, seed)
    if weights is not None:
        setup["weights"] = identity(weights)
    encoder = recipe.options.get("encoder")
    name = "-".join(filter(None, (network.name, encoder, data.name, tag)))
    folder = run_folder.choose_folder(folder, name, setup)
    return Training(network, twin, data, recipe, folder, setup)


def _trained(training, more_callbacks):
    """The run of a training, trained to its end."""
    if training.finished:
        log.warning(
            "Already trained: %s. Pass another tag= or seed= to train anew.", training.folder
        )
    else:
        training.run(more_callbacks)
    return Run(training.folder, training.data)


def check_used(data, model, changes):
    """Raise if an argument of `fit` would have no effect.

    Args:
        data: what was passed to `fit`.
        model: the same.
        changes: arguments of `fit` that are fields of a recipe.

    Raises:
        ValueError: plain tf.data datasets with a batch size, a crop size or an augmentation; or a
            built model with options.
    """
    plain = not hasattr(data, "train_batches")
    for name in ("batch_size", "crop_size", "augmentation") if plain else ():
        if name in changes:
            raise ValueError(
                f"`fit` takes plain tf.data datasets as they are, and has no use for {name}. "
                f"Received: {name}={changes[name]!r}. Leave it out, and use .batch(...) and "
                ".map(...) of the dataset; or pass a data set of `pipelines`."
            )
    if isinstance(model, keras.Model) and changes.get("options"):
        raise ValueError(
            "`fit` passes options to the builder of a network that is given by name. Received: "
            f"options={changes['options']!r} and the built model '{model.name}'. Pass them to "
            "`keras_seg.models.build`, or pass the name of the network."
        )


def used(recipe, data, model):
    """The recipe without what plain tf.data datasets and built models leave unused.

    Args:
        recipe: a `Recipe`.
        data: what `usable` returned.
        model: the name of a network, or a `keras.Model`.

    Returns:
        `Recipe`.
    """
    if isinstance(data, PlainData):
        recipe = data.recorded(recipe)
    return dataclasses.replace(recipe, options={}) if isinstance(model, keras.Model) else recipe


def usable(data, model, recipe):
    """The data set itself, or plain tf.data datasets with what else is needed of one.

    Args:
        data: a data set, or (training batches, validation batches).
        model: the model to train, which says how many classes plain datasets have.
        recipe: a `Recipe`.

    Returns:
        a data set.

    Raises:
        ValueError: it is neither, or the model or the recipe asks for more than plain ones have.
    """
    if hasattr(data, "train_batches"):
        return data
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
    if recipe.accumulate > 1:
        raise ValueError(
            "`fit` needs a data set of `pipelines` to accumulate gradients, as it takes larger "
            f"batches apart. Received: accumulate={recipe.accumulate} and plain tf.data datasets. "
            "Use `pipelines.Dataset.from_arrays(...)` or a reader."
        )
    return PlainData(*data, num_classes=logits_model(model).output_shape[-1])


def cropped(recipe, data):
    """The recipe with its crop size filled in: that of the first training picture, if it has none.

    Args:
        recipe: a `Recipe`.
        data: a data set.

    Returns:
        `Recipe`.

    Raises:
        ValueError: there is no training picture, or the first one is too small.
    """
    if recipe.crop_size is not None:
        return recipe
    for image, _ in data.eval_batches("train", 1):
        size = tuple(int(side) for side in image.shape[1:-1])
        if min(size) < SMALLEST:
            shown = "x".join(map(str, size))
            raise ValueError(
                f"`fit` needs pictures of at least {SMALLEST} pixels a side. Received: the first "
                f"training picture of data '{data.name}' with {shown} pixels. Enlarge the "
                f"pictures, or pass crop_size=({SMALLEST}, {SMALLEST}) and random_crop in "
                "augmentation, which pads them."
            )
        return dataclasses.replace(recipe, crop_size=size)
    raise ValueError(
        f"A training needs at least one picture. Received: data '{data.name}' whose split 'train' "
        "has none. Look at what leaves them out, such as a filter."
    )
