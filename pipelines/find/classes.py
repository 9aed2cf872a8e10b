"""Class names, colors, and the mapping from ids in files to ids in batches."""

import colorsys
import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipelines.read.faults import COLORS, UNKNOWN_IDS, FileFault

IGNORE_CLASS = 255
MAX_CLASSES = 255
_GOLDEN_RATIO = 0.618034
_UNKNOWN = 256
_MOST_IDS = 1 << 24
_MANY = 12  # more unknown ids than are left out by mistake
# JPEG files are refused before; a PNG made of one is not.
_SOFT = (
    "; or the mask was smoothed, as JPEG does it: `check(fix=...)` takes the nearer of two "
    "classes, and ignores such pixels where there are more"
)

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset.

    Args:
        names: one name per class; the position is the class id in batches.
        palette: one (red, green, blue) 0..255 per class.
        file_ids: the id that files hold for each class.
        ignored_ids: ids in files to ignore; they become 255.
        merged: (id in files, class id) of further ids that belong to a class.
        colors: color in files -> class id or 255, where masks are coded by color.
        strict: raise for ids and colors not listed here; otherwise they become 255.
        categories: the category of each class, or empty.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]
    file_ids: tuple[int, ...]
    ignored_ids: tuple[int, ...] = (IGNORE_CLASS,)
    merged: tuple[tuple[int, int], ...] = ()
    colors: tuple[tuple[Color, int], ...] = ()
    strict: bool = True
    categories: tuple[str, ...] = ()

    @classmethod
    def make(
        cls,
        classes: int | Sequence[str] | Mapping[int, str | None],
        ignored_ids: Iterable[int] = (IGNORE_CLASS,),
        palette: Sequence[Color] | None = None,
        most: int = MAX_CLASSES,
    ) -> "Classes":
        """Make classes from a number, names in the order of their ids, or `{id: name}`.

        In `{id: name}` ids of the same name are one class, and None stands for ignored ids.

        Args:
            classes: the classes.
            ignored_ids: ids in files to ignore; 255, the default, may be a class all the same.
            palette: one (red, green, blue) 0..255 per class; None picks distinct ones.
            most: largest number of classes; masks hold 255.

        Raises:
            ValueError: if there is no class, more than `most`, two of a list share a name, or an
                id is ignored and has a name.

        >>> Classes.make({0: "background", 7: "road", 8: "road", 9: None}).file_ids
        (0, 7)
        """
        if isinstance(classes, int):
            classes = [f"class {index}" for index in range(classes)]
        ignored = {int(i) for i in ignored_ids}
        if not isinstance(classes, Mapping):
            listed = [classes] if isinstance(classes, str) else classes
            _check_names([str(name) for name in listed], most, unique=True)
            classes = dict(enumerate(listed))
        ignored |= {int(i) for i, name in classes.items() if name is None}
        named = {int(i): str(name) for i, name in classes.items() if name is not None}
        names = tuple(dict.fromkeys(named.values()))
        _check_names(names, most)
        wrong = [i for i in named if not 0 <= i < _MOST_IDS]
        if wrong:
            raise ValueError(
                f"Ids of classes must be in 0..{_MOST_IDS - 1}. Received: {_short(wrong)}. "
                "Correct them; pass ids to ignore as `ignore`."
            )
        both = sorted((ignored - {IGNORE_CLASS}) & set(named))
        if both:
            raise ValueError(
                "An id is either ignored or a class. Received: ignored ids "
                f"{_short(sorted(ignored))}, of which {_short(both)} "
                f"{'is' if len(both) == 1 else 'are'} also {_short(named[i] for i in both)}. Name "
                "the other ids only, such as {1: 'road', 2: 'sky'}, or leave the id out of "
                "`ignore`."
            )
        colors = distinct_colors(len(names)) if palette is None else palette
        colors = tuple((int(r), int(g), int(b)) for r, g, b in colors)
        if len(colors) != len(names):
            raise ValueError(
                "A palette needs one color per class. "
                f"Received: {len(colors)} colors for {len(names)} classes. "
                "Give a list of (red, green, blue) in the order of the classes."
            )
        position = {name: index for index, name in enumerate(names)}
        first = {position[name]: i for i, name in reversed(named.items())}
        file_ids = tuple(first[index] for index in range(len(names)))
        merged = tuple((i, position[name]) for i, name in named.items() if i not in file_ids)
        return cls(names, colors, file_ids, tuple(sorted(ignored - set(named))), merged)

    @classmethod
    def from_csv(
        cls, path: str | os.PathLike, ignored_ids: Iterable[int] = (IGNORE_CLASS,)
    ) -> "Classes":
        """Read a table with the columns id, name, and perhaps red, green, blue and category.

        Ids of the table are classes, also where `ignored_ids` has them.
        """
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        colors = None
        if "red" in rows[0]:
            colors = [(int(row["red"]), int(row["green"]), int(row["blue"])) for row in rows]
        named = {int(row["id"]): row["name"] for row in rows}
        classes = cls.make(named, set(ignored_ids) - set(named), colors)
        categories = tuple(row["category"] for row in rows if "category" in row)
        return replace(classes, categories=categories)

    def from_file_ids(self, ids: np.ndarray, path: str) -> np.ndarray:
        """Convert the ids of a file to class ids, 255 where they are ignored.

        Args:
            ids: integer array (h, w).
            path: the file, for the error.

        Returns:
            uint8 array (h, w) of 0..num_classes-1 and 255.

        Raises:
            FileFault: a ValueError, if the file holds an id that is neither a class nor ignored.
        """
        targets = self._targets
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= len(targets):
            inside = (ids >= 0) & (ids < len(targets))
            labels = np.where(inside, targets[np.where(inside, ids, 0)], _UNKNOWN)
            labels[np.isin(ids, self.ignored_ids) & ~inside] = IGNORE_CLASS  # such as -1
        else:
            labels = targets[ids]
        if labels.max() == _UNKNOWN:
            if self.strict:
                raise self._unknown_ids(np.unique(ids[labels == _UNKNOWN]).tolist(), path)
            labels = np.where(labels == _UNKNOWN, IGNORE_CLASS, labels)
        return labels.astype(np.uint8)

    def from_colors(self, pixels: np.ndarray, path: str) -> np.ndarray:
        """Convert a color-coded mask to class ids, 255 where they are ignored.

        Args:
            pixels: uint8 array (h, w, 3), RGB.
            path: the file, for the error.

        Returns:
            uint8 array (h, w) of 0..num_classes-1 and 255.

        Raises:
            FileFault: a ValueError, if the file holds a color that is not in the table.
        """
        codes = color_codes(pixels)
        labels = self._color_targets[codes]
        if labels.max() == _UNKNOWN:
            if self.strict:
                raise self._unknown_colors(codes[labels == _UNKNOWN], path)
            labels = np.where(labels == _UNKNOWN, IGNORE_CLASS, labels)
        return labels.astype(np.uint8)

    @cached_property
    def _targets(self) -> np.ndarray:
        """Class id by id in files; 256 where there is none."""
        known = (*self.file_ids, *self.ignored_ids, *(i for i, _ in self.merged), 255)
        targets = np.full(max(known) + 1, _UNKNOWN, np.int16)
        targets[[i for i in self.ignored_ids if i >= 0]] = IGNORE_CLASS
        targets[list(self.file_ids)] = np.arange(len(self.names))
        for file_id, class_id in self.merged:
            targets[file_id] = class_id
        return targets

    @cached_property
    def _color_targets(self) -> np.ndarray:
        """Class id by color code; 256 where there is none."""
        targets = np.full(1 << 24, _UNKNOWN, np.int16)
        for (red, green, blue), class_id in self.colors:
            targets[red << 16 | green << 8 | blue] = class_id
        return targets

    def _unknown_ids(self, unknown: list[int], path: str) -> FileFault:
        return FileFault(
            UNKNOWN_IDS, path,
            f"A mask holds ids that are neither classes nor ignored: {_short(unknown)}. "
            f"Received: {path!r} with {len(self.names)} classes of the ids "
            f"{_short(self.file_ids)}, ignored {_short(self.ignored_ids)}. "
            "Add the ids to `classes`, or to `ignore` to leave them out of training and scores"
            f"{_SOFT if len(unknown) > _MANY else ''}.",
            f"ids {_short(unknown)}", tuple(unknown),
        )  # fmt: skip

    def _unknown_colors(self, codes: np.ndarray, path: str) -> FileFault:
        unknown = [color_of(code) for code in np.unique(codes)]
        gray = all(red == green == blue for red, green, blue in unknown)
        hint = "; or the masks hold ids, not colors: give the names in their order" if gray else ""
        return FileFault(
            COLORS, path,
            f"A mask holds unknown colors: {_short(unknown)}. Received: {path!r}, "
            f"{len(codes)} such pixels. Add them to `classes` (None as a name ignores them){hint}; "
            "or the mask was smoothed, as JPEG does it: `check(fix=...)` takes the nearest color.",
            f"colors {_short(unknown)}", tuple(unknown),
        )  # fmt: skip


