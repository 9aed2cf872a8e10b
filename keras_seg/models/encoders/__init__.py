"""Networks that recognize what an image shows: classifiers, and encoders of segmentation networks.

A new family is a new file in this folder. Its function returns feature maps by reduction,
`{2: ..., 4: ..., 8: ..., 16: ..., 32: ...}`; the classifier is the same function with a head.
"""

import importlib
import pkgutil

from keras_seg.models.encoders.merge import merge_branches
from keras_seg.models.encoders.registry import features, names

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["features", "merge_branches", "names"]
