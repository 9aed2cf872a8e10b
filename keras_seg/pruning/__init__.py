"""Structured pruning: smaller networks with the most important filters of larger ones."""

from keras_seg.pruning.criteria import CRITERIA
from keras_seg.pruning.groups import groups, register
from keras_seg.pruning.prune import prune

__all__ = ["CRITERIA", "groups", "prune", "register"]
