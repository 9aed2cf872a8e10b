"""Finding which picture and which mask belong together."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pipelines.files import SUFFIXES
from pipelines.sources import Pair

LABEL_SUFFIXES = (
    "_labelids", "_labeltrainids", "_labels", "_label", "_masks", "_mask", "_gt", "_l", "_p",
    "_seg", "_segmentation", "_annotation", "_annotations", "_anno", "_lab", "_groundtruth",
    "_ground_truth", "_gtfine_labelids", "_gtfine_labeltrainids", "_gtfine_color", "_manual1",
    "_1stho", "_matte", "_segmap",
)  # fmt: skip
_IMAGE_SUFFIXES = (
    "_leftimg8bit", "_image", "_images", "_img", "_sat", "_training", "_test", "_rgb", "_rgbir",
    "_irrg", "_photo",
)  # fmt: skip
_LABEL_PREFIXES = ("mask", "masks", "label", "labels", "gt", "seg", "annotation", "target")
_IMAGE_PREFIXES = ("image", "images", "img", "picture", "photo", "input", "rgb", "scan")
Folders = str | os.PathLike | Sequence[str | os.PathLike]


def match_folders(images: Folders, labels: str | os.PathLike) -> list[Pair]:
    """Match pictures and masks of two folders by name, however deep they are nested.

    A mask may carry a suffix such as `_label`, `_mask`, `_gt` or `_L`, a prefix such as `mask_`
    where pictures have `image_`, and another extension.

    Args:
        images: folder of pictures; or several, whose files of one name are channels of one.
        labels: folder of masks.

    Returns:
        list of (picture, mask), sorted by the picture's path; a picture is a tuple of paths
        where there are several folders.

    Raises:
        ValueError: if a folder is missing or empty, or a file has no partner.
    """
    pairs, lonely = match_what_fits(images, labels)
    for kind, partner, where in (("picture", "mask", labels), ("mask", "picture", images)):
        files = [file for found, file in lonely if found == kind]
        if files:
            raise ValueError(
                f"Every {kind} needs a {partner} of the same name. Received: {files[0]!r} "
                f"without a {partner} in {where!s:.200} ({len(files)} such {kind}s beside "
                f"{len(pairs)} pairs). Add the {partner}, take the {kind} out of the folder, or "
                "leave such files out by on_unmatched='skip'."
            )
    return pairs


def match_what_fits(
    images: Folders, labels: str | os.PathLike
) -> tuple[list[Pair], list[tuple[str, str]]]:
    """Match pictures and masks as `match_folders` does, and return what has no partner too.

    Returns:
        list of (picture, mask), and list of ("picture" or "mask", file) of those left over.

    Raises:
        ValueError: if a folder is missing or empty, or two files stand for the same example.
    """
    folders = [images] if isinstance(images, str | os.PathLike) else list(images)
    if Path(folders[0]).resolve() == Path(labels).resolve():
        image_files, label_files = _split_folder(labels)
    else:
        image_files, label_files = _keyed(folders[0]), _keyed(labels)
    channels = [_keyed(folder) for folder in folders[1:]]
    partners = _partners(image_files, label_files)
    pairs: dict[str, str] = {}
    for label_key, image_key in partners.items():
        if image_key in pairs:
            raise _double(pairs[image_key], label_files[label_key])
        pairs[image_key] = label_files[label_key]
    whole = [key for key in sorted(pairs) if all(key in files for files in channels)]
    lonely = [("picture", file) for key, file in image_files.items() if key not in whole]
    lonely += [("mask", file) for key, file in label_files.items() if key not in partners]
    if len(folders) == 1:
        return [(image_files[key], pairs[key]) for key in whole], lonely
    stacks = {key: (image_files[key], *(files[key] for files in channels)) for key in whole}
    return [(stacks[key], pairs[key]) for key in whole], lonely


def pairs_from_list(path: str | os.PathLike, root: str | os.PathLike) -> list[Pair]:
    """Read a text file of `picture mask` lines.

    Paths may carry a prefix of somebody else's machine: what is looked up below `root` are the
    last two parts, folder and file.

    Args:
        path: the text file.
        root: folder of the dataset.

    Returns:
        list of (picture, mask) in the order of the file.

    Raises:
        ValueError: if a line has not two paths, or a file does not exist.
    """
    pairs: list[Pair] = []
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2:
            raise ValueError(
                "A list needs a picture and a mask in each line, with a space between. "
                f"Received: {line!r} in {os.fspath(path)!r}, line {number}. Correct the line."
            )
        image, label = (os.path.join(root, *Path(part).parts[-2:]) for part in parts)
        for file in (image, label):
            if not os.path.isfile(file):
                raise ValueError(
                    "A file on a list does not exist. "
                    f"Received: {file!r} from {os.fspath(path)!r}, line {number}. "
                    "Copy the file there, or take the line off the list."
                )
        pairs.append((image, label))
    return pairs


def picture_files(folder: str | os.PathLike) -> list[Path]:
    """Return all picture files below a folder, sorted.

    Raises:
        ValueError: if the folder does not exist or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"A folder of the dataset does not exist. Received: {str(folder)!r}. Check the path."
        )
    files = sorted(
        file for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )  # fmt: skip
    if not files:
        raise ValueError(
            f"A folder of the dataset has no pictures. Received: {str(folder)!r}. "
            f"Put files there that end in one of {', '.join(SUFFIXES)}."
        )
    return files


