"""Items through stages that work at the same time, each in a thread; the order is kept."""

import atexit
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_WAIT = 0.05  # seconds after which a waiting thread looks whether it should stop
_END = object()
_RUNNING = weakref.WeakSet()


class _Failure:
    def __init__(self, error: BaseException):
        self.error = error


class Pipeline(Iterator):
    """Iterate over `stages[-1](...stages[0](item))` for each item, in the order of the items.

    While one item is in the last stage, the next one is in the stage before it. numpy, OpenCV,
    Pillow and the backends of Keras release Python's lock while they compute, so that the slowest
    stage decides the rate. At most `buffer` items wait before each stage; a stage that is faster
    than the next one waits. An error of the items or of a stage is raised where the results are
    read, after those of all earlier items, and ends the pipeline.

    Args:
        items: any iterable; it is read in a thread.
        stages: functions of one argument; or pairs (function, workers) for a stage that works on
            several items at the same time.
        buffer: items that may wait before each stage, at least 1.
        latest: whether an item that waits before a stage, or to be read, is replaced by the next
            one, for sources that do not wait. `dropped` counts those that were replaced.

    >>> with Pipeline(range(4), [lambda n: n * n, str]) as results:
    ...     list(results)
    ['0', '1', '4', '9']
    """

    def __init__(
        self,
        items: Iterable,
        stages: list,
        buffer: int = 2,
        latest: bool = False,
    ):
        self._items: Any = items
        self._latest = latest
        self._stop = threading.Event()
        pairs = [stage if isinstance(stage, tuple) else (stage, 1) for stage in stages]
        # Results that are being computed wait in the queue behind their stage.
        sizes = [1 if latest else max(buffer, count) for count in [1, *(n for _, n in pairs)]]
        self._queues = [queue.Queue(size) for size in sizes]
        self._dropped = dict.fromkeys(self._queues, 0)  # Each queue is filled by one thread.
        work: list[tuple] = [(self._read, ())]
        for number, (stage, workers) in enumerate(pairs):
            between = self._queues[number : number + 2]
            if workers == 1:
                work.append((self._work, (stage, *between)))
            else:
                work.append((self._work_at_once, (stage, workers, *between)))
        self._threads = [
            threading.Thread(target=function, args=arguments, daemon=True)
            for function, arguments in work
        ]
        _RUNNING.add(self)
        for thread in self._threads:
            thread.start()

    def __next__(self) -> Any:
        found = self._get(self._queues[-1])
        if isinstance(found, _Failure):
            self.close()
            raise found.error
        if found is _END:
            self.close()
            raise StopIteration
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def dropped(self) -> int:
        """Number of items that were replaced by later ones."""
        return sum(self._dropped.values())

    def stop(self) -> None:
        """Tell all threads to stop, without waiting for them."""
        self._stop.set()

    def close(self) -> None:
        """Stop all threads; further results are lost."""
        self.stop()
        for thread in self._threads:
            # A source that waits for its next item, such as a camera, cannot be interrupted.
            thread.join(timeout=2.0)

    def _read(self) -> None:
        first = self._queues[0]
        try:
            for item in self._items:
                if not self._put(first, item):
                    break
            else:
                self._put(first, _END)
        except BaseException as error:  # raised again in `__next__`
            self._put(first, _Failure(error))
        finally:
            if hasattr(self._items, "close"):
                self._items.close()  # a generator then closes its file or camera

    def _work(self, stage: Callable, source: queue.Queue, target: queue.Queue) -> None:
        while True:
            item = self._get(source)
            if item is _END or isinstance(item, _Failure):
                self._put(target, item)
                return
            try:
                result = stage(item)
            except BaseException as error:  # raised again in `__next__`
                result = _Failure(error)
            if not self._put(target, result) or isinstance(result, _Failure):
                return

    def _work_at_once(self, stage, workers, source: queue.Queue, target: queue.Queue) -> None:
        """Put results that are still being computed, in the order of the items."""
        with ThreadPoolExecutor(workers) as pool:
            while True:
                item = self._get(source)
                last = item is _END or isinstance(item, _Failure)
                try:
                    result = item if last else pool.submit(stage, item)
                except RuntimeError as error:  # At the end of the program.
                    result, last = _Failure(error), True
                if not self._put(target, result) or last:
                    return

    def _put(self, target: queue.Queue, item) -> bool:
        """Whether the item was put; not after `close`."""
        if self._latest and item is not _END and not isinstance(item, _Failure):
            try:
                target.get_nowait()
                self._dropped[target] += 1
            except queue.Empty:
                pass
        while not self._stop.is_set():
            try:
                target.put(item, timeout=_WAIT)
                return True
            except queue.Full:
                continue
        return False

    def _get(self, source: queue.Queue) -> Any:
        while not self._stop.is_set():
            try:
                item = source.get(timeout=_WAIT)
            except queue.Empty:
                continue
            return self._result(item) if isinstance(item, Future) else item
        return _END

    def _result(self, future: Future) -> Any:
        try:
            return future.result()
        except BaseException as error:  # raised again in `__next__`
            return _Failure(error)


@atexit.register
def _close_all() -> None:
    """End the threads before Python does, which would take away what they compute with."""
    for pipeline in list(_RUNNING):
        pipeline.close()
