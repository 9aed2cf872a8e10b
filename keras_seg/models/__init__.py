"""The architectures. A new one is a new file in this folder; nothing else has to change."""

import importlib
import inspect
import pkgutil

from keras_seg import _check
from keras_seg.models.registry import TASKS, Count, Facts, builders, facts

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
globals().update(builders())

__all__ = ["Count", "Facts", "build", "facts", "has_option", "names", *builders()]


def names(task=None):
    """The names of all networks.

    Args:
        task: "segmentation" or "classification" for the names of one task; None for all.

    Returns:
        Sorted list of str.

    Raises:
        ValueError: there is no such task.

    >>> "contextnet_cn14" in names("segmentation")
    True
    """
    if task is None:
        return sorted(builders())
    _check.one_of("task", "task", task, TASKS)
    return sorted(name for name in builders() if facts(name).task == task)


def build(name, input_shape=None, num_classes=19, **options):
    """Build a network by its name.

    Args:
        name: one of `names()`.
        input_shape: (height, width, channels), or (depth, height, width, channels) for networks
            of volumes; sizes may be None (any size). None is (None, None, 3), for networks that
            only take volumes (None, None, None, 3).
        num_classes: classes to tell apart, the ignored one not counted.
        **options: the builder's own keyword arguments, see `help(keras_seg.models.<name>)`.

    Returns:
        `keras.Model`: pixels 0..255 (b, h, w, channels) in, float32 logits
        (b, h, w, num_classes) out. Normalization is part of the model.

    Raises:
        ValueError: the name or an argument is not known or out of its range.

    >>> build("contextnet_cn14", (64, 96, 3), num_classes=11).output_shape
    (None, 64, 96, 11)
    """
    _check.one_of("architecture", "name", name, builders())
    shape = {} if input_shape is None else {"input_shape": input_shape}
    return builders()[name](num_classes=num_classes, **shape, **options)


def has_option(name, option):
    """Whether a builder takes a certain keyword argument.

    Args:
        name: one of `names()`.
        option: the argument's name.

    Returns:
        bool.

    >>> has_option("contextnet_cn14", "auxiliary_head")
    True
    """
    _check.one_of("architecture", "name", name, builders())
    return option in inspect.signature(builders()[name]).parameters
