"""Starting weights from another network, matched by layer name and shape."""

import hashlib
import logging
import zipfile
from pathlib import Path

import keras

from keras_seg.find_run import find_run

log = logging.getLogger("keras_seg")


def weights_file(weights):
    """The .keras file that `fit(weights=...)` means.

    Args:
        weights: name or folder of a run, or the path of a .keras file.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: there is none.

    >>> weights_file("contextnet_cn14-camvid").name
    'model.keras'
    """
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
    """What a run notes of its starting weights; other contents make another run.

    Args:
        path: the .keras file.

    Returns:
        dict of the file's name, with that of its folder, and a digest of its contents.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return {"file": f"{path.resolve().parent.name}/{path.name}", "digest": digest}


def transfer(path, network):
    """Give a network the weights of another where they fit.

    Between networks with the same shapes in the same order all weights are taken. Otherwise a
    weight is taken if layer name, weight name and shape are the same; a classifier of other classes
    and a first layer of other channels are not. The layers of an encoder have the names that they
    have in its classifier behind `encoder_`, and are taken in both directions. What is left out is
    named in the log and keeps its initial values.

    Args:
        path: the .keras file.
        network: `keras.Model`, changed in place.

    Returns:
        names of the layers of which a weight was not taken.

    Raises:
        ValueError: the file is damaged, or no weight fits.
    """
    try:
        given = keras.saving.load_model(path, compile=False).weights
    except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"`fit` needs weights that Keras can load. Received: '{path}' ({error}). Import the "
            "modules of its own layers first, or take the file from a copy."
        ) from error
    new = network.weights
    if [tuple(w.shape) for w in given] == [tuple(w.shape) for w in new]:
        pairs = list(zip(new, given, strict=True))
    else:
        found = {(_place(w), tuple(w.shape)): w for w in given}
        keys = [(_place(w), tuple(w.shape)) for w in new]
        pairs = [(w, found[key]) for w, key in zip(new, keys, strict=True) if key in found]
    if not pairs:
        raise ValueError(
            "`fit` takes starting weights by the names of layers and by shape. Received: "
            f"'{path}', of which nothing fits '{network.name}'. Take a run of the same network."
        )
    for weight, value in pairs:
        weight.assign(value)
    taken = {id(weight) for weight, _ in pairs}
    left = dict.fromkeys(w.path.rpartition("/")[0] for w in new if id(w) not in taken)
    more = f" New weights in: {', '.join(left)}." if left else ""
    log.warning("Took %d of %d weights from '%s'.%s", len(pairs), len(new), path, more)
    return list(left)


def _place(weight):
    """The name of a weight's layer and its own, the same in a classifier and as an encoder."""
    return weight.path.removeprefix("encoder_")
