"""What a wake-up writes: which streams it makes due, and who is said to listen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from sync import wakes, watched
from sync.daemon import Dispatcher
from sync.schedule import due_streams
from sync.wakes import Wakes
from sync.watched import Status
from terracrm.models import Mailbox, MailboxWatch, Stream, StreamState, utcnow
from terracrm.services import mailboxes
from tests.sync.clients_office import stream_of
from tests.sync.conftest import DOMAIN, Office
from tests.sync.watching_office import LATER

ANNA = f"anna@{DOMAIN}"


def set_streams(sessions: sessionmaker[Session], **values: object) -> None:
    with sessions.begin() as session:
        session.execute(update(Stream).values(**values))


STREAMS: dict[str, tuple[dict[str, object], bool]] = {
    "in good health": ({"state": StreamState.OK}, True),
    "not read yet": ({"state": StreamState.NEW}, True),
    "with items in quarantine": ({"state": StreamState.DEGRADED}, True),
    "backing off": ({"state": StreamState.BACKOFF, "failures": 1}, False),
    "failing in an odd way": ({"state": StreamState.DEGRADED, "failures": 3}, False),
    "with a wrong password": ({"state": StreamState.CREDENTIALS}, False),
    "paused": ({"state": StreamState.PAUSED}, False),
    "waiting for approval": ({"state": StreamState.APPROVAL}, True),
    "switched off": ({"is_enabled": False}, False),
    "without a direction": ({"direction": "off"}, False),
}


def test_a_stream_is_woken_only_when_it_may_run(office: Office) -> None:
    with office.sessions.begin() as session:
        stream = session.scalars(select(Stream)).first()
        assert stream is not None
        for case, (values, is_woken) in STREAMS.items():
            before = {name: getattr(stream, name) for name in (*values, "due_at", "woken_at")}
            session.execute(update(Stream).where(Stream.id == stream.id).values(**values, due_at=LATER, woken_at=None))
            assert wakes.wake(session, [stream.id], utcnow()) == is_woken, case
            session.refresh(stream)
            assert stream.woken_at is not None, case
            assert (stream.due_at < LATER) == is_woken, case
            session.execute(update(Stream).where(Stream.id == stream.id).values(**before))
        session.execute(update(Mailbox).values(is_enabled=False))
        session.execute(update(Stream).values(due_at=LATER))
        assert not wakes.wake(session, [stream.id], utcnow())


def test_a_stream_that_is_woken_while_it_runs_is_due_again_behind_the_run(office: Office) -> None:
    def woken_meanwhile(account: Account) -> Connector:
        with office.sessions.begin() as session:
            wakes.wake(session, session.scalars(select(Stream.id)).all(), utcnow())
        return MemoryConnector(account, office.server)

    office.run("anna", "mail", woken_meanwhile)
    with office.sessions() as session:
        assert stream_of(session, "anna", "mail").due_at <= utcnow()
    office.run("anna", "mail")
    with office.sessions() as session:
        assert stream_of(session, "anna", "mail").due_at > utcnow()


def test_a_burst_wakes_a_stream_once_and_once_behind_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, woken = [100.0], []
    monkeypatch.setattr(wakes, "monotonic", lambda: clock[0])
    office.run("anna", "mail")
    with office.sessions() as session:
        mailbox = mailboxes.get(session, ANNA)
        folders = [row.remote_id for stream in mailbox.streams for row in stream.folders if not row.is_excluded]
    set_streams(office.sessions, due_at=LATER)

    def awake() -> None:
        woken.append(clock[0])
        set_streams(office.sessions, due_at=LATER)

    collecting = Wakes(office.sessions, awake)
    for number in range(20):
        collecting.tell(mailbox.id, [folders[number % len(folders)]])
        collecting._write({mailbox.id: collecting._told.pop(mailbox.id)}, {})
        clock[0] += 0.04
    assert woken == [100.0]
    assert collecting._until_next() == pytest.approx(0.2)
    for clock[0] in (100.9, 101.1, 103.0):
        collecting._write({}, {})
    assert woken == [100.0, 101.1]
    assert collecting._until_next() is None


def test_a_mailbox_is_held_by_one_until_it_is_given_back(office: Office) -> None:
    with office.sessions.begin() as session:
        ids = set(session.scalars(select(Mailbox.id)))
        assert watched.is_free(session, "there|1|2|a", ids)
        watched.hold(session, "there|1|2|a", dict.fromkeys(ids, Status(utcnow())))
    with office.sessions.begin() as session:
        assert not watched.is_free(session, "there|1|2|b", ids)
        watched.hold(session, "there|1|2|b", dict.fromkeys(ids, Status(error="mine")))
        assert watched.held(session, "there|1|2|a") == ids
        watched.hold(session, "there|1|2|a", {min(ids): Status(utcnow())})  # the other is not to be listened to now
    with office.sessions.begin() as session:
        watched.hold(session, "there|1|2|b", dict.fromkeys(ids, Status(error="mine")))
        assert watched.held(session, "there|1|2|b") == ids - {min(ids)}
        session.execute(update(MailboxWatch).values(claimed_until=utcnow()))  # the first one is gone without a word
        watched.hold(session, "there|1|2|b", dict.fromkeys(ids, Status(error="mine")))
        assert watched.held(session, "there|1|2|b") == ids


def test_before_the_tick_only_what_was_woken_since_its_last_run_is_started(office: Office) -> None:
    for kind in ("mail", "contacts"):
        office.run("anna", kind)
    with office.sessions.begin() as session:
        session.execute(update(Stream).values(due_at=utcnow()))  # the two, and those that never ran
        wakes.wake(session, [stream_of(session, kind="mail").id], utcnow())
    with office.sessions() as session:
        assert due_streams(session, office.settings, only_woken=True) == [stream_of(session, kind="mail").id]
        assert len(due_streams(session, office.settings)) > 3
    office.run("anna", "mail")
    set_streams(office.sessions, due_at=utcnow())
    with office.sessions() as session:
        assert due_streams(session, office.settings, only_woken=True) == []


def test_the_daemon_is_asked_once_for_many_wakes(office: Office) -> None:
    asked: list[Callable[[], None]] = []
    dispatcher = Dispatcher(office.settings, None, office.sessions, asked.append)
    try:
        set_streams(office.sessions, due_at=LATER)
        for _ in range(5):
            dispatcher.hurry()
        assert len(asked) == 1
        asked[0]()
        dispatcher.hurry()
        assert len(asked) == 2
    finally:
        dispatcher.close()
