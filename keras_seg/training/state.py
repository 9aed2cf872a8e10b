"""The whole state of a training in one file, written atomically."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_seg.run_files import replacing


def save(path, model, epochs_done, raw_weights=None, more=None):
    """Write every variable of a compiled model and of its optimizer.

    Args:
        path: the file, replaced atomically.
        model: a compiled `keras.Model`, with the state of its dropout layers.
        epochs_done: number of finished epochs.
        raw_weights: values of the trainable variables to save in place of those in the model
            (when that holds averaged ones), or None.
        more: dict of further arrays to keep, or None.
    """
    values = {
        name: keras.ops.convert_to_numpy(variable) for name, variable in _variables(model).items()
    }
    if raw_weights is not None:
        names = {id(variable): name for name, variable in _variables(model).items()}
        for variable, value in zip(model.trainable_variables, raw_weights, strict=True):
            values[names[id(variable)]] = value
    values.update({f"more {name}": value for name, value in (more or {}).items()})
    _write(path, {"epochs_done": epochs_done, **values})


def restore(path, model):
    """Restore the state written by `save` into a compiled model.

    Args:
        path: the file; nothing happens if there is none.
        model: a compiled `keras.Model` of the same architecture.

    Returns:
        (number of finished epochs, the dict of further arrays); (0, {}) if there is no file.

    Raises:
        ValueError: the file is damaged or belongs to another network.
    """
    path = Path(path)
    if not path.is_file():
        return 0, {}
    variables = _variables(model)
    stored = _read(path)
    epochs_done = int(stored.pop("epochs_done", 0))
    more = {name[5:]: stored.pop(name) for name in list(stored) if name.startswith("more ")}
    _assign(path, variables, stored)
    return epochs_done, more


def save_model(path, model):
    """Write the variables of a model alone: weights, and the state of its dropout layers.

    Args:
        path: the file, replaced atomically.
        model: a `keras.Model`.
    """
    values = {
        f"model {i}": np.array(keras.ops.convert_to_numpy(value))
        for i, value in enumerate(model.variables)
    }
    _write(path, values)


def restore_model(path, model):
    """Restore the variables written by `save_model` into a model.

    Args:
        path: the file; nothing happens if there is none.
        model: a `keras.Model` of the same architecture.

    Raises:
        ValueError: the file is damaged or belongs to another network.
    """
    if Path(path).is_file():
        variables = {f"model {i}": variable for i, variable in enumerate(model.variables)}
        _assign(path, variables, _read(path))


def _write(path, values):
    with replacing(path) as file:
        np.savez(file, **values)


def _read(path):
    try:
        with Path(path).open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The state of a training must be readable. Received: '{path}' ({error}). Delete it to "
            "start this training again."
        ) from error


def _assign(path, variables, stored):
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if shapes != {name: value.shape for name, value in stored.items()}:
        raise ValueError(
            "The state of a training must belong to the same network and optimizer. "
            f"Received: '{path}' with other variables. Pass another tag=, or delete the file."
        )
    for name, variable in variables.items():
        variable.assign(stored[name])


def _variables(model):
    """Every variable by its position: Keras numbers the names of all models of a process."""
    if not model.optimizer.built:  # A loss-scaling optimizer grows with every build.
        model.optimizer.build(model.trainable_variables)
    return {
        f"{owner} {index}": variable
        for owner, variables in (
            ("model", model.variables),
            ("optimizer", model.optimizer.variables),
        )
        for index, variable in enumerate(variables)
    }
