"""The scheduler of the distributed engine: one of many reads the schedule, and nothing is lost with a broker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from sync import claims, leases, queue, scheduler
from sync.scheduler import LEASE, Scheduler
from terracrm.errors import BrokerUnusable
from terracrm.models import Heartbeat, Lease, Stream, utcnow
from terracrm.services import heartbeats
from tests.sync.conftest import Office

STREAMS = 6
ELSEWHERE = "elsewhere|1|1|x"


class Broker:
    """A queue in memory; `room` is how many messages it still takes before it goes away."""

    def __init__(self) -> None:
        self.messages: list[int] = []
        self.room = 10**6

    def waiting(self) -> int:
        if not self.room:
            raise BrokerUnusable("The message broker mq.test cannot be reached: gone")
        return len(self.messages)

    def send(self, stream_ids: Sequence[int]) -> Iterator[int]:
        for stream_id in stream_ids:
            self.waiting()
            self.messages.append(stream_id)
            self.room -= 1
            yield stream_id

    def close(self) -> None:
        """Nothing to do."""


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def daemon(office: Office, broker: Broker) -> Scheduler:
    return daemon_of(office, broker)


def daemon_of(office: Office, broker: Broker) -> Scheduler:
    return Scheduler(office.settings, office.sessions, lambda look: look(), broker)  # type: ignore[arg-type]


def marked(office: Office) -> int:
    with office.sessions() as session:
        return len(session.scalars(select(Stream.id).where(Stream.queued_until > utcnow())).all())


def test_what_is_due_is_put_on_the_queue_once(office: Office, daemon: Scheduler, broker: Broker) -> None:
    for _ in range(3):
        daemon.tick()
    assert sorted(broker.messages) == sorted(set(broker.messages))
    assert (len(broker.messages), marked(office)) == (STREAMS, STREAMS)


def test_what_nobody_has_taken_for_a_while_is_put_there_again(
    office: Office, daemon: Scheduler, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.tick()
    now = utcnow() + queue.QUEUED_FOR
    for module in ("sync.schedule", "sync.scheduler", "sync.servers"):
        monkeypatch.setattr(f"{module}.utcnow", lambda: now)
    daemon.tick()
    assert len(broker.messages) == 2 * STREAMS


def test_of_two_daemons_one_reads_the_schedule(office: Office, broker: Broker) -> None:
    one, other = daemon_of(office, broker), daemon_of(office, Broker())
    one.tick()
    other.tick()
    assert (one.is_active, other.is_active) == (True, False)
    one.tick()
    assert (one.is_active, other.is_active) == (True, False)


def test_a_daemon_that_stops_lets_another_one_go_on_at_once(office: Office, broker: Broker) -> None:
    one, other = daemon_of(office, broker), daemon_of(office, broker)
    one.tick()
    one.close()
    other.tick()
    assert other.is_active


def test_a_daemon_takes_over_from_one_that_died_and_sends_what_that_may_not_have_sent(
    office: Office, daemon: Scheduler, broker: Broker
) -> None:
    with office.sessions.begin() as session:
        assert leases.take(session, LEASE, ELSEWHERE, 60)
        session.execute(update(Stream).values(queued_until=utcnow() + timedelta(minutes=1)))
    daemon.tick()
    assert (daemon.is_active, broker.messages) == (False, [])
    end_lease(office.sessions, timedelta(seconds=1))
    daemon.tick()
    assert (daemon.is_active, len(broker.messages)) == (True, STREAMS)


def test_one_that_was_thought_dead_notices_that_another_has_the_lease(office: Office, broker: Broker) -> None:
    one, other = daemon_of(office, broker), daemon_of(office, broker)
    one.tick()
    end_lease(office.sessions, timedelta(seconds=1))
    other.tick()
    one.tick()
    assert (one.is_active, other.is_active) == (False, True)


def test_what_a_standby_hears_of_is_sent_by_it_at_once(office: Office, broker: Broker) -> None:
    one, other = daemon_of(office, broker), daemon_of(office, broker)
    one.tick()
    broker.messages.clear()
    with office.sessions.begin() as session:
        values = {"queued_until": None, "woken_at": utcnow(), "due_at": utcnow()}
        session.execute(update(Stream).where(Stream.kind == "mail").values(values))
    other.hurry()
    assert len(broker.messages) == 2
    assert not other.is_active


def test_a_broker_that_goes_away_costs_nothing_and_one_line(office: Office, daemon: Scheduler, broker: Broker) -> None:
    broker.room = 2
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            daemon.tick()
        assert (len(broker.messages), marked(office)) == (2, 2)
        broker.messages.clear()  # it has forgotten them
        broker.room = 10**6
        daemon.tick()
    assert sorted(broker.messages) == sorted(set(broker.messages))
    assert (len(broker.messages), marked(office)) == (STREAMS, STREAMS)
    said = [line["event"] for line in lines if line["log_level"] != "debug"]
    assert said == [
        "this daemon reads the schedule now",
        "no stream can be put on the queue; trying again",
        "the message broker is back",
    ]


def test_it_is_known_since_when_the_broker_was_not_reached(
    office: Office, daemon: Scheduler, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.tick()
    with office.sessions.begin() as session:
        assert heartbeats.last(session, heartbeats.BROKER) is not None
        session.execute(update(Heartbeat).values(at=utcnow() - timedelta(hours=1)))
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 0.0)
    broker.room = 0
    daemon.tick()
    with office.sessions() as session:
        assert utcnow() - (heartbeats.last(session, heartbeats.BROKER) or utcnow()) > timedelta(minutes=59)
    broker.room = 10**6
    daemon.tick()
    with office.sessions() as session:
        assert utcnow() - (heartbeats.last(session, heartbeats.BROKER) or utcnow()) < timedelta(minutes=1)


def test_a_lease_is_renewed_when_half_of_it_is_over(session: Session) -> None:
    mine = claims.new_claim()
    assert leases.take(session, LEASE, mine, 60)
    first = until(session)
    assert leases.take(session, LEASE, mine, 60)
    assert until(session) == first
    session.execute(update(Lease).values(until=first - timedelta(seconds=40)))
    assert leases.take(session, LEASE, mine, 60)
    assert until(session) >= first


def test_the_lease_of_a_process_of_this_machine_that_died_is_free(session: Session) -> None:
    host = claims.new_claim().split("|")[0]
    assert leases.take(session, LEASE, f"{host}|{os.getpid()}|not its start|x", 60)
    assert leases.take(session, LEASE, claims.new_claim(), 60)


def test_a_lease_does_not_hang_on_the_clock_of_this_machine(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert leases.take(session, LEASE, ELSEWHERE, 60)
    monkeypatch.setattr(claims, "utcnow", lambda: utcnow() + timedelta(days=1))
    assert not leases.take(session, LEASE, claims.new_claim(), 60)


def end_lease(sessions: sessionmaker[Session], ago: timedelta) -> None:
    with sessions.begin() as session:
        session.execute(update(Lease).values(until=utcnow() - ago))


def until(session: Session) -> datetime:
    return session.execute(select(Lease.until)).scalar_one()
