"""Semantic segmentation with Keras 3: training, evaluation, export to TF Serving and TFLite."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# The module of each public name; importing one imports no more than it needs.
_PUBLIC = {
    "fit": "keras_seg.training.fit",
    "load": "keras_seg.find_run",
    "prune": "keras_seg.pruning",
    "Run": "keras_seg.run",
    "Recipe": "keras_seg.training.recipe",
    "recipe": "keras_seg.training.recipes",
    "Segmenter": "keras_seg.inference.segmenter",
    "Classifier": "keras_seg.inference.classifier",
    "benchmark": "keras_seg.benchmarking",
    "evaluate": "keras_seg.evaluation",
    "cross_validate": "keras_seg.training.cross_validation",
    "finetune_int8": "keras_seg.training.int8",
    "find_learning_rate": "keras_seg.training.learning_rate",
}
_MODULES = {
    "accuracy": "keras_seg.accuracy",
    "analyse": "keras_seg.analyse",
    "callbacks": "keras_seg.training.callbacks",
    "card": "keras_seg.card",
    "export": "keras_seg.export",
    "inference": "keras_seg.inference",
    "layers": "keras_seg.layers",
    "losses": "keras_seg.losses",
    "metrics": "keras_seg.metrics",
    "models": "keras_seg.models",
    "pruning": "keras_seg.pruning",
    "recipes": "keras_seg.training.recipes",
    "schedules": "keras_seg.schedules",
    "scores": "keras_seg.scores",
    "serve": "keras_seg.serve",
    "show": "keras_seg.show",
    "statistics": "keras_seg.training.statistics",
}

__all__ = [*_PUBLIC, *_MODULES]

# Read when TensorFlow is imported. By default it uses oneDNN only on processors with AVX-512.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _require_own_pipelines() -> None:
    """Raise if another folder named `pipelines` hides our package."""
    ours = Path(__file__).resolve().parents[1] / "pipelines"
    loaded = sys.modules.get("pipelines")
    spec = loaded.__spec__ if loaded else importlib.util.find_spec("pipelines")
    places = list(getattr(spec, "submodule_search_locations", None) or ())
    if not places or ours in [Path(place).resolve() for place in places]:
        return
    raise ImportError(
        "keras_seg needs its package `pipelines`, which a folder of the same name hides. "
        f"Received: '{Path(places[0]).resolve()}' in the place of '{ours}'. Rename that folder, or "
        "start Python in another one."
    )


def _require_backend() -> None:
    """Raise if the package of the Keras backend is not installed."""
    backend = os.environ.get("KERAS_BACKEND")  # unset, LiteRTSegmenter needs no backend at all
    if backend in ("jax", "torch", "tensorflow") and importlib.util.find_spec(backend) is None:
        raise ImportError(
            f"Keras runs on the package that the environment variable KERAS_BACKEND names. "
            f"Received: KERAS_BACKEND={backend}, which is not installed. Install it with "
            f"`pip install {backend}`, or set KERAS_BACKEND=tensorflow."
        )


_require_own_pipelines()
_require_backend()


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'keras_seg' has no attribute {name!r}. Available: {__all__}.")


def __dir__():
    return __all__
