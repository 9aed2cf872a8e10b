"""Statistics of a split, collected while its pairs are examined, and their tables."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipelines.check.examine import Exam
from pipelines.examples import Examples
from pipelines.read.faults import SIZE

_LARGEST_CROP, _LARGEST_VOLUME, _STEP = 512, 128, 32


@dataclass
class Tally:
    """Running statistics of one split."""

    num_classes: int
    sizes: Counter = field(default_factory=Counter)
    pixels: np.ndarray = field(init=False)
    pictures: np.ndarray = field(init=False)
    around: np.ndarray = field(init=False)
    prints: list[tuple[int, int]] = field(default_factory=list)
    void: list[int] = field(default_factory=list)
    faults: list[tuple[str, str, str, str]] = field(default_factory=list)
    mismatches: dict[str, tuple] = field(default_factory=dict)
    dark: int = 0

    def __post_init__(self):
        # Pictures with one class each may have more than the 255 classes of masks.
        length = max(256, self.num_classes)
        self.pixels, self.pictures, self.around = np.zeros((3, length), np.int64)

    def add(self, index: int, exam: Exam) -> None:
        """Count one pair."""
        self.prints.append((exam.print, exam.checksum) if exam.size else (0, -1))
        self.faults += exam.faults
        if exam.mismatch:
            self.mismatches[exam.faults[0][1]] = exam.mismatch
        if exam.size is None or exam.counts is None:
            return
        self.sizes[exam.size] += 1
        known = slice(len(exam.counts))
        self.pixels[known] += exam.counts
        self.pictures[known] += exam.counts > 0
        # SegNet counts, for each class, all pixels of the pictures that hold it, ignored ones too.
        self.around[known] += (exam.counts > 0) * int(exam.counts.sum())
        if not exam.counts[: self.num_classes].any():
            self.void.append(index)
        self.dark += exam.brightest < 32

    def named_faults(self) -> list[tuple[str, str, str, str]]:
        """Return the faults; a size is the picture's fault if its mask has the usual one."""
        usual, count = (self.sizes.most_common(1) or [(None, 0)])[0]
        if 2 * count <= sum(self.sizes.values()):
            return self.faults
        found = []
        for kind, path, detail, message in self.faults:
            picture, size, mask_size = self.mismatches.get(path, ("", None, None))
            if kind == SIZE and mask_size == usual != size:
                detail = f"{size}, its mask {path!r} {mask_size}"
                path = picture
            found.append((kind, path, detail, message))
        return found


def shares_of(data: Examples, tally: Tally) -> pd.DataFrame:
    """Return the share of pixels and of pictures of each class, 0..1.

    Of pictures with one class each, there are no pixels.
    """
    pixels = tally.pixels[: data.num_classes]
    read = max(sum(tally.sizes.values()), 1)
    shares = {"pictures": tally.pictures[: data.num_classes] / read}
    if data.task == "segmentation":
        shares = {"pixels": pixels / max(pixels.sum(), 1), **shares}
    return pd.DataFrame(shares, index=pd.Index(data.class_names, name="class"))


def table_of_splits(tallies: dict[str, Tally], ignore_class: int | None) -> pd.DataFrame:
    """Return pictures, sizes, share of ignored pixels (of masks) and faults of each split."""
    rows = {
        split: {
            "pictures": len(tally.prints),
            "sizes": _describe(tally.sizes),
            "ignored": _share_of(tally, ignore_class),
            "faults": len(tally.faults),
        }
        for split, tally in tallies.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")
    return table if ignore_class is not None else table.drop(columns="ignored")


def _share_of(tally: Tally, ignore_class: int | None) -> float:
    """Return the share of pixels that are ignored, nan where there are no masks."""
    if ignore_class is None:
        return float("nan")
    return round(tally.pixels[ignore_class] / max(tally.pixels.sum(), 1), 4)


def _describe(sizes: Counter) -> str:
    """Write the sizes of pictures: one, or the smallest and largest."""
    if not sizes:
        return "none read"
    if len(sizes) == 1:
        return "x".join(map(str, next(iter(sizes))))
    low, high = np.min(list(sizes), axis=0), np.max(list(sizes), axis=0)
    ranges = (f"{least}..{most}" for least, most in zip(low, high, strict=True))
    return f"{len(sizes)} sizes, {' x '.join(ranges)}"


def crop_of(sizes: Counter) -> tuple[int, ...] | None:
    """Return the largest crop, a multiple of 32, that fits in 95 % of the pictures.

    At most 512 pixels, or 128 for volumes.
    """
    if not sizes:
        return None
    heights = np.repeat(np.array(list(sizes)), list(sizes.values()), axis=0)
    low = np.percentile(heights, 5, axis=0, method="lower")
    largest = _LARGEST_CROP if len(low) == 2 else _LARGEST_VOLUME
    return tuple(int(np.clip(side // _STEP * _STEP, _STEP, largest)) for side in low)
