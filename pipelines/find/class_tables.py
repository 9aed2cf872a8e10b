"""Read tables of classes: lists, dicts, CSV, JSON and text files."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from pipelines.find.classes import IGNORE_CLASS, Classes, Color, distinct_colors
from pipelines.find.text import read_lines, read_table, read_text

# Accepted column names, in lower case.
_COLUMNS = {
    "name": (
        "name", "class", "class_name", "label", "category", "names", "label_name", "class name",
        "title",
    ),
    "id": (
        "id", "class_id", "index", "label_id", "value", "class_index", "pixel value",
        "pixel_value", "label_value", "idx",
    ),
    "red": ("red", "r"),
    "green": ("green", "g"),
    "blue": ("blue", "b"),
    "color": ("color", "colour", "rgb", "hex", "color_hex", "hex_code"),
}  # fmt: skip
_LISTS = ("labels", "classes", "categories")  # keys of JSON files

# "64 128 64 Animal" of CamVid's label_colors.txt, "Animal:64,128,64::" of CVAT's labelmap.txt.
_COLORED_LINE = re.compile(
    r"(?P<r>\d+)\s+(?P<g>\d+)\s+(?P<b>\d+)\s+(?P<name>.+)"
    r"|(?P<name2>[^:]+):(?P<r2>\d+),(?P<g2>\d+),(?P<b2>\d+):[^:]*:[^:]*"
)
# "0 void 0 0 0" of RUGD, "48<tab>steak" of FoodSeg103, "1: person" of COCO-Stuff, and
# "Terrain 210 0 200" of Virtual KITTI, below a line "Category r g b".
_NUMBERED_LINE = re.compile(
    r"(?:(?P<id>\d+)[\s:=,;]+)?(?P<name>[^\d\s:=,;].*?)"
    r"(?:[\s:=,;([]+(?P<red>\d+)[\s,;]+(?P<green>\d+)[\s,;]+(?P<blue>\d+)[)\]]?)?"
)
_HEADER = {"id", "r", "red"}
_HEX = re.compile(r"#?[0-9a-fA-F]{6}")

Table = int | Sequence[str] | Mapping | pd.DataFrame | str | os.PathLike


def as_classes(
    table: Table,
    ignore: int | Sequence[int] = IGNORE_CLASS,
    label_offset: int = 0,
    by_color: bool = False,
) -> Classes:
    """Make `Classes` from a number, names, a mapping, a CSV or JSON file or a pandas table.

    Args:
        table: the number of classes; or names in the order of their ids; or `{id: name}`; or
            `{(red, green, blue): name}` for color-coded masks; or a table with the columns name, id
            and red, green, blue, of which either id or the colors may be missing; or a text file of
            names, one in each line, or of colors as CamVid or CVAT write them; or a JSON file of
            such rows. A column `color` may hold "#804080" or three numbers. Ids or colors of one
            name are one class; those named None are ignored.
        ignore: id or ids in the masks to ignore.
        label_offset: the id that masks hold for the first class; ids below it are ignored.
        by_color: whether the masks hold colors; a table with ids and colors is then read by color.

    Returns:
        the classes.

    Raises:
        TypeError: if `table` is none of these.
        ValueError: if the table lacks columns or its classes are invalid.

    >>> as_classes({(0, 0, 0): None, (128, 64, 0): "road"}).names
    ('road',)
    >>> as_classes(["cat", "dog"], label_offset=1).file_ids
    (1, 2)
    """
    ignored = {ignore} if isinstance(ignore, int) else {int(i) for i in ignore}
    ignored |= set(range(label_offset))
    if isinstance(table, str | os.PathLike):
        rows = _read(table)
        try:
            if isinstance(rows, pd.DataFrame):
                return _from_table(rows, ignored, label_offset, by_color)
            return as_classes(rows, ignore, label_offset)
        except ValueError as error:
            raise ValueError(f"{error} Read from {os.fspath(table)!r}.") from error
    if isinstance(table, pd.DataFrame):
        return _from_table(table, ignored, label_offset, by_color)
    if isinstance(table, Mapping):
        table = {
            _color(key) if isinstance(key, str) and key.startswith("#") else key: name
            for key, name in table.items()
        }
        if any(isinstance(key, str) and not key.strip().isdecimal() for key in table):
            raise ValueError(
                "Classes in a dict are {id: name} or {(red, green, blue): name}. "
                f"Received: classes={table!s:.200}. Exchange keys and values."
            )
        if all(isinstance(key, tuple | list) and len(key) == 3 for key in table) and table:
            return _from_colors({tuple(map(int, key)): name for key, name in table.items()})
        return Classes.make(_shifted(table, label_offset), ignored)
    if isinstance(table, int):
        table = [f"class {index}" for index in range(table)]
    if not isinstance(table, Sequence):
        raise TypeError(
            "`classes` must be a number, a list of names, {id: name}, {(red, green, blue): name}, "
            f"a pandas table or the path of a CSV file. Received: classes={table!r}. "
            "For example, pass classes=['soil', 'crop']."
        )
    classes = Classes.make(table)  # raises for invalid names, as for a list
    return Classes.make(_shifted(dict(enumerate(classes.names)), label_offset), ignored)


def _shifted(table: Mapping, label_offset: int) -> dict:
    return {int(i) + label_offset: name for i, name in table.items()}


def _read(path: str | os.PathLike) -> pd.DataFrame | list[str] | dict:
    """Read a CSV or JSON file; or a text file of names, or of colors as CamVid or CVAT write."""
    if not os.path.isfile(path):
        raise ValueError(
            "A table of classes must be a CSV file. "
            f"Received: {os.fspath(path)!r}, which is not a file. Check the path, or give names as "
            "a list, such as ['road', 'sky']."
        )
    if os.fspath(path).lower().endswith(".json"):
        return _read_json(path)
    if os.fspath(path).lower().endswith(".txt"):
        lines = [line for line in read_lines(path) if not line.startswith("#")]
        matches = [_COLORED_LINE.fullmatch(line) for line in lines]
        if all(matches) and lines:
            found = [match.groupdict("") for match in matches if match]
            return {
                tuple(int(one[part] or one[f"{part}2"]) for part in ("r", "g", "b")): (
                    one["name"] or one["name2"]
                ).strip()
                for one in found
            }
        has_header = _HEADER & set(re.findall(r"\w+", lines[0].lower())) if lines else False
        numbered = [_NUMBERED_LINE.fullmatch(line) for line in lines[1 if has_header else 0 :]]
        if all(numbered) and numbered:
            table = pd.DataFrame([match.groupdict() for match in numbered if match])
            table = table.dropna(axis="columns")
            if {"id", "red"} & set(table.columns):
                return table
        if not any(divider in line for line in lines for divider in ",;\t"):
            return lines
    try:
        return read_table(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(
            "A table of classes needs a header and a row for each class. "
            f"Received: {os.fspath(path)!r} ({error}). "
            "For example, write: name,red,green,blue and then road,128,64,128."
        ) from error


def _read_json(path: str | os.PathLike) -> pd.DataFrame | dict:
    """Read rows of classes, or numbers and names, perhaps below "labels", "classes" ..."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"A JSON file of classes cannot be parsed. Received: {os.fspath(path)!r} ({error}). "
            "Copy it again."
        ) from error
    if isinstance(content, dict):
        content = next((content[name] for name in _LISTS if name in content), content)
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        return pd.DataFrame(content)
    if isinstance(content, dict) and all(isinstance(i, int) for i in content.values()):
        return {i: name for name, i in content.items()}  # nnU-Net
    if isinstance(content, dict) and all(isinstance(name, str) for name in content.values()):
        return content
    raise ValueError(
        "A JSON file of classes needs a list of rows with `name`, and `id` or `color`. "
        f"Received: {content!s:.80} in {os.fspath(path)!r}. Give `classes` as {{id: name}}."
    )


