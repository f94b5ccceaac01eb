"""How processes that were told to stop end within seconds, whatever hangs: a server, a mail to admins, the database.

They end like by a crash then, which nothing minds (invariant 2).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from time import sleep

import structlog

log = structlog.get_logger(__name__)

PAGE_SECONDS = 9.0
"""So long a page may take of each stream that is being run."""
STOP_SECONDS = 12.0
"""So long all of it may take."""


def end_after_page(stopping: Connection) -> None:
    """End this process, which runs streams, a while after the other end of the pipe was closed: 1."""
    threading.Thread(target=_end_after_page, args=(stopping,), daemon=True).start()


def end_in_time(stopping: Connection) -> None:
    """The same for the process that has started those: 0."""
    threading.Thread(target=_end_in_time, args=(stopping,), daemon=True).start()


@contextmanager
def in_time() -> Iterator[None]:
    """End this process when what is done here takes too long: 0."""
    timer = threading.Timer(STOP_SECONDS, _end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end_after_page(stopping: Connection) -> None:
    wait([stopping])
    sleep(PAGE_SECONDS)
    log.warning("a run is broken off: its page has taken too long")
    os._exit(1)


def _end_in_time(stopping: Connection) -> None:
    wait([stopping])
    sleep(STOP_SECONDS)
    _end()


def _end() -> None:
    log.warning("this ends although something is still under way: it is done again after the next start")
    os._exit(0)
