"""ADE20K as in the scene parsing challenge of 2016: indoor and outdoor scenes, 150 classes.

Zhou et al.: Scene parsing through ADE20K dataset, 2017. Names are the first of each row of the
owners' objectInfo150; colors are those of their color150.
"""

import os
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._layout import check_splits, find, locate, pairs_by_name, pictures_below
from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource

_SPLITS = {"train": "training", "val": "validation", "test": "testing"}


def ade20k(root: str | os.PathLike, cache: str | None = "memory") -> Dataset:
    """Read ADE20K from a folder with `images` and `annotations`.

    Pictures are `images/training/*.jpg` and `images/validation/*.jpg`, masks have the same names
    below `annotations` and hold 1..150; 0 is unlabeled and ignored. Pictures in `images/testing`
    or `testing` (of the archive release_test) are split "test" and have no masks.

    Args:
        root: the folder `ADEChallengeData2016`, or one above.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset, with the splits found.

    Raises:
        ValueError: if the folders do not exist, it is the full ADE20K, or a picture has no mask.

    >>> ade20k("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: ADE20K was not found. Received: root='/no/such/folder', ...
    """
    whole = find(root, ("index_ade20k.mat",), ("index_ade20k.pkl",), ("images/ADE",))
    if whole is not None and not (whole / "annotations").is_dir():
        raise ValueError(
            "ADE20K is read in the form of its challenge, with 150 classes. "
            f"Received: root={str(whole)!r}, the full dataset of more than 3000. "
            "Fetch ADEChallengeData2016.zip from its owners and give that folder."
        )
    folder = locate(root, "ADE20K", ("images/training", "annotations/training"))
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"), ignored_ids=(0,))
    sources = {}
    for split, owners_name in _SPLITS.items():
        pictures = folder / "images" / owners_name
        masks = folder / "annotations" / owners_name
        if split == "test" and not pictures.is_dir():
            nearby = (
                folder / "testing",
                *folder.parent.glob("*/testing"),
                folder.parent / "testing",
            )
            pictures = next((path for path in nearby if path.is_dir()), pictures)
        names = [path.stem for path in pictures_below(pictures, ".jpg")]
        if names:
            pairs = pairs_by_name(
                names,
                lambda name, pictures=pictures: pictures / f"{name}.jpg",
                lambda name, masks=masks: masks / f"{name}.png" if masks.is_dir() else None,
            )
            sources[split] = FileSource(pairs, classes, num_channels=3)
    check_splits("ADE20K", folder, sources)
    return Dataset("ade20k", classes, sources, cache)
