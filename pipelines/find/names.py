"""File names: prefixes, suffixes and folder names of pictures and masks."""

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from pipelines.read.arrays import suffix_of

# Suffixes of masks; - and spaces are read as _, and case is ignored.
_LABEL_SUFFIXES = (
    "_labelids", "_labeltrainids", "_labelid", "_label_id", "_label_ids", "_labels", "_label",
    "_masks", "_mask", "_msk", "_gt", "_l", "_p", "_seg", "_segmentation", "_segmentation_mask",
    "_seg_mask", "_annotation", "_annotations", "_anno", "_annot", "_lab", "_groundtruth",
    "_ground_truth", "_gt_mask", "_color", "_colour", "_color_mask", "_colour_mask", "_mask_color",
    "_train_id", "_trainids", "_gtfine_labelids", "_gtfine_labeltrainids", "_gtfine_color",
    "_gtfine_labellevel3ids", "_manual1", "_1stho", "_training_mask", "_test_mask", "_matte",
    "_segmap", "_m",
)  # fmt: skip
_IMAGE_SUFFIXES = (
    "_leftimg8bit", "_image", "_images", "_img", "_sat", "_training", "_test", "_rgb", "_rgbir",
    "_irrg", "_photo", "_original", "_orig", "_raw",
)  # fmt: skip
_LABEL_PREFIXES = (
    "mask",
    "masks",
    "label",
    "labels",
    "gt",
    "seg",
    "segmentation",
    "annotation",
    "target",
)
_IMAGE_PREFIXES = ("image", "images", "img", "picture", "photo", "input", "rgb", "scan", "volume")
# In folder names, such as images_png and masks_png, or train and train_labels.
_LABEL_WORDS = frozenset((
    "mask", "masks", "label", "labels", "annotation", "annotations", "annot", "ann", "gt", "seg",
    "segmentation", "segmentations", "segmentationclass", "segmentationclasspng", "ground",
    "groundtruth", "truth", "target", "targets", "manual", "manual1", "1st", "machine", "semantic",
    "gtfine", "lab",
))  # fmt: skip
_IMAGE_WORDS = frozenset((
    "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpegimages",
    "input", "inputs", "frames", "original", "org", "raw", "sat", "leftimg8bit",
))  # fmt: skip
_FORMATS = frozenset(("png", "jpg", "jpeg", "tif", "tiff", "bmp", "gif", "webp"))


def key_of(file: str | os.PathLike, folder: str | os.PathLike) -> str:
    """Return a file's path below a folder, without its extension, such as "aachen/0001"."""
    key = Path(file).relative_to(folder).as_posix()
    key = key[: len(key) - len(suffix_of(key))]
    return unicodedata.normalize("NFC", key)  # macOS writes an umlaut as two characters


def partners(images: Collection[str], labels: Iterable[str]) -> dict[str, str]:
    """Return the picture's key of each matched mask: equal names first, then names without affixes.

    >>> partners(["a", "train/images/b_sat"], ["a_L", "train/masks/b_mask", "c"])
    {'a_L': 'a', 'train/masks/b_mask': 'train/images/b_sat'}
    """
    ways = [
        _index(images, lambda key: key),
        _index(images, lambda key: _without_suffix(key, _IMAGE_SUFFIXES)),
        _index(images, _bare),
        _index(images, lambda key: _without_words(key, _IMAGE_WORDS).lower()),
        _index(images, lambda key: _bare(_without_words(key, _IMAGE_WORDS)).lower()),
    ]
    found: dict[str, str] = {}
    for key in labels:
        for name in _names_of(key):
            partner = next((way[name] for way in ways if way.get(name)), None)
            if partner:
                found[key] = partner
                break
    return found


def partners_by_rest(images: Collection[str], labels: Collection[str]) -> dict[str, str]:
    """Return the picture's key of each mask, for names with unknown prefixes or suffixes.

    Words in all masks' names and in no picture's, or the reverse, are removed; the rest of the
    names must be equal. Leading zeros are ignored.

    >>> partners_by_rest(["red_patch_1", "red_patch_2"], ["gt_patch_01", "gt_patch_02"])
    {'gt_patch_01': 'red_patch_1', 'gt_patch_02': 'red_patch_2'}
    """
    for pattern in (r"[^\W_]+", r"\d+|[^\W\d_]+"):  # then t01 and man_seg01, too
        image_words = {key: _pieces(key, pattern) for key in images}
        label_words = {key: _pieces(key, pattern) for key in labels}
        image_rests = _rests(image_words, label_words)
        by_rest = _index(image_rests, lambda key, rests=image_rests: rests[key])
        found = {key: by_rest.get(rest) for key, rest in _rests(label_words, image_words).items()}
        if any(found.values()):
            return {key: image for key, image in found.items() if image}
    return {}


