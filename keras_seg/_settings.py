"""What a run was made with, and the folder that belongs to it."""

import dataclasses
import hashlib
import itertools
import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import keras


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
                "network": _digest(network.to_json()),
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
            default=str,
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
    for number in itertools.count(1):
        path = Path(folder) / (name if number == 1 else f"{name}-{number}")
        if not path.exists() or read(path).get("setup") == wanted:
            return path
    raise RuntimeError("unreachable")


def read(folder):
    """The contents of a run's run.json, or an empty dict.

    Args:
        folder: the run's folder.

    Returns:
        dict.
    """
    path = Path(folder) / "run.json"
    return json.loads(path.read_text()) if path.is_file() else {}


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


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]
