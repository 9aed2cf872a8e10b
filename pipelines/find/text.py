"""Read lists and tables from text files of any encoding, line ending and delimiter."""

import io
import os
from pathlib import Path

import pandas as pd


def read_text(path: str | os.PathLike) -> str:
    """Return a file's text, in UTF-8, UTF-16 with a byte order mark, or Windows-1252."""
    content = Path(path).read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_lines(path: str | os.PathLike) -> list[str]:
    """Return the non-empty lines of a file, stripped."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_table(path: str | os.PathLike, dtype: type | None = None) -> pd.DataFrame:
    """Read a table with a header, delimited by commas, semicolons or tabs.

    Args:
        path: the file.
        dtype: str keeps names such as 007; None parses numbers.

    Returns:
        pandas table.

    Raises:
        ValueError: raised by pandas, if it is not a table.
    """
    text = read_text(path)
    header = text.lstrip().partition("\n")[0]
    divider = max(",;\t", key=header.count)
    return pd.read_csv(io.StringIO(text), sep=divider, skipinitialspace=True, dtype=dtype)


def existing(folder: Path, name: str) -> str:
    """Return the path of a listed file; backslashes may separate folders."""
    path = str(folder / name)
    other = str(folder / name.replace("\\", "/"))
    return other if not os.path.isfile(path) and os.path.isfile(other) else path
