"""Duplicate pictures in a dataset, near duplicates across splits, and groups of them."""

import heapq
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from pipelines.check.examine import looks
from pipelines.examples import Examples
from pipelines.read.faults import FileFault

_BITS = 6  # of 64 that may differ
_DIFFERENCE = 6.0  # mean difference of 32x32 cells, of 255, at which two pictures look alike
_COMPARED = 500  # candidates to compare in detail
_BLOCK = 2_000_000
_COLUMNS = ["split", "path", "other_split", "other_path", "bits", "equal"]


def find_duplicates(data: Examples, prints: dict[str, list[tuple[int, int]]]) -> pd.DataFrame:
    """Find equal pictures anywhere, and pictures that look alike in different splits.

    Candidates have fingerprints that differ in few bits; the nearest 500 are then compared cell by
    cell, which rejects pictures with only a similar layout.

    Args:
        data: the dataset.
        prints: split -> (fingerprint, checksum) of each picture of its source; checksum -1 if
            unreadable.

    Returns:
        table of pairs: split and path of both, differing bits, and whether they are equal.
    """
    rows = [(*pair, 0, True) for pair in _equal(prints)]
    known = {pair[:4] for pair in rows}
    splits = list(prints)
    candidates = (
        (bits, (first, i, second, j))
        for position, first in enumerate(splits)
        for second in splits[position + 1 :]
        for bits, i, j in _near(prints[first], prints[second])
    )
    # Black pictures are all alike: there may be millions of candidates.
    for bits, pair in heapq.nsmallest(_COMPARED, candidates):
        if pair not in known and _look_alike(data, *pair):
            rows.append((*pair, bits, False))
    paths = {split: data.source(split).paths() for split in splits}
    return pd.DataFrame(
        [
            (first, paths[first][i][0], second, paths[second][j][0], bits, equal)
            for first, i, second, j, bits, equal in rows
        ],
        columns=_COLUMNS,
    )


def near_duplicates(images: Iterable[np.ndarray]) -> list[int]:
    """Group pictures that look alike: 32x32 gray cells differ by less than 6 of 255 on average.

    If one picture looks like a second and the second like a third, as in a video, all three are in
    one group.

    Args:
        images: uint8 pictures (h, w, c) of any sizes, read once.

    Returns:
        for each picture, the number of the first one of its group.

    >>> dark, bright = np.zeros((40, 60, 3), "uint8"), np.zeros((40, 60, 3), "uint8")
    >>> bright[:20] = 255
    >>> near_duplicates([bright, dark, bright // 2 * 2])
    [0, 1, 0]
    """
    cells = np.array([looks(image) for image in images], np.float32).reshape(-1, 8, 4, 8, 4)
    # Means of 4x4 cells differ at most as much as the cells do: few pairs need all of them.
    coarse = cells.mean(axis=(2, 4))
    groups = list(range(len(cells)))

    def first(index: int) -> int:
        while groups[index] != index:
            groups[index] = index = groups[groups[index]]
        return index

    for i in range(len(cells)):
        near = i + 1 + np.flatnonzero(_differences(coarse[i + 1 :], coarse[i]) < _DIFFERENCE)
        for j in near[_differences(cells[near], cells[i]) < _DIFFERENCE].tolist():
            groups[max(first(i), first(j))] = min(first(i), first(j))
    return [first(index) for index in range(len(groups))]


def _equal(prints: dict[str, list[tuple[int, int]]]) -> list[tuple[str, int, str, int]]:
    """Return pairs of pictures with the same fingerprint and checksum, each with its first."""
    first: dict[tuple[int, int], tuple[str, int]] = {}
    pairs = []
    for split, numbers in prints.items():
        for index, number in enumerate(numbers):
            if number[1] < 0:
                continue
            if number in first:
                pairs.append((*first[number], split, index))
            else:
                first[number] = split, index
    return pairs


def _near(first: list, second: list) -> Iterator[tuple[int, int, int]]:
    """Yield (bits, i, j) of fingerprints of two splits that differ in few bits, in blocks."""
    theirs = np.array([number for number, _ in second], np.uint64)
    mine = np.array([number for number, _ in first], np.uint64)
    valid = np.array([checksum >= 0 for _, checksum in second])
    step = max(1, _BLOCK // max(len(theirs), 1))
    for start in range(0, len(mine), step):
        bits = np.bitwise_count(mine[start : start + step, None] ^ theirs[None])
        for i, j in np.argwhere((bits <= _BITS) & valid).tolist():
            if first[start + i][1] >= 0:
                yield int(bits[i, j]), start + i, j


def _look_alike(data: Examples, split: str, i: int, other: str, j: int) -> bool:
    try:
        mine = looks(data.source(split).read(i)[0])
        theirs = looks(data.source(other).read(j)[0])
    except FileFault:
        return False
    return float(_differences(mine[np.newaxis], theirs)[0]) < _DIFFERENCE


def _differences(cells: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean absolute difference of each picture's cells from those of another."""
    return np.abs(cells - other).mean(axis=tuple(range(1, cells.ndim)))
