"""The daemon with real worker processes against the simulator: it mirrors what is due, survives, and stops."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.simulator.simulator import Simulator
from sync import daemon, watch_process
from terracrm.config import load
from terracrm.models import Stream, utcnow
from terracrm.services import mailboxes, stats
from tests.sync import watch_child
from tests.sync.conftest import Office

ADDRESS = "anna@example.test"


def letter(number: int) -> bytes:
    return (
        f"Message-ID: <{number}@lavka.example>\r\nFrom: olga@lavka.example\r\nTo: {ADDRESS}\r\n"
        f"Subject: Letter {number}\r\nDate: Mon, 02 Mar 2026 12:00:00 +0300\r\n\r\nHello {number}\r\n"
    ).encode()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.1)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(domain="example.test", password="secret-word") as running:
        running.add_mailbox(ADDRESS)
        yield running


def test_the_daemon_mirrors_what_is_due_or_told_survives_a_killed_worker_and_stops(
    simulator: Simulator, engine: Engine, sessions: sessionmaker[Session], database_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[database]\nurl = "{database_url}"\n[paths]\ndata_dir = "{tmp_path / "data"}"\n[sync]\nworkers = 1\n'
    )
    secret = tmp_path / "password"
    secret.write_text("secret-word")
    simulator.deliver(letter(1), [ADDRESS])
    with sessions.begin() as session:
        mailbox = mailboxes.add(session, ADDRESS, simulator.url, ADDRESS, password_file=secret)
        mailboxes.enable(session, mailbox)

    def messages() -> int:
        with sessions() as session:
            return int(stats.counts(session)["messages"])

    def make_due() -> None:
        with sessions.begin() as session:
            session.execute(update(Stream).values(due_at=utcnow()))

    def is_at_rest() -> bool:
        with sessions() as session:
            return all(stream.due_at > utcnow() and not stream.claim for stream in session.scalars(select(Stream)))

    stopped = threading.Event()
    running = threading.Thread(target=daemon.run, args=(load(config), config, stopped))
    running.start()
    try:
        wait_for(lambda: messages() == 1)
        for worker in multiprocessing.active_children():
            if worker.name != "watch":
                os.kill(worker.pid or 0, signal.SIGKILL)
        simulator.deliver(letter(2), [ADDRESS])
        make_due()
        wait_for(lambda: messages() == 2)
        wait_for(lambda: "GetStreamingEvents" in simulator.requests)
        time.sleep(0.5)  # until what that made due is read
        wait_for(is_at_rest)
        simulator.deliver(letter(3), [ADDRESS])
        wait_for(lambda: messages() == 3)
    finally:
        stopped.set()
        running.join(30)
    assert not running.is_alive()
    wait_for(lambda: not multiprocessing.active_children())


def test_a_daemon_that_is_about_to_stop_starts_nothing_more(office: Office) -> None:
    dispatcher = daemon.Dispatcher(office.settings, None, office.sessions, lambda _: None)
    with office.sessions.begin() as session:
        session.execute(update(Stream).values(due_at=utcnow()))
    dispatcher.stop()
    dispatcher.tick()
    assert not multiprocessing.active_children()
    dispatcher.close()


def test_nobody_listens_where_the_settings_say_so(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(daemon.WatchProcess, "start", lambda process: made.append(process))
    monkeypatch.setattr(daemon.WatchProcess, "close", lambda process: made.append(process))
    config = tmp_path / "config.toml"
    stopped = threading.Event()
    stopped.set()
    for watch, count in (("false", 0), ("true", 2)):
        config.write_text(
            f'[database]\nurl = "{database_url}"\n[paths]\ndata_dir = "{tmp_path / "data"}"\n[sync]\nwatch = {watch}\n'
        )
        daemon.run(load(config), config, stopped)
        assert len(made) == count


def test_the_process_that_listens_is_started_anew_and_ends_with_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_process, "run", watch_child.run)
    monkeypatch.setattr(watch_process, "RESTART_SECONDS", 0.01)
    woken: list[float] = []
    watch = watch_process.WatchProcess(None, lambda: woken.append(time.monotonic()))
    watch.start()
    try:
        wait_for(lambda: len(woken) == 1)
        [process] = multiprocessing.active_children()
        process.kill()
        wait_for(lambda: len(woken) == 2)
    finally:
        watch.close()
    wait_for(lambda: not multiprocessing.active_children())
