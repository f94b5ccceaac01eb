"""The daemon of the distributed engine: puts due streams on the queue, for workers on any machine (`sync.queue`).

Of any number of daemons one reads the schedule: who holds the lease. What a mailbox tells is put on the queue by the
daemon that heard it. Both choose and mark streams in one transaction, so nobody puts a marked stream there again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Final

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from sync import claims, leases, queue
from sync.dispatching import Dispatching
from sync.run import Sessions
from sync.schedule import due_streams
from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.errors import BrokerUnusable
from terracrm.models import Stream, utcnow
from terracrm.services import heartbeats

log = structlog.get_logger(__name__)

LEASE: Final = "scheduler"
LEASE_SECONDS: Final = 20
LOOK_SECONDS: Final = 15.0
"""How often the broker is asked for a sign of life where nothing is sent."""


class Scheduler(Dispatching):
    """`tick` takes or renews the lease, and puts on the queue what is due; `hurry` what was woken, lease or not."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        soon: Callable[[Callable[[], None]], object],
        broker: queue.Broker | None = None,
    ) -> None:
        super().__init__(soon)
        self._settings, self._sessions = settings, sessions
        self._broker = broker or queue.Broker(settings)
        self._holder = claims.new_claim()
        self._is_active = False
        self._is_in_doubt = False  # what was marked may not be on the queue
        self._is_away = False  # the broker
        self._looked_at = -LOOK_SECONDS

    @property
    def is_active(self) -> bool:
        """Whether this daemon reads the schedule."""
        return self._is_active

    def tick(self, *, only_woken: bool = False) -> None:
        """Put on the queue what is due. A database or a broker that is away is tried again at the next tick."""
        try:
            if not only_woken:
                self._lead()
            if (only_woken or self._is_active) and self._is_reached():
                self._put(self._choose(only_woken=only_woken))
        except DBAPIError as error:
            log.error("the database cannot be used; trying again", reason=type(error).__name__)

    def stop(self) -> None:
        """Nothing: what the workers run goes on without the daemon."""

    def close(self) -> None:
        """Give the lease back, so that another daemon goes on at once."""
        try:
            with self._sessions.begin() as session:
                leases.give_back(session, LEASE, self._holder)
            self._broker.close()
        except DBAPIError as error:
            log.warning("the lease could not be given back: it ends by itself", reason=type(error).__name__)

    def _lead(self) -> None:
        with self._sessions() as session, session.begin():
            begin_write(session)
            is_active = leases.take(session, LEASE, self._holder, LEASE_SECONDS)
        if is_active and not self._is_active:
            log.info("this daemon reads the schedule now")
            self._is_in_doubt = True  # whoever did before may have died before it sent
        elif self._is_active and not is_active:
            log.warning("another daemon reads the schedule now")
        self._is_active = is_active

    def _is_reached(self) -> bool:
        """Whether the broker can be used, as far as is known."""
        if not self._is_away and monotonic() - self._looked_at < LOOK_SECONDS:
            return True
        try:
            self._broker.waiting()
        except BrokerUnusable as error:
            self._lost(error)
            return False
        self._looked_at = monotonic()
        if self._is_away:
            log.info("the message broker is back")
            self._is_away, self._is_in_doubt = False, True  # it may have forgotten what was on it
        with self._sessions() as session, session.begin():
            begin_write(session)
            heartbeats.beat(session, heartbeats.BROKER, utcnow())
        return True

    def _choose(self, *, only_woken: bool) -> list[int]:
        """Choose what is due and mark it as handed out, in one transaction."""
        with self._sessions() as session, session.begin():
            begin_write(session)
            if self._is_in_doubt and self._is_active:
                _unmark(session)
            chosen = _mark(session, due_streams(session, self._settings, only_woken=only_woken))
        if self._is_active:
            self._is_in_doubt = False
        return chosen

    def _put(self, chosen: Sequence[int]) -> None:
        left = set(chosen)
        try:
            for stream_id in self._broker.send(chosen):
                left.discard(stream_id)
        except BrokerUnusable as error:
            self._lost(error)
            with self._sessions() as session, session.begin():
                begin_write(session)
                _unmark(session, left)
        else:
            self._looked_at = monotonic() if chosen else self._looked_at

    def _lost(self, error: BrokerUnusable) -> None:
        if not self._is_away:
            log.error("no stream can be put on the queue; trying again", reason=str(error))
        self._is_away = True


def _mark(session: Session, stream_ids: Sequence[int]) -> list[int]:
    """Mark what nobody else has marked meanwhile: these, in the same order."""
    now = utcnow()
    is_free = or_(Stream.queued_until.is_(None), Stream.queued_until <= now)
    marked = session.scalars(
        update(Stream)
        .where(Stream.id.in_(stream_ids), is_free)
        .values(queued_until=now + queue.QUEUED_FOR)
        .returning(Stream.id)
    )
    found = set(marked)
    return [stream_id for stream_id in stream_ids if stream_id in found]


def _unmark(session: Session, stream_ids: Collection[int] | None = None) -> None:
    """Take the marks off these streams, or off all."""
    which = Stream.queued_until.is_not(None) if stream_ids is None else Stream.id.in_(stream_ids)
    session.execute(update(Stream).where(which).values(queued_until=None))
