"""Callbacks of trainings; plain Keras callbacks that also work with `model.fit`."""

from keras_seg.training.callbacks.accuracy import ValidationAccuracy as ValidationAccuracy
from keras_seg.training.callbacks.averages import AveragedWeights as AveragedWeights
from keras_seg.training.callbacks.averages import StochasticWeightAverage as StochasticWeightAverage
from keras_seg.training.callbacks.rates import ExponentialDecay as ExponentialDecay
from keras_seg.training.callbacks.scores import BestWeights as BestWeights
from keras_seg.training.callbacks.scores import EarlyStopping as EarlyStopping
from keras_seg.training.callbacks.scores import ValidationIoU as ValidationIoU
from keras_seg.training.callbacks.sparsity import DynamicSparsity as DynamicSparsity
from keras_seg.training.callbacks.watching import Overlays as Overlays
from keras_seg.training.callbacks.watching import ProgressBar as ProgressBar
from keras_seg.training.callbacks.watching import StopOnBadLoss as StopOnBadLoss
from keras_seg.training.statistics import ReestimateStatistics as ReestimateStatistics
