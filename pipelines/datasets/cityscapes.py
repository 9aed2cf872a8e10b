"""Cityscapes: streets of fifty cities, 2048x1024 pixels, 19 classes of 34 in 7 categories.

Cordts et al.: The Cityscapes dataset for semantic urban scene understanding, arXiv 1604.01685.
"""

import os
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._layout import check_splits, find, locate, pairs_by_name, pictures_below
from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource

_SPLITS = ("train", "val", "test")
_PICTURE = "_leftImg8bit.png"


def cityscapes(root: str | os.PathLike, cache: str | None = "memory") -> Dataset:
    """Read Cityscapes from a folder with `leftImg8bit` and `gtFine`.

    Pictures are `leftImg8bit/<split>/<city>/*_leftImg8bit.png`, masks
    `gtFine/<split>/<city>/*_gtFine_labelIds.png` of 34 ids. 19 of them are classes, as in the
    official evaluation; the others are ignored. The masks of split "test" are not published (the
    archive has placeholders): all of its pixels are ignored.

    Args:
        root: the folder that holds them, or one above; both archives may be in subfolders.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset, with the splits found. `categories` names the 7 categories.

    Raises:
        ValueError: if the folders do not exist, or a picture has no mask.

    >>> cityscapes("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: Cityscapes was not found. Received: root='/no/such/folder', ...
    """
    # Each of the two archives may have been unpacked into a folder of its own.
    start = find(root, ("leftImg8bit/train",), ("leftImg8bit/val",), ("leftImg8bit/test",))
    end = find(root, ("gtFine/train",), ("gtFine/val",))
    if start is None or end is None:
        start = end = locate(root, "Cityscapes", ("leftImg8bit", "gtFine"))
    # The ids between those of the table; 255 is for copies that other tools made.
    void = (*range(34), 255)
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"), void)

    def picture(name: str) -> Path:
        return start / "leftImg8bit" / (name + _PICTURE)

    def mask(name: str) -> Path | None:
        return None if name[:5] == "test/" else end / "gtFine" / f"{name}_gtFine_labelIds.png"

    sources = {}
    for split in _SPLITS:
        pictures = start / "leftImg8bit"
        files = pictures_below(pictures / split, _PICTURE)
        names = [path.relative_to(pictures).as_posix().removesuffix(_PICTURE) for path in files]
        if names:
            pairs = pairs_by_name(names, picture, mask)
            sources[split] = FileSource(pairs, classes, num_channels=3)
    check_splits("Cityscapes", start, sources)
    return Dataset("cityscapes", classes, sources, cache)
