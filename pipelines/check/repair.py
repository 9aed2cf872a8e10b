"""Repair a dataset: write corrected masks to a new folder; the original files are not changed."""

import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from pipelines.check import examine as exam
from pipelines.check.report import Report
from pipelines.examples import Examples
from pipelines.find.classes import IGNORE_CLASS, Classes
from pipelines.find.sources import FileSource, read_ids
from pipelines.read.faults import COLORS, SIZE, UNKNOWN_IDS, FileFault
from pipelines.read.image import read_header
from pipelines.read.mask import read_colors

_RATIO = 0.02  # largest relative difference in aspect ratio for a mask to be resized


def repair(data: Examples, report: Report, folder: str | os.PathLike) -> Report:
    """Write repaired masks to a new folder, and leave out other faulty pairs; see `Dataset.check`.

    Masks of another size, but of the same shape, are resized; masks of 0 and 255, with gray edges
    too, and smoothed colors get the nearest class; unknown ids become ignored pixels. Pairs with
    other faults are left out, and so are pictures of "train" that are in another split too.

    Args:
        data: the dataset.
        report: what `check` has found.
        folder: a new or empty folder.

    Returns:
        the report with the repaired dataset.
    """
    folder = Path(folder)
    done: list[tuple[str, str, str]] = []
    leaked = set()
    for row in report.duplicates.itertuples():
        if row.equal and "train" in (row.split, row.other_split) and row.split != row.other_split:
            leaked.add(row.path if row.split == "train" else row.other_path)
    fixed = {}
    for split in data.splits:
        source = cast(FileSource, data.source(split))
        rows = report.faults[report.faults["split"] == split]
        # Of two sizes, the mask is resized if the shapes allow it, whichever of the two is named.
        sizes = set(rows.loc[rows["kind"] == SIZE, "path"])
        faulty = set(rows["path"])
        kept = _Kept(source, folder / split, done)
        for index, (image, label) in enumerate(source.paths()):
            if split == "train" and image in leaked:
                done.append((image, "left out", "it is in another split too"))
            elif image in faulty - sizes:
                done.append((image, "left out", "the picture cannot be read"))
            else:
                kept.add(index, label in faulty or image in sizes)
        if kept.indices:
            fixed[split] = kept.source()
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(done, columns=["path", "what", "why"])
    table.to_csv(folder / "repairs.csv", index=False)
    return replace(report, fixed=data.with_sources(fixed))


def check_folder(folder: str | os.PathLike, data: Examples) -> None:
    """Raise if the folder is not empty or the dataset has no files.

    Raises:
        ValueError: in these cases.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            "Repaired masks are written to a new or empty folder. "
            f"Received: fix={str(folder)!r}, which is not empty. Give another one."
        )
    if data.dimensions != 2:
        raise ValueError(
            f"`fix` supports masks of pictures only. Received: {data.name!r}, with volumes. "
            "Correct its masks by hand; the report names them."
        )
    if data.task == "classification":
        raise ValueError(
            f"`fix` repairs masks. Received: {data.name!r}, whose pictures have one class each and "
            "no masks. Leave `fix` out; the report names the files, and `reading(on_error='skip')` "
            "leaves out those that cannot be read."
        )
    if not all(isinstance(data.source(split), FileSource) for split in data.splits):
        raise ValueError(
            f"`fix` supports datasets of files only. Received: {data.name!r}, a dataset in memory. "
            "Correct its arrays instead."
        )


class _Kept:
    """The valid and repaired pairs of one split."""

    def __init__(self, source: FileSource, folder: Path, done: list):
        self.indices: list[int] = []
        self._source, self._folder, self._done = source, folder, done
        self._repaired: dict[int, str] = {}

    def add(self, index: int, is_faulty: bool) -> None:
        """Add a pair, with a repaired mask if the mask was faulty and can be repaired."""
        image, label = self._source.pairs[index]
        if is_faulty:
            height, width = read_header(image)[:2]
            repaired = repaired_mask(label, self._source.classes, (height, width))
            if repaired is None:
                self._done.append((label, "left out", "the mask cannot be repaired"))
                return
            labels, why = repaired
            self._folder.mkdir(parents=True, exist_ok=True)
            path = str(self._folder / f"{index:06d}_{Path(label).stem}.png")
            Image.fromarray(labels).save(path)
            self._repaired[index] = path
            self._done.append((label, f"repaired as {path}", why))
        self.indices.append(index)

    def source(self) -> FileSource:
        """Return a source of the kept pairs."""
        return self._source.subset(self.indices, self._repaired)


def repaired_mask(
    path: str, classes: Classes, size: tuple[int, int]
) -> tuple[np.ndarray, str] | None:
    """Return a mask as class ids uint8 (h, w) and what was repaired; None if it failed."""
    try:
        labels, why = _classes_of(path, classes)
    except FileFault:
        return None
    if labels.shape != size:
        ratio = labels.shape[0] / labels.shape[1] / (size[0] / size[1])
        if abs(ratio - 1) > _RATIO:
            return None
        labels = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
        why = f"{why}; resized".removeprefix("; ")
    return np.ascontiguousarray(labels), why


def _classes_of(path: str, classes: Classes) -> tuple[np.ndarray, str]:
    """Read a mask, and map unknown values to the nearest class, or ignore them."""
    try:
        if classes.colors:
            return classes.from_colors(read_colors(path), path), ""
        return classes.from_file_ids(read_ids(path, classes), path), ""
    except FileFault as fault:
        if fault.kind not in (UNKNOWN_IDS, COLORS):
            raise
        smoothed_kind = exam.smoothed_kind(fault)
    loose = replace(classes, strict=False)
    if classes.colors:
        pixels = read_colors(path)
        if smoothed_kind:
            return nearest_colors(pixels, classes), "nearest colors"
        return loose.from_colors(pixels, path), "unknown colors are ignored"
    ids = read_ids(path, classes)
    if smoothed_kind in (exam.BINARY, exam.SMOOTHED_BINARY) and len(classes.names) == 2:
        return (ids > 127).astype(np.uint8), "0 and 255 are the two classes"
    return loose.from_file_ids(ids, path), "unknown ids are ignored"


def nearest_colors(pixels: np.ndarray, classes: Classes) -> np.ndarray:
    """Return the class of the nearest color of each pixel, uint8 (h, w)."""
    colors = np.array([color for color, _ in classes.colors], np.int32)
    targets = np.array([class_id for _, class_id in classes.colors], np.uint8)
    best = np.full(pixels.shape[:2], np.iinfo(np.int32).max, np.int32)
    labels = np.full(pixels.shape[:2], IGNORE_CLASS, np.uint8)
    for color, target in zip(colors, targets, strict=True):
        distance = ((pixels.astype(np.int32) - color) ** 2).sum(axis=-1)
        nearer = distance < best
        best[nearer], labels[nearer] = distance[nearer], target
    return labels
