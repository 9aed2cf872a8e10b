"""Datasets, checks, and ops for tf.data: from pictures and masks to batches."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines import ops
    from pipelines.dataset import Dataset
    from pipelines.datasets import load, names
    from pipelines.datasets.shapes import shapes
    from pipelines.datasets.street_scenes import street_scenes
    from pipelines.download import download
    from pipelines.object_borders import touching_weights
    from pipelines.open.class_folders import from_class_folders
    from pipelines.open.folders import from_folders
    from pipelines.open.reopen import reopen
    from pipelines.open.tables import from_csv

__all__ = [
    "Dataset", "download", "from_class_folders", "from_csv", "from_folders", "load", "names", "ops",
    "reopen", "shapes", "street_scenes", "touching_weights",
]  # fmt: skip

# Read when TensorFlow is imported. By default it uses oneDNN only on processors with AVX-512.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_HOMES = {
    "Dataset": "pipelines.dataset",
    "download": "pipelines.download",
    "from_class_folders": "pipelines.open.class_folders",
    "from_csv": "pipelines.open.tables",
    "from_folders": "pipelines.open.folders",
    "load": "pipelines.datasets",
    "names": "pipelines.datasets",
    "reopen": "pipelines.open.reopen",
    "shapes": "pipelines.datasets.shapes",
    "street_scenes": "pipelines.datasets.street_scenes",
    "touching_weights": "pipelines.object_borders",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used; TensorFlow takes seconds."""
    if name == "ops":
        return importlib.import_module("pipelines.ops")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value  # else the module `download` would hide the function
        return value
    raise AttributeError(f"module 'pipelines' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
