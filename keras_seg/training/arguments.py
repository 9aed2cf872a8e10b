"""The arguments of `fit`: checks and defaults."""

import dataclasses

import keras

from keras_seg import models, tasks
from keras_seg.inference.compiled import logits_model
from keras_seg.training.plain_data import PlainData

SMALLEST = 32  # Smallest side of a picture in pixels, for networks without a stated one.


def check_callbacks(found, recipe):
    """Raise for callbacks that set the learning rate if the recipe has a schedule.

    Args:
        found: list of Keras callbacks.
        recipe: a `Recipe`.

    Raises:
        ValueError: there is one.
    """
    if isinstance(recipe.optimizer, dict):
        scheduled = isinstance(recipe.optimizer["config"].get("learning_rate"), dict)
    else:
        scheduled = recipe.schedule != "constant" or recipe.warmup_epochs
    if not scheduled:
        return
    setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    for callback in found:
        if isinstance(callback, setters):
            raise ValueError(
                f"`{type(callback).__name__}` needs a learning rate that is a number. Received: "
                f"a recipe with schedule='{recipe.schedule}' and "
                f"warmup_epochs={recipe.warmup_epochs}. Pass schedule='constant' and "
                "warmup_epochs=0 beside this callback."
            )


def check_used(data, model, changes):
    """Raise if an argument of `fit` would have no effect.

    Args:
        data: what was passed to `fit`.
        model: the same.
        changes: arguments of `fit` that are fields of a recipe.

    Raises:
        ValueError: plain tf.data datasets with a batch size, a crop size or an augmentation; or a
            built model with options or with something to freeze.
    """
    plain = not hasattr(data, "train_batches")
    for name in ("batch_size", "crop_size", "augmentation") if plain else ():
        if name in changes:
            raise ValueError(
                f"`fit` does not use {name} with plain tf.data datasets. "
                f"Received: {name}={changes[name]!r}. Leave it out, and use .batch(...) and "
                ".map(...) of the dataset; or pass a data set of `pipelines`."
            )
    if isinstance(model, keras.Model) and changes.get("options"):
        raise ValueError(
            "`fit` passes options to the builder of a network that is given by name. Received: "
            f"options={changes['options']!r} and the built model '{model.name}'. Pass them to "
            "`keras_seg.models.build`, or pass the name of the network."
        )
    if isinstance(model, keras.Model) and changes.get("freeze"):
        raise ValueError(
            "`fit` freezes the encoder of a network that is given by name. Received: "
            f"freeze={changes['freeze']!r} and the built model '{model.name}'. Build it with "
            "freeze='encoder', or set `trainable = False` of its layers, which `fit` keeps."
        )


def check_width(recipe, model):
    """Raise for a recipe with pruning and a network that has no width.

    Args:
        recipe: a `Recipe`.
        model: the name of a network, or a `keras.Model`.

    Raises:
        ValueError: it cannot be built with another width.
    """
    if recipe.prune_from is None:
        return
    named = not isinstance(model, keras.Model)
    if named and isinstance(models.options(model).get("width"), float):
        return
    raise ValueError(
        "`fit` needs a network given by name that has a width to prune it from a wider one. "
        f"Received: prune_from={recipe.prune_from} and "
        f"{f'network {model!r}' if named else f'the built model {model.name!r}'}. Leave "
        "prune_from out, or use one such as 'contextnet_cn14'; `keras_seg.prune` prunes any model."
    )


def used(recipe, data, model):
    """The recipe without the fields that plain tf.data datasets and built models do not use.

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
    """The data set itself, or plain tf.data datasets with the methods of a data set.

    Args:
        data: a data set, or (training batches, validation batches).
        model: the model to train, whose outputs give the number of classes of plain datasets.
        recipe: a `Recipe`.

    Returns:
        a data set.

    Raises:
        ValueError: it is neither, or the model or the recipe requires a data set of `pipelines`.
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
            "`fit` needs a data set of `pipelines` to accumulate gradients, because it splits "
            f"larger batches. Received: accumulate={recipe.accumulate} and plain tf.data datasets. "
            "Use `pipelines.Dataset.from_arrays(...)` or a reader."
        )
    return PlainData(*data, num_classes=logits_model(model).output_shape[-1])


def cropped(recipe, data, model=None):
    """The recipe with its crop size filled in: that of the first training picture, if it has none.

    Args:
        recipe: a `Recipe`.
        data: a data set.
        model: name of an architecture, or a `keras.Model`, whose smallest size counts.

    Returns:
        `Recipe`.

    Raises:
        ValueError: there is no training picture, or the first one or a crop is too small.
    """
    smallest = _smallest(model)
    if recipe.crop_size is not None:
        if min(recipe.crop_size) < smallest:
            raise ValueError(
                f"`fit` needs crop_size=(height, width) of at least {smallest} pixels each. "
                f"Received: crop_size={tuple(recipe.crop_size)}. Pass None for the pictures' own "
                "size."
            )
        return recipe
    size = _first_size(data)
    if size is None:
        raise ValueError(
            f"A training needs at least one picture. Received: data '{data.name}' whose split "
            "'train' has none. Check what removes them, such as a filter."
        )
    if min(size) < smallest:
        shown = "x".join(map(str, size))
        raise ValueError(
            f"`fit` needs pictures of at least {smallest} pixels a side. Received: the first "
            f"training picture of data '{data.name}' with {shown} pixels. Enlarge the "
            f"pictures, or pass crop_size=({smallest}, {smallest}) and random_crop in "
            "augmentation, which pads them."
        )
    return dataclasses.replace(recipe, crop_size=size)


def _smallest(model):
    """The smallest side in pixels that a network is trained on."""
    if isinstance(model, keras.Model):
        return 1 if tasks.task_of(model) == "classification" else SMALLEST
    if model is None or models.facts(model).task == "segmentation":
        return SMALLEST
    return models.facts(model).smallest


def _first_size(data):
    """The size of the first training picture, None if there is none."""
    if hasattr(data, "example"):  # Reads one picture, where batches read the whole split first.
        return tuple(data.example("train", 0)[0].shape[:-1])
    for image, _ in data.eval_batches("train", 1):
        return tuple(int(side) for side in image.shape[1:-1])
    return None
