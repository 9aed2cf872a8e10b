"""What all protocols of a server share: the model, the threads, the metrics."""

import asyncio
import contextlib
import logging
import time

from keras_seg.serve.metrics import Metrics
from keras_seg.serve.refusals import RefusedError
from keras_seg.serve.workers import Workers

log = logging.getLogger("keras_seg")

WATCH_SECONDS = 1.0


class Service:
    """Answers requests of any protocol.

    Args:
        versions: `Versions`, whose interpreters are as many as the workers.
        workers: threads that compute at a time.
        max_waiting: requests that may wait for one.

    Attributes:
        versions: the first argument.
        metrics: `Metrics`.
        ready: whether requests are taken; False while the server stops.
    """

    def __init__(self, versions, workers=1, max_waiting=128):
        self.versions, self.ready = versions, True
        self._workers = Workers(workers, max_waiting)
        self.metrics = Metrics(lambda: self._workers.busy, lambda: versions.current.version)

    async def answer(self, protocol, function, *arguments):
        """Compute an answer in a thread, and count it.

        Args:
            protocol: name for the metrics.
            function: called as function(versions, *arguments).
            *arguments: its further arguments.

        Returns:
            its result.

        Raises:
            RefusedError: the request has no result. Other errors are logged.
        """
        start, result = time.perf_counter(), "cancelled"
        try:
            found = await self._workers.run(function, self.versions, *arguments)
            result = "ok"
        except RefusedError as refused:
            result = refused.grpc_status.lower()
            raise
        except Exception as error:
            result = "internal"
            log.exception("A request failed.")
            raise RefusedError("The server failed; its log has the reason.") from error
        finally:
            self.metrics.count(protocol, result, time.perf_counter() - start)
        return found

    async def watch(self):
        """Look for a new version every second, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            # In a thread of its own: loading takes a moment, and requests go on.
            changed = await loop.run_in_executor(None, self.versions.refresh)
            if changed is not None:
                self.metrics.changed(changed)

    @contextlib.asynccontextmanager
    async def running(self):
        """Watch for new versions within the block; then end the threads."""
        watching = asyncio.create_task(self.watch())
        try:
            yield self
        finally:
            self.ready = False
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            self._workers.close()


_current = {}


def current():
    """The service of this process, which `make_current` has named."""
    return _current["service"]


def make_current(service):
    """Name the service of this process, for applications that are made before it.

    Args:
        service: `Service`.
    """
    _current["service"] = service
