"""Free memory and disk, and whether decoded pictures fit."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

from pipelines.read.memory import free_memory

# The pictures are in memory twice while NumPy arrays are converted to tensors.
_SHARE_OF_FREE_MEMORY = 0.4
_SHARE_OF_FREE_DISK = 0.8
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
        "files in every epoch, which is slower. Free some of it,%s or pass cache=None to silence "
        "this warning.",
        title, needed / 1e9, reason, allowed / 1e9, other,
    )  # fmt: skip
    return False


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
