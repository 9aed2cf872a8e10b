"""From pictures and masks to batches: datasets, checks, and ops for tf.data."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines import ops
    from pipelines.dataset import Dataset
    from pipelines.datasets import load, names
    from pipelines.datasets.street_scenes import street_scenes
    from pipelines.folders import from_folders

__all__ = ["Dataset", "from_folders", "load", "names", "ops", "street_scenes"]

_HOMES = {
    "Dataset": "pipelines.dataset",
    "from_folders": "pipelines.folders",
    "load": "pipelines.datasets",
    "names": "pipelines.datasets",
    "street_scenes": "pipelines.datasets.street_scenes",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used; TensorFlow takes seconds."""
    if name == "ops":
        return importlib.import_module("pipelines.ops")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pipelines' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
