"""The daemon: streams become due by the database, APScheduler runs them in worker processes.

The tables are the truth: every tick reads which streams are due. APScheduler's job store is in memory, one job
a stream at most, and a job that another daemon has taken meanwhile does nothing (the claim decides).
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from datetime import UTC
from functools import lru_cache
from pathlib import Path

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.jobstores.base import ConflictingIdError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from sync.connecting import connect
from sync.engine import Sessions, run_stream
from sync.schedule import due_streams
from terracrm import logs
from terracrm.config import Settings, load
from terracrm.db import make_engine, session_factory

log = structlog.get_logger(__name__)

TICK_SECONDS = 2
# exchangelib grows over long use, so a worker process is replaced after so many runs.
RUNS_PER_WORKER = 200


def run(settings: Settings, config: Path | None, stopped: threading.Event | None = None) -> None:
    """Run until SIGINT or SIGTERM (or `stopped` is set): what a page is doing is finished first."""
    stopped = stopped or threading.Event()
    _stop_on_signals(stopped)
    sessions = session_factory(make_engine(settings.database.url))
    scheduler = _scheduler(settings)
    running: set[int] = set()
    scheduler.add_listener(_forgetter(running), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(
        _tick(scheduler, sessions, config, running),
        "interval",
        seconds=TICK_SECONDS,
        id="tick",
        executor="ticks",
        coalesce=True,
        max_instances=1,
    )
    scheduler.start()
    log.info("the daemon is running", workers=settings.sync.workers)
    try:
        stopped.wait()
    finally:
        log.info("the daemon is stopping")
        scheduler.shutdown(wait=True)


def run_one(config: Path | None, stream_id: int) -> None:
    """The job of a worker process: run one stream with this process's own settings and database."""
    settings, sessions = _worker(config)
    summary = run_stream(settings, sessions, stream_id, connect)
    if summary is not None:
        words = summary.as_json()
        log.info("stream run", **words)


@lru_cache(maxsize=1)
def _worker(config: Path | None) -> tuple[Settings, Sessions]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the daemon decides
    settings = load(config)
    logs.configure(settings.log)
    return settings, session_factory(make_engine(settings.database.url))


def _scheduler(settings: Settings) -> BackgroundScheduler:
    pool = {"mp_context": multiprocessing.get_context("spawn"), "max_tasks_per_child": RUNS_PER_WORKER}
    return BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={
            "default": ProcessPoolExecutor(settings.sync.workers, pool_kwargs=pool),
            "ticks": ThreadPoolExecutor(1),
        },
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone=UTC,
    )


def _tick(
    scheduler: BackgroundScheduler, sessions: Sessions, config: Path | None, running: set[int]
) -> Callable[[], None]:
    def tick() -> None:
        try:
            with sessions() as session:
                due = due_streams(session)
        except DBAPIError as error:
            log.error("the database cannot be read; trying again", error=type(error).__name__)
            return
        for stream_id in due:
            if stream_id not in running:
                try:
                    scheduler.add_job(run_one, id=f"stream-{stream_id}", args=[config, stream_id])
                    running.add(stream_id)
                except ConflictingIdError:
                    continue

    return tick


def _forgetter(running: set[int]) -> Callable[[JobExecutionEvent], None]:
    def forget(event: JobExecutionEvent) -> None:
        if event.job_id.startswith("stream-"):
            running.discard(int(event.job_id.removeprefix("stream-")))
            if event.exception:
                log.error("a worker died", stream=event.job_id, error=type(event.exception).__name__)

    return forget


def _stop_on_signals(stopped: threading.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stopped.set())
