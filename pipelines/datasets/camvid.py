"""CamVid in both public forms: masks of eleven classes and void, or colors of 32 classes.

Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009; the split and the eleven
classes are those of Badrinarayanan, Kendall, Cipolla: SegNet, arXiv 1511.00561.
"""

import csv
import os
from dataclasses import replace
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._camvid_split import split_of
from pipelines.datasets._layout import find, names_in
from pipelines.find.below import files_below
from pipelines.find.class_tables import as_classes
from pipelines.find.classes import Classes
from pipelines.find.pairs import match_folders
from pipelines.find.sources import FileSource, Pair
from pipelines.find.text import read_text

_SPLITS = ("train", "val", "test")
_VOID = 11


def camvid(root: str | os.PathLike, grouped: bool = True, cache: str | None = "memory") -> Dataset:
    """Read CamVid as SegNet's authors or as its owners published it.

    SegNet's form, 480x360: folders `train`, `trainannot`, `val`, `valannot` and so on of index
    masks, 11 is void. A `train.txt` lists the pictures of the split; its paths may have any prefix.

    The owners' form, 960x720: a folder of pictures (`701_StillsRaw_full`) and one of masks
    `*_L.png` coded by color (`LabeledApproved_full`), or index masks `*_P.png`; or folders `train`,
    `train_labels` and so on. The default split is SegNet's.

    Args:
        root: the folder that holds them, or one above.
        grouped: True merges the owners' classes into SegNet's eleven. False keeps 31 of them, and
            the 32nd, Void, is ignored.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset, with the splits found; void is ignored.

    Raises:
        ValueError: if the folder holds no split, or a list or pair is broken.

    >>> camvid("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: No split of CamVid was found. Received: root='/no/such/folder'. ...
    """
    small = find(root, ("train", "trainannot"), ("val", "valannot"), ("test", "testannot"))
    if small is not None:
        if not grouped:
            raise ValueError(
                "CamVid's index masks of 480x360 hold eleven classes. Received: grouped=False with "
                f"root={str(small)!r}. Omit it, or give the folder of the 960x720 form."
            )
        classes = Classes.from_csv(Path(__file__).with_suffix(".csv"), ignored_ids=(_VOID,))
        parts = {split: _small(small, split) for split in _SPLITS if (small / split).is_dir()}
    else:
        parts, by_color = _large(root)
        classes = _owners_classes(grouped, by_color)
    sources = {split: FileSource(pairs, classes, 3) for split, pairs in parts.items()}
    if not sources:
        raise ValueError(
            f"No split of CamVid was found. Received: root={os.fspath(root)!r}. Give the folder "
            "that holds `train`, `trainannot`, `val` and `valannot`, or pictures and `*_L.png`."
        )
    return Dataset("camvid", classes, sources, cache)


def _small(root: Path, split: str) -> list[Pair]:
    listed = root / f"{split}.txt"
    if listed.is_file():
        return _pairs_from_list(listed, root)
    return match_folders(root / split, root / f"{split}annot")


def _large(root: str | os.PathLike) -> tuple[dict[str, list[Pair]], bool]:
    """Return the pairs of each split of the owners' form, and whether masks are colors."""
    divided = find(root, *((split, f"{split}_labels") for split in _SPLITS))
    if divided is not None:
        there = [split for split in _SPLITS if (divided / f"{split}_labels").is_dir()]
        return {
            split: match_folders(divided / split, divided / f"{split}_labels") for split in there
        }, True
    for suffix in ("_L", "_P"):
        masks = {path.stem.removesuffix(suffix): path for path in _pngs(root, f"*{suffix}.png")}
        pictures = {path.stem: path for path in _pngs(root, "*.png") if path.stem in masks}
        parts: dict[str, list[Pair]] = {}
        validation = _names(root, "valid.txt")
        for name in sorted(pictures):
            split = split_of(name)
            if validation:
                split = "val" if name in validation else "train"
            parts.setdefault(split, []).append((str(pictures[name]), str(masks[name])))
        if parts:
            return {split: parts[split] for split in _SPLITS if split in parts}, suffix == "_L"
    return {}, True


def _pngs(root: str | os.PathLike, pattern: str) -> list[Path]:
    if not Path(root).is_dir():
        return []
    found = (path for path in files_below(root) if path.match(pattern))
    return sorted(path for path in found if not path.name.startswith("."))


def _names(root: str | os.PathLike, name: str) -> set[str]:
    listed = next(iter(sorted(path for path in files_below(root) if path.name == name)), None)
    return set() if listed is None else {Path(line).stem for line in names_in(listed)}


def _owners_classes(grouped: bool, by_color: bool) -> Classes:
    """Return the 32 classes, kept or put into eleven, by color or by their row in the table."""
    with open(Path(__file__).with_name("camvid_colors.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    colors = [(int(row["red"]), int(row["green"]), int(row["blue"])) for row in rows]
    names = [(row["group"] if grouped else row["name"]) or None for row in rows]
    names = [None if name == "Void" else name for name in names]
    eleven = Classes.from_csv(Path(__file__).with_suffix(".csv"))
    order = eleven.names if grouped else tuple(name for name in names if name)
    keys = colors if by_color else range(len(rows))
    named = sorted(
        zip(keys, names, strict=True), key=lambda one: order.index(one[1]) if one[1] else -1
    )
    classes = as_classes(dict(named))
    palette = (
        eleven.palette if grouped else [c for c, name in zip(colors, names, strict=True) if name]
    )
    # A few masks contain single pixels of other colors; other readers ignore them too.
    return replace(classes, palette=tuple(palette), strict=False)


def _pairs_from_list(path: str | os.PathLike, root: str | os.PathLike) -> list[Pair]:
    """Read a text file of `picture mask` lines.

    Paths may have the prefix of another machine: only their last two parts, folder and file, are
    looked up below `root`.

    Args:
        path: the text file.
        root: folder of the dataset.

    Returns:
        list of (picture, mask) in the order of the file.

    Raises:
        ValueError: if a line has not two paths, or a file does not exist.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2:
            raise ValueError(
                "A list needs a picture and a mask in each line, with a space between. "
                f"Received: {line!r} in {os.fspath(path)!r}, line {number}. Correct the line."
            )
        image, label = (os.path.join(root, *Path(part).parts[-2:]) for part in parts)
        for file in (image, label):
            if not os.path.isfile(file):
                raise ValueError(
                    "A file on a list does not exist. "
                    f"Received: {file!r} from {os.fspath(path)!r}, line {number}. "
                    "Copy the file there, or remove the line from the list."
                )
        pairs.append((image, label))
    return pairs
