"""What a report says in words: findings, what they mean, and what to do."""

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipelines import exam, faults

if TYPE_CHECKING:
    from pipelines.check import Report, Tally
    from pipelines.dataset import Dataset

_SHOWN = 5
_RARE = 0.001
_MUCH_VOID = 0.5
_KINDS = {
    faults.MISSING: (
        "do not exist", "Copy them there, or take them off the list."),
    faults.UNREADABLE: (
        "are damaged, truncated or no pictures", "Copy them again, or take them out."),
    faults.KIND: (
        "are whole, but of a kind that cannot be used", "The message of each file says why."),
    faults.SIZE: (
        "are masks of another size than their picture",
        "Resize the masks with nearest neighbour, or check that the two belong together."),
    faults.UNKNOWN_IDS: (
        "are masks with ids that are no class",
        "Add the ids to `classes`, or to `ignore`. Is label_offset right?"),
    faults.COLORS: (
        "are masks with colours that are no class", "Add the colours to `classes`."),
    exam.BINARY: (
        "are masks of 0 and 255 only",
        "Give two classes, so that 255 is the second; or classes={0: ..., 255: ...}."),
    f"{exam.BINARY}, smoothed": (
        "are masks of 0 and 255 with grey edges, as JPEG or smooth resizing leaves them",
        "`check(fix=folder)` takes the nearer of the two."),
    exam.SMOOTHED: (
        "look like masks with anti-aliased colours: many strange values between the classes",
        "Save masks as PNG, resize with nearest neighbour; `check(fix=folder)` takes the nearest."),
}  # fmt: skip


class Finding(NamedTuple):
    """One sentence of the letter.

    Attributes:
        severity: "fault" stops a training or falsifies its scores; "notice" is good to know.
        finding: what was found.
        advice: what to do.
    """

    severity: str
    finding: str
    advice: str


def findings_of(data: "Dataset", tallies: dict, absent: dict, tables: dict) -> list[Finding]:
    """Put what was counted into sentences, the grave ones first."""
    found = [*_of_faults(tables["faults"]), *_of_duplicates(tables["duplicates"])]
    found += _of_masks(data, tallies)
    if data.unmatched:
        found.append(Finding(
            "notice", f"{_number(len(data.unmatched), 'file')} have no partner and are left out: "
            f"{_list(data.unmatched)}", "Name pictures and masks alike, or leave it so.",
        ))  # fmt: skip
    if len(tables["void_only"]):
        found.append(Finding(
            "notice",
            f"{_number(len(tables['void_only']), 'picture')} hold nothing but ignored pixels: "
            f"{_list(tables['void_only']['path'])}",
            "Nothing can be learned from them; take them out, unless their masks are secret.",
        ))  # fmt: skip
    found += [
        Finding("notice", f"Split {split!r} does not show: {', '.join(names)}",
                "Its IoU there will be nan, and left out of the mean.")
        for split, names in absent.items() if names and not _unlabelled(tallies[split])
    ]  # fmt: skip
    found += _of_shares(data, tallies, tables)
    found += [Finding("notice", note, "") for note in data.notes]
    return found


def _of_faults(table) -> list[Finding]:
    found = []
    for kind, rows in table.groupby("kind", sort=False):
        words, advice = _KINDS[kind]
        examples = rows["message"].iloc[0]
        found.append(Finding(
            "fault", f"{_number(len(rows), 'file')} {words}: {_list(rows['path'])}. "
            f"The first one: {examples}", advice,
        ))  # fmt: skip
    return found


def _of_duplicates(table) -> list[Finding]:
    across = table[table["split"] != table["other_split"]]
    found = []
    for equal, words in ((True, "are equal"), (False, "look alike")):
        rows = across[across["equal"] == equal]
        if len(rows):
            pairs = [
                f"{a} ({s}) and {b} ({t})" for s, a, t, b in rows.iloc[:, :4].itertuples(index=False)
            ]
            found.append(Finding(
                "fault" if equal else "notice",
                f"{_number(len(rows), 'pair')} of pictures in different splits {words}: "
                f"{_list(pairs)}",
                "Scores would be too good. Divide by `group`, or keep each picture in one split.",
            ))  # fmt: skip
    inside = table[table["split"] == table["other_split"]]
    if len(inside):
        found.append(Finding(
            "notice", f"{_number(len(inside), 'picture')} stand twice within a split: "
            f"{_list(inside['other_path'])}", "They count double; take one of each out.",
        ))  # fmt: skip
    return found


