"""Inference: tiles, streams of frames, test-time augmentation, ensembles, uncertainty.

Functions that take a `Segmenter` return an object with the same interface, so that they can be
nested: `augmented(ensemble([a, b])).tiles("map.tif", "classes.png")`. The others take arrays.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_seg.inference.crf import dense_crf
    from keras_seg.inference.ensembles import augmented, ensemble
    from keras_seg.inference.stream import Frame, Stream
    from keras_seg.inference.tiled_segmenter import blocks, tiled
    from keras_seg.inference.uncertainty import Uncertainty, entropy, heat_map, mc_dropout

# The module of each public name, imported when used: `LiteRTSegmenter` does without Keras.
_MODULES = {
    "Frame": "stream",
    "Stream": "stream",
    "Uncertainty": "uncertainty",
    "augmented": "ensembles",
    "blocks": "tiled_segmenter",
    "dense_crf": "crf",
    "ensemble": "ensembles",
    "entropy": "uncertainty",
    "heat_map": "uncertainty",
    "mc_dropout": "uncertainty",
    "tiled": "tiled_segmenter",
}

__all__ = [
    "Frame",
    "Stream",
    "Uncertainty",
    "augmented",
    "blocks",
    "dense_crf",
    "ensemble",
    "entropy",
    "heat_map",
    "mc_dropout",
    "tiled",
]


def __getattr__(name):
    if name in _MODULES:
        return getattr(importlib.import_module(f"keras_seg.inference.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'keras_seg.inference' has no attribute {name!r}.")
