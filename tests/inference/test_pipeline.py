"""Stages in threads: order, errors, stopping, and items that are dropped."""

import threading
import time

import pytest

from keras_seg.inference.pipeline import Pipeline


def test_results_keep_the_order_of_the_items():
    def slow_for_some(n):
        time.sleep(0.002 * (n % 3))
        return n

    with Pipeline(range(50), [slow_for_some, slow_for_some, lambda n: 2 * n]) as results:
        assert list(results) == [2 * n for n in range(50)]


def test_stages_work_at_the_same_time():
    # Each stage waits for the other one to have an item too; alone neither could go on.
    together = threading.Barrier(2, timeout=10)

    def wait(n):
        if n < 2:
            return n
        together.wait()
        return n

    def first(n):
        return wait(n) if n > 2 else n

    def second(n):
        return wait(n) if n < 5 else n

    # Items 3, 4, 5 wait in the first stage while 2, 3, 4 wait in the second.
    with Pipeline(range(6), [first, second]) as results:
        assert list(results) == list(range(6))


def test_a_fast_stage_waits_for_a_slow_reader():
    made = []

    def items():
        for n in range(1000):
            made.append(n)
            yield n

    with Pipeline(items(), [abs], buffer=2) as results:
        assert next(results) == 0
        time.sleep(0.3)
        # Two wait before the stage, two after it, and each thread holds one.
        assert len(made) <= 1 + 2 + 2 + 2


@pytest.mark.parametrize("place", ["items", "first stage", "last stage"])
def test_an_error_is_raised_after_the_results_before_it(place):
    def failing(n, here):
        if here == place and n == 3:
            raise OSError(f"in the {place}")
        return n

    numbers = (failing(n, "items") for n in range(100))
    stages = [lambda n: failing(n, "first stage"), lambda n: failing(n, "last stage")]
    found = []
    with pytest.raises(OSError, match=place), Pipeline(numbers, stages) as results:
        found.extend(results)
    with Pipeline((failing(n, "items") for n in range(100)), stages) as results:
        for n, result in zip(range(3), results, strict=False):
            assert n == result


def test_closing_stops_the_threads_and_the_items():
    closed = []

    def items():
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            closed.append(True)

    before = threading.active_count()
    with Pipeline(items(), [abs, abs]) as results:
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert closed == [True]
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(results)


def test_the_latest_item_replaces_those_that_wait():
    released = threading.Event()
    sent = threading.Event()

    def items():
        yield from range(100)
        sent.set()

    def stage(n):
        released.wait(10)
        return n

    with Pipeline(items(), [stage], latest=True) as results:
        # The stage holds one item; all others but the newest are dropped while it waits.
        assert sent.wait(10)
        time.sleep(0.2)
        released.set()
        found = list(results)
    assert found[-1] == 99
    assert results.dropped == 100 - len(found)
    assert len(found) <= 4
    assert found == sorted(found)


def test_the_latest_result_replaces_those_that_were_not_read():
    with Pipeline(range(100), [abs, abs], latest=True) as results:
        end = time.monotonic() + 10
        while results.dropped < 99 and time.monotonic() < end:
            time.sleep(0.01)
        assert list(results) == [99]
    assert results.dropped == 99


def test_an_error_replaces_no_result():
    def items():
        yield 1
        raise OSError("in the items")

    results = Pipeline(items(), [abs], latest=True)
    time.sleep(0.2)
    assert next(results) == 1
    with pytest.raises(OSError, match="in the items"):
        next(results)


def test_no_item_gives_no_result():
    with Pipeline([], [abs]) as results:
        assert list(results) == []


def test_workers_of_a_stage_work_at_the_same_time_and_keep_the_order():
    together = threading.Barrier(3, timeout=10)  # passes when three items are in the stage

    def stage(n):
        together.wait()
        time.sleep(0.002 * (2 - n % 3))  # the last one of three is ready first
        return n * n

    with Pipeline(range(12), [(stage, 3), lambda n: n + 1]) as results:
        assert list(results) == [n * n + 1 for n in range(12)]


def test_an_error_of_a_worker_comes_after_the_results_before_it():
    def failing(n):
        time.sleep(0.01 * (n < 3))
        if n == 3:
            raise OSError("in the stage")
        return n

    found = []
    with pytest.raises(OSError, match="in the stage"), Pipeline(range(9), [(failing, 4)]) as each:
        found.extend(iter(lambda: next(each), None))
    assert found == [0, 1, 2]


def test_workers_wait_for_a_slow_reader():
    made = []
    numbers = (made.append(n) or n for n in range(1000))
    with Pipeline(numbers, [(abs, 2)], buffer=2) as results:
        assert next(results) == 0
        time.sleep(0.3)
        # Two wait before the stage, two are in it or after it, and each thread holds one.
        assert len(made) <= 1 + 2 + 2 + 2
