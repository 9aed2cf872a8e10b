"""CamVid as SegNet's authors published it: 480x360 pixels, eleven classes and void.

Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009; the split and the eleven
classes are those of Badrinarayanan, Kendall, Cipolla: SegNet, arXiv 1511.00561.
"""

import os
from pathlib import Path

from pipelines.classes import Classes
from pipelines.dataset import Dataset
from pipelines.pairs import match_folders, pairs_from_list
from pipelines.sources import FileSource

_SPLITS = ("train", "val", "test")
_VOID = 11


def camvid(root: str | os.PathLike, cache: str | None = "memory") -> Dataset:
    """Read CamVid from a folder with `train`, `trainannot`, `val`, `valannot` and so on.

    Where there is a `train.txt`, it says which pictures belong to the split; its paths may
    begin with any prefix.

    Args:
        root: the folder that holds them.
        cache: "memory" keeps decoded pictures if they fit, None reads files every epoch.

    Returns:
        the dataset, with the splits that are there; void is ignored.

    Raises:
        ValueError: if the folder holds no split, or a list or pair is broken.

    >>> camvid("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: No split of CamVid was found. Received: root='/no/such/folder'. ...
    """
    root = Path(root)
    classes = Classes.from_csv(Path(__file__).with_suffix(".csv"), ignored_ids=(_VOID,))
    sources = {}
    for split in _SPLITS:
        listed = root / f"{split}.txt"
        if not (root / split).is_dir():
            continue
        if listed.is_file():
            pairs = pairs_from_list(listed, root)
        else:
            pairs = match_folders(root / split, root / f"{split}annot")
        sources[split] = FileSource(pairs, classes, num_channels=3)
    if not sources:
        raise ValueError(
            f"No split of CamVid was found. Received: root={str(root)!r}. "
            "Give the folder that holds `train`, `trainannot`, `val` and `valannot`."
        )
    return Dataset("camvid", classes, sources, cache)
