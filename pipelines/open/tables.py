"""Create a dataset from a table of files, one row per picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.dataset import Dataset
from pipelines.find.class_tables import Table
from pipelines.find.classes import IGNORE_CLASS
from pipelines.find.sources import Pair
from pipelines.find.splits import split_name
from pipelines.find.text import existing, read_table
from pipelines.open.assemble import FRACTIONS, Reading, assemble, divide
from pipelines.open.reopen import remembered
from pipelines.read.spec import Range

# Accepted column names, in lower case; the first one present is used.
_COLUMNS = {
    "picture": (
        "picture", "image", "image_path", "img", "img_path", "input", "filename", "file", "path",
        "image_file", "image_filename", "image_name", "sat_image_path", "tiff_image_path",
    ),
    "mask": (
        "mask", "mask_path", "label", "label_path", "annotation", "target", "gt", "masks",
        "mask_file", "mask_filename", "mask_name", "tif_label_path",
    ),
    "split": ("split", "subset", "set", "fold", "partition"),
    "weight": ("weight", "sample_weight"),
    "group": ("group", "patient", "patient_id", "scene", "video"),
}  # fmt: skip


@remembered
def from_csv(  # noqa: PLR0913 - folders differ in each of these
    table: str | os.PathLike | pd.DataFrame,
    classes: Table | None = None,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    *,
    root: str | os.PathLike | None = None,
    splits: Sequence[float] | Mapping[str, float] = FRACTIONS,
    ignore: int | Sequence[int] = IGNORE_CLASS,
    label_offset: int = 0,
    seed: int = 0,
    num_channels: int | None = None,
    value_range: Range = None,
    bands: Sequence[int] | None = None,
    cache: str | None = "memory",
) -> Dataset:
    """Create a dataset from a table with a picture, or a volume, and its mask in each row.

    Args:
        table: path of a CSV file, or a pandas table.
        classes: as for `from_folders`.
        columns: the columns' names: "picture" (or a list of columns, whose files are channels of
            one picture), "mask", and optionally "split", "weight" and "group". Columns not given
            are found by usual names, such as image and label.
        root: folder that paths are relative to; None for the folder of the CSV file.
        splits: shares, if there is no column of splits; rows of one group stay together.
        ignore: id or ids in the masks to ignore, which are not named in `classes`.
        label_offset: id of the first class in the masks; with 1, ids are 1-based and 0 is ignored.
        seed: seed of a division by shares.
        num_channels: 3 for RGB, 1 for gray, 4 to keep alpha, None for what the pictures have.
        value_range: values in the files that are mapped to 0 and 255, such as (0, 4095).
        bands: channels of the files to use, counted from 0, in this order, such as (3, 2, 1) for
            red, green and blue of Sentinel-2; None for all.
        cache: "memory" or "disk" keep decoded pictures if they fit, None reads files every epoch.
            For a limit, or to skip faulty files, see `Dataset.reading`.

    Returns:
        the dataset. A picture of weight 2 is drawn twice as often in training, on average, as one
        of weight 1. All pixels of a row without a mask are ignored, as in a test set whose masks
        are not published.

    Raises:
        ValueError: if columns or files are missing, a picture is in two rows, or a weight is not
            a number above 0; names the row.

    >>> import tempfile; from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (32, 32)).save(folder / "a.jpg")
    >>> Image.new("L", (32, 32)).save(folder / "a.png")
    >>> rows = pd.DataFrame({"image": ["a.jpg"], "mask": ["a.png"], "split": ["train"]})
    >>> from_csv(rows, ["sky"], root=folder).splits
    ('train',)
    """
    reading = Reading(ignore, label_offset, num_channels, value_range, cache, bands)
    rows, name, folder = _rows(table, root)
    names = _find(rows, columns or {})
    pictures = [names["picture"]] if isinstance(names["picture"], str) else list(names["picture"])
    rows = rows.reset_index(drop=True)
    pairs = [_pair(row, pictures, names["mask"], folder, i) for i, row in rows.iterrows()]
    double = pd.Series([image for image, _ in pairs]).duplicated()  # a.png and ./a.png are one
    if double.any():
        raise ValueError(
            "Each picture needs one row. "
            f"Received: {rows[pictures][double].iloc[0].tolist()} twice, again in row "
            f"{int(double.idxmax())}. Remove one row."
        )
    weight_of = _weights(rows, names.get("weight"), pairs)
    if "split" in names:
        parts: dict[str, list[Pair]] = {}
        for row, (split, pair) in enumerate(zip(rows[names["split"]], pairs, strict=True)):
            if pd.isna(split):
                raise ValueError(
                    f"Each row needs a split. Received: nothing in row {row}, column "
                    f"{names['split']!r}. Fill it, or remove the row."
                )
            parts.setdefault(split_name(str(split)), []).append(pair)
    else:
        group = rows[names["group"]].tolist() if "group" in names else None
        parts = divide(pairs, splits, folder, seed, group)
    weights = None
    if weight_of is not None:
        weights = {split: [weight_of[pair] for pair in part] for split, part in parts.items()}
    return assemble(name, parts, classes, reading, weights)


def _rows(table, root) -> tuple[pd.DataFrame, str, Path]:
    if isinstance(table, pd.DataFrame):
        if table.empty:
            raise _no_rows("a table without rows")
        return table, Path(root or ".").resolve().name, Path(root or ".")
    if not os.path.isfile(table):
        raise ValueError(
            f"A table of files must be a CSV file. Received: {os.fspath(table)!r}, which is not "
            "a file. Check the path."
        )
    try:
        rows = read_table(table, str)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise _no_rows(f"{os.fspath(table)!r} ({error})") from error
    if rows.empty:
        raise _no_rows(repr(os.fspath(table)))
    return rows, Path(table).stem, Path(root) if root is not None else Path(table).parent


def _no_rows(received: str) -> ValueError:
    return ValueError(
        f"A table of files needs a header and at least one row. Received: {received}. "
        "For example, write: image,mask and then a.jpg,a.png."
    )


def _find(rows: pd.DataFrame, columns: Mapping) -> dict:
    """Return the column of each role that the table has."""
    unknown = set(columns) - set(_COLUMNS)
    listed = [c for name in columns.values() for c in ([name] if isinstance(name, str) else name)]
    absent = [name for name in listed if name not in rows.columns]
    if unknown or absent:
        raise ValueError(
            f"`columns` names columns of the table for {', '.join(_COLUMNS)}. "
            f"Received: columns={dict(columns)} for a table of {list(rows.columns)}. "
            "Correct the names."
        )
    lower = {str(column).strip().lower(): column for column in rows.columns}
    found = dict(columns)
    for role, usual in _COLUMNS.items():
        present = [lower[name] for name in usual if name in lower and lower[name] not in listed]
        if role not in found and present:
            found[role] = present[0]
    for role in ("picture", "mask"):
        if role not in found:
            raise ValueError(
                f"The table needs a column for the {role}. Received: {list(rows.columns)}. "
                f"Pass its name: columns={{{role!r}: name}}."
            )
    return found


def _pair(row: pd.Series, pictures: list, mask: str, folder: Path, number) -> Pair:
    if any(pd.isna(row[column]) for column in pictures):
        raise ValueError(
            f"Each row needs a picture. Received: nothing in row {number}, column {pictures}. "
            "Fill it or remove the row."
        )
    files = tuple(existing(folder, str(row[column]).strip()) for column in pictures)
    label = "" if pd.isna(row[mask]) else existing(folder, str(row[mask]).strip())
    for file in (*files, label):
        if file and not os.path.isfile(file):
            raise ValueError(
                f"A file of the table does not exist. Received: {file!r} in row {number}. "
                "Give `root`, the folder that paths are relative to, or correct the row; names "
                "need their suffix, such as .png."
            )
    return files[0] if len(files) == 1 else files, label


def _weights(rows: pd.DataFrame, column: str | None, pairs: list[Pair]) -> dict | None:
    """Return the weight of each pair."""
    if column is None:
        return None
    numbers = pd.to_numeric(rows[column], errors="coerce")
    wrong = ~(np.isfinite(numbers) & (numbers > 0))
    if wrong.any():
        row = int(wrong.idxmax())
        raise ValueError(
            f"Weights of pictures must be numbers above 0. Received: {rows[column][row]!r} in row "
            f"{row}, column {column!r}. Correct it, or remove the row."
        )
    return dict(zip(pairs, numbers.tolist(), strict=True))
