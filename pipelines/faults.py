"""The error that a file of a dataset raises: it knows the file and what kind of fault it is."""

import os

MISSING, UNREADABLE, KIND, SIZE = "missing", "unreadable", "wrong kind", "size mismatch"
UNKNOWN_IDS, COLORS = "unknown ids", "colors"


class FileFault(ValueError):  # noqa: N818 - a fault of a file, as the letter of `check` calls it
    """A file that cannot be used.

    Attributes:
        kind: one of this module's names, such as "unreadable".
        path: the file.
        detail: what is wrong, in a few words.
        values: ids or colors that are no class, for faults of that kind.
    """

    def __init__(
        self,
        kind: str,
        path: str | os.PathLike,
        message: str,
        detail: str = "",
        values: tuple = (),
    ):
        super().__init__(message)
        self.detail = detail
        self.kind = kind
        self.path = os.fspath(path)
        self.values = values


def unreadable(path: str | os.PathLike, reason: object) -> FileFault:
    """Return the fault of a file that is damaged, or no picture at all.

    >>> unreadable("a.png", "no data").kind
    'unreadable'
    """
    return FileFault(
        UNREADABLE,
        path,
        "A file cannot be read as a picture; it is damaged or of another format. "
        f"Received: {os.fspath(path)!r} ({reason}). Copy it again, or take it out of the dataset.",
        str(reason),
    )


def wrong_kind(path: str | os.PathLike, rule: str, received: object, advice: str) -> FileFault:
    """Return the fault of a file that is whole, but of a kind that is not read."""
    message = f"{rule} Received: {received} in {os.fspath(path)!r}. {advice}"
    return FileFault(KIND, path, message, str(received))
