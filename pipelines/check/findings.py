"""Findings of a check: what was found, what it means, and what to do."""

from typing import NamedTuple

import numpy as np

from pipelines.check import examine as exam
from pipelines.check.tally import Tally
from pipelines.examples import Examples
from pipelines.read import faults

_RARE = 0.001
_MUCH_VOID = 0.5
_UNEVEN = 10
_KINDS = {
    faults.MISSING: (
        "Missing files", "Copy them there, or remove them from the list."),
    faults.UNREADABLE: (
        "Files that are damaged, truncated or not pictures",
        "Copy them again, or remove them; on_error='skip' trains without them."),
    faults.KIND: (
        "Readable files of an unsupported kind",
        "For example: {message}"),
    faults.SIZE: (
        "Pictures and masks of different sizes",
        "Resize masks with nearest neighbor, check that the two belong together, or copy the file "
        "that is damaged again."),
    faults.LARGE: (
        "Files that declare more pixels or bytes than the limits allow",
        "Copy damaged files again; for large ones raise the limit: pipelines.read.limits."),
    faults.LOSSY: (
        "Masks that are JPEG files, which change the values of pixels",
        "For example: {message}"),
    faults.UNKNOWN_IDS: (
        "Masks with unknown ids",
        "Add the ids to `classes`, or to `ignore`. Is label_offset right?"),
    faults.COLORS: (
        "Masks with unknown colors",
        "Add the colors to `classes`; colors named None are ignored."),
    exam.BINARY: (
        "Masks of 0 and 255 only",
        "Give two classes, so that 255 is the second; or classes={0: ..., 255: ...}."),
    exam.SMOOTHED_BINARY: (
        "Masks of 0 and 255 with gray edges, as JPEG and smooth resizing leave them",
        "`check(fix=folder)` takes the nearer of the two."),
    exam.SMOOTHED: (
        "Masks that look anti-aliased: many unknown values between the classes",
        "Save masks as PNG, resize with nearest neighbor; `check(fix=folder)` takes the nearest "
        "color, and ignores unknown ids."),
}  # fmt: skip


class Finding(NamedTuple):
    """One entry of a report.

    Attributes:
        severity: "fault" stops training or invalidates scores; "notice" is for information.
        finding: what was found.
        advice: what to do.
        examples: the files.
    """

    severity: str
    finding: str
    advice: str
    examples: tuple[str, ...] = ()


def findings_of(data: Examples, tallies: dict, absent: dict, tables: dict) -> list[Finding]:
    """Return the findings, faults first."""
    found = [*_of_faults(tables["faults"]), *_of_duplicates(tables["duplicates"])]
    found += _of_two_classes(data, tables["duplicates"])
    found += _of_masks(data, tallies)
    if data.unmatched:
        found.append(Finding(
            "notice", f"Files without a partner, which are left out ({len(data.unmatched)})",
            "Give pictures and masks the same names to use them.", tuple(data.unmatched),
        ))  # fmt: skip
    if len(tables["void_only"]):
        found.append(Finding(
            "notice",
            f"Pictures in which all pixels are ignored ({len(tables['void_only'])})",
            "They do not contribute to training; remove them, unless masks are not published.",
            tuple(tables["void_only"]["path"]),
        ))  # fmt: skip
    found += [
        Finding("notice", f"Split {split!r} has no pictures of: {', '.join(names)}",
                "Their scores are nan there, and left out of the mean.")
        for split, names in absent.items()
        if names and tallies[split].sizes and not _unlabeled(tallies[split])
    ]  # fmt: skip
    found += _of_shares(data, tallies, tables)
    return found + [Finding("notice", note.rstrip("."), "") for note in data.notes]


def _of_faults(table) -> list[Finding]:
    found = []
    for kind, rows in table.groupby("kind", sort=False):
        title, advice = _KINDS[kind]
        advice = advice.replace("{message}", rows["message"].iloc[0])
        files = [
            f"{path} ({detail})" if detail else path
            for path, detail in zip(rows["path"], rows["detail"], strict=True)
        ]
        found.append(Finding("fault", f"{title} ({len(rows)})", advice, tuple(files)))
    return found


