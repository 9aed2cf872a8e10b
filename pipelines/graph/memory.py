"""How much memory and disk there is, and whether decoded pictures fit."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

# For a moment the pictures are there twice: while NumPy hands them to TensorFlow.
_SHARE_OF_FREE_MEMORY = 0.4
_SHARE_OF_FREE_DISK = 0.8
_logger = logging.getLogger(__name__)


def fits(needed: int, cache: str, limit: int | None, title: str) -> bool:
    """Say whether a number of bytes may be taken, and log it if not.

    Args:
        needed: bytes of the decoded pictures and masks.
        cache: "memory" or "disk".
        limit: most bytes to take; None for a share of what is free.
        title: what the pictures are called in the log.

    Returns:
        True if they fit.

    >>> fits(1000, "memory", 2000, "toy train")
    True
    """
    if cache == "memory":
        free, share, place = free_memory(), _SHARE_OF_FREE_MEMORY, "memory"
    else:
        free, share, place = free_disk(), _SHARE_OF_FREE_DISK, f"disk at {scratch_folder()}"
    allowed = int(share * free) if limit is None else min(limit, free)
    if needed <= allowed:
        return True
    reason = f"{100 * share:.0f} % of the free {place}" if limit is None else "cache_limit"
    other = ' or use cache="disk",' if cache == "memory" else ""
    _logger.warning(
        "%s: %.1f GB of decoded pictures do not fit into %s (%.1f GB); they are read from their "
        "files in every epoch, which is slower. Free some,%s or set cache=None to expect it.",
        title, needed / 1e9, reason, allowed / 1e9, other,
    )  # fmt: skip
    return False


def free_memory() -> int:
    """Return the bytes that this process may still take: the machine's or the container's."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            table = dict(line.split(":") for line in file)
        free = int(table["MemAvailable"].split()[0]) * 1024
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            limit = int(file.read())
        with open("/sys/fs/cgroup/memory.current", encoding="ascii") as file:
            free = min(free, limit - int(file.read()))
    except (OSError, ValueError, KeyError):
        return free
    return free


def free_disk() -> int:
    """Return the bytes that are free where decoded pictures go."""
    return shutil.disk_usage(scratch_folder()).free


def scratch_folder() -> Path:
    """Return the folder for large files that nobody needs afterwards.

    It is TMPDIR where that is set; else /var/tmp before /tmp, which often lies in memory.
    """
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK | os.X_OK):
        return Path("/var/tmp")
    return Path(tempfile.gettempdir())
