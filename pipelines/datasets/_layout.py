"""Locate the files of public datasets in the folder where they were unpacked."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipelines.find.below import files_below
from pipelines.find.sources import Pair
from pipelines.find.text import read_lines

_DEPTH = 3
_MOST_FOLDERS = 50


def locate(root: str | os.PathLike, title: str, wanted: Sequence[str]) -> Path:
    """Return the folder at or below `root` that contains all wanted paths.

    Args:
        root: the dataset's folder, or one up to three levels above it.
        title: the dataset's name, for the error.
        wanted: paths of files or folders, such as "leftImg8bit/train".

    Returns:
        the folder.

    Raises:
        ValueError: if there is none; names the wanted paths.
    """
    folder = find(root, wanted)
    if folder is not None:
        return folder
    raise ValueError(
        f"{title} was not found. Received: root={os.fspath(root)!r}, which holds no folder with "
        f"{' and '.join(repr(name) for name in wanted)}. Give the folder of the unpacked archive."
    )


def find(root: str | os.PathLike, *choices: Sequence[str]) -> Path | None:
    """Return the first folder at or below `root` that holds all of one choice, or None."""
    for folder in folders_below(root):
        if any(all((folder / name).exists() for name in wanted) for wanted in choices):
            return folder
    return None


def folders_below(root: str | os.PathLike) -> Iterator[Path]:
    """Yield a folder and those below it, level by level, without large folders."""
    level = [Path(root)]
    for _ in range(_DEPTH + 1):
        below = []
        for folder in level:
            if folder.is_dir():
                yield folder
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in entries if entry.is_dir())
                kept = [name for name in names if not name.startswith((".", "__"))]
                below += [folder / name for name in kept[:_MOST_FOLDERS]]
        level = below


def unwrapped(folder: Path) -> Path:
    """Return the folder of the same name inside a folder, as some archives unpack, or itself."""
    while (folder / folder.name).is_dir():
        folder = folder / folder.name
    return folder


def names_in(path: Path) -> list[str]:
    """Return the first word of each line of a list; empty lines and comments are left out.

    Raises:
        ValueError: if the file does not exist.
    """
    if not path.is_file():
        raise ValueError(
            f"A list of the dataset does not exist. Received: {str(path)!r}. "
            "Unpack the archive again, or give its folder as `root`."
        )
    return [line.split()[0] for line in read_lines(path) if not line.startswith("#")]


def pairs_by_name(
    names: Sequence[str], picture: Callable[[str], Path], mask: Callable[[str], Path | None]
) -> list[Pair]:
    """Return pairs for names on a list; a mask of None means no mask.

    Raises:
        ValueError: if a file does not exist.
    """
    pairs: list[Pair] = []
    for name in names:
        image, label = picture(name), mask(name)
        for file in (image, label):
            if file is not None and not file.is_file():
                raise ValueError(
                    f"A file of the dataset does not exist. Received: {str(file)!r}. "
                    "Unpack the archive again, or remove it from the list."
                )
        pairs.append((str(image), "" if label is None else str(label)))
    return pairs


def pictures_below(folder: Path, suffix: str) -> list[Path]:
    """Return the files below a folder with an ending, sorted, without hidden ones."""
    found = (path for path in files_below(folder) if path.name.endswith(suffix))
    return sorted(path for path in found if not path.name.startswith("."))


def check_splits(title: str, root: Path, sources: dict) -> None:
    """Raise for a dataset without a split.

    Raises:
        ValueError: if there is none.
    """
    if not sources:
        raise ValueError(
            f"No split of {title} has pictures. Received: root={str(root)!r}. "
            "Unpack the archive again, or give its folder as `root`."
        )