def _of_masks(data: "Dataset", tallies: dict[str, "Tally"]) -> list[Finding]:
    """Sound masks that are still suspicious, over all splits."""
    pixels = np.sum([tally.pixels for tally in tallies.values()], axis=0)
    found = []
    if data.num_classes > 1 and pixels[0] and pixels[255] and not pixels[1:255].any():
        found.append(Finding(
            "fault",
            f"All masks hold only {data.class_names[0]!r} and ignored pixels: "
            "they may be 0/255 masks, whose 255 means the object",
            "Give classes={0: 'background', 255: 'object'} and ignore=().",
        ))  # fmt: skip
    dark = sum(tally.dark for tally in tallies.values())
    if dark > sum(len(tally.prints) for tally in tallies.values()) / 2:
        found.append(Finding(
            "notice", f"{_number(dark, 'picture')} are nearly black: no value above 31 of 255",
            "If the files have 16 bits, give `value_range`, such as (0, 4095) for 12 bits.",
        ))  # fmt: skip
    return found


def _of_shares(data: "Dataset", tallies: dict, tables: dict) -> list[Finding]:
    split = "train" if "train" in tallies else next(iter(tallies))
    shares = tables["classes"].loc[split]["pixels"]
    rare = [f"{name} ({100 * share:.3f} %)" for name, share in shares.items() if 0 < share < _RARE]
    found = []
    if rare:
        found.append(Finding(
            "notice", f"Rare classes in {split!r}, by pixels: {', '.join(rare)}",
            "Use class weights, or crops that are centred on rare classes.",
        ))  # fmt: skip
    for name, tally in tallies.items():
        share = tally.pixels[data.ignore_class] / max(tally.pixels.sum(), 1)
        if share > _MUCH_VOID and not _unlabelled(tally):
            found.append(Finding(
                "notice", f"{100 * share:.0f} % of the pixels of {name!r} are ignored",
                "Are all ids named in `classes`?",
            ))  # fmt: skip
    return found


def write_letter(report: "Report") -> str:
    """Write a report as a letter."""
    counts = ", ".join(f"{row.pictures} in {split}" for split, row in report.splits.iterrows())
    grave = int((report.findings["severity"] == "fault").sum())
    if not report.splits["faults"].sum():
        verdict = "every file was read, no fault was found" if not grave else "every file was read"
    else:
        verdict = f"{report.splits['faults'].sum()} files cannot be used"
    parts = [f"Dataset {report.name!r} ({counts}): {verdict}.", report.splits.to_string()]
    for severity, title in (("fault", "To be cured before training:"), ("notice", "Good to know:")):
        rows = report.findings[report.findings["severity"] == severity]
        lines = [f"- {row.finding}. {row.advice}".rstrip() for row in rows.itertuples()]
        if lines:
            parts.append("\n".join([title, *lines]))
    shares = (report.classes * 100).round(2).unstack("split").to_string()
    parts.append(f"Share of pixels, and of pictures that show the class, in percent:\n{shares}")
    weights = ", ".join(f"{name} {value:.3g}" for name, value in report.class_weights.items())
    if report.crop:
        parts.append(
            f"For training, crops of {report.crop[0]}x{report.crop[1]} fit. "
            f"Class weights by median frequency: {weights}."
        )
    if report.fixed is not None:
        parts.append(f"A repaired dataset is in `report.fixed`: {report.fixed!r}.")
    return "\n\n".join(parts)


def _unlabelled(tally: "Tally") -> bool:
    return len(tally.void) == len(tally.prints)


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _list(values) -> str:
    values = [os.fspath(value) for value in values]
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more
