"""SBD, the semantic boundaries dataset: VOC's twenty kinds of objects in 11355 of its pictures.

Hariharan, Arbelaez, Bourdev, Maji, Malik: Semantic contours from inverse detectors, 2011.
"""

import os
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.datasets._layout import locate, names_in, pairs_by_name
from pipelines.find.classes import Classes
from pipelines.find.sources import FileSource


def sbd(
    root: str | os.PathLike, train_list: str | os.PathLike = "train", cache: str | None = "memory"
) -> Dataset:
    """Read SBD from `benchmark_RELEASE/dataset` with `img`, `cls`, `train.txt` and `val.txt`.

    Masks are `cls/*.mat`, MATLAB files whose `GTcls.Segmentation` holds 0 for background and 1..20
    for the classes of VOC. The owners' lists are the splits. They differ from VOC's: to score on
    VOC's validation pictures, use `pascal_voc` with its argument `sbd`.

    Args:
        root: the folder `dataset`, or one above such as `benchmark_RELEASE`.
        train_list: which pictures are split "train": the name of a list beside `train.txt`, such
            as "train" or "train_noval", or the path of a text file. Pictures that are in split
            "val" are left out.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset with the splits "train" and, where there is a `val.txt`, "val".

    Raises:
        ValueError: if the folder, a list or a file does not exist.

    >>> sbd("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: SBD was not found. Received: root='/no/such/folder', ...
    """
    folder = locate(root, "SBD", ("img", "cls"))
    classes = Classes.from_csv(Path(__file__).with_name("pascal_voc.csv"))
    listed = Path(train_list) if os.path.isfile(train_list) else folder / f"{train_list}.txt"
    validation = folder / "val.txt"
    names = {"val": names_in(validation)} if validation.is_file() else {}
    train = names_in(listed)
    held_out = set(names.get("val", ()))
    kept = [name for name in train if name not in held_out]
    sources = {}
    for split, part in {"train": kept, **names}.items():
        pairs = pairs_by_name(
            part,
            lambda name: folder / "img" / f"{name}.jpg",
            lambda name: folder / "cls" / f"{name}.mat",
        )
        sources[split] = FileSource(pairs, classes, num_channels=3)
    data = Dataset("sbd", classes, sources, cache)
    if len(kept) < len(train):
        data.notes = (
            f"{len(train) - len(kept)} pictures of {os.fspath(train_list)!r} are in split 'val' "
            "too; they are left out of 'train'.",
        )
    return data
