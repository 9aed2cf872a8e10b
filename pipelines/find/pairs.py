"""Match pictures with their masks."""

import logging
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipelines.find.below import files_below
from pipelines.find.names import folder_kind, is_label, key_of, partners, partners_by_rest
from pipelines.find.sources import Pair
from pipelines.read.arrays import suffix_of
from pipelines.read.image import SUFFIXES

_JUNK = ("__MACOSX", "@eaDir")  # beside folders whose names begin with a dot
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z")
_MASKS = (*SUFFIXES, ".mat")
_logger = logging.getLogger(__name__)
Folders = str | os.PathLike | Sequence[str | os.PathLike]


class Match(NamedTuple):
    """The result of matching pictures and masks.

    Attributes:
        pairs: list of (picture, mask).
        unmatched: list of ("picture" or "mask", file) of files without a partner.
        note: a note if pairs were matched by parts of their names, else "".
    """

    pairs: list[Pair]
    unmatched: list[tuple[str, str]]
    note: str = ""


def match_folders(images: Folders, labels: str | os.PathLike) -> list[Pair]:
    """Match pictures and masks of two folders by name, at any depth.

    A mask may have a suffix such as `_label`, `_mask`, `_gt` or `_L`, a prefix such as `mask_`
    where pictures have `image_`, and another extension. Folders below may be called `images` and
    `masks`, `train` and `train_labels`, and so on. If that finds no pair, words in all masks' names
    and in no picture's are ignored, such as `seg` in `case1/seg.nii`, or the reverse.

    Args:
        images: folder of pictures, or a pattern such as "town/*/images"; or a list of folders,
            whose files of the same name are channels of one picture.
        labels: folder of masks, or a pattern such as "gtFine/*/*/*_labelIds.png".

    Returns:
        list of (picture, mask), sorted by the picture's path; a picture is a tuple of paths
        where there are several folders.

    Raises:
        ValueError: if a folder is missing or empty, or a file has no partner.
    """
    found = match_what_fits(images, labels)
    require_partners(found, images, labels)
    return found.pairs


def require_partners(found: Match, images: Folders, labels: str | os.PathLike) -> None:
    """Raise ValueError if a file has no partner."""
    pairs, unmatched, _ = found
    if not pairs:
        raise _no_pairs(images, labels, unmatched)
    for kind, partner, where in (("picture", "mask", labels), ("mask", "picture", images)):
        files = [file for one, file in unmatched if one == kind]
        if files:
            raise ValueError(
                f"Every {kind} needs a {partner} of the same name. Received: {files[0]!r} "
                f"without a {partner} in {_named(where)} ({len(files)} such {kind}s beside "
                f"{len(pairs)} pairs). Add the {partner}, choose {kind}s by a pattern such as "
                "'scans/*_ct.png', or pass on_unmatched='skip' to leave such files out."
            )


def match_what_fits(images: Folders, labels: str | os.PathLike) -> Match:
    """Match pictures and masks as `match_folders` does, and return files without a partner too.

    Returns:
        `Match`.

    Raises:
        ValueError: if a folder is missing or empty, or two files stand for the same example.
    """
    folders = [images] if isinstance(images, str | os.PathLike) else list(images)
    if Path(folders[0]).resolve() == Path(labels).resolve():
        image_files, label_files = _split_folder(labels)
    else:
        image_files, label_files = _keyed(folders[0]), _keyed(labels, _MASKS)
        # The masks' folder may lie in that of the pictures, one relative and one absolute.
        place = cache(os.path.realpath)
        masks = {(place(os.path.dirname(x)), os.path.basename(x)) for x in label_files.values()}
        image_files = {
            key: file
            for key, file in image_files.items()
            if (place(os.path.dirname(file)), os.path.basename(file)) not in masks
        }
    channels = [_channel(image_files, _keyed(folder), folder) for folder in folders[1:]]
    found, note = partners(image_files, label_files), ""
    if not found:
        found, note = _by_rest(image_files, label_files)
    pairs: dict[str, str] = {}
    for label_key, image_key in found.items():
        if image_key in pairs:
            raise _double(pairs[image_key], label_files[label_key])
        pairs[image_key] = label_files[label_key]
    whole = [key for key in sorted(pairs) if all(key in files for files in channels)]
    unmatched = [("picture", file) for key, file in image_files.items() if key not in whole]
    unmatched += [("mask", file) for key, file in label_files.items() if key not in found]
    if len(folders) == 1:
        return Match([(image_files[key], pairs[key]) for key in whole], unmatched, note)
    stacks = {key: (image_files[key], *(files[key] for files in channels)) for key in whole}
    return Match([(stacks[key], pairs[key]) for key in whole], unmatched, note)


def _named(folders: Folders) -> str:
    """Return a folder or folders as errors name them."""
    one = isinstance(folders, str | os.PathLike)
    return " and ".join(repr(os.fspath(folder)) for folder in ([folders] if one else folders))