def _colors(found: Mapping[str, pd.Series]) -> list[Color]:
    """Return the colors of a table; none if they cannot be parsed."""
    if {"red", "green", "blue"} <= set(found):
        parts = (_whole(found[part], 255) for part in ("red", "green", "blue"))
        return list(zip(*parts, strict=True))
    try:
        return [_color(text) for text in found.get("color", ())]
    except ValueError:
        if "id" in found:
            return []
        raise


def _color(text: object) -> Color:
    """Return the numbers of "#804080", "128, 64, 128" or [128, 64, 128]."""
    if isinstance(text, str) and _HEX.fullmatch(text.strip()):
        code = int(text.strip().removeprefix("#"), 16)
        return code >> 16, code >> 8 & 255, code & 255
    numbers = [int(number) for number in re.findall(r"\d+", str(text))]
    if len(numbers) != 3 or max(numbers) > 255:
        raise ValueError(
            "A color is written as '#804080' or as three numbers 0..255. "
            f"Received: {text!r}. Correct it."
        )
    return numbers[0], numbers[1], numbers[2]


def _from_table(
    table: pd.DataFrame, ignored: set[int], label_offset: int, by_color: bool
) -> Classes:
    lower = {str(column).strip().lower(): column for column in table.columns}
    found = {
        role: table[lower[next(name for name in names if name in lower)]]
        for role, names in _COLUMNS.items()
        if any(name in lower for name in names)
    }
    colors = _colors(found)
    if "name" not in found or not (colors or "id" in found):
        raise ValueError(
            "A table of classes needs a column `name`, and `id` or `red`, `green`, `blue` or "
            f"`color`. Received: columns {list(table.columns)}. Rename its columns."
        )
    names = [None if pd.isna(name) else str(name).strip() for name in found["name"]]
    if "id" not in found or (by_color and colors):
        return _from_colors(_by_color(colors, names))
    ids = _shifted(dict(zip(_whole(found["id"]), names, strict=True)), label_offset)
    classes = Classes.make(ids, ignored)
    if colors:
        first = dict(reversed(list(zip(names, colors, strict=True))))
        classes = replace(classes, palette=tuple(first[name] for name in classes.names))
    return classes


