"""The daemon: the database says which streams are due, a pool of processes runs them, or the workers of a queue.

APScheduler keeps the time. The tables are the truth: every tick reads which streams are due, and a stream that
another daemon has taken meanwhile does nothing here (the claim decides). A mailbox that tells of a change does not wait
for the tick: see sync.watching. With engine celery `sync.scheduler` hands out what is due.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from sync import stopping
from sync.alerting import LOOK_SECONDS, Alerting
from sync.connecting import connect
from sync.dispatching import RUNS_PER_WORKER, Dispatching, run_due
from sync.pool import Pool, keep_what_is_loaded
from sync.run import Sessions
from sync.schedule import due_streams
from sync.tidying import tidy
from sync.watch_process import WatchProcess
from terracrm import logs
from terracrm.config import Settings, load
from terracrm.db import make_engine, session_factory

log = structlog.get_logger(__name__)

TIDY_HOURS = 24
# Not while everything starts, and even where the daemon is restarted each day.
TIDY_FIRST_AFTER = timedelta(minutes=10)
SIGNAL_SECONDS = 1.0


def run(settings: Settings, config: Path | None, stopped: threading.Event | None = None) -> None:
    """Run until SIGINT or SIGTERM (or `stopped` is set); then each stream finishes its page and goes on next time.

    What does not come to its end within seconds, as with a server that does not answer, is broken off like by a crash:
    what was committed stays, and the claims of processes that ended are free.
    """
    stopped = stopped or threading.Event()
    is_alone = threading.current_thread() is threading.main_thread()
    if is_alone:
        for name in (signal.SIGINT, signal.SIGTERM):
            # From a thread: who waits for the event holds its lock for an instant, and a signal may come just then.
            signal.signal(name, lambda *_: threading.Thread(target=stopped.set).start())
    sessions = session_factory(make_engine(settings.database.url))
    dispatcher = _dispatcher(settings, config, sessions, lambda look: scheduler.add_job(look))
    scheduler = BackgroundScheduler(
        executors={name: ThreadPoolExecutor(1) for name in ("default", "tidying", "alerts")},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone=UTC,
    )
    scheduler.add_job(dispatcher.tick, "interval", seconds=dispatcher.tick_seconds, id="tick")
    scheduler.add_job(
        lambda: tidy_up(settings, sessions, stopped) if dispatcher.is_active else None,
        "interval",
        hours=TIDY_HOURS,
        next_run_time=datetime.now(UTC) + TIDY_FIRST_AFTER,
        id="tidy",
        executor="tidying",
    )
    scheduler.add_job(
        Alerting(settings, sessions, connect).look,
        "interval",
        seconds=LOOK_SECONDS,
        next_run_time=datetime.now(UTC),
        id="alerts",
        executor="alerts",
    )
    watch = WatchProcess(config, dispatcher.hurry) if settings.sync.watch else None
    scheduler.start()
    if watch is not None:
        watch.start()
    log.info("the daemon is running", engine=settings.sync.engine, workers=settings.sync.workers)
    try:
        # Not for ever: a signal that comes just before the wait begins, or to another thread, wakes nobody up.
        while not stopped.wait(SIGNAL_SECONDS):
            pass
    finally:
        log.info("the daemon is stopping")
        with stopping.in_time() if is_alone else nullcontext():
            dispatcher.stop()
            if watch is not None:
                watch.close()
            scheduler.shutdown(wait=True)
            dispatcher.close()


def _dispatcher(
    settings: Settings, config: Path | None, sessions: Sessions, soon: Callable[[Callable[[], None]], object]
) -> Dispatching:
    if settings.sync.engine == "local":
        return Dispatcher(settings, config, sessions, soon)
    # Celery is an extra: who runs all on one machine needs neither the packages nor the time to load them.
    from sync.scheduler import Scheduler

    return Scheduler(settings, sessions, soon)


def tidy_up(settings: Settings, sessions: Sessions, stopped: threading.Event) -> None:
    """Remove what is kept no longer, until the daemon stops; what fails is left for the next day."""
    try:
        tidy(settings, sessions, stopped.is_set)
    except DBAPIError as error:
        log.error("the database could not be tidied; trying again tomorrow", reason=type(error).__name__)


class Dispatcher(Dispatching):
    """Hands due streams to the worker processes, each stream once at a time."""

    tick_seconds = 0.5  # it only reads, and so cheaply that nobody has to wait for longer than his interval

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        sessions: Sessions,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        super().__init__(soon)
        self._settings, self._config, self._sessions = settings, config, sessions
        self._context = multiprocessing.get_context("spawn")
        # The workers hear of the end of the daemon, however that comes, and none that is killed takes a lock along.
        self._told, self._alive = self._context.Pipe(duplex=False)
        self._pool = Pool(settings.sync.workers, self._processes, run_one, self.hurry)

    def tick(self, *, only_woken: bool = False) -> None:
        """Start what is due. A database that is away for a while is tried again at the next tick."""
        try:
            with self._sessions() as session:
                due = due_streams(session, self._settings, only_woken=only_woken)
        except DBAPIError as error:
            log.error("the database cannot be read; trying again", reason=type(error).__name__)
            return
        self._pool.run(due, is_all=not only_woken)

    def stop(self) -> None:
        """Nothing more is run, and each worker ends after its page, or when that takes too long."""
        self._pool.stop()
        self._alive.close()

    def close(self) -> None:
        """Wait for the workers."""
        self._pool.close()

    def _processes(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._settings.sync.workers,
            mp_context=self._context,
            initializer=_start_worker,
            initargs=(self._config, self._told),
            max_tasks_per_child=RUNS_PER_WORKER,
        )


class _Worker:
    """What a worker process keeps between runs."""

    settings: Settings
    sessions: Sessions
    told: Connection


def _start_worker(config: Path | None, told: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the daemon decides
    _Worker.settings = load(config)
    _Worker.told = told
    logs.configure(_Worker.settings.log)
    _Worker.sessions = session_factory(make_engine(_Worker.settings.database.url))
    stopping.end_after_page(told)
    keep_what_is_loaded()


def run_one(stream_id: int) -> None:
    """The task of a worker process."""
    run_due(_Worker.settings, _Worker.sessions, stream_id, _Worker.told.poll)
