"""Inference: tiles, streams of frames, test-time augmentation, ensembles, uncertainty.

Functions that take a `Segmenter` return an object with the same interface, so that they can be
nested: `augmented(ensemble([a, b])).tiles("map.tif", "classes.png")`. The others take arrays.
"""

from keras_seg.inference.crf import dense_crf
from keras_seg.inference.ensembles import augmented, ensemble
from keras_seg.inference.stream import Frame, Stream
from keras_seg.inference.tiled_segmenter import blocks, tiled
from keras_seg.inference.uncertainty import Uncertainty, entropy, heat_map, mc_dropout

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
