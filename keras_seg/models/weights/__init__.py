"""Weights from elsewhere: `keras.applications`, files of Keras, and state dicts of PyTorch."""

from keras_seg.models.weights.copy import fill
from keras_seg.models.weights.files import donor_of, known_settings, own_network
from keras_seg.models.weights.own import take_by_name
from keras_seg.models.weights.port import port
from keras_seg.models.weights.units import units_of

__all__ = [
    "donor_of",
    "fill",
    "known_settings",
    "own_network",
    "port",
    "take_by_name",
    "units_of",
]
