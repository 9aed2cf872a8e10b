"""Layers that need state or an unknown size; everything else is a function."""

from keras_seg.layers.adaptive import AdaptiveAveragePooling2D
from keras_seg.layers.attention import PositionAttention
from keras_seg.layers.channels import LocalResponseNormalization, SelectChannels
from keras_seg.layers.normalization import BatchNormalization, BatchStatistics
from keras_seg.layers.pooling import AveragePooling2D, DilatedPooling2D
from keras_seg.layers.radial import RadialBasis
from keras_seg.layers.recompute import Recompute
from keras_seg.layers.resize import CropLike, ResizeLike
from keras_seg.layers.scale import LayerScale

__all__ = [
    "AdaptiveAveragePooling2D",
    "AveragePooling2D",
    "BatchNormalization",
    "BatchStatistics",
    "CropLike",
    "DilatedPooling2D",
    "LayerScale",
    "LocalResponseNormalization",
    "PositionAttention",
    "RadialBasis",
    "Recompute",
    "ResizeLike",
    "SelectChannels",
]
