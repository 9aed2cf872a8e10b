"""The error for a file that cannot be used, with the file's path and the kind of fault."""

import os

MISSING, UNREADABLE, KIND, SIZE = "missing", "unreadable", "wrong kind", "size mismatch"
UNKNOWN_IDS, COLORS = "unknown ids", "colors"


class FileFault(ValueError):  # noqa: N818 - the report of `check` calls it a fault
    """A file that cannot be used.

    Attributes:
        kind: one of this module's names, such as "unreadable".
        path: the file.
        detail: a short description.
        values: unknown ids or colors, for faults of that kind.
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
    """Return the fault of a file that is damaged or not a picture.

    >>> unreadable("a.png", "no data").kind
    'unreadable'
    """
    return FileFault(
        UNREADABLE,
        path,
        "A file cannot be read as a picture; it is damaged or of another format. "
        f"Received: {os.fspath(path)!r} ({reason}). Copy it again, or remove it from the dataset.",
        str(reason),
    )


def wrong_kind(path: str | os.PathLike, rule: str, received: object, advice: str) -> FileFault:
    """Return the fault of a readable file of an unsupported kind."""
    message = f"{rule} Received: {received} in {os.fspath(path)!r}. {advice}"
    return FileFault(KIND, path, message, str(received))
