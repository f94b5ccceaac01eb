"""The process that listens to mailboxes, as the daemon sees it, and from within.

A process of its own, with threads in it for the connections: what exchangelib leaves behind over the hours, and
whatever goes wrong while listening, ends with it, and schedule and workers never notice. It hears of the daemon's end,
however that comes, by the end of the pipe between them; the other way goes one byte each time that streams became due.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic

import structlog

from sync import connecting
from sync.watching import TICK_SECONDS, Watcher
from terracrm import logs
from terracrm.config import load
from terracrm.db import make_engine, session_factory

log = structlog.get_logger(__name__)

LIFE_SECONDS = 24 * 3600.0
"""exchangelib grows over long use, so the process is replaced after so long."""
STOP_SECONDS = 3.0
RESTART_SECONDS = 1.0
RESTART_MAX_SECONDS = 60.0


class WatchProcess:
    """Keeps the process alive from a thread; `woken` is called there when streams became due."""

    def __init__(self, config: Path | None, woken: Callable[[], None]) -> None:
        self._config, self._woken = config, woken
        self._context = multiprocessing.get_context("spawn")
        self._stop, self._stopped = self._context.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._keep, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the process, within seconds."""
        self._stopped.close()
        self._thread.join(2 * STOP_SECONDS)

    def _keep(self) -> None:
        failures = 0
        while not self._stop.poll():
            began = monotonic()
            self._serve()
            failures = 0 if monotonic() - began > RESTART_MAX_SECONDS else failures + 1
            if self._stop.poll(min(RESTART_SECONDS * 2 ** min(failures, 10), RESTART_MAX_SECONDS)):
                return
            log.warning("nobody listens to the mailboxes: starting anew")

    def _serve(self) -> None:
        """One process, until it ends or is to end."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=run, args=(self._config, theirs), name="watch", daemon=True)
        process.start()
        theirs.close()
        with ours:
            while self._stop not in (ready := wait([self._stop, ours])):
                try:
                    ours.recv_bytes()
                except (EOFError, OSError):
                    break
                self._woken()
        process.join(STOP_SECONDS if self._stop in ready else RESTART_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def run(config: Path | None, pipe: Connection) -> None:
    """What the process does: a tick of the watcher every few seconds, until its time or the daemon ends.

    It does not return: tidying up all that exchangelib has loaded takes seconds in which the daemon would wait.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the daemon decides
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    settings = load(config)
    logs.configure(settings.log)
    lock = threading.Lock()

    def woken() -> None:
        with lock, suppress(OSError):  # the daemon has gone
            pipe.send_bytes(b"w")

    sessions = session_factory(make_engine(settings.database.url))
    watcher = Watcher(settings, sessions, connecting.watch, connecting.CAPACITY, woken)
    end = monotonic() + LIFE_SECONDS
    try:
        watcher.tick()
        while monotonic() < end and not pipe.poll(TICK_SECONDS):
            watcher.tick()
    except SystemExit:
        log.debug("told to end")
    except Exception:
        log.exception("the watcher failed in an unexpected way")
    watcher.stop()
    sys.stderr.flush()
    os._exit(0)
