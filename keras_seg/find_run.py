"""Find trained networks by the name or the folder of their run."""

import os
from pathlib import Path

from keras_seg import _check


def load(name, engine="auto"):
    """A trained network by the name of its run; the shipped ones work offline.

    Args:
        name: a run's name in `saved_models/` (of the working folder, then of this project), or
            the path of a run's folder or of its model.keras. Another .keras file is loaded
            without class names and colors.
        engine: what computes label maps, see `Segmenter`: "auto", "keras", "graph", "litert",
            "litert-int8" or "openvino".

    Returns:
        `keras_seg.Segmenter`, or `keras_seg.Classifier` for a network with one class per picture.

    Raises:
        ValueError: there is no such run, or the engine cannot compute the network.

    >>> import numpy as np
    >>> segmenter = load("contextnet_cn14-camvid")
    >>> segmenter(np.zeros((40, 60, 3), "uint8")).shape
    (40, 60)
    """
    from keras_seg.run import Run  # here: `find_run` is also used without Keras

    path = Path(name) if isinstance(name, str | os.PathLike) else Path()
    if path.suffix == ".keras" and path.is_file() and not (path.parent / "run.json").is_file():
        from keras_seg import tasks
        from keras_seg.inference.classifier import Classifier
        from keras_seg.inference.segmenter import Segmenter
        from keras_seg.run_files import read_network

        network = read_network(path)
        if tasks.task_of(network) == "segmentation":
            return Segmenter(network, engine=engine)
        _require_auto(name, engine)
        return Classifier(network)
    run = Run(find_run(name))
    if run.task == "segmentation":
        return run.segmenter(engine)
    _require_auto(name, engine)
    return run.classifier()


def _require_auto(name, engine):
    if engine != "auto":
        raise ValueError(
            "Engines are for label maps; a classifier runs on Keras. Received: "
            f"engine={engine!r} for '{name}'. Leave it out."
        )


def find_run(name):
    """The folder of a run.

    Args:
        name: a run's name or path.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: there is no such run.

    >>> find_run("contextnet_cn14-camvid").name
    'contextnet_cn14-camvid'
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(
            "A run is found by its name or by the path of its folder. "
            f"Received: name={name!r}. For example, pass 'contextnet_cn14-camvid'."
        )
    shipped = Path(__file__).resolve().parent.parent / "saved_models"
    if Path(name).suffix == ".keras":
        if (Path(name).parent / "run.json").is_file():
            return Path(name).parent
        raise ValueError(
            "A run is found by its name or by its folder, which holds run.json. Received: "
            f"name='{name}', without a run.json beside it. Pass the run's folder, or use "
            "`keras_seg.load` on a .keras file that exists."
        )
    places = [Path(name), Path("saved_models") / name, shipped / name]
    for place in places:
        if (place / "run.json").is_file():
            return place
    found = {
        run.parent.name
        for place in ("saved_models", shipped)
        for run in Path(place).glob("*/run.json")
    }
    _check.one_of("run", "name", str(name), found, "For one in another folder, pass its path.")
    return shipped / name


def run_around(path):
    """The folder of the run that a file or folder lies in, such as an export.

    Args:
        path: the file, at most three folders below the run's.

    Returns:
        `pathlib.Path`, or None.

    >>> run_around("saved_models/no_run/1/saved_model.pb")
    """
    above = Path(path).absolute().parents[:3]
    return next((folder for folder in above if (folder / "run.json").is_file()), None)
