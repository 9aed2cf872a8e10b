"""Finding which picture and which mask belong together."""

import os
from collections.abc import Iterable
from pathlib import Path

from pipelines.files import SUFFIXES

LABEL_SUFFIXES = (
    "_labelIds", "_labels", "_label", "_masks", "_mask", "_gt", "_L", "_seg", "_segmentation",
    "_annotation", "_lab", "_gtFine_labelIds", "_manual1",
)  # fmt: skip
_IMAGE_SUFFIXES = ("_leftImg8bit", "_image", "_img", "_sat")


def match_folders(images: str | os.PathLike, labels: str | os.PathLike) -> list[tuple[str, str]]:
    """Match pictures and masks of two folders by name, however deep they are nested.

    A mask may carry a suffix such as `_label`, `_mask`, `_gt` or `_L`, and another extension.

    Args:
        images: folder of pictures (png, jpg, bmp).
        labels: folder of masks.

    Returns:
        list of (picture, mask), sorted by the picture's path.

    Raises:
        ValueError: if a folder is missing or empty, or a file has no partner.
    """
    if Path(images).resolve() == Path(labels).resolve():
        image_files, label_files = _split_folder(images)
    else:
        image_files, label_files = _keyed(images), _keyed(labels)
    partners = _partners(image_files, label_files)
    _lonely(image_files, partners.values(), "picture", labels)
    _lonely(label_files, partners, "mask", images)
    pairs: dict[str, str] = {}
    for label_key, image_key in partners.items():
        if image_key in pairs:
            raise _double(pairs[image_key], label_files[label_key])
        pairs[image_key] = label_files[label_key]
    return [(image_files[key], pairs[key]) for key in sorted(pairs)]


def pairs_from_list(path: str | os.PathLike, root: str | os.PathLike) -> list[tuple[str, str]]:
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
    pairs = []
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
    """Return picture keys by mask key: the same name first, then names without suffixes."""
    short = {_without_suffix(key, _IMAGE_SUFFIXES): key for key in image_files}
    found = {}
    for key in label_files:
        bare = _without_suffix(key, LABEL_SUFFIXES)
        for wanted in (key, bare):
            partner = wanted if wanted in image_files else short.get(wanted)
            if partner is not None:
                found[key] = partner
                break
    return found


def _without_suffix(key: str, suffixes: tuple[str, ...]) -> str:
    for suffix in sorted(suffixes, key=len, reverse=True):
        if key.endswith(suffix) and not key.removesuffix(suffix).endswith("/"):
            return key.removesuffix(suffix) or key
    return key


def _double(first: str, second: str) -> ValueError:
    return ValueError(
        f"Two files stand for the same example. Received: {first!r} and {second!r}. "
        "Keep one of them, or put them into different folders."
    )


def _lonely(files: dict[str, str], matched: Iterable[str], kind: str, folder) -> None:
    """Refuse pictures without masks, and masks without pictures."""
    lonely = sorted(set(files) - set(matched))
    if lonely:
        partner = "mask" if kind == "picture" else "picture"
        raise ValueError(
            f"Every {kind} needs a {partner} of the same name. Received: {files[lonely[0]]!r} "
            f"without a {partner} in {os.fspath(folder)!r} ({len(lonely)} such {kind}s of "
            f"{len(files)}). Add the {partner}, or take the {kind} out of the folder."
        )
