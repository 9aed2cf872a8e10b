"""COCO-Stuff 164k: pictures of COCO 2017, 80 classes of things and 91 of stuff.

Caesar, Uijlings, Ferrari: COCO-Stuff: thing and stuff classes in context, arXiv 1612.03716.
"""

import os
from pathlib import Path

from pipelines.classes import Classes
from pipelines.dataset import Dataset
from pipelines.datasets._layout import check_splits, locate, pairs_by_name, pictures_below
from pipelines.sources import FileSource

_SPLITS = {"train": "train2017", "val": "val2017", "test": "test2017"}
_MASKS = ("stuffthingmaps", "stuffthingmaps_trainval2017", "annotations", "pixelmaps", ".")
# Ids that COCO has names for and no pictures: street sign, hat, shoe and so on.
_UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)


def coco_stuff(root: str | os.PathLike, cache: str | None = "memory") -> Dataset:
    """Read COCO-Stuff 164k: index masks (0..181, 255 unlabelled) of `stuffthingmaps_trainval2017`.

    Pictures are `images/train2017/*.jpg` or `train2017/*.jpg`, and so for val2017. Masks have
    the same names below `stuffthingmaps`, `stuffthingmaps_trainval2017`, `annotations` or
    `pixelmaps`. An id in a mask is the owners' number less one; eleven of 182 are never used, so
    there are 171 classes. 255 is unlabelled and ignored.

    Args:
        root: the folder that holds them.
        cache: "memory" keeps decoded pictures if they fit, None reads files every epoch.

    Returns:
        the dataset, with the splits that are there; "test" has no masks.

    Raises:
        ValueError: if the folders are not there, or a picture has no mask.

    >>> coco_stuff("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: COCO-Stuff was not found. Received: root='/no/such/folder', ...
    """
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"), (*_UNUSED, 255))
    sources, top = {}, Path(root)
    for split, owners_name in _SPLITS.items():
        pictures = _folder_with(top, ("images", "."), owners_name, ".jpg")
        masks = _folder_with(top, _MASKS, owners_name, ".png")
        if pictures is None or (masks is None and split != "test"):
            continue
        pairs = pairs_by_name(
            [path.stem for path in pictures_below(pictures, ".jpg")],
            lambda name, pictures=pictures: pictures / f"{name}.jpg",
            lambda name, masks=masks: None if masks is None else masks / f"{name}.png",
        )
        sources[split] = FileSource(pairs, classes, num_channels=3)
    if not sources:
        locate(root, "COCO-Stuff", ("images/train2017", "stuffthingmaps/train2017"))
    check_splits("COCO-Stuff", top, sources)
    return Dataset("coco_stuff", classes, sources, cache)


def _folder_with(root: Path, places: tuple[str, ...], name: str, suffix: str) -> Path | None:
    """Return the first of some folders that holds files that end so."""
    for place in places:
        folder = root / place / name
        if folder.is_dir() and any(path.suffix == suffix for path in folder.iterdir()):
            return folder
    return None
