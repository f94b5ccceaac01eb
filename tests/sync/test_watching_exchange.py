"""Wake-ups over HTTP, with the simulator: many mailboxes on few connections, and all that may happen to these."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.exchange_ews import WatchEWS
from connectors.simulator.simulator import Simulator
from sync import wakes, watch_line, watching
from terracrm.config import Settings
from terracrm.models import Mailbox, MirrorFolder, Stream, utcnow
from terracrm.services import mailboxes
from tests.sync.watching_office import Watching

SQLITE_FIRST = True  # test_wakes has what is asked of the database
FOLDERS = {"mail": "inbox", "contacts": "contacts"}


class Server:
    """A simulator that may be restarted on its port with what it holds, and mailboxes that have been read."""

    def __init__(self, data: Path, sessions: sessionmaker[Session]) -> None:
        self._data, self._sessions = data, sessions
        self._password = data / "password"
        self._password.write_text("secret")
        self.simulator = Simulator(password="secret", data=data)
        self.simulator.start()

    def add(self, *names: str) -> list[str]:
        """Mailboxes here and there, opened by the service account."""
        addresses = [f"{name}@example.test" for name in names]
        store = self.simulator.store
        with self._sessions.begin() as session:
            for address in addresses:
                there = self.simulator.add_mailbox(address)
                here = mailboxes.add(
                    session,
                    address,
                    self.simulator.url,
                    "service@example.test",
                    password_file=self._password,
                    impersonate=True,
                )
                mailboxes.enable(session, here)
                for stream in here.streams:
                    if stream.kind in FOLDERS:
                        remote_id = store.folders.distinguished(there, FOLDERS[stream.kind]).ews_id
                        stream.folders.append(MirrorFolder(remote_id=remote_id, path=stream.kind))
        return addresses

    def deliver(self, name: str) -> None:
        """A mail to a mailbox."""
        address = f"{name}@example.test"
        self.simulator.deliver(f"From: o@shop.test\r\nTo: {address}\r\nSubject: S\r\n\r\nMilk\r\n".encode(), [address])

    def restart(self) -> None:
        """Stop, and start anew on the same port; subscriptions do not survive that."""
        port = int(self.simulator.netloc.rpartition(":")[2])
        self.simulator.stop()
        self.simulator = Simulator(password="secret", data=self._data, port=port)
        self.simulator.start()


@pytest.fixture
def server(tmp_path: Path, sessions: sessionmaker[Session]) -> Iterator[Server]:
    made = Server(tmp_path, sessions)
    yield made
    made.simulator.stop()


@pytest.fixture
def listening(sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Watching]:
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(watch_line, "BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(watch_line, "BACKOFF_MAX_SECONDS", 0.1)
    monkeypatch.setattr(watch_line, "CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr(watching, "REST_SECONDS", 0.02)
    monkeypatch.setattr(wakes, "SPACING_SECONDS", 0.1)
    made = Watching(Settings(), sessions, WatchEWS)
    yield made
    made.stop()


def test_sixty_mailboxes_of_a_service_account_share_three_connections(server: Server, listening: Watching) -> None:
    names = [f"user{number:02}" for number in range(60)]
    addresses = server.add(*names)
    listening.capacity = 25
    watcher = listening.start()
    listening.settled(*addresses)
    assert [len(line.targets) for line in watcher.lines] == [25, 25, 10]
    assert server.simulator.subscriptions.hanging() == 3
    assert server.simulator.requests.count("Subscribe") == 60
    for name in names[::7]:
        server.deliver(name)
    listening.until(lambda: listening.due() == {(name, "mail") for name in names[::7]})
    with listening.sessions.begin() as session:
        session.execute(update(Mailbox).where(Mailbox.address.in_(addresses[1:])).values(is_enabled=False))
    listening.until(lambda: listening.listens(addresses[0]))
    listening.until(lambda: server.simulator.subscriptions.hanging() == 1)


FAULTS: dict[str, dict[str, object]] = {
    "dropped before any answer": {"kind": "drop", "count": 2},
    "cut off in the middle": {"kind": "cut", "count": 2},
    "HTTP 503": {"kind": "unavailable", "count": 2},
    "HTTP 500": {"kind": "internal", "count": 2},
    "busy": {"kind": "server_busy", "milliseconds": 30, "count": 2},
    "an error that nobody knows": {"kind": "error", "code": "ErrorSomethingOdd", "count": 2},
    "HTTP 401": {"kind": "unauthorized", "count": 1},
}


def test_the_watch_comes_back_whatever_happened_to_the_connection(server: Server, listening: Watching) -> None:
    addresses = server.add("anna", "boris")
    listening.start()
    listening.settled(*addresses)
    everything = {(name, kind) for name in ("anna", "boris") for kind in FOLDERS}
    with listening.sessions.begin() as session:
        session.execute(update(Stream).where(Stream.kind == "calendar").values(is_enabled=False))
    for case, fault in FAULTS.items():
        before = max(listening.since().values())
        struck = server.simulator.fault(**{"operation": "GetStreamingEvents", **fault})  # type: ignore[arg-type]
        server.simulator._server.close_connections()
        with listening.sessions.begin() as session:  # meanwhile the runs on schedule go well
            session.execute(update(Stream).values(last_success_at=utcnow() + timedelta(seconds=60)))
        listening.until(
            lambda before=before, struck=struck, fault=fault: (
                struck.hits == fault["count"]
                and listening.listens(*addresses)
                and min(listening.since().values()) > before
            ),
            f"{case}: {listening.errors()}",
        )
        listening.until(lambda: listening.due() == everything, f"{case}: not everything was to be read once")
        listening.rest()
        with listening.sessions.begin() as session:
            session.execute(update(Stream).values(last_success_at=None))
    listening.until(lambda: server.simulator.subscriptions.hanging() == 1)
    time.sleep(0.3)
    listening.rest()
    server.deliver("anna")
    listening.until(lambda: listening.due() == {("anna", "mail")})


def test_a_server_that_lost_the_subscriptions_is_asked_for_new_ones(server: Server, listening: Watching) -> None:
    addresses = server.add("anna", "boris")
    listening.start()
    listening.settled(*addresses)
    for lose in (server.simulator.subscriptions.clear, server.restart):
        lose()
        listening.until(lambda: {name for name, _ in listening.due()} == {"anna", "boris"})
        listening.until(lambda: listening.listens(*addresses))
        listening.rest()
        server.deliver("boris")
        listening.until(lambda: listening.due() == {("boris", "mail")})
        listening.rest()


def test_a_mailbox_that_may_not_be_opened_is_said_and_the_others_go_on(server: Server, listening: Watching) -> None:
    addresses = server.add("anna", "boris")
    with listening.sessions.begin() as session:
        session.execute(update(Mailbox).where(Mailbox.address == addresses[0]).values(address="nobody@example.test"))
    listening.start()
    listening.until(lambda: listening.listens(addresses[1]) and "nobody@example.test" in listening.errors())
    assert "ErrorNonExistentMailbox" in listening.errors()["nobody@example.test"]


def test_a_wrong_password_is_sent_once(server: Server, listening: Watching) -> None:
    server.add("anna", "boris", "vera")
    tries: list[bool] = []
    by_user_name = server.simulator.store.mailboxes.by_user_name
    server.simulator.store.mailboxes.by_user_name = lambda name: tries.append(True) or by_user_name(name)  # type: ignore[method-assign, func-returns-value, assignment]
    server.simulator.password = "another"
    watcher = listening.start()
    listening.until(lambda: len(listening.errors()) == 3)
    for _ in range(5):
        watcher.tick()
    assert len(tries) == 1
    with listening.sessions() as session:  # what the watcher meets is not the runs' business
        assert set(session.scalars(select(Stream.state))) == {"new"}
