"""Lists and tables as text, whatever program wrote them: its letters, line ends and commas."""

import io
import os
from pathlib import Path

import pandas as pd


def read_text(path: str | os.PathLike) -> str:
    """Return a file's text: UTF-8 with or without a mark, UTF-16 with one, else Windows-1252."""
    content = Path(path).read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_lines(path: str | os.PathLike) -> list[str]:
    """Return the lines of a file that hold something, without spaces around them."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_table(path: str | os.PathLike, dtype: type | None = None) -> pd.DataFrame:
    """Read a table with a header, whose columns a comma, semicolon or tab divides.

    Args:
        path: the file.
        dtype: str leaves names such as 007 alone; None makes numbers of what looks so.

    Returns:
        pandas table.

    Raises:
        ValueError: of pandas, if it is no table.
    """
    text = read_text(path)
    header = text.lstrip().partition("\n")[0]
    divider = max(",;\t", key=header.count)
    return pd.read_csv(io.StringIO(text), sep=divider, skipinitialspace=True, dtype=dtype)


def existing(folder: Path, name: str) -> str:
    """Return the path of a listed file; backslashes of Windows divide folders if nothing else."""
    path = str(folder / name)
    other = str(folder / name.replace("\\", "/"))
    return other if not os.path.isfile(path) and os.path.isfile(other) else path
