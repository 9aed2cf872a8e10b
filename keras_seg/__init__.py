"""From a folder of pictures and masks to a network on a phone or behind TF Serving."""

import importlib
from typing import Any

__version__ = "0.1.0"

# Where each public name lives; importing one imports no more than it needs.
_PUBLIC = {
    "fit": "keras_seg.training.fit",
    "load": "keras_seg.run",
    "Run": "keras_seg.run",
    "Recipe": "keras_seg.training.recipe",
    "recipe": "keras_seg.training.recipes",
    "Segmenter": "keras_seg.inference.segmenter",
    "find_learning_rate": "keras_seg.training.learning_rate",
}
_MODULES = {
    "analyse": "keras_seg.analyse",
    "callbacks": "keras_seg.training.callbacks",
    "card": "keras_seg.card",
    "evaluate": "keras_seg.evaluate",
    "export": "keras_seg.export",
    "inference": "keras_seg.inference",
    "layers": "keras_seg.layers",
    "losses": "keras_seg.losses",
    "metrics": "keras_seg.metrics",
    "models": "keras_seg.models",
    "recipes": "keras_seg.training.recipes",
    "schedules": "keras_seg.schedules",
    "show": "keras_seg.show",
    "statistics": "keras_seg.training.statistics",
}

__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'keras_seg' has no attribute {name!r}. Available: {__all__}.")


def __dir__():
    return __all__
