"""Layers that need state or an unknown size; everything else is a function."""

from keras_seg.layers.adaptive import AdaptiveAveragePooling2D
from keras_seg.layers.attention import PositionAttention
from keras_seg.layers.bilinear import Bilinear
from keras_seg.layers.channels import LocalResponseNormalization, PadChannels, SelectChannels
from keras_seg.layers.fake_quantization import (
    FakeQuantization,
    HalfSteps,
    RoundedPooling,
)
from keras_seg.layers.mirror import MirrorPadding2D
from keras_seg.layers.normalization import BatchNormalization, BatchStatistics
from keras_seg.layers.pooling import AveragePooling2D, DilatedPooling2D
from keras_seg.layers.quantized_kernel import QuantizedKernel
from keras_seg.layers.quantized_operation import QuantizedOperation
from keras_seg.layers.radial import RadialBasis
from keras_seg.layers.recompute import Recompute
from keras_seg.layers.resize import CropLike, ResizeLike
from keras_seg.layers.scale import LayerScale
from keras_seg.layers.unpooling import MaxPoolingIndices2D, MaxUnpooling2D

__all__ = [
    "AdaptiveAveragePooling2D",
    "AveragePooling2D",
    "BatchNormalization",
    "BatchStatistics",
    "Bilinear",
    "CropLike",
    "DilatedPooling2D",
    "FakeQuantization",
    "HalfSteps",
    "LayerScale",
    "LocalResponseNormalization",
    "MaxPoolingIndices2D",
    "MaxUnpooling2D",
    "MirrorPadding2D",
    "PadChannels",
    "PositionAttention",
    "QuantizedKernel",
    "QuantizedOperation",
    "RadialBasis",
    "Recompute",
    "ResizeLike",
    "RoundedPooling",
    "SelectChannels",
]