def plain_folders(key: str) -> list[str]:
    """Return the folders of a key in lower case, without words such as images.

    >>> plain_folders("Train-org-img/town/a")
    ['train', 'town']
    """
    return _without_words(key, _IMAGE_WORDS).split("/")[:-1]


def is_label(key: str) -> bool:
    """Return whether a file is a mask, by the end of its name or by its folder.

    >>> is_label("a_mask"), is_label("train_labels/a"), is_label("train/a")
    (True, True, False)
    """
    if _without_suffix(key, _LABEL_SUFFIXES) != key:
        return True
    if _without_prefix(key, ("mask", "masks", "segmentation")) != key:
        return True
    return key.split("/")[-1].lower() in _LABEL_WORDS or folder_kind(key) == "mask"


def folder_kind(key: str) -> str:
    """Return what the folders of a file say that it is: "mask", "picture" or nothing.

    >>> folder_kind("masks/a"), folder_kind("train_images/a_m"), folder_kind("train/a_mask")
    ('mask', 'picture', '')
    """
    words = {word for part in key.split("/")[:-1] for word in _words(part)}
    return "mask" if words & _LABEL_WORDS else "picture" if words & _IMAGE_WORDS else ""


def _index(keys: Iterable[str], name_of: Callable[[str], str]) -> dict[str, str]:
    """Return keys by another name; "" where two share it."""
    index: dict[str, str] = {}
    for key in keys:
        name = name_of(key)
        index[name] = "" if name in index else key
    return index


def _pieces(key: str, pattern: str) -> list[str]:
    """Return the words of a key; images/images/a, as some archives unpack, is images/a."""
    words = re.findall(pattern, key.lower())
    return [w for w, last in zip(words, ["", *words], strict=False) if w != last or w.isdecimal()]


def _rests(words: dict[str, list[str]], others: dict[str, list[str]]) -> dict[str, str]:
    """Return keys without the words that all of them have and none of the others has."""
    shared = set.intersection(*map(set, words.values())) - set().union(*others.values())
    rests = {
        key: "_".join(w.lstrip("0") or "0" if w.isdecimal() else w for w in own if w not in shared)
        for key, own in words.items()
    }
    return {key: rest for key, rest in rests.items() if rest}


def _names_of(label: str) -> list[str]:
    """Return the possible names of a mask's picture, the likeliest first."""
    name, dot, last = label.rpartition(".")
    plain = name if dot and last.lower() in _FORMATS else label  # of a.jpg.png
    names = []
    for key in dict.fromkeys((label, plain)):
        stem = _without_suffix(key, _LABEL_SUFFIXES)
        names += [key, stem, _without_prefix(stem, _LABEL_PREFIXES)]
    loose = [_without_words(name, _LABEL_WORDS | _IMAGE_WORDS).lower() for name in names]
    return list(dict.fromkeys(names + loose))


def _bare(key: str) -> str:
    return _without_prefix(_without_suffix(key, _IMAGE_SUFFIXES), _IMAGE_PREFIXES)


def _without_suffix(key: str, suffixes: tuple[str, ...]) -> str:
    lower = re.sub("[- .]", "_", key.lower())
    for suffix in sorted(suffixes, key=len, reverse=True):
        if lower.endswith(suffix) and not lower.removesuffix(suffix).endswith("/"):
            return key[: -len(suffix)] or key
    return key


def _without_prefix(key: str, prefixes: tuple[str, ...]) -> str:
    """Take "image_" off "town/image_0001"; what is left must not be empty."""
    folder, slash, name = key.rpartition("/")
    match = re.match(rf"(?:{'|'.join(prefixes)})[_-]?(?=\d)", name, re.IGNORECASE)
    return folder + slash + name[match.end() if match else 0 :]


def _without_words(key: str, words: frozenset[str]) -> str:
    """Remove words from the folders of a key: "train/masks_png/a" becomes "train/a"."""
    *folders, name = key.split("/")
    kept = ["_".join(w for w in _words(part) if w not in words | _FORMATS) for part in folders]
    return "/".join([part for part in kept if part] + [name])


def _words(folder: str) -> list[str]:
    folder = re.sub(r"(?<=[a-z])(Tr|Ts|Va)$", r"_\1", folder)  # imagesTr of scans
    folder = re.sub(r"annot$", "_annot", folder.lower())  # SegNet's trainannot
    return [word for word in re.split(r"[-_. ]+", folder) if word]
