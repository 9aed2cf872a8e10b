"""A report on a dataset: what it holds, and in which shares."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pipelines.dataset import Dataset


@dataclass(frozen=True)
class Report:
    """What `Dataset.check` found.

    Attributes:
        name: the dataset's name.
        splits: table by split: pictures, sizes (height x width), share of ignored pixels.
        classes: table by split and class: share of pixels and of pictures, 0..1; ignored
            pixels do not count.
        absent: split -> names of classes that no picture of it holds.
    """

    name: str
    splits: pd.DataFrame
    classes: pd.DataFrame
    absent: dict[str, list[str]]

    def __str__(self) -> str:
        shares = (self.classes * 100).round(2).unstack("split").to_string()
        parts = [
            f"Dataset {self.name!r}: every file was read, no fault was found.",
            self.splits.to_string(),
            f"Share of pixels, and of pictures that show the class, in percent:\n{shares}",
        ]
        parts += [
            f"Split {split!r} does not show: {', '.join(names)}. Its IoU there will be nan."
            for split, names in self.absent.items()
            if names
        ]
        return "\n\n".join(parts)

    __repr__ = __str__


def check(data: "Dataset") -> Report:
    """Read every file of a dataset and count.

    Args:
        data: the dataset.

    Returns:
        the report.

    Raises:
        ValueError: if a file is missing, damaged, of the wrong size or holds unknown ids.
    """
    rows, tables, absent = {}, {}, {}
    for split in data.splits:
        sizes, counts = data.measure(split)
        pixels = counts.sum(axis=0)
        ignored = pixels[data.ignore_class] / pixels.sum()
        rows[split] = {
            "pictures": len(counts), "sizes": _describe(sizes), "ignored": round(ignored, 4)
        }  # fmt: skip
        counts, pixels = counts[:, : data.num_classes], pixels[: data.num_classes]
        tables[split] = pd.DataFrame(
            {
                "pixels": pixels / max(pixels.sum(), 1),
                "pictures": (counts > 0).mean(axis=0),
            },
            index=pd.Index(data.class_names, name="class"),
        )
        absent[split] = [data.class_names[i] for i in np.flatnonzero(pixels == 0)]
    splits = pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")
    return Report(data.name, splits, pd.concat(tables, names=["split"]), absent)


def _describe(sizes: np.ndarray) -> str:
    """Write the sizes of pictures: one, or the smallest and largest."""
    different = np.unique(sizes, axis=0)
    if len(different) == 1:
        return f"{different[0][0]}x{different[0][1]}"
    low, high = sizes.min(axis=0), sizes.max(axis=0)
    return f"{len(different)} sizes, {low[0]}..{high[0]} x {low[1]}..{high[1]}"
