"""Create a dataset from folders of pictures, one folder per class."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.dataset import Dataset
from pipelines.find.class_sources import MAX_CLASSES, ClassFiles
from pipelines.find.classes import Classes
from pipelines.find.pairs import base_of, holds_pictures, picture_files
from pipelines.find.sources import FileSource
from pipelines.find.splits import NAMES, Group, split_name
from pipelines.open.assemble import FRACTIONS, Reading, divide
from pipelines.open.folders import name_of
from pipelines.open.reopen import remembered
from pipelines.read.spec import Range

Named = list[tuple[str, str]]  # (picture, name of its folder)


@remembered
def from_class_folders(  # noqa: PLR0913 - folders differ in each of these
    folder: str | os.PathLike | Mapping[str, str | os.PathLike],
    classes: Sequence[str] | Mapping[str, str | None] | None = None,
    splits: Sequence[float] | Mapping | None = None,
    *,
    seed: int = 0,
    group: Group | None = None,
    num_channels: int | None = None,
    value_range: Range = None,
    bands: Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
    cache: str | None = "memory",
) -> Dataset:
    """Create a dataset for classification from a folder with one subfolder per class.

    Pictures are in `folder/<class>/`, at any depth, or in `folder/train/<class>/`,
    `folder/val/<class>/` and so on. Files are those that `from_folders` reads.

    Args:
        folder: the folder of the classes' folders; or {"train": folder, "val": folder, ...}.
        classes: names of the folders in the order of the class ids; or {folder: name} for other
            names, where folders of one name are one class and those named None are left out. None
            takes all folders in alphabetical order.
        splits: shares for train, val and test such as (0.8, 0.2) or {"train": 0.8, "val": 0.2},
            applied to each class (stratified) as far as possible; or {"train": list of names or
            text file, ...}. None takes the subfolders train, val and test, where they exist (no
            other one may have pictures then), else (0.8, 0.1, 0.1).
        seed: seed of a division by shares.
        group: keeps pictures of one group in one split when dividing by shares: a function of
            the path below `folder`, a regular expression (its first bracket), or a list.
        num_channels: 3 for RGB, 1 for gray, 4 to keep alpha, None for what the pictures have.
        value_range: values in the files that are mapped to 0 and 255, such as (0, 4095). None: the
            full range of 8 or 16 bits.
        bands: channels of the files to use, counted from 0, in this order, such as (3, 2, 1) for
            red, green and blue of Sentinel-2; None for all.
        size: (height, width) to which every picture is resized and center-cropped, in training and
            inference. None keeps sizes.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset; its name is the folder's. Batches have class ids int32 (b,) as labels.

    Raises:
        ValueError: if a folder is missing or empty, a picture is in no class's folder, another
            folder beside train and val has pictures, or the splits or classes are invalid; names
            the file or folder.

    >>> import tempfile; from PIL import Image
    >>> root = Path(tempfile.mkdtemp(), "pets")
    >>> for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
    ...     (root / name).parent.mkdir(parents=True, exist_ok=True)
    ...     Image.new("RGB", (32, 32)).save(root / name)
    >>> data = from_class_folders(root, splits=(0.5, 0.5))
    >>> data, data.class_names
    (<Dataset 'pets': 2 classes, train=2, val=2>, ('cat', 'dog'))
    """
    reading = Reading(num_channels=num_channels, value_range=value_range, cache=cache, bands=bands)
    if isinstance(folder, Mapping):
        if splits is not None:
            raise ValueError(
                "Folders by split are divided already. "
                f"Received: splits={splits!r} with folders of {list(folder)}. Leave `splits` out."
            )
        parts = {split_name(split): _named_files(one) for split, one in folder.items()}
        base = Path(os.path.commonpath([os.fspath(base_of(one)) for one in folder.values()]))
        names, titles = _classes(parts, classes)
        parts = {split: _renamed(files, titles) for split, files in parts.items()}
    else:
        base = base_of(folder)
        by_split = _split_folders(base) if splits is None else {}
        found = {split: _named_files(one) for split, one in by_split.items()}
        found = found or {"": _named_files(folder)}
        names, titles = _classes(found, classes)
        parts = {split: _renamed(files, titles) for split, files in found.items()}
        if not by_split:
            pairs = parts[""]
            shares = FRACTIONS if splits is None else splits
            parts = divide(pairs, shares, base, seed, group, [name for _, name in pairs])
    return _assemble(name_of(base), parts, names, reading, size)


def _assemble(name, parts, names, reading, size) -> Dataset:
    """Make the dataset of pictures with the names of their classes."""
    classes = Classes.make(names, most=MAX_CLASSES)
    channels = len(reading.bands) if reading.bands else reading.num_channels
    if channels is None:
        every = [(file, "") for files in parts.values() for file, _ in files]
        channels = FileSource(every, classes).num_channels
    ids = {title: index for index, title in enumerate(names)}
    sources = {
        split: ClassFiles(
            [file for file, _ in files],
            [ids[title] for _, title in files],
            classes,
            channels,
            reading.value_range,
            size,
            reading.bands,
        )
        for split, files in parts.items()
    }
    return Dataset(name, classes, sources, reading.cache)


def _split_folders(base: Path) -> dict[str, Path]:
    """Return the subfolders train, val and test, if no other one has pictures.

    Raises:
        ValueError: if there are train and another one of them, and others with pictures.
    """
    folders = [path for path in sorted(base.iterdir()) if path.is_dir()] if base.is_dir() else []
    folders = [path for path in folders if not path.name.startswith((".", "__"))]
    folders = [path for path in folders if holds_pictures(path)]
    found: dict[str, Path] = {}
    others = []
    for path in folders:
        name = split_name(path.name)
        if name in NAMES and name not in found:
            found[name] = path
        else:
            others.append(path.name)
    if "train" not in found or (others and len(found) == 1):  # Classes may be called so.
        return {}
    if others:
        raise ValueError(
            "Where folders are called train, val or test, no other one beside them may have "
            f"pictures. Received: {others[:5]} in {str(base)!r}, beside "
            f"{sorted(path.name for path in found.values())}. Move it elsewhere, or give the "
            "folders as {'train': folder, 'val': folder}. If all of them are classes, give "
            "`splits`, such as (0.8, 0.1, 0.1)."
        )
    return {split: found[split] for split in NAMES if split in found}


def _named_files(folder: str | os.PathLike) -> Named:
    """Return the pictures below a folder, each with the name of the first folder in its path."""
    base, found = base_of(folder), []
    for file in picture_files(folder):
        name, *inside = file.relative_to(base).parts
        if not inside:
            raise ValueError(
                "Each picture must be in the folder of its class. "
                f"Received: {str(file)!r}, which is in no folder below {str(base)!r}. Give the "
                "folder that contains the folders of the classes, or move the picture."
            )
        found.append((str(file), name))
    return found


def _classes(parts: Mapping[str, Named], classes) -> tuple[list[str], dict[str, str | None]]:
    """Return the classes in the order of their ids, and the class of each folder."""
    folders = sorted({name for files in parts.values() for _, name in files})
    if classes is None:
        return folders, {name: name for name in folders}
    if isinstance(classes, str) or not isinstance(classes, Sequence | Mapping):
        raise ValueError(
            "`classes` must be names of folders in the order of their ids, or {folder: name}. "
            f"Received: classes={classes!r}. Leave it out to take all folders."
        )
    titles = dict(classes) if isinstance(classes, Mapping) else {name: name for name in classes}
    unknown = [name for name in folders if name not in titles]
    absent = [name for name in titles if name not in folders]
    if unknown or absent:
        problem = f"the folder {unknown[0]!r}" if unknown else f"no picture in {absent[0]!r}"
        raise ValueError(
            "`classes` must name the folder of each class, and each must have a picture. "
            f"Received: {problem}, for classes={list(titles)[:12]} and the folders {folders[:12]}. "
            "Correct the name; {folder: None} leaves a folder out."
        )
    return list(dict.fromkeys(title for title in titles.values() if title is not None)), titles


def _renamed(files: Named, titles: Mapping[str, str | None]) -> Named:
    """Return the pictures with the names of their classes, without those that are left out."""
    named = ((file, titles[name]) for file, name in files)
    return [(file, title) for file, title in named if title is not None]
