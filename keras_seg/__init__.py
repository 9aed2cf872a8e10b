"""From a folder of pictures and masks to a network on a phone or behind TF Serving."""

import importlib
from typing import Any

__version__ = "0.1.0"

# Where each public name lives; importing one imports no more than it needs.
_PUBLIC = {
    "fit": "keras_seg.training",
    "load": "keras_seg.run",
    "Run": "keras_seg.run",
    "Recipe": "keras_seg.recipes",
    "recipe": "keras_seg.recipes",
    "Segmenter": "keras_seg.predict",
    "find_learning_rate": "keras_seg.learning_rate",
}
_MODULES = (
    "analyse",
    "callbacks",
    "card",
    "evaluate",
    "export",
    "inference",
    "layers",
    "losses",
    "metrics",
    "models",
    "recipes",
    "schedules",
    "show",
    "statistics",
)

__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"keras_seg.{name}")
    raise AttributeError(f"module 'keras_seg' has no attribute {name!r}. Available: {__all__}.")


def __dir__():
    return __all__
