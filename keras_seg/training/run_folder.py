"""The settings of a run, and its folder."""

import dataclasses
import hashlib
import itertools
import json
import logging
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from keras_seg.run_files import write_text
from keras_seg.training import lock
from keras_seg.training.same_run import difference, is_same
from pipelines.read import InputSpec

log = logging.getLogger("keras_seg")

START = "start.npz"  # The initial weights of a built model, until a second training has ended.
# What a folder may hold before its run.json is whole.
BEGINNING = {
    lock.NAME,
    *(name for made in ("run.json", "state.npz", START) for name in (made, f".{made}.part")),
} - {"run.json"}


def setup(network, data, recipe, seed, weights=None):
    """All settings that determine a training; calls with equal settings are the same run.

    Args:
        network: the `keras.Model` that is trained.
        data: the data set.
        recipe: the `Recipe`, with its crop size filled in.
        seed: the seed.
        weights: `weights_digest` of a built model before its training; None for a network given by
            name, whose first weights depend on the seed.

    Returns:
        dict of JSON types.
    """
    return json.loads(
        json.dumps(
            {
                "architecture": network.name,
                "network": _digest(_structure(network)),
                "num_classes": data.num_classes,
                "class_names": list(data.class_names),
                "palette": [list(map(int, color)) for color in data.palette],
                "ignore_class": data.ignore_class,
                "num_channels": data.num_channels,
                "input_spec": _input_spec(data, len(network.input_shape) - 2).to_dict(),
                "data": data.name,
                "train_pictures": len(data.paths("train")),
                "content": {
                    split: _content(data, split)
                    for split in ("train", "val")
                    if split in data.splits
                },
                "first_weights": weights,
                "recipe": dataclasses.asdict(recipe),
                "seed": seed,
            },
            default=_name,
        )
    )


def _input_spec(data, dimensions):
    """How the data set's files are converted to pixels; the default for data without files."""
    spec = getattr(data, "input_spec", None)
    return InputSpec(data.num_channels, dimensions) if spec is None else spec


def choose_folder(folder, name, wanted):
    """The folder of a run: the one with the same set-up, or the first free one.

    A folder that holds only the first files of a killed run is used again. If a number is added to
    the name, the reason is logged.

    Args:
        folder: folder for runs.
        name: the run's name; `-2`, `-3`, ... is added where a folder holds something else.
        wanted: the set-up, see `setup`.

    Returns:
        `pathlib.Path`, which may not exist yet.
    """
    names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    others = []
    for path in (Path(folder) / name for name in names):
        settings = read(path)
        if not path.exists() or _begun_only(path):
            break
        if is_same(settings, wanted, unfinished=(path / START).exists()):
            return path
        others.append(f"'{path}' holds {difference(settings, wanted)}")
    if others:
        log.warning("New run in '%s': %s.", path, "; ".join(others))
    return path


def _begun_only(path):
    """Whether a folder holds nothing but what a run writes before its run.json."""
    if not path.is_dir() or lock.holder(path):
        return False
    return {file.name for file in path.iterdir()} <= BEGINNING


def weights_digest(model):
    """A digest of the weights of a model.

    Args:
        model: a `keras.Model`.

    Returns:
        str.
    """
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()  # During fit, JAX keeps the weights outside the model.
    digest = hashlib.blake2b(digest_size=8)
    for value in model.get_weights():
        digest.update(value.tobytes())
    return digest.hexdigest()


def note_weights(folder, model):
    """Note in run.json the digest of the weights of a built model after its training.

    Args:
        folder: the run's folder; nothing happens if it has no run.json.
        model: the `keras.Model`.
    """
    settings = read(folder)
    if settings:
        settings["weights_left"] = weights_digest(model)
        write(folder, settings)


def write(folder, settings):
    """Write run.json.

    Args:
        folder: the run's folder.
        settings: dict of JSON types.
    """
    write_text(Path(folder) / "run.json", json.dumps(settings, indent=1))


def read(folder):
    """The contents of a run's run.json, or an empty dict.

    Args:
        folder: the run's folder.

    Returns:
        dict; empty if the file is not a run.json of this library.
    """
    path = Path(folder) / "run.json"
    try:
        settings = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def environment():
    """Versions, device and commit, to reproduce a run.

    Returns:
        dict of str.
    """
    packages = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy")
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "backend": keras.backend.backend(),
        "versions": {"python": platform.python_version(), **versions},
        "machine": f"{platform.system()} {platform.machine()}",
        "git_commit": _git_commit(),
    }


def _git_commit():
    """The commit of this code, None outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() or None


def _structure(network):
    """The network as text, independent of the numbers that Keras adds to names."""
    config = json.loads(network.to_json())
    config.pop("compile_config", None)
    text = json.dumps({**config, "config": {**config["config"], "name": ""}})
    for index, layer in enumerate(network.layers):
        text = text.replace(f'"{layer.name}"', f'"layer {index}"')
    return text


def _name(value):
    """JSON form of other types: NumPy's numbers, and text without memory addresses."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if hasattr(value, "get_config"):
        return f"{type(value).__name__} {value.get_config()}"
    inside = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    numbers = [x for x in inside if isinstance(x, int | float | str | tuple)]
    return re.sub(" at 0x[0-9a-f]+", "", f"{value} {numbers}")


def _content(data, split):
    """A digest of the pictures and masks of a split, or of their names for data without digests."""
    if hasattr(data, "fingerprint"):
        return data.fingerprint(split)
    return _digest("\n".join(Path(picture).name for picture, _ in data.paths(split)))


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]
