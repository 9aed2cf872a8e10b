"""Free memory and disk, and whether decoded pictures fit."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

import psutil

# For a moment the pictures are there twice: while NumPy hands them to TensorFlow.
_SHARE_OF_FREE_MEMORY = 0.4
_SHARE_OF_FREE_DISK = 0.8
# Linux control groups, version 2 and 1: psutil knows the machine, not the container.
_CONTAINER_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
_logger = logging.getLogger(__name__)


def fits(needed: int, cache: str, limit: int | None, title: str) -> bool:
    """Return whether a number of bytes may be used, and log a warning if not.

    Args:
        needed: bytes of the decoded pictures and masks.
        cache: "memory" or "disk".
        limit: most bytes to use; None for a share of the free memory or disk.
        title: name of the pictures in the log.

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
        "files in every epoch, which is slower. Free some,%s or set cache=None to silence this.",
        title, needed / 1e9, reason, allowed / 1e9, other,
    )  # fmt: skip
    return False


def free_memory() -> int:
    """Return the bytes that this process may still take: the machine's or the container's."""
    free = psutil.virtual_memory().available
    for limit, used in _CONTAINER_LIMITS:
        try:
            allowed = int(Path(limit).read_text(encoding="ascii"))  # "max" where there is no limit
            return min(free, max(0, allowed - int(Path(used).read_text(encoding="ascii"))))
        except (OSError, ValueError):
            continue
    return free


def free_disk() -> int:
    """Return the free bytes of the disk for decoded pictures."""
    return shutil.disk_usage(scratch_folder()).free


def scratch_folder() -> Path:
    """Return the folder for large temporary files.

    TMPDIR if it is set; otherwise /var/tmp rather than /tmp, which is often in memory.
    """
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK | os.X_OK):
        return Path("/var/tmp")
    return Path(tempfile.gettempdir())
