"""What the daemon asks of those that get due streams run, its own pool of processes or the queue; and such a run."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import structlog

from sync.connecting import connect
from sync.engine import run_stream
from sync.outcomes import Stopped
from sync.run import Sessions
from terracrm.config import Settings

log = structlog.get_logger(__name__)

RUNS_PER_WORKER: Final = 2_000
"""exchangelib grows over long use, so a process that runs streams is replaced after so many runs."""


class Dispatching(ABC):
    """`tick` looks for due streams, every `tick_seconds`. `soon` takes what is to be called as soon as may be, in the
    thread of the ticks.
    """

    tick_seconds = 2.0

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._is_hurrying = threading.Event()

    @abstractmethod
    def tick(self, *, only_woken: bool = False) -> None:
        """Get run what is due, or what of it was woken; never raises for what will pass."""

    @abstractmethod
    def stop(self) -> None:
        """The daemon is about to stop: what is being run here is to end after its page."""

    @abstractmethod
    def close(self) -> None:
        """The daemon stops; there is no other tick."""

    @property
    def is_active(self) -> bool:
        """Whether it is this daemon that does what only one of them has to do."""
        return True

    def hurry(self) -> None:
        """Streams were woken, or a worker is free for them: look before the next tick. From any thread."""
        if not self._is_hurrying.is_set():
            self._is_hurrying.set()
            self._soon(self._tick_woken)

    def _tick_woken(self) -> None:
        self._is_hurrying.clear()
        self.tick(only_woken=True)


def run_due(settings: Settings, sessions: Sessions, stream_id: int, is_stopping: Callable[[], bool]) -> None:
    """The task of a worker process: run one stream that was handed out, and stop between two pages when told to."""

    def stop_when_told(*_: object) -> None:
        if is_stopping():
            raise Stopped

    summary = run_stream(settings, sessions, stream_id, connect, stop_when_told, is_scheduled=True)
    if summary is not None:
        log.info("stream run", **summary.as_json())
