"""Arrays of .npy and .npz files: parallel readers, orders and types."""

import ast
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipelines.read.arrays import read_array


class Slow:
    """An object in a circle, whose end runs Python: other threads then run in between."""

    def __init__(self):
        self.me = self

    def __del__(self):
        for _ in range(200):
            pass


@pytest.fixture
def restless():
    """The garbage collector and changes of thread at nearly every step."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(50, 2, 2)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


def read_deep(path, depth):
    """Read in a call of some depth: Python 3.11 mixes up the depths of threads that parse."""
    if depth:
        return read_deep(path, depth - 1)
    _ = [Slow() for _ in range(5)]
    return read_array(path)


def test_sound_arrays_are_read_while_other_threads_parse(tmp_path, restless):
    path = tmp_path / "mask.npy"
    np.save(path, np.arange(6).reshape(2, 3))
    done = threading.Event()

    def parse():
        while not done.is_set():
            try:
                _ = [Slow() for _ in range(5)]
                ast.parse("{'a': (1, 2)}")
            except SystemError:  # Python's own fault, met here as by the reader
                pass

    other = threading.Thread(target=parse)
    other.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda i: read_deep(path, i % 9), range(1500)):
                np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])
    finally:
        done.set()
        other.join()


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<f4", "bool"])
def test_orders_and_types_are_as_numpy_saved_them(tmp_path, suffix, order, dtype):
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 2, dtype=dtype, order=order)
    path = tmp_path / f"array.{suffix}"
    (np.save if suffix == "npy" else np.savez_compressed)(path, array)
    found = read_array(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    found[:] = 0  # the reader owns its numbers, and may write them
