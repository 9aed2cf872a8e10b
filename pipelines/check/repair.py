"""A dataset without its faults: repaired masks in a new folder, the person's files untouched."""

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
from pipelines.faults import COLORS, UNKNOWN_IDS, FileFault
from pipelines.files import read_colors, read_header, read_label
from pipelines.find.classes import IGNORE_CLASS, Classes
from pipelines.find.sources import FileSource

_RATIO = 0.02  # by so much the shapes of a picture and its mask may differ to be resized


def repair(data: Examples, report: Report, folder: str | os.PathLike) -> Report:
    """Write what can be repaired to a new folder, and leave out the rest; see `Dataset.check`.

    Masks of another size, but of the same shape, are resized; masks of 0 and 255, with gray edges
    too, and smoothed colors get the nearest class; strange ids become ignored pixels. Pairs with
    other faults are left out, and so are pictures of "train" that stand in another split too.

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
        sick = set(report.faults.loc[report.faults["split"] == split, "path"])
        kept = _Kept(source, folder / split, done)
        for index, (image, label) in enumerate(source.paths()):
            if split == "train" and image in leaked:
                done.append((image, "left out", "it stands in another split too"))
            elif image in sick:
                done.append((image, "left out", "the picture cannot be read"))
            else:
                kept.add(index, label in sick)
        if kept.indices:
            fixed[split] = kept.source()
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(done, columns=["path", "what", "why"])
    table.to_csv(folder / "repairs.csv", index=False)
    return replace(report, fixed=data.with_sources(fixed))


def check_folder(folder: str | os.PathLike, data: Examples) -> None:
    """Refuse a folder that is not empty, and data that are no files.

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
            f"`fix` repairs masks of pictures. Received: {data.name!r}, a dataset of volumes. "
            "Correct its masks by hand; the report names them."
        )
    if not all(isinstance(data.source(split), FileSource) for split in data.splits):
        raise ValueError(
            f"`fix` repairs files. Received: {data.name!r}, a dataset in memory. "
            "Correct its arrays instead."
        )


class _Kept:
    """The pairs of one split that are sound, or were repaired."""

    def __init__(self, source: FileSource, folder: Path, done: list):
        self.indices: list[int] = []
        self._source, self._folder, self._done = source, folder, done
        self._repaired: dict[int, str] = {}

    def add(self, index: int, is_sick: bool) -> None:
        """Keep a pair, with a repaired mask if it was sick and can be repaired."""
        image, label = self._source.pairs[index]
        if is_sick:
            height, width = read_header(image)[:2]
            healed = heal(label, self._source.classes, (height, width))
            if healed is None:
                self._done.append((label, "left out", "the mask cannot be repaired"))
                return
            labels, why = healed
            self._folder.mkdir(parents=True, exist_ok=True)
            path = str(self._folder / f"{index:06d}_{Path(label).stem}.png")
            Image.fromarray(labels).save(path)
            self._repaired[index] = path
            self._done.append((label, f"repaired as {path}", why))
        self.indices.append(index)

    def source(self) -> FileSource:
        """Return a source of what was kept."""
        return self._source.subset(self.indices, self._repaired)


def heal(path: str, classes: Classes, size: tuple[int, int]) -> tuple[np.ndarray, str] | None:
    """Return a mask as class ids uint8 (h, w) and what was done; None if it is beyond repair."""
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
    """Read a mask, and give strange values the nearest class, or none."""
    try:
        if classes.colors:
            return classes.from_colors(read_colors(path), path), ""
        return classes.from_file_ids(read_label(path), path), ""
    except FileFault as fault:
        if fault.kind not in (UNKNOWN_IDS, COLORS):
            raise
        disease = exam.disease(fault)
    loose = replace(classes, strict=False)
    if classes.colors:
        pixels = read_colors(path)
        if disease:
            return nearest_colors(pixels, classes), "nearest colors"
        return loose.from_colors(pixels, path), "strange colors are ignored"
    ids = read_label(path)
    if disease in (exam.BINARY, exam.SMOOTHED_BINARY) and len(classes.names) == 2:
        return (ids > 127).astype(np.uint8), "0 and 255 are the two classes"
    return loose.from_file_ids(ids, path), "strange ids are ignored"


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
