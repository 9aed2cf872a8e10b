"""Oxford-IIIT Pet: cats and dogs of 37 breeds, each with a trimap.

Parkhi, Vedaldi, Zisserman, Jawahar: Cats and dogs, 2012.
"""

import os
from dataclasses import replace
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._layout import find, locate, names_in, pairs_by_name, unwrapped
from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource

_LISTS = {"train": "trainval.txt", "test": "test.txt"}


def oxford_pets(
    root: str | os.PathLike, border: str = "class", cache: str | None = "memory"
) -> Dataset:
    """Read Oxford-IIIT Pet from a folder with `images` and `annotations`.

    Trimaps are `annotations/trimaps/*.png` of 1 (foreground), 2 (background) and 3 (border, which
    the owners call not classified). The owners' lists `annotations/trainval.txt` and `test.txt` are
    the splits "train" and "test". A few pictures are GIF or PNG files in spite of their names, and
    are read as such.

    Args:
        root: the folder that holds them, or one above.
        border: "class" makes the border the third class, "ignore" ignores its pixels.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset.

    Raises:
        ValueError: if folders or listed files are missing, or `border` is invalid.

    >>> oxford_pets("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: Oxford-IIIT Pet was not found. Received: root='/no/such/folder', ...
    """
    if border not in ("class", "ignore"):
        raise ValueError(
            f"`border` must be 'class' or 'ignore'. Received: border={border!r}. "
            "Omit it to make the border the third class."
        )
    # Each of the two archives may have been unpacked into a folder of its own.
    start, end = find(root, ("images",)), find(root, ("annotations/trimaps",))
    if start is None or end is None:
        start = end = locate(root, "Oxford-IIIT Pet", ("images", "annotations/trimaps"))
    images, annotations = unwrapped(start / "images"), end / "annotations"
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"))
    if border == "ignore":
        names, palette, ids = classes.names[:2], classes.palette[:2], classes.file_ids[:2]
        classes = replace(classes, names=names, palette=palette, file_ids=ids, ignored_ids=(3,))
    sources = {}
    for split, listed in _LISTS.items():
        pairs = pairs_by_name(
            names_in(annotations / listed),
            lambda name: images / f"{name}.jpg",
            lambda name: annotations / "trimaps" / f"{name}.png",
        )
        sources[split] = FileSource(pairs, classes, num_channels=3)
    return Dataset("oxford_pets", classes, sources, cache)
