"""The report of `Dataset.check`: statistics and findings."""

import html
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipelines.check.duplicates import find_duplicates
from pipelines.check.examine import Exam, examine
from pipelines.check.findings import findings_of
from pipelines.check.tally import Tally, crop_of, shares_of, table_of_splits
from pipelines.class_weights import median_frequency
from pipelines.examples import Examples
from pipelines.find.sources import Source

_NUM_THREADS = max(2, os.cpu_count() or 2)
_CHUNK = 64  # pairs submitted at a time, to bound memory
_WEIGHTS = 64  # class weights in the text
_SHOWN = 5  # files of a finding in the text
_TITLES = {"fault": "Fix before training:", "notice": "Notices:"}
_SHARES = "Share of pixels, and of pictures that show the class, in percent"
_SHARES_OF_PICTURES = "Share of pictures by class, in percent"


@dataclass(frozen=True)
class Report:
    """The result of `Dataset.check`. `print` shows it as text; its tables are pandas objects.

    Attributes:
        name: the dataset's name.
        splits: table by split: pictures, sizes (height x width), share of ignored pixels, faults.
        classes: table by split and class: share of pixels (of masks) and of pictures, 0..1; ignored
            pixels are excluded.
        absent: split -> names of classes that no picture of it holds.
        faults: table of files that cannot be used: split, kind, path, detail (such as the unknown
            ids) and the error message.
        duplicates: table of pictures that are equal or look alike: split and path of both,
            differing bits of their fingerprints, and whether they are equal.
        void_only: table of pictures whose pixels are all ignored: split and path.
        findings: table of what was found: severity, finding, advice, examples (files).
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
    fixed: Examples | None = None

    @property
    def valid(self) -> bool:
        """Whether there is no finding that stops training or invalidates scores."""
        return not (self.findings["severity"] == "fault").any()

    def _summary(self) -> str:
        counts = ", ".join(f"{row.pictures} in {split}" for split, row in self.splits.iterrows())
        faulty = int(self.splits["faults"].sum())
        if faulty:
            verdict = f"{faulty} {'file' if faulty == 1 else 'files'} cannot be used"
        elif self.valid:
            verdict = "every file was read, no faults"
        else:
            verdict = "every file was read, there are findings to fix"
        return f"Dataset {self.name!r} ({counts}): {verdict}."

    def _suggestions(self) -> list[str]:
        found = []
        if self.crop:
            shown = self.class_weights.iloc[:_WEIGHTS].items()
            weights = ", ".join(f"{name} {value:.3g}" for name, value in shown)
            more = len(self.class_weights) - _WEIGHTS
            found.append(
                f"Suggested for training: crops of {'x'.join(map(str, self.crop))} and, if rare "
                f"classes matter, these class weights (median frequency): {weights}"
                f"{f' and {more} more' if more > 0 else ''}."
            )
        if self.fixed is not None:
            found.append(f"A repaired dataset is in `report.fixed`: {self.fixed!r}.")
        return found

    def _title_of_shares(self) -> str:
        return _SHARES if "pixels" in self.classes else _SHARES_OF_PICTURES

    def _shares(self) -> pd.DataFrame:
        return (self.classes * 100).round(2).unstack("split")

    def __str__(self) -> str:
        parts = [self._summary(), self.splits.to_string()]
        for severity, title in _TITLES.items():
            rows = self.findings[self.findings["severity"] == severity]
            if len(rows):
                parts.append("\n".join([title, *(_paragraph(row) for row in rows.itertuples())]))
        parts.append(f"{self._title_of_shares()}:\n{self._shares().to_string()}")
        return "\n\n".join([*parts, *self._suggestions()])

    def _repr_html_(self) -> str:
        """Return the report as tables, for notebooks."""
        parts = [f"<p>{html.escape(self._summary())}</p>", self.splits.to_html()]
        for severity, title in _TITLES.items():
            rows = self.findings.loc[self.findings["severity"] == severity]
            if len(rows):
                rows = rows[["finding", "advice", "examples"]].copy()
                rows["examples"] = ["\n".join(_shown(files)) for files in rows["examples"]]
                parts += [f"<p>{title}</p>", rows.to_html(index=False)]
        parts += [f"<p>{self._title_of_shares()}:</p>", self._shares().to_html()]
        return "\n".join([*parts, *(f"<p>{html.escape(one)}</p>" for one in self._suggestions())])

    __repr__ = __str__


def check(data: Examples) -> Report:
    """Read every file of a dataset, count, and list what is wrong; see `Dataset.check`."""
    tallies: dict[str, Tally] = {}
    for split in data.splits:
        tallies[split] = tally = Tally(data.num_classes)
        for index, exam in enumerate(_exams(data.source(split), f"{data.name} {split}")):
            tally.add(index, exam)
    shares = {split: shares_of(data, tally) for split, tally in tallies.items()}
    absent = {
        split: [data.class_names[i] for i in np.flatnonzero(tally.pixels[: data.num_classes] == 0)]
        for split, tally in tallies.items()
    }
    # Of all pictures: `data.paths` leaves out those that are skipped.
    paths = {split: data.source(split).paths() for split in data.splits}
    void = [(split, i) for split, tally in tallies.items() for i in tally.void]
    tables = {
        "splits": table_of_splits(tallies, data.ignore_class),
        "classes": pd.concat(shares, names=["split"]),
        "faults": pd.DataFrame(
            [(split, *fault) for split, tally in tallies.items() for fault in tally.named_faults()],
            columns=["split", "kind", "path", "detail", "message"],
        ),
        "duplicates": find_duplicates(data, {s: t.prints for s, t in tallies.items()}),
        "void_only": pd.DataFrame(
            [(split, paths[split][i][0]) for split, i in void], columns=["split", "path"]
        ),
    }
    first = tallies.get("train", next(iter(tallies.values())))
    findings = findings_of(data, tallies, absent, tables)
    return Report(
        data.name,
        absent=absent,
        findings=pd.DataFrame(findings, columns=["severity", "finding", "advice", "examples"]),
        crop=crop_of(first.sizes),
        class_weights=_weights(data, first),
        **tables,
    )


def _exams(source: Source, title: str) -> Iterator[Exam]:
    """Examine every pair, in order, in threads."""
    with (
        ThreadPoolExecutor(_NUM_THREADS) as pool,
        tqdm(total=len(source), desc=title, unit="pair", leave=False) as bar,
    ):
        for start in range(0, len(source), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(source)))
            for exam in pool.map(lambda index: examine(source, index), indices):
                bar.update()
                yield exam


def _weights(data: Examples, tally: Tally) -> pd.Series:
    pixels, around = tally.pixels[: data.num_classes], tally.around[: data.num_classes]
    if data.task == "classification":
        around = np.full_like(pixels, pixels.sum())  # all pictures, in place of those of a class
    weights = median_frequency(pixels, around)
    return pd.Series(weights, pd.Index(data.class_names, name="class"), name="weight")


def _shown(files) -> list[str]:
    """Return up to five files, and how many more there are."""
    more = len(files) - _SHOWN
    return [*files[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _paragraph(row) -> str:
    """Format one finding: the finding, up to five files, and the advice."""
    lines = [f"- {row.finding}{':' if row.examples else '.'}"]
    lines += [f"    {example}" for example in _shown(row.examples)]
    if row.advice:
        lines.append(f"  {row.advice}")
    return "\n".join(lines)
