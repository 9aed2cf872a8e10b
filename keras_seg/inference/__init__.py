"""Inference: tiles for pictures of any size, test-time augmentation, ensembles, uncertainty.

Every function here takes a `Segmenter` and returns an object with the same interface, so that they
can be nested: `augmented(ensemble([a, b])).tiles("map.tif", "classes.png")`.
"""

from keras_seg.inference.ensembles import augmented, ensemble
from keras_seg.inference.tiled import blocks, tiled
from keras_seg.inference.uncertainty import Uncertainty, entropy, heat_map, mc_dropout

__all__ = [
    "Uncertainty",
    "augmented",
    "blocks",
    "ensemble",
    "entropy",
    "heat_map",
    "mc_dropout",
    "tiled",
]
