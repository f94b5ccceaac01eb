"""The daemon's worker processes: each runs one stream at a time, and what has to wait for one waits here.

No more is given to Python's own pool than it has processes: it would start no successor for one that has done its
number of runs while there are tasks in its queue, and be left without any (python/cpython#115634).
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import structlog

log = structlog.get_logger(__name__)


def keep_what_is_loaded() -> None:
    """In a process that has just begun: spare the collector to look through all that was imported again and again."""
    gc.collect()
    gc.freeze()


class Pool:
    """`count` processes, as `make` makes them, that do `work` for streams; `done` is called after each that went well.

    Any thread may use it.
    """

    def __init__(
        self, count: int, make: Callable[[], ProcessPoolExecutor], work: Callable[[int], None], done: Callable[[], None]
    ) -> None:
        self._count, self._make, self._work, self._done = count, make, work, done
        self._processes = make()
        self._running: set[int] = set()
        self._waiting: list[int] = []
        self._lock = threading.RLock()
        self._is_stopped = False

    def run(self, stream_ids: Sequence[int], *, is_all: bool) -> None:
        """Run these streams in their order, each once at a time; before those that wait, unless these are all."""
        with self._lock:
            waiting = [] if is_all else [each for each in self._waiting if each not in stream_ids]
            self._waiting = [each for each in stream_ids if each not in self._running] + waiting
            self._start()

    def stop(self) -> None:
        """Start nothing more."""
        with self._lock:
            self._is_stopped = True

    def close(self) -> None:
        """Start nothing more, and wait for what runs."""
        self.stop()
        self._processes.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._count and not self._is_stopped:
            stream_id = self._waiting.pop(0)
            self._running.add(stream_id)
            try:
                run = self._submit(stream_id)
            except BaseException:
                self._running.discard(stream_id)
                raise
            run.add_done_callback(partial(self._over, stream_id))

    def _submit(self, stream_id: int) -> Future[None]:
        try:
            return self._processes.submit(self._work, stream_id)
        except BrokenProcessPool:
            log.error("a worker process died: starting new ones")
            self._processes.shutdown(wait=False)
            self._processes = self._make()
            return self._processes.submit(self._work, stream_id)

    def _over(self, stream_id: int, run: Future[None]) -> None:
        """What broke off waits for the next tick, and so does the rest: it may have broken what runs it."""
        error = None if run.cancelled() else run.exception()
        with self._lock:
            self._running.discard(stream_id)
            if error is None:
                self._start()
        if error is not None:
            log.error("a run was broken off", stream_id=stream_id, reason=type(error).__name__)
        elif not run.cancelled():
            self._done()
