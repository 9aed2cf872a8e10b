"""Starting weights from another network, matched by layer name and shape."""

import hashlib
import zipfile
from pathlib import Path

import keras

from keras_seg.find_run import find_run
from keras_seg.models.weights import take_by_name


def weights_file(weights):
    """The .keras file given as `fit(weights=...)`.

    Args:
        weights: name or folder of a run, a `Run`, or the path of a .keras file.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: there is none.

    >>> weights_file("contextnet_cn14-camvid").name
    'model.keras'
    """
    weights = getattr(weights, "folder", weights)
    path = Path(weights)
    if path.suffix != ".keras":
        path = find_run(weights) / "model.keras"
    if not path.is_file():
        raise ValueError(
            "`fit` needs weights as a run's name or folder, or as a .keras file that exists. "
            f"Received: weights='{weights}' without '{path}'. Check the path, or train that run."
        )
    return path


def identity(path):
    """The record of a run's starting weights; other contents give another run.

    Args:
        path: the .keras file.

    Returns:
        dict of the file's name, with that of its folder, and a digest of its contents.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return {"file": f"{path.resolve().parent.name}/{path.name}", "digest": digest}


def transfer(path, network):
    """Copy the matching weights of another network, see `models.weights.take_by_name`.

    Args:
        path: the .keras file.
        network: `keras.Model`, changed in place.

    Returns:
        names of the layers with a weight that was not copied.

    Raises:
        ValueError: the file is damaged, or no weight fits.
    """
    try:
        given = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"`fit` needs weights that Keras can load. Received: '{path}' ({error}). Import the "
            "modules of its custom layers first, or copy the file again."
        ) from error
    return take_by_name(network, given, f"'{path}'")
