"""How many streams of one server are run at a time, by the workers of all machines together (sync.streams_per_server).

A server is the host in the address of the mailbox. Who begins a run counts the living claims of the server's streams in
the transaction in which it claims its own, one after the other: so two of them never both take the last place.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sync import claims
from terracrm.models import CLAIMED, Mailbox, Stream, utcnow

AGAIN: Final = timedelta(seconds=3)
"""When a stream that found its server busy is looked at again. It keeps its turn: who waits longest comes first."""
AHEAD: Final = 25
"""So many streams are handed out for each place that is free at a server: most runs find nothing and take no time."""
_LOCKS: Final = 0x5EC5
"""The first half of the numbers of our locks; the second half says which server."""


def host_of(address: str) -> str:
    """The server behind the address of a mailbox."""
    return urlsplit(address).netloc.lower() or address


def lock(session: Session, address: str) -> None:
    """Until the transaction ends nobody else begins a run at this server. Of SQLite there is one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(host_of(address)))))


def running(session: Session) -> Counter[str]:
    """How many streams of each server are being run."""
    query = select(Mailbox.server, Stream.claim, Stream.claimed_until).join(Stream.mailbox).where(CLAIMED)
    return Counter(host_of(row.server) for row in session.execute(query) if not claims.is_free(row))


def is_full(session: Session, address: str, limit: int) -> bool:
    """Whether so many streams of the server are being run as may be; the caller holds its lock."""
    return running(session)[host_of(address)] >= limit


def most(limit: int) -> int:
    """Of so many streams of a server at most it matters whether they may be handed out: some of them are being run."""
    return (AHEAD + 1) * limit


class Places:
    """How many streams may be handed out now, server by server."""

    def __init__(self, session: Session, limit: int) -> None:
        self._limit, self._running = limit, running(session)
        on_queue = select(Mailbox.server, func.count()).join(Stream.mailbox).where(Stream.queued_until > utcnow())
        self._out: Counter[str] = Counter()
        for address, count in session.execute(on_queue.group_by(Mailbox.server)):
            self._out[host_of(address)] += count

    def take(self, address: str) -> bool:
        """Whether a stream of this server may be handed out; then it is counted."""
        host = host_of(address)
        if self._out[host] >= AHEAD * (self._limit - self._running[host]):
            return False
        self._out[host] += 1
        return True
