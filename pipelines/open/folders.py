"""Create a dataset from folders of pictures and masks."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.find.class_tables import Table
from pipelines.find.classes import IGNORE_CLASS
from pipelines.find.pairs import Folders, base_of, match_what_fits, picture_files, require_partners
from pipelines.find.sources import Pair
from pipelines.find.splits import Group, by_subfolders, split_name
from pipelines.open.assemble import FRACTIONS, Reading, assemble, divide
from pipelines.open.reopen import remembered
from pipelines.read.spec import Range

_PLAIN_FOLDERS = (
    "images", "image", "imgs", "img", "pictures", "jpegimages", "train", "training", "data",
)  # fmt: skip


@remembered
def from_folders(  # noqa: PLR0913 - folders differ in each of these
    images: Folders | Mapping[str, Folders],
    labels: str | os.PathLike | Mapping[str, str | os.PathLike],
    classes: Table | None = None,
    splits: Sequence[float] | Mapping | None = None,
    *,
    ignore: int | Sequence[int] = IGNORE_CLASS,
    label_offset: int = 0,
    seed: int = 0,
    group: Group | None = None,
    num_channels: int | None = None,
    value_range: Range = None,
    bands: Sequence[int] | None = None,
    on_unmatched: str = "error",
    cache: str | None = "memory",
) -> Dataset:
    """Create a dataset from a folder of pictures and a folder of masks.

    Pictures and masks are matched by name; a mask may have a suffix such as `_label`, `_mask`,
    `_gt` or `_L`. Folders may be nested. Files are png, jpg, bmp, gif, webp, tif (also with many
    channels) or npy arrays (h, w) or (h, w, c); masks may also be MATLAB files (mat). Masks hold
    class ids, as gray values or as indices of a palette, or colors. Two classes in masks of 0 and
    255 are recognized, also with the gray edges that JPEG leaves.

    Masks with three axes (depth, height, width) make a dataset of volumes: npy or npz arrays, NIfTI
    files (nii, nii.gz; with the package nibabel) or stacks of TIFF pages, whose pictures are such
    files of (d, h, w), (d, h, w, c) or (c, d, h, w) with at most 16 channels. A mask array whose
    first axis is 1, or whose last one is 1 to 4, is a picture's mask with an extra axis.

    Args:
        images: folder of pictures, or a pattern such as "town/*/images"; or a list of folders,
            whose files of the same name are channels of one picture; or {"train": folder, "val":
            folder, ...}.
        labels: folder of masks, or a pattern such as "gtFine/*/*/*_labelIds.png"; may be the folder
            of the pictures, if file names (`a_mask.png`) or folders (`masks`, `train_labels`) tell
            them apart; or {"train": folder, ...}. In a split without masks all pixels are ignored.
        classes: names in the order of their ids from 0; or {id: name}; or {(red, green, blue):
            name} or {"#804080": name} for color-coded masks; or a CSV or JSON file or pandas table
            with a column name and id, color or red, green, blue; or a text file of names; or the
            number of classes. Ids or colors of one name are one class; those named None are
            ignored. None infers ids or colors from the masks.
        splits: shares for train, val and test such as (0.8, 0.2) or {"train": 0.8, "val": 0.2};
            or {"train": list of names or text file, ...}. None takes the subfolders train, val
            and test, or uavid_train and so on, where they exist, else (0.8, 0.1, 0.1). Pictures
            beside train and val must then be named in `splits`.
        ignore: id or ids in the masks to ignore, which are not named in `classes`.
        label_offset: id of the first class in the masks; with 1, ids are 1-based and 0 is ignored.
        seed: seed of a division by shares.
        group: keeps pictures of one group in one split when dividing by shares: a function of
            the path below `images`, a regular expression (its first bracket), or a list.
        num_channels: 3 for RGB, 1 for gray, 4 to keep alpha, None for what the pictures have.
        value_range: values in the files that are mapped to 0 and 255, such as (0, 4095). None: the
            full range of 8 or 16 bits.
        bands: channels of the files to use, counted from 0, in this order, such as (3, 2, 1) for
            red, green and blue of Sentinel-2; None for all.
        on_unmatched: "error" raises for files without a partner, "skip" leaves them out.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset; its name is the folder's.

    Raises:
        ValueError: if a folder is missing or empty, a file has no partner, or the splits or
            classes are invalid; names the file.

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
            f"Received: on_unmatched={on_unmatched!r}. Omit it to raise for such files."
        )
    reading = Reading(ignore, label_offset, num_channels, value_range, cache, bands)
    skip = on_unmatched == "skip"
    if isinstance(images, Mapping):
        parts, unmatched, notes = _by_split(images, labels, splits, skip)
        folder = os.path.commonpath([_first(one) for one in images.values()])
    elif isinstance(labels, Mapping):
        raise _not_both_by_split(images, labels)
    else:
        pairs, unmatched, notes = _match(images, labels, skip)
        folder = _first(images)
        found = by_subfolders(pairs, folder) if splits is None else None
        parts = found or divide(pairs, FRACTIONS if splits is None else splits, folder, seed, group)
    data = assemble(name_of(folder), parts, classes, reading)
    data.unmatched = tuple(unmatched)
    data.notes += tuple(notes)
    return data


def _match(
    images: Folders, labels: str | os.PathLike, skip: bool
) -> tuple[list[Pair], list[str], list[str]]:
    """Return pairs, files without a partner if they are to be left out, and notes."""
    found = match_what_fits(images, labels)
    if not skip or not found.pairs:
        require_partners(found, images, labels)
    return found.pairs, [file for _, file in found.unmatched], [found.note] if found.note else []


def _by_split(
    images: Mapping, labels, splits, skip: bool
) -> tuple[dict[str, list[Pair]], list[str], list[str]]:
    """Return what `_match` does of folders that are given by split."""
    if not isinstance(labels, Mapping) or set(labels) - set(images):
        raise _not_both_by_split(images, labels)
    if splits is not None:
        raise ValueError(
            "Folders by split are divided already. "
            f"Received: splits={splits!r} with folders of {list(images)}. Leave `splits` out."
        )
    parts, unmatched, notes = {}, [], []
    for split, folder in images.items():
        name = split_name(split)
        if split in labels:
            parts[name], alone, said = _match(folder, labels[split], skip)
            unmatched += alone
            notes += said
        else:
            parts[name] = [(str(file), "") for file in picture_files(folder)]
    return parts, unmatched, notes


def _not_both_by_split(images, labels) -> ValueError:
    return ValueError(
        "`images` and `labels` must both be folders, or both be {split: folder}. "
        f"Received: images={images!s:.200}, labels={labels!s:.200}. "
        "For example, pass images={'train': ...} and labels={'train': ...}."
    )


def _first(images: Folders) -> Path:
    """Return the folder of the pictures, or that of the first channel."""
    return base_of(images if isinstance(images, str | os.PathLike) else images[0])


def name_of(images: str | os.PathLike) -> str:
    """Return the name of a folder, or of the one above it if it is called `images` or alike.

    >>> name_of("fields/images")
    'fields'
    """
    folder = Path(images).resolve()
    while folder.name.lower() in _PLAIN_FOLDERS and folder.parent != folder:
        folder = folder.parent
    return folder.name