def _by_color(colors: Sequence[Color], names: Sequence[str | None]) -> dict:
    """Return names by color; raise if a color has two names."""
    found: dict[Color, str | None] = {}
    for color, name in zip(colors, names, strict=True):
        if found.setdefault(color, name) != name:
            raise ValueError(
                f"Each color needs one class. Received: {color} for {found[color]!r} and "
                f"{name!r}. If the masks hold ids, give the names in their order, else one name."
            )
    return found


def _whole(column: pd.Series, high: int = 2**31) -> list[int]:
    """Return a column as integers; raise at the first value that is not one."""
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = ~((numbers >= 0) & (numbers <= high) & (numbers % 1 == 0))
    if wrong.any():
        raise ValueError(
            f"Ids and colors in a table of classes must be whole numbers in 0..{high}. Received: "
            f"{column[wrong].iloc[0]!r} in column {column.name!r}. Correct it."
        )
    return numbers.astype(int).tolist()


def _from_colors(table: Mapping[tuple, str | None]) -> Classes:
    """Make classes of color-coded masks; each keeps its first color."""
    wrong = [color for color in table if not all(0 <= value <= 255 for value in color)]
    if wrong:
        raise ValueError(
            f"Colors of classes are (red, green, blue) of 0..255. Received: {wrong[0]}. Correct it."
        )
    first = {name: color for color, name in reversed(list(table.items())) if name is not None}
    names = list(dict.fromkeys(name for name in table.values() if name is not None))
    classes = Classes.make(names, palette=[first[name] for name in names])
    position = {name: index for index, name in enumerate(names)}
    colors = tuple(
        (color, IGNORE_CLASS if name is None else position[name]) for color, name in table.items()
    )
    return replace(classes, colors=colors)


def color_classes(colors: Sequence[Color]) -> Classes:
    """Make a class of each color, named after it, such as "#804080".

    >>> color_classes([(0, 0, 0), (128, 64, 128)]).names
    ('#000000', '#804080')
    """
    return _from_colors({color: "#{:02x}{:02x}{:02x}".format(*color) for color in colors})


def id_classes(ids: Sequence[int], palette: Mapping[int, Color]) -> Classes:
    """Make a class of each id, named after it, in the colors of the masks' own palette."""
    classes = Classes.make({i: f"class {i}" for i in ids})
    spare = distinct_colors(len(ids))
    colors = tuple(palette.get(i, spare[position]) for position, i in enumerate(ids))
    return replace(classes, palette=colors)
