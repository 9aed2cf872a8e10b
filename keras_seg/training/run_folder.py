"""What a run was made with, and the folder that belongs to it."""

import dataclasses
import hashlib
import itertools
import json
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from keras_seg.training.recipe import Recipe


def setup(network, data, recipe, seed):
    """Everything that decides how a training goes; two calls with the same are the same run.

    Args:
        network: the `keras.Model` that is trained.
        data: the data set.
        recipe: the `Recipe`, with its crop size filled in.
        seed: the seed.

    Returns:
        dict that JSON can hold.
    """
    names = [Path(picture).name for picture, _ in data.paths("train")]
    return json.loads(
        json.dumps(
            {
                "architecture": network.name,
                "network": _digest(_structure(network)),
                "num_classes": data.num_classes,
                "class_names": list(data.class_names),
                "palette": [list(map(int, colour)) for colour in data.palette],
                "ignore_class": data.ignore_class,
                "num_channels": data.num_channels,
                "data": data.name,
                "train_pictures": len(names),
                "train_names": _digest("\n".join(names)),
                "recipe": dataclasses.asdict(recipe),
                "seed": seed,
            },
            default=_name,
        )
    )


def choose_folder(folder, name, wanted):
    """The folder of a run: the one with the same set-up, or the first free one.

    Args:
        folder: where runs are kept.
        name: the run's name; `-2`, `-3`, ... is added where a folder holds something else.
        wanted: the set-up, see `setup`.

    Returns:
        `pathlib.Path`, which may not exist yet.
    """
    names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    paths = (Path(folder) / name for name in names)
    return next(p for p in paths if not p.exists() or _complete(read(p).get("setup")) == wanted)


def _complete(stored):
    """A set-up with the defaults of fields of the recipe that came later than the run."""
    if not isinstance(stored, dict) or not isinstance(stored.get("recipe"), dict):
        return stored
    defaults = json.loads(json.dumps(dataclasses.asdict(Recipe("", epochs=1, batch_size=1))))
    return stored | {"recipe": defaults | stored["recipe"]}


def read(folder):
    """The contents of a run's run.json, or an empty dict.

    Args:
        folder: the run's folder.

    Returns:
        dict; an empty one also where the file is none of ours.
    """
    path = Path(folder) / "run.json"
    try:
        settings = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def environment():
    """Versions, device and commit, for whoever repeats a run.

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
    """The network as text, the same for each one built alike: Keras counts names up."""
    config = json.loads(network.to_json())
    config.pop("compile_config", None)
    text = json.dumps({**config, "config": {**config["config"], "name": ""}})
    for index, layer in enumerate(network.layers):
        text = text.replace(f'"{layer.name}"', f'"layer {index}"')
    return text


def _name(value):
    """What JSON cannot hold: numpy's numbers, and text without the address that functions show."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if hasattr(value, "get_config"):
        return f"{type(value).__name__} {value.get_config()}"
    inside = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
    numbers = [x for x in inside if isinstance(x, int | float | str | tuple)]
    return re.sub(" at 0x[0-9a-f]+", "", f"{value} {numbers}")


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]
