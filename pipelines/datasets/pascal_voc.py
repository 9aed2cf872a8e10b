"""Pascal VOC 2012, and the further masks of SBD: twenty kinds of objects and background.

Everingham et al.: The Pascal visual object classes challenge 2012. Hariharan et al.: Semantic
contours from inverse detectors, 2011 (SBD), whose masks are read as their owners' MATLAB files or
as the PNG files that the authors of DeepLab made of them.
"""

import os
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._layout import find, locate, names_in, pairs_by_name
from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource

_LISTS = "ImageSets/Segmentation"
_MASKS = ("SegmentationClass", "SegmentationClassAug")


def pascal_voc(
    root: str | os.PathLike,
    train_list: str | os.PathLike = "train",
    cache: str | None = "memory",
    sbd: str | os.PathLike | None = None,
) -> Dataset:
    """Read Pascal VOC 2012 from a folder with `JPEGImages`, `SegmentationClass` and `ImageSets`.

    Masks are palette PNG files, whose indices are the classes; the border, 255, is ignored.

    Args:
        root: the folder `VOC2012`, or one above such as `VOCdevkit`.
        train_list: which pictures are split "train": the name of a list in
            `ImageSets/Segmentation`, such as "train", "trainval" or "trainaug", or the path of a
            text file, such as a list of SBD. A line names a picture, or picture and mask. Masks are
            taken from `SegmentationClass`, else from `SegmentationClassAug`, else from `sbd`.
            Pictures that are in split "val" are left out, unless the list is "trainval".
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.
        sbd: the folder of SBD (`benchmark_RELEASE`). Its pictures are then added to split
            "train", those of "val" left out: the 10582 that are known as "trainaug".

    Returns:
        the dataset with "train", and with "val" and "test" where they are listed. Masks of "test"
        are not published: all of its pixels are ignored.

    Raises:
        ValueError: if the folder, a list or a file does not exist.

    >>> pascal_voc("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: Pascal VOC was not found. Received: root='/no/such/folder', ...
    """
    wanted = ("JPEGImages", _LISTS)
    year = find(root, tuple(f"VOC2012/{name}" for name in wanted))  # VOC2007 may be beside it
    folder = locate(root, "Pascal VOC", wanted) if year is None else year / "VOC2012"
    further = None if sbd is None else locate(sbd, "SBD", ("img", "cls"))
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"))

    def picture(name: str) -> Path:
        found = [folder / "JPEGImages" / f"{name}.jpg"]
        if further is not None:
            found.append(further / "img" / f"{name}.jpg")
        return next((file for file in found if file.is_file()), found[0])

    def mask(name: str) -> Path:
        found = [folder / masks / f"{name}.png" for masks in _MASKS]
        if further is not None:
            found.append(further / "cls" / f"{name}.mat")
        return next((file for file in found if file.is_file()), found[0])

    listed = {split: folder / _LISTS / f"{split}.txt" for split in ("val", "test")}
    names = {split: names_in(path) for split, path in listed.items() if path.is_file()}
    train = [Path(line).stem for line in names_in(_find_list(folder, train_list))]
    if further is not None:
        more = [name for split in ("train", "val") for name in names_in(further / f"{split}.txt")]
        train = list(dict.fromkeys(train + more))
    held_out = set() if os.fspath(train_list) == "trainval" else set(names.get("val", ()))
    kept = [name for name in train if name not in held_out]
    names = {"train": kept, **names}
    sources = {
        split: FileSource(
            pairs_by_name(part, picture, (lambda _: None) if split == "test" else mask),
            classes,
            num_channels=3,
        )
        for split, part in names.items()
        if part
    }
    data = Dataset("pascal_voc", classes, sources, cache)
    if len(kept) < len(train):
        data.notes = (
            f"{len(train) - len(kept)} pictures of {os.fspath(train_list)!r}"
            f"{' and SBD' if sbd is not None else ''} are in split 'val' too; "
            "they are left out of 'train'.",
        )
    return data


def _find_list(folder: Path, name: str | os.PathLike) -> Path:
    """Return the file of a list: a path, or a name of a list of VOC or of SBD."""
    if os.path.isfile(name):
        return Path(name)
    places = (_LISTS, "ImageSets/SegmentationAug", "ImageSets")
    found = [folder / place / f"{os.fspath(name)}.txt" for place in places]
    return next((path for path in found if path.is_file()), found[0])
