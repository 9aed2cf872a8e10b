"""Create a dataset from pairs of files."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipelines.dataset import Dataset
from pipelines.find.class_tables import Table, as_classes
from pipelines.find.classes import IGNORE_CLASS, Classes
from pipelines.find.discover import binary, discover, hold_colors
from pipelines.find.sources import FileSource, Pair
from pipelines.find.splits import NAMES, Group, by_fractions, by_groups, by_lists, groups_of
from pipelines.read.spec import InputSpec, Range

FRACTIONS = (0.8, 0.1, 0.1)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """How files are read; fields are the arguments of `from_folders`."""

    ignore: int | Sequence[int] = IGNORE_CLASS
    label_offset: int = 0
    num_channels: int | None = None
    value_range: Range = None
    cache: str | None = "memory"
    bands: Any = None

    def __post_init__(self):
        bands = len(self.bands) if isinstance(self.bands, Sequence) else 0
        spec = {"channels": self.num_channels or bands or 3, "bands": self.bands}
        InputSpec.from_dict(spec | {"value_range": self.value_range})  # raises what is wrong


def assemble(
    name: str,
    parts: Mapping[str, Sequence[Pair]],
    table: Table | None,
    reading: Reading,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> Dataset:
    """Make a dataset of divided pairs.

    Args:
        name: its name.
        parts: split -> pairs.
        table: classes as `as_classes` takes them; None to find them in the masks.
        reading: how files are read.
        weights: split -> weight of each picture.

    Returns:
        the dataset; its notes list assumptions.
    """
    labels = [label for pairs in parts.values() for _, label in pairs if label]
    classes, note = _classes(labels, table, reading)
    channels = len(reading.bands) if reading.bands else reading.num_channels
    if channels is None:
        every = [pair for pairs in parts.values() for pair in pairs]
        channels = FileSource(every, classes).num_channels
    sources = {
        split: FileSource(
            pairs,
            classes,
            channels,
            reading.value_range,
            weights[split] if weights else None,
            reading.bands,
        )
        for split, pairs in parts.items()
    }
    data = Dataset(name, classes, sources, reading.cache)
    if note:
        _logger.warning("%s: %s", name, note)
        data.notes = (note,)
    return data


def divide(
    pairs: Sequence[Pair],
    splits: Any,
    images: Any,
    seed: int,
    group: Group | None,
    strata: Sequence[str] | None = None,
) -> dict[str, list[Pair]]:
    """Divide pairs by shares, by groups or by lists; see `from_folders` and `by_fractions`."""
    if not isinstance(splits, Mapping):
        if not 1 <= len(splits) <= len(NAMES):
            raise ValueError(
                f"Shares are for {', '.join(NAMES)}, in this order. Received: splits={splits!r}. "
                "Give one to three numbers, or a dict of names."
            )
        splits = dict(zip(NAMES, splits, strict=False))
    if not all(isinstance(share, int | float) for share in splits.values()):
        return by_lists(pairs, splits, images)
    if group is None:
        return by_fractions(pairs, splits, seed, strata)
    return by_groups(pairs, splits, groups_of(pairs, group, images), seed)


def _classes(labels: list[str], table: Table | None, reading: Reading) -> tuple[Classes, str]:
    if table is None:
        return discover(labels)
    is_table = isinstance(table, str | os.PathLike | pd.DataFrame)
    by_color = is_table and hold_colors(labels)
    classes = as_classes(table, reading.ignore, reading.label_offset, by_color)
    return binary(classes, labels) if labels else (classes, "")
