"""Threads that compute, behind a queue of limited length."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from keras_seg.serve.refusals import BusyError


class Workers:
    """Runs functions in a fixed number of threads, for an event loop.

    A request whose client has gone is taken out of the queue.

    Args:
        count: threads.
        max_waiting: requests that may wait for a thread.
    """

    def __init__(self, count, max_waiting=128):
        self.count, self.max_waiting, self.busy = count, max_waiting, 0
        self._pool = ThreadPoolExecutor(count, "serve")

    async def run(self, function, *arguments):
        """Run a function in a thread.

        Args:
            function: the function.
            *arguments: its arguments.

        Returns:
            its result.

        Raises:
            BusyError: too many requests wait.
        """
        if self.busy >= self.count + self.max_waiting:
            raise BusyError(
                f"This server lets {self.max_waiting} requests wait. Received: one more. "
                "Repeat it later."
            )
        self.busy += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, function, *arguments)
        finally:
            self.busy -= 1

    def close(self):
        """Wait for running functions, and end the threads."""
        self._pool.shutdown(cancel_futures=True)
