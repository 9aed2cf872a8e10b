"""A lock file in a run's folder: a run is trained by one process at a time."""

import contextlib
import json
import os
import socket
import time
from pathlib import Path

import psutil

from keras_seg.whole_files import require_folder

NAME = ".lock"
UNREADABLE_SECONDS = 10  # age from which a lock without content is left over from a kill


@contextlib.contextmanager
def held(folder):
    """Hold the lock of a run's folder, which is created if needed, and removed if it stays empty.

    A lock whose process has ended on this machine is replaced. Locks of other machines (on a
    shared disk) cannot be checked and count as held.

    Args:
        folder: the run's folder.

    Yields:
        None

    Raises:
        ValueError: another process holds it, or the folder cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with held(folder):
    ...     holder(folder)["pid"] == os.getpid()
    True
    """
    folder = Path(folder)
    require_folder("fit", folder)
    path = folder / NAME
    _take(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # Only an empty folder can be removed.


def holder(folder):
    """The process that holds the lock of a folder.

    Args:
        folder: the run's folder.

    Returns:
        dict of pid, host and the times (s since 1970) when process and lock were made; empty if
        nobody holds it.
    """
    path = Path(folder) / NAME
    try:
        text, age = path.read_text(encoding="utf-8"), time.time() - path.stat().st_mtime
    except OSError:
        return {}
    try:
        found = dict(json.loads(text))
        pid, host, created = found["pid"], found["host"], found["created"]
    except (ValueError, KeyError, TypeError):
        return {"pid": "unknown", "host": "unknown"} if age < UNREADABLE_SECONDS else {}
    if host != socket.gethostname():
        return found
    try:
        # Numbers of processes are used again: another one was made at another time.
        same = abs(psutil.Process(pid).create_time() - created) < 2
    except psutil.NoSuchProcess:
        return {}
    except psutil.AccessDenied:
        same = True
    return found if same else {}


def _take(path):
    created = psutil.Process().create_time()
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "created": created}
    for _ in range(3):
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump({**mine, "locked": time.time()}, file)
            return
        except FileExistsError:
            if holder(path.parent):
                break
            # Moved before it is deleted: of two processes that find it, one succeeds.
            stale = path.with_name(f"{NAME}-{os.getpid()}")
            with contextlib.suppress(FileNotFoundError):
                path.rename(stale)
                stale.unlink()
    found = holder(path.parent) or {"pid": "unknown", "host": "unknown"}
    raise ValueError(
        f"A run is trained by one process at a time. Received: '{path.parent}', which process "
        f"{found['pid']} on '{found['host']}' is training. Wait for it or stop it; to train "
        "another run beside it, pass another tag= or seed=. If that process no longer runs, "
        f"delete '{path}'."
    )
