import logging

import pytest

from pipelines.graph import memory


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_what_is_small_enough_fits(cache, caplog):
    assert memory.fits(1000, cache, None, "toy train")
    assert not caplog.records


def test_more_than_the_share_of_free_memory_does_not_fit_and_is_said(monkeypatch, caplog):
    monkeypatch.setattr(memory, "free_memory", lambda: 10_000_000_000)
    with caplog.at_level(logging.WARNING):
        # 40 % of 10 GB are 4 GB.
        assert not memory.fits(4_000_000_001, "memory", None, "toy train")
        assert memory.fits(4_000_000_000, "memory", None, "toy train")
    (record,) = caplog.records
    assert "toy train: 4.0 GB of decoded pictures do not fit" in record.message
    assert 'use cache="disk"' in record.message


def test_a_limit_counts_before_the_share(monkeypatch, caplog):
    monkeypatch.setattr(memory, "free_disk", lambda: 10_000)
    assert memory.fits(9000, "disk", 9000, "toy")
    assert not memory.fits(9001, "disk", 9000, "toy")
    assert "cache_limit" in caplog.text


def test_free_memory_and_disk_are_numbers_above_zero():
    assert memory.free_memory() > 0
    assert memory.free_disk() > 0


def test_scratch_folder_is_the_one_that_a_person_names(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert memory.scratch_folder() == tmp_path
