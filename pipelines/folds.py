"""Folds of a dataset for cross-validation: groups of pictures that are held out in turn."""

import hashlib
import os
import re

import numpy as np
from tqdm import tqdm

from pipelines.check.duplicates import near_duplicates
from pipelines.examples import Examples
from pipelines.find.part import Part
from pipelines.find.sources import Source
from pipelines.find.splits import Group, by_groups, groups_of

TRAIN, HELD_OUT = "train", "held_out"


class _FoldPart(Part):
    """A part whose digest says which one it is."""

    def fingerprint(self) -> str:
        text = f"{self._source.fingerprint()} {self._kept}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def folds(
    data: Examples, source: Source, group: Group | None, num_folds: int | None, seed: int
) -> list:
    """Divide the pairs of a source into folds of a dataset; see `Dataset.folds`."""
    found = _groups(source, group)
    names = list(dict.fromkeys(found))
    count = len(names) if num_folds is None else num_folds
    if not isinstance(count, int) or not 2 <= count <= len(names):
        raise ValueError(
            "`folds` needs 2 folds or more, and a group of pictures for each. Received: "
            f"num_folds={num_folds!r} and {len(names)} groups, such as {names[:3]}. Pass "
            "num_folds=None for one fold per group, or a `group` that divides the pictures further."
        )
    if num_folds is None:
        parts = [np.flatnonzero([one == name for one in found]) for name in names]
    else:
        indices: list = list(range(len(found)))
        shares = {str(number): 1 / count for number in range(count)}
        parts = [np.array(part) for part in by_groups(indices, shares, found, seed).values()]
    made = []
    for number, held in enumerate(parts, start=1):
        rest = np.setdiff1d(np.arange(len(found)), held)
        fold = data.with_sources(
            {TRAIN: _FoldPart(source, rest), HELD_OUT: _FoldPart(source, held)}
        )
        fold.name = f"{data.name}-fold{number}"
        fold.held_out_groups = tuple(dict.fromkeys(found[int(i)] for i in held))
        made.append(fold)
    return made


def _groups(source: Source, group: Group | None) -> list:
    """Return the group of each picture."""
    paths = [str(picture) for picture, _ in source.paths()]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    paths = [os.path.relpath(path, folder) if folder else path for path in paths]
    if group is None:
        return list(range(len(paths)))
    if group == "auto":
        return _numbered(paths)
    if group == "near_duplicates":
        indices = tqdm(range(len(source)), "Comparing pictures", unit="picture", leave=False)
        found = near_duplicates(source.read(index)[0] for index in indices)
        return [paths[number] for number in found]
    if not isinstance(group, str) and not callable(group) and len(group) != len(paths):
        raise ValueError(
            "`folds` needs one group for each picture. Received: "
            f"{len(group)} groups for {len(paths)} pictures. Give them in the order of "
            "`data.paths(split)`."
        )
    return groups_of([(path, "") for path in paths], group, "")


def _numbered(paths: list[str]) -> list[str]:
    """Return paths without the number at their end: frames of a sequence, slices of a patient."""
    found = [re.sub(r"[\s_.\-]*\d+$", "", re.sub(r"\.\w+$", "", path)) for path in paths]
    number = len(set(found))
    if not 1 < number < len(found):
        raise ValueError(
            'group="auto" needs pictures whose names begin alike within a group and end with a '
            f"number, such as drive1_0007. Received: {number} groups for {len(found)} pictures, "
            f"such as {paths[0]!r}. Pass a regular expression whose first bracket is the group, or "
            "a list with the group of each picture."
        )
    return found