def color_codes(pixels: np.ndarray) -> np.ndarray:
    """Return one int32 number per pixel of an RGB picture uint8 (h, w, 3)."""
    red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
    return red << 16 | green << 8 | blue


def color_of(code: int) -> Color:
    """Return the (red, green, blue) of a color code.

    >>> color_of(0x804000)
    (128, 64, 0)
    """
    return int(code) >> 16, int(code) >> 8 & 255, int(code) & 255


def distinct_colors(count: int) -> list[Color]:
    """Return colors that are easy to tell apart; the same ones each time.

    >>> distinct_colors(1)
    [(230, 80, 80)]
    """
    colors = []
    for index in range(count):
        value, saturation = ((0.9, 0.65), (0.6, 0.9), (0.98, 0.35))[index % 3]
        red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN_RATIO % 1, saturation, value)
        colors.append((round(red * 255), round(green * 255), round(blue * 255)))
    return colors


def _check_names(names: Sequence[str], most: int, unique: bool = False) -> None:
    if not 1 <= len(names) <= most or (unique and len(set(names)) < len(names)):
        raise ValueError(
            f"A dataset needs 1..{most} classes, each with its own name. "
            f"Received: {len(names)} names, {len(set(names))} of them different: {_short(names)}. "
            "Give the names in the order of their ids."
        )


def _short(values: Iterable) -> str:
    """Format a list of ids or colors, at most twelve of them."""
    values = list(values)
    return str(values) if len(values) <= 12 else f"{values[:12]} and {len(values) - 12} more"
