import gc
from pathlib import Path

import numpy as np
import pytest

from pipelines.graph.caches import DiskCache, MemoryCache

SIZES = np.array([[2, 3], [4, 1], [3, 3]])


def pairs():
    """One picture and one mask per size, of numbers that no other pair has."""
    numbers = np.arange(200, dtype=np.uint8)
    for start, (height, width) in zip((0, 60, 120), SIZES.tolist(), strict=True):
        area = height * width
        image = numbers[start : start + 2 * area].reshape(height, width, 2)
        yield image, numbers[start + 30 : start + 30 + area].reshape(height, width)


@pytest.mark.parametrize("kind", [MemoryCache, DiskCache])
def test_pictures_of_any_size_come_back_as_they_were(kind):
    cache = kind(SIZES, 2)
    for index in (2, 0, 1):  # Threads write in any order.
        cache.write(index, *list(pairs())[index])
    cache.close()
    read = cache.reader(np.arange(3))
    for index, (image, label) in enumerate(pairs()):
        found_image, found_label = read(index)
        np.testing.assert_array_equal(found_image, image)
        np.testing.assert_array_equal(found_label, label)


@pytest.mark.parametrize("kind", [MemoryCache, DiskCache])
def test_reader_counts_the_kept_ones_only(kind):
    cache = kind(SIZES, 2)
    for index, pair in enumerate(pairs()):
        cache.write(index, *pair)
    cache.close()
    image, _ = cache.reader(np.array([0, 2]))(1)
    np.testing.assert_array_equal(image, list(pairs())[2][0])


def test_arrays_that_are_there_already_are_read_without_writing():
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    labels = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    cache = MemoryCache(np.array([[4, 5], [4, 5]]), 3, (images, labels))
    cache.close()
    image, label = cache.reader(np.arange(2))(1)
    np.testing.assert_array_equal(image, images[1])
    np.testing.assert_array_equal(label, labels[1])


def test_folder_goes_with_its_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    cache = DiskCache(SIZES, 2)
    folder = Path(cache.folder)
    assert folder.is_dir()
    assert folder.parent == tmp_path
    del cache
    gc.collect()
    assert not folder.exists()
