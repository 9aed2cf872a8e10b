"""Record how a data set was opened, as JSON, to open it again later."""

import functools
import importlib
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.dataset import Dataset

_OPENERS = {
    "load": "pipelines.datasets",
    "from_folders": "pipelines.open.folders",
    "from_csv": "pipelines.open.tables",
    "from_class_folders": "pipelines.open.class_folders",
}
_PATHS = (
    "images",
    "labels",
    "table",
    "root",
    "sbd",
    "folder",
)  # arguments that are paths or patterns
_FILES = ("classes", "splits", "train_list")  # arguments with texts that may be files


def remembered(function: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Decorate a function that opens a data set to record its arguments in the data set.

    `Dataset.opened_by` is then a dict of JSON types, with absolute paths; None if an argument
    cannot be written as JSON, such as a function or a table in memory.

    Args:
        function: a function that opens a data set.

    Returns:
        the function, otherwise unchanged.
    """

    @functools.wraps(function)
    def opened(*args, **kwargs):
        data = function(*args, **kwargs)
        bound = inspect.signature(function).bind(*args, **kwargs)
        arguments = dict(bound.arguments)
        arguments |= arguments.pop("options", {})  # of `load`
        try:
            written = {name: _encode(name, value) for name, value in arguments.items()}
        except TypeError:
            return data
        data.opened_by = {"function": function.__name__, "arguments": written}
        return data

    return opened


def reopen(opened_by: Mapping[str, Any] | None) -> Dataset:
    """Open a data set again.

    Args:
        opened_by: the value of `Dataset.opened_by`.

    Returns:
        the data set.

    Raises:
        ValueError: if the dict is invalid, or the files do not exist.

    >>> from pipelines import load
    >>> data = load("shapes", num_images=10)
    >>> reopen(data.opened_by).num_examples("train")
    6
    """
    if not isinstance(opened_by, Mapping) or opened_by.get("function") not in _OPENERS:
        raise ValueError(
            "A data set can be opened again if it was opened by `load`, `from_folders`, "
            "`from_class_folders` or `from_csv` with arguments that can be written as JSON. "
            f"Received: {opened_by!r}. Pass the data set itself."
        )
    name = opened_by["function"]
    function = getattr(importlib.import_module(_OPENERS[name]), name)
    data = function(**{key: _decode(value) for key, value in opened_by["arguments"].items()})
    options = opened_by.get("reading", {})
    return data.reading(**options) if options else data


def _encode(name: str, value: Any) -> Any:
    """Return a value in JSON's types; dicts as pairs, because their keys may be any value.

    Paths become absolute. Names of splits, classes and pictures stay, also if there are such files.
    """
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        is_path = name in _PATHS or (name in _FILES and os.path.isfile(text))
        return os.path.abspath(text) if is_path else text
    inner = name if name in _PATHS else ""
    if isinstance(value, Mapping):
        inside = name if name == "splits" else inner  # {"train": a text file, ...}
        return {"pairs": [[_encode("", k), _encode(inside, v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_encode(inner, part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _decode(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _decode(part) for key, part in value["pairs"]}
    if isinstance(value, list):
        return [_decode(part) for part in value]
    return value


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
