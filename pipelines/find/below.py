"""The files below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: str | os.PathLike, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder and in folders that are linked there.

    A link to a folder that is walked through already, or to one around it, is not followed: it
    would give files a second time, or for ever.

    Args:
        folder: the folder; nothing is yielded if there is none.
        above: folders that are walked through already, without links in their paths.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / "a").mkdir()
    >>> (root / "a" / "1.png").touch()
    >>> [file.relative_to(root).as_posix() for file in files_below(root)]
    ['a/1.png']
    """
    above = (*above, Path(folder).resolve())
    for place, folders, files in os.walk(folder):  # It lists links to folders, without their files.
        yield from (Path(place, name) for name in files)
        for link in (Path(place, name) for name in folders):
            if link.is_symlink() and not _overlap(link.resolve(), above):
                yield from files_below(link, above)


def _overlap(folder: Path, others: tuple[Path, ...]) -> bool:
    return any(folder.is_relative_to(one) or one.is_relative_to(folder) for one in others)
