"""`FileFault`: the error of a file, with its path and the reason."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

MISSING, UNREADABLE, KIND, SIZE = "missing", "unreadable", "wrong kind", "size mismatch"
LARGE, LOSSY = "too large", "JPEG mask"
UNKNOWN_IDS, COLORS = "unknown ids", "colors"

Path = str | os.PathLike


class FileFault(ValueError):  # noqa: N818 - the report of `check` lists it as a fault of a file
    """A file that cannot be used.

    Attributes:
        kind: one of this module's names, such as "unreadable".
        path: the file.
        detail: what is wrong, in a few words.
        values: unknown ids or colors, for faults of that kind.
    """

    def __init__(self, kind: str, path: Path, message: str, detail: str = "", values: tuple = ()):
        super().__init__(message)
        self.detail = detail
        self.kind = kind
        self.path = os.fspath(path)
        self.values = values


def unreadable(path: Path, reason: object) -> FileFault:
    """Return the fault of a file that is damaged or not a picture."""
    return FileFault(
        UNREADABLE, path,
        "A file cannot be read as a picture; it is damaged or has an unsupported format. "
        f"Received: {os.fspath(path)!r} ({reason}). Copy it again, or remove it from the dataset.",
        str(reason),
    )  # fmt: skip


def wrong_kind(path: Path, rule: str, received: object, advice: str) -> FileFault:
    """Return the fault of a valid file of an unsupported kind."""
    message = f"{rule} Received: {received} in {os.fspath(path)!r}. {advice}"
    return FileFault(KIND, path, message, str(received))


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Convert exceptions of decoders to a fault that names the file."""
    if not os.path.isfile(path):
        raise FileFault(
            MISSING, path,
            f"A file does not exist. Received: {os.fspath(path)!r}. Check its path.",
        )  # fmt: skip
    with converted(path):
        yield


@contextmanager
def converted(path: Path) -> Iterator[None]:
    """Convert exceptions of decoders to a fault that names the file, or the bytes of one."""
    try:
        yield
    except (FileFault, ImportError):
        raise
    except MemoryError as error:
        raise FileFault(
            LARGE, path,
            "A file that cannot be read in parts must fit into memory. "
            f"Received: {os.fspath(path)!r} ({str(error) or 'out of memory'}). Free memory, or use "
            "`segmenter.tiles` with a .npy, .png or .tif file, which is read in parts.",
            "out of memory",
        ) from error  # fmt: skip
    except Exception as error:  # decoders raise many kinds of exceptions on damaged bytes
        raise unreadable(path, str(error) or type(error).__name__) from error