def _no_pairs(images: Folders, labels: str | os.PathLike, unmatched: list) -> ValueError:
    """Return the error for folders without a common file name."""
    first = {kind: repr(file) for kind, file in reversed(unmatched)}
    example = " and ".join(first.get(kind, f"no {kind}") for kind in ("picture", "mask"))
    return ValueError(
        "Pictures and masks need names in common. "
        f"Received: no pair in {_named(images)} and {_named(labels)}, but {example}. Give the "
        "folder of each, or patterns such as 'scans/*/ct.nii', or use `from_csv`."
    )


def picture_files(folder: str | os.PathLike, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """Return all picture files below a folder, or matching a pattern with *, sorted.

    Links to folders are followed. Hidden files and folders, `__MACOSX` and `Thumbs.db` are left
    out.

    Raises:
        ValueError: if the folder does not exist or holds none.
    """
    base = base_of(folder)
    if not base.is_dir():
        raise ValueError(
            f"A folder of the dataset does not exist. Received: {str(base)!r}. Check the path."
        )
    pattern = Path(folder).relative_to(base).as_posix()
    found = base.glob(pattern) if pattern != "." else [base]
    every = [file for path in found for file in (files_below(path) if path.is_dir() else [path])]
    kept = [file for file in every if not _is_junk(file.relative_to(base))]
    files = sorted({file for file in kept if suffix_of(file) in suffixes})
    if not files:
        others = sorted({file.suffix.lower() for file in kept if file.is_file()} - {""})
        holds = f", which holds {', '.join(others[:5])}" if others else ""
        packed = "Unpack the archives, or put" if set(others) & set(_PACKED) else "Put"
        raise ValueError(
            f"A folder of the dataset has no pictures. Received: {str(folder)!r}{holds}. "
            f"{packed} files there that end in one of {', '.join(suffixes)}."
        )
    return files


def base_of(folder: str | os.PathLike) -> Path:
    """Return a folder, the part of a pattern before its first *, or the folder of one file.

    >>> base_of("town/*/images").as_posix()
    'town'
    """
    path = Path(folder)
    while path.is_file() or ("*" in path.as_posix() and not path.exists()):
        path = path.parent
    return path


def holds_pictures(folder: Path) -> bool:
    """Return whether a picture file is below a folder."""
    files = (file for file in files_below(folder) if suffix_of(file) in SUFFIXES)
    return any(not _is_junk(file.relative_to(folder)) for file in files)


def _is_junk(path: Path) -> bool:
    return any(part.startswith(".") or part in _JUNK for part in path.parts)


def _keyed(folder: str | os.PathLike, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, str]:
    """Return the picture files of a folder by key."""
    found: dict[str, str] = {}
    for file in picture_files(folder, suffixes):
        key = key_of(file, base_of(folder))
        if key in found:
            raise _double(found[key], str(file))
        found[key] = str(file)
    return found


def _by_rest(
    image_files: dict[str, str], label_files: dict[str, str]
) -> tuple[dict[str, str], str]:
    """Return the picture's key of each mask, and a note about how they were matched."""
    found = partners_by_rest(image_files, label_files) if image_files and label_files else {}
    if not found:
        return {}, ""
    label, image = next(iter(found.items()))
    note = (
        "Pictures and masks were matched without the words that only one of the two has, such as "
        f"{image_files[image]!r} and {label_files[label]!r}: `show()` draws the pairs."
    )
    _logger.warning(note)
    return found, note


def _channel(
    image_files: dict[str, str], files: dict[str, str], folder: str | os.PathLike
) -> dict[str, str]:
    """Return the files of a further channel by the keys of the first one's."""
    if not set(image_files) & set(files):
        files = {image: files[key] for key, image in partners_by_rest(image_files, files).items()}
    if not files:
        raise ValueError(
            "Channels of one picture need names in common. Received: no file in "
            f"{os.fspath(folder)!r} that belongs to {next(iter(image_files.values()))!r}. "
            "Name them alike, or use `from_csv` with a column for each channel."
        )
    return files


def _split_folder(folder: str | os.PathLike) -> tuple[dict[str, str], dict[str, str]]:
    """Separate pictures and masks in one folder: by folder, by suffix, or as png beside jpg."""
    image_files: dict[str, str] = {}
    label_files: dict[str, str] = {}
    files = picture_files(folder)
    base = base_of(folder)
    photos = {key_of(file, base) for file in files if file.suffix.lower() in (".jpg", ".jpeg")}
    keys = [key_of(file, base) for file in files]
    # Where folders are for masks, those for pictures hold no masks: car_m in images is a picture.
    divided = any(folder_kind(key) == "mask" for key in keys)
    for file, key in zip(files, keys, strict=True):
        beside_photo = file.suffix.lower() not in (".jpg", ".jpeg") and key in photos
        is_picture = divided and folder_kind(key) == "picture"
        found = label_files if not is_picture and (beside_photo or is_label(key)) else image_files
        if key in found:
            raise _double(found[key], str(file))
        found[key] = str(file)
    return image_files, label_files


def _double(first: str, second: str) -> ValueError:
    return ValueError(
        f"Two files stand for the same example. Received: {first!r} and {second!r}. "
        "Keep one of them, or choose by a pattern such as 'masks/*_L.png'."
    )