def key_of(file: str | os.PathLike, folder: str | os.PathLike) -> str:
    """Return a file's path below a folder, without its extension, such as "aachen/0001"."""
    return Path(file).relative_to(folder).with_suffix("").as_posix()


def _keyed(folder: str | os.PathLike) -> dict[str, str]:
    """Return the picture files of a folder by key."""
    found: dict[str, str] = {}
    for file in picture_files(folder):
        key = key_of(file, folder)
        if key in found:
            raise _double(found[key], str(file))
        found[key] = str(file)
    return found


def _split_folder(folder: str | os.PathLike) -> tuple[dict[str, str], dict[str, str]]:
    """Tell pictures from masks in one folder: masks have a suffix, or are png beside jpg."""
    image_files: dict[str, str] = {}
    label_files: dict[str, str] = {}
    files = picture_files(folder)
    photos = {key_of(file, folder) for file in files if file.suffix.lower() in (".jpg", ".jpeg")}
    for file in files:
        key = key_of(file, folder)
        beside_photo = file.suffix.lower() == ".png" and key in photos
        is_label = beside_photo or _without_suffix(key, LABEL_SUFFIXES) != key
        found = label_files if is_label else image_files
        if key in found:
            raise _double(found[key], str(file))
        found[key] = str(file)
    return image_files, label_files


def _partners(image_files: dict[str, str], label_files: dict[str, str]) -> dict[str, str]:
    """Return picture keys by mask key: the same name first, then bare names."""
    short = {_without_suffix(key, _IMAGE_SUFFIXES): key for key in image_files}
    bare = {_without_prefix(key, _IMAGE_PREFIXES): key for key in short}
    found = {}
    for key in label_files:
        stem = _without_suffix(key, LABEL_SUFFIXES)
        for wanted in dict.fromkeys((key, stem, _without_prefix(stem, _LABEL_PREFIXES))):
            partner = wanted if wanted in image_files else short.get(wanted)
            partner = partner or short.get(bare.get(wanted, ""))
            if partner is not None:
                found[key] = partner
                break
    return found


def _without_suffix(key: str, suffixes: tuple[str, ...]) -> str:
    lower = key.lower()
    for suffix in sorted(suffixes, key=len, reverse=True):
        if lower.endswith(suffix) and not lower.removesuffix(suffix).endswith("/"):
            return key[: -len(suffix)] or key
    return key


def _without_prefix(key: str, prefixes: tuple[str, ...]) -> str:
    """Take "image_" off "town/image_0001"; what is left must not be empty."""
    folder, slash, name = key.rpartition("/")
    match = re.match(rf"(?:{'|'.join(prefixes)})[_-]?(?=\d)", name, re.IGNORECASE)
    return folder + slash + name[match.end() if match else 0 :]


def _double(first: str, second: str) -> ValueError:
    return ValueError(
        f"Two files stand for the same example. Received: {first!r} and {second!r}. "
        "Keep one of them, or put them into different folders."
    )
