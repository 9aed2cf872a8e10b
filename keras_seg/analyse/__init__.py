"""Analysis of a network: parameters, operations, memory, receptive fields.

`analyse.arithmetic` has the formulas of convolutions: sizes, matrices, costs, connections.
"""

from keras_seg.analyse import arithmetic
from keras_seg.analyse.branches import Branches, branches
from keras_seg.analyse.effective_fields import (
    EffectiveField,
    effective_receptive_field,
    effective_receptive_fields,
)
from keras_seg.analyse.figures import show_dilation, show_field, show_transposed
from keras_seg.analyse.merging import merge_report
from keras_seg.analyse.reach import Reach, reach
from keras_seg.analyse.receptive_fields import receptive_field
from keras_seg.analyse.summaries import summary

__all__ = [
    "Branches",
    "EffectiveField",
    "Reach",
    "arithmetic",
    "branches",
    "effective_receptive_field",
    "effective_receptive_fields",
    "merge_report",
    "reach",
    "receptive_field",
    "show_dilation",
    "show_field",
    "show_transposed",
    "summary",
]