def _of_duplicates(table) -> list[Finding]:
    across = table[table["split"] != table["other_split"]]
    found = []
    for equal, title in (
        (True, "Equal pictures in different splits"),
        (False, "Pictures in different splits that look alike"),
    ):
        rows = across[across["equal"] == equal]
        pairs = [
            f"{path} ({split}) and {other} ({other_split})"
            for split, path, other_split, other in rows.iloc[:, :4].itertuples(index=False)
        ]
        if pairs:
            found.append(Finding(
                "fault" if equal else "notice", f"{title} ({len(pairs)})",
                "Scores would be too high. Divide by `group`, or keep each in one split.",
                tuple(pairs),
            ))  # fmt: skip
    inside = table[table["split"] == table["other_split"]]
    if len(inside):
        found.append(Finding(
            "notice", f"Duplicate pictures within a split ({len(inside)})",
            "They count twice in training and scores; remove one of each.",
            tuple(inside["other_path"]),
        ))  # fmt: skip
    return found


def _of_two_classes(data: Examples, table) -> list[Finding]:
    """Equal pictures that have one class each, and not the same one."""
    if data.task != "classification":
        return []
    known = {split: dict(data.source(split).paths()) for split in data.splits}
    pairs = []
    for row in table[table["equal"]].itertuples():
        one, two = known[row.split][row.path], known[row.other_split][row.other_path]
        if one != two:
            pairs.append(f"{row.path} ({one}) and {row.other_path} ({two})")
    if not pairs:
        return []
    return [Finding(
        "fault", f"Equal pictures with different classes ({len(pairs)})",
        "Keep the one whose class is right.", tuple(pairs),
    )]  # fmt: skip


def _of_masks(data: Examples, tallies: dict[str, Tally]) -> list[Finding]:
    """Findings about valid files, over all splits."""
    pixels = np.sum([tally.pixels for tally in tallies.values()], axis=0)
    found = []
    masks = data.task == "segmentation" and data.num_classes > 1
    if masks and pixels[0] and pixels[255] and not pixels[1:255].any():
        found.append(Finding(
            "fault",
            f"All masks hold only {data.class_names[0]!r} and ignored pixels: "
            "they may be 0/255 masks, whose 255 means the object",
            "Give classes={0: 'background', 255: 'object'} and ignore=().",
        ))  # fmt: skip
    dark = sum(tally.dark for tally in tallies.values())
    if dark > sum(len(tally.prints) for tally in tallies.values()) / 2:
        found.append(Finding(
            "notice", f"Pictures that are nearly black, with no value above 31 of 255 ({dark})",
            "If the files have 16 bits, give `value_range`, such as (0, 4095) for 12 bits.",
        ))  # fmt: skip
    return found


def _of_shares(data: Examples, tallies: dict, tables: dict) -> list[Finding]:
    split = "train" if "train" in tallies else next(iter(tallies))
    if data.task == "classification":
        return _of_counts(split, data, tallies[split])
    shares = tables["classes"].loc[split]["pixels"]
    rare = [f"{name} ({100 * share:.3f} %)" for name, share in shares.items() if 0 < share < _RARE]
    found = []
    if rare:
        found.append(Finding(
            "notice", f"Rare classes in {split!r}, by pixels: {', '.join(rare)}",
            "Use class weights, or crops that are centered on rare classes.",
        ))  # fmt: skip
    for name, tally in tallies.items():
        share = tally.pixels[data.ignore_class] / max(tally.pixels.sum(), 1)
        if share > _MUCH_VOID and not _unlabeled(tally):
            found.append(Finding(
                "notice", f"{100 * share:.0f} % of the pixels of {name!r} are ignored",
                "Are all ids named in `classes`?",
            ))  # fmt: skip
    return found


def _of_counts(split: str, data: Examples, tally: Tally) -> list[Finding]:
    """Findings about classes with few pictures."""
    counts = tally.pixels[: data.num_classes]
    few = counts.max() / _UNEVEN
    rare = [
        f"{name} ({count})"
        for name, count in zip(data.class_names, counts.tolist(), strict=True)
        if 0 < count < few
    ]
    if not rare:
        return []
    return [Finding(
        "notice", f"Classes in {split!r} with less than a tenth of the largest one's "
        f"{counts.max()} pictures: {', '.join(rare)}",
        "Use class weights, and read the accuracy by class.",
    )]  # fmt: skip


def _unlabeled(tally: Tally) -> bool:
    return len(tally.void) == len(tally.prints)
