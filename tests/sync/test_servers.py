"""No server is asked for more streams at a time than it may be, by however many workers, and none waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from sync import servers
from sync.engine import run_stream
from sync.schedule import due_streams
from terracrm.models import Mailbox, Stream, utcnow
from tests.sync.conftest import Office

PEOPLE = 6


@pytest.fixture
def busy(office: Office) -> Office:
    """Six mailboxes of one server, which may have two runs at a time; only their mail is mirrored."""
    for number in range(PEOPLE - 2):
        office.add(f"u{number}")
    office.settings.sync.streams_per_server = 2
    with office.sessions.begin() as session:
        session.execute(update(Stream).where(Stream.kind != "mail").values(is_enabled=False))
    return office


class Slow(MemoryConnector):
    """Opening it waits until so many have been opened, or for long enough to see that no more will be."""

    opened: list[str] = []  # noqa: RUF012
    most = 0
    lock = threading.Condition()

    @classmethod
    def open(cls, office: Office) -> Callable[[Account], Connector]:
        cls.opened, cls.most = [], 0

        def connect(account: Account) -> Connector:
            with cls.lock:
                cls.opened.append(account.address)
                cls.most = max(cls.most, len(cls.opened))
                cls.lock.notify_all()
                cls.lock.wait_for(lambda: len(cls.opened) > 2, 1)
            return cls(account, office.server)

        return connect

    def close(self) -> None:
        with self.lock:
            self.opened.pop()


def due(office: Office) -> list[int]:
    with office.sessions() as session:
        return due_streams(session, office.settings)


def test_workers_that_begin_at_the_same_moment_never_pass_the_limit_together(busy: Office) -> None:
    streams, connect = due(busy), Slow.open(busy)
    gate, ran = threading.Barrier(PEOPLE), []

    def work(stream_id: int) -> None:
        gate.wait()
        if run_stream(busy.settings, busy.sessions, stream_id, connect, is_scheduled=True) is not None:
            ran.append(stream_id)

    workers = [threading.Thread(target=work, args=(stream_id,)) for stream_id in streams]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert len(streams) == PEOPLE
    assert (len(ran), Slow.most) == (2, 2)


def test_what_found_its_server_busy_rests_for_a_moment_and_keeps_its_turn(
    busy: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, *rest = due(busy)
    claim(busy.sessions, first, second)
    assert run_stream(busy.settings, busy.sessions, third, busy.connect, is_scheduled=True) is None
    claim(busy.sessions, first, second, until=utcnow() - timedelta(seconds=1))
    assert due(busy) == [first, second, *rest]
    monkeypatch.setattr("sync.schedule.utcnow", lambda: utcnow() + servers.AGAIN)
    assert due(busy) == [first, second, third, *rest]


def test_a_server_without_a_free_place_gets_nothing_and_others_do(busy: Office) -> None:
    first, second, *rest = due(busy)
    with busy.sessions.begin() as session:
        session.execute(update(Mailbox).where(mailbox_of(rest[-1])).values(server="https://other.test/ews"))
    claim(busy.sessions, first, second)
    assert due(busy) == [rest[-1]]


def test_what_is_on_the_queue_counts_and_is_not_handed_out_again(busy: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "AHEAD", 2)
    assert len(due(busy)) == 4
    first, second, *_ = due(busy)
    with busy.sessions.begin() as session:
        soon = utcnow() + timedelta(minutes=1)
        session.execute(update(Stream).where(Stream.id.in_([first, second])).values(queued_until=soon))
    left = due(busy)
    assert len(left) == 2
    assert not {first, second} & set(left)


def test_one_server_is_one_host_however_its_address_is_written(busy: Office) -> None:
    first, second, third, *_ = due(busy)
    claim(busy.sessions, first, second)
    with busy.sessions.begin() as session:
        session.execute(update(Mailbox).where(mailbox_of(third)).values(server="https://MAIL.test/EWS/Exchange.asmx"))
    assert run_stream(busy.settings, busy.sessions, third, busy.connect, is_scheduled=True) is None


def test_a_person_who_runs_a_stream_does_not_wait(busy: Office) -> None:
    first, second, third, *_ = due(busy)
    claim(busy.sessions, first, second)
    assert run_stream(busy.settings, busy.sessions, third, busy.connect) is not None


@pytest.mark.parametrize("what", [Mailbox, Stream])
def test_what_was_switched_off_since_it_was_due_is_not_run(busy: Office, what: type[Mailbox | Stream]) -> None:
    first, *_ = due(busy)
    with busy.sessions.begin() as session:
        session.execute(update(what).values(is_enabled=False))
    assert run_stream(busy.settings, busy.sessions, first, busy.connect, is_scheduled=True) is None


def test_a_run_that_begins_takes_its_mark_away(busy: Office) -> None:
    first, *_ = due(busy)
    with busy.sessions.begin() as session:
        session.execute(update(Stream).values(queued_until=utcnow() + timedelta(minutes=1)))
    assert run_stream(busy.settings, busy.sessions, first, busy.connect, is_scheduled=True) is not None
    with busy.sessions() as session:
        marked = set(session.scalars(select(Stream.id).where(Stream.queued_until.is_not(None))))
    assert first not in marked
    assert marked


def claim(sessions: sessionmaker[Session], *stream_ids: int, until: object = None) -> None:
    """Somebody on another machine runs these."""
    with sessions.begin() as session:
        until = until or utcnow() + timedelta(minutes=5)
        mine = update(Stream).where(Stream.id.in_(stream_ids))
        session.execute(mine.values(claim="elsewhere|1|1|x", claimed_until=until))


def mailbox_of(stream_id: int) -> object:
    return Mailbox.id == select(Stream.mailbox_id).where(Stream.id == stream_id).scalar_subquery()
