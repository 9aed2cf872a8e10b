"""Anybody's pictures and masks, as a dataset."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines._assemble import FRACTIONS, Reading, assemble, divide
from pipelines.class_tables import Table
from pipelines.classes import IGNORE_CLASS
from pipelines.dataset import Dataset
from pipelines.files import Range
from pipelines.pairs import Folders, match_folders, match_what_fits
from pipelines.splits import Group, by_subfolders

_PLAIN_FOLDERS = ("images", "image", "imgs", "img", "pictures", "jpegimages", "train", "training")


def from_folders(  # noqa: PLR0913 - each is one thing in which people's data differ
    images: Folders,
    labels: str | os.PathLike,
    classes: Table | None = None,
    splits: Sequence[float] | Mapping | None = None,
    *,
    ignore: int | Sequence[int] = IGNORE_CLASS,
    label_offset: int = 0,
    seed: int = 0,
    group: Group | None = None,
    num_channels: int | None = None,
    value_range: Range = None,
    on_unmatched: str = "error",
    cache: str | None = "memory",
) -> Dataset:
    """Make a dataset of a folder of pictures and a folder of masks.

    Pictures and masks belong together by name; a mask may carry a suffix such as `_label`,
    `_mask`, `_gt` or `_L`. Folders may be nested. Files are png, jpg, bmp, gif, webp, tif (also
    with many channels) or npy arrays (h, w) or (h, w, c). Masks hold class ids, as grey values or
    as indices of a palette, or colours. Two classes in masks of 0 and 255 are recognised.

    Args:
        images: folder of pictures; or a list of folders whose files of one name are channels.
        labels: folder of masks; may be that of the pictures.
        classes: names in the order of their ids from 0; or {id: name}; or
            {(red, green, blue): name} for colour-coded masks; or a CSV file or pandas table with
            a column name and id or red, green, blue; or how many. Ids or colours of one name are
            one class; those named None count for nothing. None finds ids or colours in the masks.
        splits: shares for train, val and test such as (0.8, 0.2) or {"train": 0.8, "val": 0.2};
            or {"train": list of names or text file, ...}. None takes the subfolders train, val
            and test where they exist, else (0.8, 0.1, 0.1).
        ignore: id or ids in the masks that count for nothing.
        label_offset: id of the first class in the masks; with 1, ids are 1-based and 0 is ignored.
        seed: seed of a division by shares.
        group: keeps pictures of one group in one split when dividing by shares: a function of
            the path below `images`, a regular expression (its first bracket), or a list.
        num_channels: 3 for RGB, 1 for grey, 4 to keep alpha, None for what the pictures have.
        value_range: numbers of the pictures that become 0 and 255, such as (0, 4095). None: all of
            what 8 or 16 bits hold.
        on_unmatched: "error" refuses files without a partner, "skip" leaves them out.
        cache: "memory" keeps decoded pictures if they fit, None reads files every epoch.

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
    if on_unmatched not in ("error", "skip"):
        raise ValueError(
            "`on_unmatched` must be 'error' or 'skip'. "
            f"Received: on_unmatched={on_unmatched!r}. Leave it out to be told of such files."
        )
    reading = Reading(ignore, label_offset, num_channels, value_range, cache)
    lonely: list[tuple[str, str]] = []
    if on_unmatched == "error":
        pairs = match_folders(images, labels)
    else:
        pairs, lonely = match_what_fits(images, labels)
    if not pairs:
        raise ValueError(
            "Pictures and masks need names in common. "
            f"Received: no pair in {images!s:.200} and {os.fspath(labels)!r}. "
            "Name them alike, such as a.jpg and a.png, or use `from_csv`."
        )
    folder = images if isinstance(images, str | os.PathLike) else images[0]
    parts = by_subfolders(pairs, folder) if splits is None else None
    if parts is None:
        parts = divide(pairs, FRACTIONS if splits is None else splits, folder, seed, group)
    data = assemble(_name(folder), parts, classes, reading)
    data.unmatched = tuple(file for _, file in lonely)
    return data


def _name(images: str | os.PathLike) -> str:
    folder = Path(images).resolve()
    while folder.name.lower() in _PLAIN_FOLDERS and folder.parent != folder:
        folder = folder.parent
    return folder.name
