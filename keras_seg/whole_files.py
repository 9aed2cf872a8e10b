"""Files that appear under their own name only once they are complete."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def draft(subject: str, path) -> Iterator[Path]:
    """Give a temporary name beside a file; renamed at the end, removed after an error.

    Two that write the same file do not mix: each has a temporary name of its own, with the same
    ending. Missing folders are made.

    Args:
        subject: name of the caller, such as "tiles".
        path: the file; one of that name is replaced.

    Yields:
        the path to write to.

    Raises:
        ValueError: the folder cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new" / "notes.txt"
    >>> with draft("predict", path) as temporary:
    ...     _ = temporary.write_text("one")
    >>> path.read_text()
    'one'
    """
    path = Path(path)
    temporary = path.with_name(f".part_{uuid.uuid4().hex[:8]}_{path.name}")
    require_folder(subject, path.parent)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_folder(subject: str, folder) -> None:
    """Make a folder where there is none, and raise unless files can be written to it.

    Args:
        subject: name of the caller, such as "tiles".
        folder: the folder.

    Raises:
        ValueError: it cannot be written; says which and why.

    >>> import tempfile
    >>> require_folder("tiles", tempfile.mkdtemp())
    """
    folder = Path(folder)
    probe = folder / f".part_{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"`{subject}` needs a folder that it can write to. "
            f"Received: '{folder}' ({error.strerror or error}). Choose another folder, or change "
            "its permissions."
        ) from error
