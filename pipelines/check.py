"""A report on a dataset: what it holds, in which shares, and what is wrong with it."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipelines._duplicates import find_duplicates
from pipelines._exam import Exam, examine
from pipelines._letter import Finding, findings_of, write_letter

if TYPE_CHECKING:
    from pipelines.dataset import Dataset
    from pipelines.sources import Source

_NUM_THREADS = max(2, os.cpu_count() or 2)
_CHUNK = 64  # pairs that are handed out at a time, so that memory does not grow
_LARGEST_CROP, _LARGEST_VOLUME, _STEP = 512, 128, 32


@dataclass(frozen=True)
class Report:
    """What `Dataset.check` found. `print` it for the letter; its tables are pandas objects.

    Attributes:
        name: the dataset's name.
        splits: table by split: pictures, sizes (height x width), share of ignored pixels, faults.
        classes: table by split and class: share of pixels and of pictures, 0..1; ignored
            pixels do not count.
        absent: split -> names of classes that no picture of it holds.
        faults: table of files that cannot be used: split, kind, path, detail (such as the ids
            that were seen) and the message that a training would stop with.
        duplicates: table of pictures that are equal or look alike: split and path of both,
            differing bits of their fingerprints, and whether they are equal.
        void_only: table of pictures whose pixels are all ignored: split and path.
        findings: table of what the letter says: severity, finding, advice, examples (files).
        crop: suggested height and width (of volumes depth first) of crops for training, or None.
        class_weights: suggested weight by class: median frequency (SegNet).
        fixed: the repaired dataset, if `fix` was asked for.
    """

    name: str
    splits: pd.DataFrame
    classes: pd.DataFrame
    absent: dict[str, list[str]]
    faults: pd.DataFrame
    duplicates: pd.DataFrame
    void_only: pd.DataFrame
    findings: pd.DataFrame
    crop: tuple[int, ...] | None
    class_weights: pd.Series
    fixed: "Dataset | None" = None

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that stops a training or falsifies its scores."""
        return not (self.findings["severity"] == "fault").any()

    def __str__(self) -> str:
        return write_letter(self)

    __repr__ = __str__


@dataclass
class Tally:
    """What is counted of one split while its pairs go by."""

    num_classes: int
    sizes: Counter = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    pictures: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    around: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    prints: list[tuple[int, int]] = field(default_factory=list)
    void: list[int] = field(default_factory=list)
    faults: list[tuple[str, str, str, str]] = field(default_factory=list)
    dark: int = 0

    def add(self, index: int, exam: Exam) -> None:
        """Count one pair."""
        self.prints.append((exam.print, exam.checksum) if exam.size else (0, -1))
        self.faults += exam.faults
        if exam.size is None or exam.counts is None:
            return
        self.sizes[exam.size] += 1
        self.pixels += exam.counts
        self.pictures += exam.counts > 0
        # SegNet counts, for each class, all pixels of the pictures that hold it.
        self.around += (exam.counts > 0) * int(exam.counts[: self.num_classes].sum())
        if not exam.counts[: self.num_classes].any():
            self.void.append(index)
        self.dark += exam.brightest < 32


def check(data: "Dataset") -> Report:
    """Read every file of a dataset, count, and list what is wrong; see `Dataset.check`."""
    tallies: dict[str, Tally] = {}
    for split in data.splits:
        tallies[split] = tally = Tally(data.num_classes)
        for index, exam in enumerate(_exams(data.source(split), f"{data.name} {split}")):
            tally.add(index, exam)
    shares = {split: _shares(data, tally) for split, tally in tallies.items()}
    absent = {
        split: [data.class_names[i] for i in np.flatnonzero(tally.pixels[: data.num_classes] == 0)]
        for split, tally in tallies.items()
    }
    void = [(split, i) for split, tally in tallies.items() for i in tally.void]
    tables = {
        "splits": _splits(tallies, data.ignore_class),
        "classes": pd.concat(shares, names=["split"]),
        "faults": pd.DataFrame(
            [(split, *fault) for split, tally in tallies.items() for fault in tally.faults],
            columns=["split", "kind", "path", "detail", "message"],
        ),
        "duplicates": find_duplicates(data, {s: t.prints for s, t in tallies.items()}),
        "void_only": pd.DataFrame(
            [(split, data.paths(split)[i][0]) for split, i in void], columns=["split", "path"]
        ),
    }
    first = tallies.get("train", next(iter(tallies.values())))
    findings: list[Finding] = findings_of(data, tallies, absent, tables)
    return Report(
        data.name,
        absent=absent,
        findings=pd.DataFrame(findings, columns=["severity", "finding", "advice", "examples"]),
        crop=_crop(first.sizes),
        class_weights=_median_frequency(data, first),
        **tables,
    )


def _exams(source: "Source", title: str) -> Iterator[Exam]:
    """Look at every pair, in order, a few at a time in threads."""
    with (
        ThreadPoolExecutor(_NUM_THREADS) as pool,
        tqdm(total=len(source), desc=title, unit="pair", leave=False) as bar,
    ):
        for start in range(0, len(source), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(source)))
            for exam in pool.map(lambda index: examine(source, index), indices):
                bar.update()
                yield exam


def _shares(data: "Dataset", tally: Tally) -> pd.DataFrame:
    pixels = tally.pixels[: data.num_classes]
    read = max(sum(tally.sizes.values()), 1)
    shares = {
        "pixels": pixels / max(pixels.sum(), 1),
        "pictures": tally.pictures[: data.num_classes] / read,
    }
    return pd.DataFrame(shares, index=pd.Index(data.class_names, name="class"))


def _splits(tallies: dict[str, Tally], ignore_class: int) -> pd.DataFrame:
    rows = {
        split: {
            "pictures": len(tally.prints),
            "sizes": _describe(tally.sizes),
            "ignored": round(tally.pixels[ignore_class] / max(tally.pixels.sum(), 1), 4),
            "faults": len(tally.faults),
        }
        for split, tally in tallies.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")


def _describe(sizes: Counter) -> str:
    """Write the sizes of pictures: one, or the smallest and largest."""
    if not sizes:
        return "none read"
    if len(sizes) == 1:
        return "x".join(map(str, next(iter(sizes))))
    low, high = np.min(list(sizes), axis=0), np.max(list(sizes), axis=0)
    ranges = (f"{least}..{most}" for least, most in zip(low, high, strict=True))
    return f"{len(sizes)} sizes, {' x '.join(ranges)}"


def _crop(sizes: Counter) -> tuple[int, ...] | None:
    """Return the largest crop that 95 % of pictures have room for, in steps of 32.

    Up to 512 pixels, or up to 128 for volumes, which are as large for a network.
    """
    if not sizes:
        return None
    heights = np.repeat(np.array(list(sizes)), list(sizes.values()), axis=0)
    low = np.percentile(heights, 5, axis=0, method="lower")
    largest = _LARGEST_CROP if len(low) == 2 else _LARGEST_VOLUME
    return tuple(int(np.clip(side // _STEP * _STEP, _STEP, largest)) for side in low)


def _median_frequency(data: "Dataset", tally: Tally) -> pd.Series:
    """Weights of SegNet: median of the classes' frequencies over each; 0 for absent classes."""
    pixels, around = (part[: data.num_classes] for part in (tally.pixels, tally.around))
    frequency = pixels / np.maximum(around, 1)
    seen = frequency > 0
    weights = np.zeros(data.num_classes)
    if seen.any():
        weights[seen] = np.median(frequency[seen]) / frequency[seen]
    return pd.Series(weights, pd.Index(data.class_names, name="class"), name="weight")
