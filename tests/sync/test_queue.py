"""The two ends of the queue: what a worker makes of a message, and what is said of a broker that is not there."""

from __future__ import annotations

import multiprocessing
import os
import select as ready
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from amqp.exceptions import AccessRefused
from billiard.exceptions import WorkerLostError
from celery.exceptions import WorkerShutdown
from celery.worker.consumer import Consumer
from kombu import Connection
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from sync import claims, daemon, dispatching, queue, stopping
from terracrm.config import Settings
from terracrm.errors import BrokerUnusable
from terracrm.models import Stream, SyncRun, utcnow
from tests.sync.conftest import Office
from tests.sync.items import mail

SECRET = "s3cret"
AWAY = {"redis": f"redis://:{SECRET}@127.0.0.1:1/0", "rabbitmq": f"amqp://crm:{SECRET}@127.0.0.1:1//"}


@pytest.fixture
def worker(office: Office, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[queue._Worker]:
    """One process of a worker, over the mailboxes in memory."""
    monkeypatch.setattr(dispatching, "connect", office.connect)
    monkeypatch.setattr(queue.state, "should_stop", None)
    office.settings.database.url = database_url
    made = queue._Worker(office.settings)
    made.start()
    yield made
    assert made._sessions is not None
    made._sessions.kw["bind"].dispose()


def queued(office: Office, kind: str = "mail") -> int:
    """A stream that was put on the queue."""
    with office.sessions.begin() as session:
        stream_id = session.scalars(select(Stream.id).where(Stream.kind == kind).limit(1)).one()
        session.execute(update(Stream).values(queued_until=utcnow() + timedelta(minutes=1)))
        return stream_id


def outcomes(office: Office) -> list[str]:
    with office.sessions() as session:
        return list(session.scalars(select(SyncRun.outcome)))


def test_a_message_is_a_run(office: Office, worker: queue._Worker) -> None:
    worker.run(queued(office))
    assert outcomes(office) == ["ok"]


def test_a_message_that_comes_again_is_none(office: Office, worker: queue._Worker) -> None:
    stream_id = queued(office)
    for _ in range(3):
        worker.run(stream_id)
    assert outcomes(office) == ["ok"]


def test_a_worker_that_is_to_stop_finishes_its_page_and_the_stream_is_due_at_once(
    office: Office, worker: queue._Worker
) -> None:
    folder = office.folder("anna", "Inbox")
    for number in range(3):
        office.server.put(folder, mail(f"m{number}"))
    office.settings.mirror.page_size = 1
    worker.stop()
    assert queue.state.should_stop == 0
    stream_id = queued(office)
    worker.run(stream_id)
    assert outcomes(office) == ["stopped"]
    with office.sessions() as session:
        assert session.get_one(Stream, stream_id).due_at <= utcnow()


@pytest.mark.parametrize(
    ("role", "seconds", "code"), [("forked", "PAGE_SECONDS", 1), ("end_in_time", "STOP_SECONDS", 0)]
)
def test_what_hangs_is_broken_off_some_time_after_the_worker_was_stopped(
    office: Office, monkeypatch: pytest.MonkeyPatch, role: str, seconds: str, code: int
) -> None:
    monkeypatch.setattr(stopping, seconds, 0.1)
    worker = queue._Worker(office.settings)
    hears, tells = multiprocessing.Pipe(duplex=False)

    def hang() -> None:
        getattr(worker, role)()
        tells.send("ready")
        if role == "end_in_time":
            worker.stop()
        time.sleep(90)

    process = multiprocessing.get_context("fork").Process(target=hang)
    process.start()
    assert hears.recv() == "ready"
    worker.stop()
    process.join(60)
    assert process.exitcode == code


def test_a_process_that_dies_keeps_nothing_claimed(office: Office, worker: queue._Worker) -> None:
    host = claims.new_claim().split("|")[0]
    dead, elsewhere, mine = f"{host}|{os.getpid()}|not its start|x", "elsewhere|1|1|x", claims.new_claim()
    with office.sessions.begin() as session:
        ids = list(session.scalars(select(Stream.id).order_by(Stream.id)))
        for stream_id, claim in zip(ids, (dead, elsewhere, mine), strict=False):
            values = {"claim": claim, "claimed_until": utcnow() + timedelta(hours=1)}
            session.execute(update(Stream).where(Stream.id == stream_id).values(values))
    worker.lost(ValueError("no process died"))
    assert claimed(office.sessions) == [dead, elsewhere, mine]
    worker.lost(WorkerLostError("gone"))
    assert claimed(office.sessions) == [elsewhere, mine]


def test_a_database_that_is_away_ends_no_worker(office: Office) -> None:
    office.settings.database.url = "postgresql+psycopg://root@127.0.0.1:1/none"
    worker = queue._Worker(office.settings)
    worker.start()
    with structlog.testing.capture_logs() as lines:
        worker.run(1)
        worker.free_dead()
    assert [line["log_level"] for line in lines] == ["error", "error"]


@pytest.mark.parametrize("kind", AWAY)
def test_a_broker_that_is_away_is_told_without_its_password(kind: str) -> None:
    settings = Settings()
    settings.sync.broker_url = SecretStr(AWAY[kind])
    broker = queue.Broker(settings)
    for ask in (broker.waiting, lambda: list(broker.send([1]))):
        with pytest.raises(
            BrokerUnusable, match=r"The message broker 127\.0\.0\.1:1 cannot be reached: .*refused"
        ) as said:
            ask()
        assert SECRET not in str(said.value)
    broker.close()


def test_a_worker_that_the_broker_refuses_ends_with_one_line(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Connection) -> None:
        raise AccessRefused("Login was refused")

    monkeypatch.setattr(Connection, "connect", refuse)
    office.settings.sync.broker_url = SecretStr(AWAY["rabbitmq"])
    with pytest.raises(BrokerUnusable, match=r"127\.0\.0\.1:1 refuses us: mend sync\.broker_url: .*Login was refused"):
        queue.work(office.settings, 1)


def test_a_worker_that_the_broker_refuses_later_stops_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AccessRefused("Login was refused")

    monkeypatch.setattr(Consumer, "ensure_connected", refuse)
    consumer, stopped = object.__new__(queue._Consumer), []
    consumer._address, consumer._stop = "mq.example:5672", lambda: stopped.append(True)
    with pytest.raises(WorkerShutdown) as ended:
        consumer.ensure_connected(Connection(AWAY["rabbitmq"]))
    assert (ended.value.code, stopped) == (1, [True])


def test_nothing_but_json_is_taken_from_the_queue() -> None:
    settings = Settings()
    settings.sync.broker_url = SecretStr(AWAY["redis"])
    assert queue.make_app(settings).conf.accept_content == ["json"]


def test_without_its_packages_the_engine_says_what_to_install(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sync.queue", "sync.scheduler"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("sync.queue", raising=False)
    monkeypatch.setitem(sys.modules, "celery", None)
    office.settings.sync.engine = "celery"
    with pytest.raises(BrokerUnusable, match=r"install terracrm\[celery\]"):
        daemon.run(office.settings, None)


@pytest.mark.postgres
def test_a_worker_without_its_broker_waits_says_no_password_and_stops_when_told(
    migrated_postgres: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[database]\nurl = "{migrated_postgres}"\n[paths]\ndata_dir = "{tmp_path / "data"}"\n'
        f'[sync]\nengine = "celery"\nbroker_url = "{AWAY["rabbitmq"]}"\n'
    )
    command = [sys.executable, "-m", "terracrm", "--debug", "--config", str(config), "worker", "--concurrency", "1"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TERRACRM_")}
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert worker.stdout is not None
    said, deadline = b"", time.monotonic() + 60
    try:
        while b"Cannot connect" not in said:
            assert ready.select([worker.stdout], [], [], max(deadline - time.monotonic(), 0))[0], said.decode()
            part = os.read(worker.stdout.fileno(), 65536)
            assert part, said.decode()
            said += part
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=60)
    finally:
        worker.kill()
    said += rest
    assert worker.returncode == 0, said.decode()
    assert b"the worker has stopped" in said
    assert SECRET.encode() not in said


def claimed(sessions: sessionmaker[Session]) -> list[str]:
    with sessions() as session:
        return list(session.scalars(select(Stream.claim).where(Stream.claim != "").order_by(Stream.id)))
