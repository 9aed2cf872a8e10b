"""Anybody's pictures and masks, as a dataset."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.classes import IGNORE_CLASS, Classes
from pipelines.dataset import Dataset
from pipelines.pairs import match_folders
from pipelines.sources import FileSource
from pipelines.splits import NAMES, by_fractions, by_lists, by_subfolders

_FRACTIONS = (0.8, 0.1, 0.1)
_PLAIN_FOLDERS = ("images", "image", "imgs", "pictures", "jpegimages")


def from_folders(
    images: str | os.PathLike,
    labels: str | os.PathLike,
    classes: int | Sequence[str] | Mapping[int, str],
    splits: Sequence[float] | Mapping | None = None,
    ignore: int | Sequence[int] = IGNORE_CLASS,
    seed: int = 0,
    num_channels: int | None = None,
) -> Dataset:
    """Make a dataset of a folder of pictures and a folder of masks.

    Pictures and masks belong together by name; a mask may carry a suffix such as `_label`,
    `_mask`, `_gt` or `_L`. Folders may be nested. Masks hold class ids, as grey values or as
    indices of a palette.

    Args:
        images: folder of png, jpg or bmp pictures.
        labels: folder of png or bmp masks.
        classes: names in the order of their ids from 0, or {id: name}, or how many there are.
        splits: shares for train, val and test such as (0.8, 0.2) or {"train": 0.8, "val": 0.2};
            or {"train": list of names or text file, ...}. None takes the subfolders train, val
            and test where they exist, else (0.8, 0.1, 0.1).
        ignore: id or ids in the masks that count for nothing.
        seed: seed of a division by shares.
        num_channels: 3 for RGB, 1 for grey, None for what the pictures have.

    Returns:
        the dataset; its name is the folder's.

    Raises:
        ValueError: if a folder is missing or empty, a file has no partner, or the splits or
            classes do not work; names the file.

    >>> import tempfile; from PIL import Image
    >>> folder = Path(tempfile.mkdtemp(), "shapes"); folder.mkdir()
    >>> for i in range(4):
    ...     Image.new("RGB", (32, 32)).save(folder / f"{i}.jpg")
    ...     Image.new("L", (32, 32)).save(folder / f"{i}_mask.png")
    >>> from_folders(folder, folder, ["background", "shape"], splits=(0.75, 0.25))
    <Dataset 'shapes': 2 classes, train=3, val=1>
    """
    ignored = (ignore,) if isinstance(ignore, int) else tuple(ignore)
    table = Classes.make(classes, ignored)
    pairs = match_folders(images, labels)
    parts = by_subfolders(pairs, images) if splits is None else None
    if parts is None:
        parts = _divide(pairs, _FRACTIONS if splits is None else splits, images, seed)
    num_channels = num_channels or FileSource(pairs, table).num_channels
    sources = {name: FileSource(part, table, num_channels) for name, part in parts.items()}
    return Dataset(_name(images), table, sources)


def _divide(pairs: list, splits: Sequence[float] | Mapping, images, seed: int) -> dict:
    if not isinstance(splits, Mapping):
        if not 1 <= len(splits) <= len(NAMES):
            raise ValueError(
                f"Shares are for {', '.join(NAMES)}, in this order. Received: splits={splits!r}. "
                "Give one to three numbers, or a dict of names."
            )
        splits = dict(zip(NAMES, splits, strict=False))
    if all(isinstance(share, int | float) for share in splits.values()):
        return by_fractions(pairs, splits, seed)
    return by_lists(pairs, splits, images)


def _name(images: str | os.PathLike) -> str:
    folder = Path(images).resolve()
    return folder.parent.name if folder.name.lower() in _PLAIN_FOLDERS else folder.name
