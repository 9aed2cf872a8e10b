"""Checks of arguments."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipelines.find.sources import Source


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Raise unless the value is a whole number in low..high.

    >>> check_whole("batch_size", 0, 1, 64)
    Traceback (most recent call last):
    ValueError: `batch_size` must be in 1..64. Received: batch_size=0. ...
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(
            f"`{name}` must be a whole number. Received: {name}={value!r}. Give an int."
        )
    if not low <= value <= high:
        raise ValueError(
            f"`{name}` must be in {low}..{high}. Received: {name}={value!r}. "
            f"Give a whole number in that range."
        )


def check_reading(cache: str | None, cache_limit: int | None, on_error: str) -> None:
    """Raise for an unknown cache, an invalid limit in bytes, or an unknown on_error."""
    if cache not in ("memory", "disk", None):
        raise ValueError(
            f"`cache` must be 'memory', 'disk' or None. Received: cache={cache!r}. "
            "Omit it to keep decoded pictures in memory if they fit."
        )
    if cache_limit is not None:
        check_whole("cache_limit", cache_limit, 0, 2**63 - 1)
    if on_error not in ("raise", "skip"):
        raise ValueError(
            f"`on_error` must be 'raise' or 'skip'. Received: on_error={on_error!r}. "
            "Omit it to raise for the first file that cannot be read."
        )


def check_sources(name: str, sources: Mapping[str, Source]) -> None:
    """Raise for a dataset without pictures, or with mixed channels."""
    if not sources:
        raise ValueError(
            f"Dataset {name!r} needs at least one split. Received: sources={{}}. "
            "For example, pass 'train' and 'val'."
        )
    for split, source in sources.items():
        if len(source) == 0:
            raise ValueError(
                f"Split {split!r} of dataset {name!r} has no pictures. Received: 0 pairs. "
                "Check its folder or list, or leave the split out."
            )
    dimensions = {split: getattr(source, "dimensions", 2) for split, source in sources.items()}
    if len(set(dimensions.values())) != 1:
        raise ValueError(
            f"All splits need pictures (2), or all volumes (3). Received: {dimensions}. "
            "Create two datasets."
        )
    masks = {split: not hasattr(source, "class_ids") for split, source in sources.items()}
    if len(set(masks.values())) != 1:
        raise ValueError(
            "All splits need masks, or all one class per picture. Received: "
            f"masks={masks} in dataset {name!r}. Create two datasets."
        )
    channels = {split: source.num_channels for split, source in sources.items()}
    if len(set(channels.values())) != 1:
        raise ValueError(
            f"All splits need the same number of channels. Received: {channels}. "
            "Give num_channels=3 or num_channels=1 to convert."
        )


def check_not_mixed(name: str, ops: Sequence) -> None:
    """Raise if an op mixes pictures that have one class each."""
    for op in ops:
        if getattr(op, "mixes", False):
            raise ValueError(
                "Pictures with one class each cannot be mixed: the result would have several. "
                f"Received: {op.__qualname__.split('.')[0]} for dataset {name!r}. Leave it out; "
                "label_smoothing of the recipe also prevents overconfidence."
            )
