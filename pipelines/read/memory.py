"""Free memory, and the error for a picture that does not fit into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# Linux control groups, version 2 and 1: psutil reports the machine's memory, not the container's.
_CONTAINER_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
_OUT_OF_MEMORY = ("ResourceExhausted", "OutOfMemory", "RESOURCE_EXHAUSTED")


def free_memory() -> int:
    """Return the bytes that this process can still allocate, of the machine or the container."""
    free = psutil.virtual_memory().available
    for limit, used in _CONTAINER_LIMITS:
        try:
            allowed = int(Path(limit).read_text(encoding="ascii"))  # "max" where there is no limit
            return min(free, max(0, allowed - int(Path(used).read_text(encoding="ascii"))))
        except (OSError, ValueError):
            continue
    return free


class _TooLargeError(ValueError):
    def __init__(self, what: str, reason: str, advice: str):
        self.reason = reason
        super().__init__(
            "A picture and the maps of the network must fit into memory. "
            f"Received: {what} ({reason}). {advice}"
        )


def require_memory(needed: int, what: str, advice: str) -> None:
    """Raise for a picture that would fill the memory; Linux would end the process.

    Args:
        needed: lower bound of the bytes needed.
        what: the picture, for the error.
        advice: what to do.

    Raises:
        ValueError: less memory is free.

    >>> require_memory(1000, "a.png", "Use tiles.")
    """
    free = free_memory()
    if needed > free:
        reason = f"it needs {needed / 1e9:,.1f} GB and more, {free / 1e9:,.1f} GB are free"
        raise _TooLargeError(what, reason, advice)


@contextmanager
def fitting(what: str, advice: str) -> Iterator[None]:
    """Convert the out-of-memory errors of NumPy, TensorFlow, JAX and torch to a ValueError.

    Args:
        what: the picture, for the error.
        advice: what to do.

    Raises:
        ValueError: the memory of the computer or the GPU was not sufficient.
    """
    try:
        yield
    except Exception as error:
        words = f"{type(error).__name__} {error}"
        known = isinstance(error, MemoryError | _TooLargeError)
        if not known and not any(word in words for word in _OUT_OF_MEMORY):
            raise
        reason = error.reason if isinstance(error, _TooLargeError) else words[:200]
        raise _TooLargeError(what, reason, advice) from error
