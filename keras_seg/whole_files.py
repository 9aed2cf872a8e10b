"""Files that are renamed to their final name when they are complete."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def draft(subject: str, path) -> Iterator[Path]:
    """Provide a temporary path beside a file; rename it at the end, remove it after an error.

    Concurrent writers have different temporary names, with the same suffix. Missing folders are
    created.

    Args:
        subject: name of the caller, such as "tiles".
        path: the file; one of that name is replaced.

    Yields:
        the path to write to.

    Raises:
        ValueError: the folder is not writable.

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
    """Create a folder if needed, and raise unless it is writable.

    Args:
        subject: name of the caller, such as "tiles".
        folder: the folder.

    Raises:
        ValueError: it is not writable.

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
            f"`{subject}` needs a writable folder. "
            f"Received: '{folder}' ({error.strerror or error}). Choose another folder, or change "
            "its permissions."
        ) from error
