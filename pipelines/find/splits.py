"""Divide pairs of files into train, val and test."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.find.names import key_of, plain_folders
from pipelines.find.sources import Pair, first_path
from pipelines.find.text import read_lines

NAMES = ("train", "val", "test")
ALIASES = {
    "training": "train", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "testing": "test", "trainval": "train", "train_val": "train",
}  # fmt: skip
_WORDS = {"tr": "train", "te": "test", "ts": "test"}
Group = str | Callable[[str], Any] | Sequence


def split_name(text: str) -> str:
    """Return "train", "val" or "test" for their usual spellings; other names unchanged.

    >>> split_name("Training"), split_name("valid"), split_name("Night")
    ('train', 'val', 'Night')
    """
    name = ALIASES.get(text.strip().lower(), text.strip().lower())
    return name if name in NAMES else text.strip()


def by_fractions(
    pairs: Sequence[Pair],
    fractions: Mapping[str, float],
    seed: int,
    strata: Sequence[str] | None = None,
) -> dict:
    """Divide pairs at random by shares; the same seed gives the same parts.

    Args:
        pairs: paths of picture and mask.
        fractions: name -> share above 0; together at most 1.
        seed: seed of the division.
        strata: the class of each pair, for stratified parts; None for no stratification.

    Returns:
        name -> pairs, in their order; each part has at least one.

    Raises:
        ValueError: if the shares are invalid, or there are fewer pairs than parts.

    >>> pairs = [(f"{i}.jpg", f"{i}.png") for i in range(10)]
    >>> parts = by_fractions(pairs, {"train": 0.8, "val": 0.2}, seed=0)
    >>> len(parts["train"]), len(parts["val"])
    (8, 2)
    """
    shares = _shares(fractions)
    if len(pairs) < len(shares):
        raise ValueError(
            f"Each split needs at least one picture. Received: {len(pairs)} pictures for "
            f"splits={dict(fractions)}. Add pictures or ask for fewer splits."
        )
    ends = np.rint(np.cumsum(shares) * len(pairs)).astype(int)
    # At least one picture for every split, also after rounding.
    for i in range(len(ends)):
        ends[i] = min(max(ends[i], (ends[i - 1] if i else 0) + 1), len(pairs) - len(ends) + i + 1)
    order = np.random.default_rng(seed).permutation(len(pairs))
    if strata is not None:
        # By the place within its class, as a share of the class: 80 % of all are 80 % of each.
        sizes, seen, places = Counter(strata), Counter[str](), []
        for stratum in (strata[int(i)] for i in order):
            places.append((seen[stratum] + 0.5) / sizes[stratum])
            seen[stratum] += 1
        order = order[np.argsort(places, kind="stable")]
    parts = np.split(order[: ends[-1]], ends[:-1])
    return {
        name: [pairs[i] for i in sorted(part)] for name, part in zip(fractions, parts, strict=True)
    }


def by_groups(
    pairs: Sequence[Pair], fractions: Mapping[str, float], groups: Sequence, seed: int
) -> dict:
    """Divide pairs at random, but all pairs of one group go to the same part.

    Keeps similar pictures, such as those of one patient, flight or video, in one split.

    Args:
        pairs: paths of picture and mask.
        fractions: name -> share above 0; together at most 1.
        groups: the group of each pair.
        seed: seed of the division.

    Returns:
        name -> pairs, in their order. Shares are approximate, because groups are not divided.

    Raises:
        ValueError: if the shares are invalid, or there are fewer groups than parts.

    >>> pairs = [(f"{i}.jpg", f"{i}.png") for i in range(9)]
    >>> parts = by_groups(pairs, {"train": 0.7, "val": 0.3}, [0, 0, 0, 1, 1, 1, 2, 2, 2], seed=0)
    >>> len(parts["train"]), len(parts["val"])
    (6, 3)
    """
    shares = _shares(fractions)
    members: dict[Any, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if len(members) < len(shares):
        raise ValueError(
            f"Each split needs at least one group. Received: {len(members)} groups for "
            f"splits={dict(fractions)}. Choose smaller groups or ask for fewer splits."
        )
    names, parts = list(members), [[] for _ in shares]
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: -len(members[name]))  # the large ones first; ties stay shuffled
    for done, name in enumerate(names):
        empty = [i for i, part in enumerate(parts) if not part]
        open_parts = empty if len(empty) >= len(names) - done else range(len(parts))
        wanted = [shares[i] * len(pairs) - len(parts[i]) for i in range(len(parts))]
        best = max(open_parts, key=lambda i: wanted[i])
        if max(wanted) > 0 or best in empty:
            parts[best] += members[name]
    return {
        name: [pairs[i] for i in sorted(part)] for name, part in zip(fractions, parts, strict=True)
    }


def groups_of(pairs: Sequence[Pair], group: Group, images: str | os.PathLike) -> list:
    """Return the group of each pair.

    Args:
        pairs: paths of picture and mask.
        group: a function of the picture's path below the folder; or a regular expression, whose
            first bracket (or whole match) is the group; or the groups themselves, in order.
        images: the folder of the pictures.

    Raises:
        ValueError: if the expression is invalid, or does not match a picture.
    """
    if not isinstance(group, str) and not callable(group):
        return list(group)
    keys = [key_of(first_path(image), images) for image, _ in pairs]
    if callable(group):
        return [group(key) for key in keys]
    try:
        matches = [re.search(group, key) for key in keys]
    except re.error as error:
        raise ValueError(
            f"`group` must be a regular expression. Received: group={group!r} ({error}). "
            r"Correct it; a bracket marks the part that is the group, such as (\d+)_."
        ) from error
    found = []
    for key, match in zip(keys, matches, strict=True):
        if match is None:
            raise ValueError(
                "`group` must match the path of every picture below its folder. "
                f"Received: group={group!r} and the picture {key!r}. Correct the expression."
            )
        found.append(match.group(match.re.groups and 1))
    return found


def by_lists(pairs: Sequence[Pair], lists: Mapping, images: str | os.PathLike) -> dict:
    """Divide pairs by lists of names.

    Args:
        pairs: paths of picture and mask.
        lists: name -> list of picture names, or the path of a text file with one in each line.
            A name may be a path, with or without extension, or a folder that holds pictures.
        images: the folder of the pictures.

    Returns:
        name -> pairs, in the order of the list.

    Raises:
        ValueError: if a listed picture does not exist, one is in two lists, or a name without its
            folder is ambiguous.
    """
    keys = {key_of(first_path(pair[0]), images): pair for pair in pairs}
    names: dict[str, list[Pair]] = {}
    folders: dict[str, list[Pair]] = {}
    for key, pair in keys.items():
        *parents, name = key.split("/")
        names.setdefault(name, []).append(pair)
        for end in range(1, len(parents) + 1):
            for folder in dict.fromkeys(("/".join(parents[:end]), parents[end - 1])):
                folders.setdefault(folder, []).append(pair)
    known = ({key: [pair] for key, pair in keys.items()}, names, folders)
    taken: dict[Pair, str] = {}
    parts: dict[str, list[Pair]] = {}
    for split, listed in lists.items():
        parts[split] = []
        for name in _names(listed):
            found, is_folder = _look_up(known, name)
            again = next((pair for pair in found if pair in taken), None)
            if not found or again or (len(found) > 1 and not is_folder):
                problem = "has no pair in the folders"
                if again:
                    problem = f"is in {taken[again]!r} already"
                elif found:
                    problem = f"may be any of {len(found)}; put its folder before its name"
                raise ValueError(
                    f"A picture on the list of split {split!r} {problem}. Received: {name!r}. "
                    "Correct the list."
                )
            taken.update((pair, split) for pair in found)
            parts[split] += found
    return parts


def by_subfolders(pairs: Sequence[Pair], images: str | os.PathLike) -> dict | None:
    """Divide pairs by the folders train, val and test in their paths.

    Otherwise by a word of a folder name, as in uavid_train, if that gives more than one split
    (BraTS20_Training_001 alone does not).

    Raises:
        ValueError: if there are folders train and val or test, and pictures in neither of them.
    """
    paths = [plain_folders(key_of(first_path(pair[0]), images)) for pair in pairs]
    for rule, least in ((_split_of, 1), (_split_in, 2)):
        parts: dict[str, list[Pair]] = {}
        for pair, folders in zip(pairs, paths, strict=True):
            split = next((name for name in map(rule, folders) if name), "")
            parts.setdefault(split, []).append(pair)
        if "train" in parts and set(parts) <= set(NAMES) and len(parts) >= least:
            return {name: parts[name] for name in NAMES if name in parts}
        if rule is _split_of and {"", "train"} < set(parts):
            # A division at random would train on pictures that were set aside.
            raise ValueError(
                "Where pictures are in folders called train, val or test, all of them must be. "
                f"Received: {len(parts[''])} pictures elsewhere, such as "
                f"{first_path(parts[''][0][0])!r}, beside those of {sorted(set(parts) - {''})}. "
                "Move them elsewhere, or name the folders: splits={'train': ['train'], 'val': "
                "['val']}. To divide all pictures at random, pass splits=(0.8, 0.1, 0.1)."
            )
    return None


def _split_of(folder: str) -> str:
    name = ALIASES.get(folder, folder)
    return name if name in NAMES else ""


def _split_in(folder: str) -> str:
    """Return the split named by a folder or one word of it: uavid_train, DUTS-TE."""
    words = [_WORDS.get(word, word) for word in folder.split("_")]
    found = {_split_of(word) for word in words} - {""}
    return _split_of(folder) or (found.pop() if len(found) == 1 else "")


def _shares(fractions: Mapping[str, float]) -> list[float]:
    shares = list(fractions.values())
    if not shares or min(shares) <= 0 or sum(shares) > 1 + 1e-6:
        raise ValueError(
            "Shares of splits must be above 0 and together at most 1. "
            f"Received: splits={dict(fractions)}. For example, pass {{'train': 0.8, 'val': 0.2}}."
        )
    return shares


def _names(names) -> list[str]:
    if isinstance(names, str | os.PathLike):
        if not os.path.isfile(names):
            raise ValueError(
                f"A list of a split must be a text file or a list of names. "
                f"Received: {os.fspath(names)!r}, which is not a file. Check the path."
            )
        return read_lines(names)
    return [os.fspath(name) for name in names]


def _look_up(known: Sequence[Mapping[str, list[Pair]]], name: str) -> tuple[list[Pair], bool]:
    """Return a listed picture, or those of a listed folder, by the whole line or its first word.

    Its mask may follow. `known` are pairs by path, by name alone and by folder.
    """
    words = dict.fromkeys((name, *re.split(r"[\s,;]+", name)[:1]))
    paths = [Path(word.replace("\\", "/")) for word in words]
    for pairs, bare in zip(known, (False, True, False), strict=True):
        for path in paths:
            text = path.name if bare else path.as_posix()
            for key in (text, key_of(text, "")):
                if key in pairs:
                    return pairs[key], pairs is known[-1]
    return [], False
