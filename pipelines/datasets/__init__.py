"""Datasets, one file each: the file's name, the function's name and the string are the same."""

import difflib
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable

from pipelines.dataset import Dataset


def names() -> list[str]:
    """Return the names that `load` knows.

    Returns:
        sorted list of str.

    >>> "camvid" in names()
    True
    """
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def find(name: str) -> Callable:
    """Return the function that makes a dataset, by its name.

    Args:
        name: one of `names()`.

    Returns:
        the function of that name, such as `pipelines.datasets.camvid.camvid`.

    Raises:
        ValueError: if the name is unknown.

    >>> find("camvid").__name__
    'camvid'
    """
    if name not in names():
        close = difflib.get_close_matches(str(name), names(), n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise ValueError(
            f"Unknown dataset {name!r}. Received: name={name!r}. {hint}Available: {names()}."
        )
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)


def load(name: str, root: str | os.PathLike | None = None, **options) -> Dataset:
    """Open a known dataset.

    Args:
        name: one of `pipelines.names()`.
        root: the folder that holds it; left out for datasets that are drawn.
        **options: what the dataset's own function takes, such as `cache`.

    Returns:
        the dataset.

    Raises:
        ValueError: if the name is unknown, the root is missing, or an option does not exist.

    >>> load("street_scenes", num_images=10, size=(32, 48)).splits
    ('train', 'val', 'test')
    """
    make = find(name)
    arguments = options if root is None else {"root": root, **options}
    try:
        inspect.signature(make).bind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"`load({name!r})` takes {name}{inspect.signature(make)}. "
            f"Received: {sorted(arguments)} ({error}). Correct the arguments."
        ) from error
    return make(**arguments)
