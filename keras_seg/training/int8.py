"""Fine-tuning of a trained network with the rounding of its int8 file."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_seg import _check
from keras_seg.export import exportable, picture_batches, simulation
from keras_seg.find_run import find_run
from keras_seg.run import Run
from keras_seg.run_files import calibration_pictures, picture_size
from keras_seg.training import recipes
from keras_seg.training.fit import fit
from keras_seg.training.recipe_files import read_recipe

# Fields of a recipe that are not for the fine-tuning of a built network without normalization.
_LEFT_OUT = {
    "warmup_epochs": 0, "averaging": 0.0, "swa": 0.0, "statistics_batches": 0, "options": {},
    "precision": "float32", "freeze": None, "before": {}, "prune_from": None, "after_pruning": {},
}  # fmt: skip


def finetune_int8(run, data=None, *, recipe=None, num_calibration=100, tag="int8", **changes):
    """Train a network for some more epochs with the rounding to 8 bits of its int8 file.

    For networks whose int8 file scores lower than they do. Each step computes what the file
    computes: batch normalization merged into the kernels, kernels rounded with a scale for each
    output channel, maps rounded with one scale for each map. It starts from the ranges of training
    pictures, as `export_tflite("int8")` does; the training moves them. The result is a run of its
    own; the run itself is not changed. Scores of the new run are those of the simulation, which
    its int8 file has, too, and `export_tflite("int8")` of the new run writes the file. As with
    `keras_seg.fit`, the same call continues an interrupted training.

    B. Jacob et al.: Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, arXiv 1712.05877.

    Args:
        run: a `Run`, or its name or folder.
        data: the data set of the training; None for that of the run.
        recipe: a recipe as `keras_seg.fit` takes it; None for the run's own, for 10 epochs at a
            tenth of its learning rate.
        num_calibration: number of training pictures from which the first ranges are measured.
        tag: end of the new run's name.
        **changes: fields of the recipe in place of its own, and `seed`, `callbacks` and
            `more_epochs`, see `keras_seg.fit`. `folder` is by default that of the run.

    Returns:
        `keras_seg.run.Run`.

    Raises:
        ValueError: the network has a layer that cannot be simulated, or is already such a
            simulation; there is no data set; or see `keras_seg.fit`.

    >>> better = finetune_int8("contextnet_cn14-camvid", data)  # doctest: +SKIP
    >>> better.export_tflite("int8")  # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else Run(find_run(run))
    data = run.data if data is None else data
    if data is None:
        raise ValueError(
            "`finetune_int8` needs the training pictures. Received: data=None for the run in "
            f"'{run.folder}'. Pass the data set, or open the run with `Run(folder, data)`."
        )
    _check.positive_integer("finetune_int8", "num_calibration", num_calibration)
    network = exportable.logits_model(run.model)
    if simulation.is_simulated(network):
        raise ValueError(
            "`finetune_int8` starts from a network in floating point. Received: the run in "
            f"'{run.folder}', which is the result of a fine-tuning. To train it longer, call "
            "`finetune_int8` on the first run again with more_epochs=."
        )
    recipe = _own_recipe(run) if recipe is None else recipes.recipe(recipe)
    given = {name: value for name, value in changes.items() if name in _fields(recipe)}
    tuning: Any = recipes.recipe(dataclasses.replace(recipe, **_LEFT_OUT), **given)
    rest = {"folder": run.folder.parent, **changes}
    rest = {name: value for name, value in rest.items() if name not in given}
    pictures = _pictures(run, data, network, num_calibration)
    simulated = simulation.simulated(network, pictures)
    made = fit(_named(simulated, run), data, tuning, tag=tag, **rest)
    return Run(made.folder, data)


def _fields(recipe):
    return {field.name for field in dataclasses.fields(recipe)}


def _own_recipe(run):
    """The run's recipe, for 10 epochs at a tenth of the learning rate."""
    recipe = read_recipe(run.folder / "run.json")
    if recipe.learning_rate is None:
        raise ValueError(
            "`finetune_int8` trains at a tenth of the run's learning rate. Received: the run in "
            f"'{run.folder}', whose optimizer has its own. Pass recipe=, such as "
            "recipe='small_data', and learning_rate=."
        )
    return recipes.recipe(recipe, epochs=10, learning_rate=recipe.learning_rate / 10)


def _pictures(run, data, network, count):
    """Training pictures at the size of whole pictures, float32 (n, h, w, c)."""
    sizes, channels = network.input_shape[1:-1], network.input_shape[-1]
    whole = run.settings.get("picture_size") or picture_size(data)
    size = tuple(fixed or side for fixed, side in zip(sizes, whole, strict=True))
    pictures = calibration_pictures(data, count)
    taken = picture_batches.take_pictures("finetune_int8", pictures, count, (*size, channels))
    return np.stack(taken).astype("float32")


def _named(model, run):
    """The model with the name from which that of the run's folder begins."""
    options = run.settings["setup"].get("recipe", {}).get("options", {})
    name = "-".join(filter(None, (run.settings["architecture"], options.get("encoder"))))
    return keras.Model(model.inputs[0], model.outputs[0], name=name)
