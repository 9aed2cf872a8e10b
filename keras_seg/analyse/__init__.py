"""What a network costs and what it sees: parameters, operations, memory, receptive fields."""

from keras_seg.analyse._reach import Reach, reach
from keras_seg.analyse._receptive_field import (
    EffectiveField,
    effective_receptive_field,
    receptive_field,
)
from keras_seg.analyse._summary import summary

__all__ = [
    "EffectiveField",
    "Reach",
    "effective_receptive_field",
    "reach",
    "receptive_field",
    "summary",
]
