"""Tasks of networks and data sets: a class for every pixel, or for every picture."""

import keras

from keras_seg import models
from keras_seg.inference.compiled import logits_model

# The measure by which the best weights are chosen, and its name.
MONITORS = {"segmentation": "val_mean_iou", "classification": "val_accuracy"}
SCORES = {"segmentation": "mean IoU", "classification": "top-1 accuracy"}
OF_MAPS = ("boundary", "dice", "lovasz", "tversky")  # losses that need more than one pixel


def task_of(model):
    """The task of a network.

    Args:
        model: name of an architecture, or a `keras.Model`.

    Returns:
        "segmentation" for logits at every pixel, "classification" for logits (b, num_classes).

    >>> task_of("contextnet_cn14"), task_of("resnet18")
    ('segmentation', 'classification')
    """
    if isinstance(model, keras.Model):
        axes = len(logits_model(model).output_shape)
        return "classification" if axes == 2 else "segmentation"
    return models.facts(model).task


def task_of_data(data):
    """The task of a data set: its `task`, or "segmentation" if it has none.

    Args:
        data: a data set.

    Returns:
        str.
    """
    return getattr(data, "task", "segmentation")


def require_fitting(model, data, recipe):
    """Raise unless network, data set and loss are for the same task.

    Args:
        model: name of an architecture, or a `keras.Model`.
        data: a data set.
        recipe: a `Recipe`.

    Raises:
        ValueError: they are not.
    """
    task, wanted = task_of(model), task_of_data(data)
    name = model.name if isinstance(model, keras.Model) else model
    if task != wanted:
        labels = {"segmentation": "a mask for each picture", "classification": "one class each"}
        raise ValueError(
            f"`fit` needs a network and a data set for the same task. Received: '{name}' for "
            f"{task}, and data '{data.name}' for {wanted}, with {labels[wanted]}. Use a network "
            f"of `keras_seg.models.names('{wanted}')`, or data for {task}: "
            + ("pipelines.from_folders." if wanted == "classification" else "")
            + ("pipelines.from_class_folders." if wanted == "segmentation" else "")
        )
    parts = recipe.loss if isinstance(recipe.loss, tuple | list) else [(1, recipe.loss)]
    unfit = [part for _, part in parts if isinstance(part, str) and part in OF_MAPS]
    if task == "classification" and unfit:
        raise ValueError(
            "A classifier needs a loss of single labels. Received: "
            f"loss='{unfit[0]}' for '{name}', which compares label maps. Pass 'cross_entropy', "
            "'focal' or 'ohem', or a Keras loss."
        )
