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
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.simulator.simulator import Simulator
from sync import daemon
from terracrm.config import load
from terracrm.models import Stream, utcnow
from terracrm.services import mailboxes, stats

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


def test_the_daemon_mirrors_what_is_due_survives_a_killed_worker_and_stops(
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

    stopped = threading.Event()
    running = threading.Thread(target=daemon.run, args=(load(config), config, stopped))
    running.start()
    try:
        wait_for(lambda: messages() == 1)
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGKILL)
        simulator.deliver(letter(2), [ADDRESS])
        make_due()
        wait_for(lambda: messages() == 2)
    finally:
        stopped.set()
        running.join(30)
    assert not running.is_alive()
    wait_for(lambda: not multiprocessing.active_children())
