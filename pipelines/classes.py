"""Class names, colours, and the way from the ids in files to the ids in batches."""

import colorsys
import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

IGNORE_CLASS = 255
MAX_CLASSES = 255
_GOLDEN_RATIO = 0.618034

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset.

    Args:
        names: one name per class; the position is the class id in batches.
        palette: one (red, green, blue) 0..255 per class.
        file_ids: the id that files hold for each class.
        ignored_ids: ids in files that count for nothing; they become 255.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]
    file_ids: tuple[int, ...]
    ignored_ids: tuple[int, ...] = (IGNORE_CLASS,)

    @classmethod
    def make(
        cls,
        classes: int | Sequence[str] | Mapping[int, str],
        ignored_ids: Iterable[int] = (IGNORE_CLASS,),
        palette: Sequence[Color] | None = None,
    ) -> "Classes":
        """Make classes from a number, names in the order of their ids, or `{id: name}`.

        Raises:
            ValueError: if there is no class, more than 255, or two share a name.

        >>> Classes.make({0: "background", 7: "road"}).file_ids
        (0, 7)
        """
        if isinstance(classes, int):
            classes = [f"class {index}" for index in range(classes)]
        if not isinstance(classes, Mapping):
            classes = dict(enumerate([classes] if isinstance(classes, str) else classes))
        names = tuple(str(name) for name in classes.values())
        if not 1 <= len(names) <= MAX_CLASSES or len(set(names)) < len(names):
            raise ValueError(
                f"A dataset needs 1..{MAX_CLASSES} classes, each with its own name. "
                f"Received: classes={names}. Give the names in the order of their ids."
            )
        colors = distinct_colors(len(names)) if palette is None else palette
        colors = tuple((int(r), int(g), int(b)) for r, g, b in colors)
        if len(colors) != len(names):
            raise ValueError(
                "A palette needs one colour per class. "
                f"Received: {len(colors)} colours for {len(names)} classes. "
                "Give a list of (red, green, blue) in the order of the classes."
            )
        ignored = tuple(i for i in ignored_ids if i not in classes)
        return cls(names, colors, tuple(int(i) for i in classes), ignored)

    @classmethod
    def from_csv(
        cls, path: str | os.PathLike, ignored_ids: Iterable[int] = (IGNORE_CLASS,)
    ) -> "Classes":
        """Read a table with the columns id, name, red, green, blue."""
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        colors = [(int(row["red"]), int(row["green"]), int(row["blue"])) for row in rows]
        return cls.make({int(row["id"]): row["name"] for row in rows}, ignored_ids, colors)

    def from_file_ids(self, ids: np.ndarray, path: str) -> np.ndarray:
        """Turn the ids that a file holds into class ids, 255 where they are ignored.

        Args:
            ids: integer array (h, w).
            path: the file, for the error.

        Returns:
            uint8 array (h, w) of 0..num_classes-1 and 255.

        Raises:
            ValueError: if the file holds an id that is neither a class nor ignored.
        """
        known = (*self.file_ids, *self.ignored_ids)
        size = max(256, max(known) + 1)
        targets = np.full(size, -1, np.int16)
        targets[list(self.ignored_ids)] = IGNORE_CLASS
        targets[list(self.file_ids)] = np.arange(len(self.names))
        low, high = int(ids.min()), int(ids.max())
        inside = 0 <= low and high < size
        labels = targets[ids] if inside else None
        if labels is None or labels.min() < 0:
            strangers = sorted(set(np.unique(ids).tolist()) - set(known))
            raise ValueError(
                f"A mask holds ids that are no class and not ignored: {_short(strangers)}. "
                f"Received: {path!r} with {len(self.names)} classes of the ids "
                f"{_short(self.file_ids)}, ignored {_short(self.ignored_ids)}. "
                "Add the ids to `classes`, or to `ignore` if they should count for nothing."
            )
        return labels.astype(np.uint8)


def distinct_colors(count: int) -> list[Color]:
    """Return colours that are easy to tell apart; the same ones each time.

    >>> distinct_colors(1)
    [(230, 80, 80)]
    """
    colors = []
    for index in range(count):
        value, saturation = ((0.9, 0.65), (0.6, 0.9), (0.98, 0.35))[index % 3]
        red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN_RATIO % 1, saturation, value)
        colors.append((round(red * 255), round(green * 255), round(blue * 255)))
    return colors


def _short(ids: Iterable[int]) -> str:
    """Write a list of ids, cut after a dozen."""
    ids = list(ids)
    return str(ids) if len(ids) <= 12 else f"{ids[:12]} and {len(ids) - 12} more"
