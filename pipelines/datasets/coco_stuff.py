"""COCO-Stuff in both sizes: 164k and 10k pictures of COCO, 80 classes of things and 91 of stuff.

Caesar, Uijlings, Ferrari: COCO-Stuff: thing and stuff classes in context, arXiv 1612.03716.
"""

import os
from dataclasses import replace
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._layout import (
    check_splits,
    find,
    folders_below,
    locate,
    names_in,
    pairs_by_name,
    pictures_below,
)
from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource

_SPLITS = {"train": "train2017", "val": "val2017", "test": "test2017"}
_IMAGES = ("images", ".")
_MASKS = ("stuffthingmaps", "stuffthingmaps_trainval2017", "annotations", "pixelmaps", ".")
# Ids with names in COCO but no pixels: street sign, hat, shoe and so on.
_UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)


def coco_stuff(root: str | os.PathLike, cache: str | None = "memory") -> Dataset:
    """Read COCO-Stuff 164k or 10k.

    164k: pictures are `images/train2017/*.jpg` or `train2017/*.jpg`, likewise for val2017. Masks
    have the same names below `stuffthingmaps`, `stuffthingmaps_trainval2017`, `annotations` or
    `pixelmaps`, or are beside the pictures. An id in a mask is the official id minus one; eleven of
    182 are never used, so there are 171 classes. 255 is unlabeled and ignored.

    10k: pictures are `images/*.jpg`, masks `annotations/*.mat`, MATLAB files whose `S` holds the
    official ids, 0 for unlabeled. `imageLists/train.txt` and `test.txt` are the splits.

    Args:
        root: the folder that holds them, or one above.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset, with the splits found; "test" of 164k has no masks.

    Raises:
        ValueError: if the folders do not exist, or a picture has no mask.

    >>> coco_stuff("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: COCO-Stuff was not found. Received: root='/no/such/folder', ...
    """
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"), (*_UNUSED, 255))
    small = find(root, ("imageLists", "images", "annotations"))
    parts = _large(root) if small is None else _small(small)
    if not parts:
        locate(root, "COCO-Stuff", ("images/train2017", "stuffthingmaps/train2017"))
    if small is not None:  # 0 is unlabeled, and every number is larger by one
        ids = tuple(i + 1 for i in classes.file_ids)
        classes = replace(classes, file_ids=ids, ignored_ids=(0, *(i + 1 for i in _UNUSED)))
    sources = {split: FileSource(pairs, classes, 3) for split, pairs in parts.items() if pairs}
    check_splits("COCO-Stuff", Path(root), sources)
    return Dataset("coco_stuff", classes, sources, cache)


def _large(root: str | os.PathLike) -> dict[str, list]:
    """Return the pairs of each split of 164k."""
    folders = list(folders_below(root))
    parts = {}
    for split, owners_name in _SPLITS.items():
        pictures = _folder_with(folders, _IMAGES, owners_name, ".jpg")
        masks = _folder_with(folders, _MASKS, owners_name, ".png")
        if pictures is None or (masks is None and split != "test"):
            continue
        parts[split] = pairs_by_name(
            [path.stem for path in pictures_below(pictures, ".jpg")],
            lambda name, pictures=pictures: pictures / f"{name}.jpg",
            lambda name, masks=masks: None if masks is None else masks / f"{name}.png",
        )
    return parts


def _small(folder: Path) -> dict[str, list]:
    """Return the pairs of each split of 10k."""
    return {
        split: pairs_by_name(
            names_in(folder / "imageLists" / f"{split}.txt"),
            lambda name: folder / "images" / f"{name}.jpg",
            lambda name: folder / "annotations" / f"{name}.mat",
        )
        for split in ("train", "test")
    }


def _folder_with(
    folders: list[Path], places: tuple[str, ...], name: str, suffix: str
) -> Path | None:
    """Return the first folder that contains files with an ending."""
    for folder in (folder / place / name for folder in folders for place in places):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                if any(entry.name.endswith(suffix) for entry in entries):
                    return folder
    return None
