"""Public and drawn datasets, one file each, named after its function."""

import difflib
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable

from pipelines.dataset import Dataset
from pipelines.open.reopen import remembered


def names() -> list[str]:
    """Return the names of datasets for `load`.

    Returns:
        sorted list of str.

    >>> "camvid" in names()
    True
    """
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def find(name: str) -> Callable:
    """Return the function that creates a dataset, by name.

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


@remembered
def load(name: str, root: str | os.PathLike | None = None, **options) -> Dataset:
    """Open a known dataset.

    Args:
        name: one of `pipelines.names()`.
        root: the dataset's folder; omitted for drawn datasets.
        **options: arguments of the dataset's own function, such as `cache`.

    Returns:
        the dataset.

    Raises:
        ValueError: if the name is unknown, the root is missing, or it or an option does not exist.

    >>> load("shapes", num_images=10).splits
    ('train', 'val', 'test')
    """
    make = find(name)
    known = inspect.signature(make).parameters
    needs = [key for key, x in known.items() if x.default is x.empty]
    if root is None and "root" in needs:
        raise ValueError(
            f"Dataset {name!r} needs the folder of its files. Received: root=None. "
            f"Give root=, on the command line `--root FOLDER`; `pipelines.download({name!r}, "
            "folder)` fetches it if its owners allow that."
        )
    unknown = [key for key in options if key not in known or key == "root"]
    if unknown or (root is not None and "root" not in known):
        words = ", ".join(unknown or ["root"])
        raise ValueError(f"Dataset {name!r} takes {', '.join(known)}. Received: {words}. Omit it.")
    if root is not None and not os.path.exists(root):
        raise ValueError(
            f"The folder of dataset {name!r} does not exist. Received: root={os.fspath(root)!r}. "
            "Check the path."
        )
    return make(**options) if root is None else make(root=root, **options)
