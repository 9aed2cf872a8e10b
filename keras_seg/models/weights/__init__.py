"""Weights from elsewhere: `keras.applications`, files of Keras, and state dicts of PyTorch."""

from keras_seg.models.weights.copy import fill
from keras_seg.models.weights.files import donor_of
from keras_seg.models.weights.port import port
from keras_seg.models.weights.units import units_of

__all__ = ["donor_of", "fill", "port", "units_of"]
