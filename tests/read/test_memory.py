"""Pictures that do not fit into memory are refused, with what to do."""

import numpy as np
import pytest

from pipelines.read import memory, read_image
from pipelines.read.faults import FileFault


def test_what_needs_more_than_is_free_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2_000_000_000)
    memory.require_memory(2_000_000_000, "a.png", "Use tiles.")
    words = r"into memory. Received: a.png \(it needs 2.5 GB and more, 2.0 GB are free\). U"
    with pytest.raises(ValueError, match=words):
        memory.require_memory(2_500_000_000, "a.png", "Use tiles.")


class ResourceExhaustedError(Exception):
    """As TensorFlow names it."""


@pytest.mark.parametrize("error", [
    MemoryError(), ResourceExhaustedError("OOM"), RuntimeError("RESOURCE_EXHAUSTED: 4 GB"),
])  # fmt: skip
def test_an_error_without_memory_says_so(error):
    with pytest.raises(ValueError, match=r"must fit into memory. Received: a.png \(.*Use tiles"):
        with memory.fitting("a.png", "Use tiles."):
            raise error
    with pytest.raises(RuntimeError, match="another"), memory.fitting("a.png", "Use tiles."):
        raise RuntimeError("another")


def test_a_file_that_does_not_fit_is_not_called_damaged(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 3), np.uint8))

    def fail(*_, **__):
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr("pipelines.read.arrays.bytearray", fail, raising=False)
    words = r"must fit into memory. Received: '.*a\.npy' \(Unable to allocate 9 GiB\)"
    with pytest.raises(FileFault, match=words) as fault:
        read_image(tmp_path / "a.npy")
    assert fault.value.kind == "too large"


def test_free_memory_needs_no_sysconf(monkeypatch):
    monkeypatch.delattr("os.sysconf", raising=False)  # As on Windows.
    assert memory.free_memory() > 0


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [("3000", "1000", 2000), ("max", "1000", 5000), ("1000", "1200", 0), ("9000", "1", 5000)],
)
def test_a_containers_limit_is_respected(tmp_path, monkeypatch, limit, used, expected):
    (tmp_path / "max").write_text(f"{limit}\n")
    (tmp_path / "current").write_text(f"{used}\n")
    machine = type("Machine", (), {"available": 5000})
    monkeypatch.setattr("psutil.virtual_memory", lambda: machine)
    files = (str(tmp_path / "max"), str(tmp_path / "current"))
    missing = (str(tmp_path / "none"), str(tmp_path / "none"))
    monkeypatch.setattr(memory, "_CONTAINER_LIMITS", (missing, files))
    assert memory.free_memory() == expected
