"""Which streams are to be run: due ones for the daemon, named ones for the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from sync import claims, servers
from terracrm.config import Settings
from terracrm.models import STOPPED, UNREAD, Mailbox, Stream, StreamState, utcnow
from terracrm.services import outbox

ORDER = {"contacts": 0, "calendar": 1, "mail": 2, "tasks": 3, "posts": 4}
OFF = "off"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TURN = func.row_number().over(partition_by=Mailbox.server, order_by=(Stream.due_at, Stream.id))
_READY = (
    select(Stream.id, Stream.mailbox_id, Stream.kind, Stream.due_at, Stream.claim, Stream.claimed_until, Mailbox.server)
    .add_columns(_TURN.label("turn"))
    .join(Stream.mailbox)
    .where(
        Mailbox.is_enabled,
        Stream.is_enabled,
        Stream.direction != OFF,
        Stream.state.not_in(UNREAD),
        or_(
            Stream.due_at <= bindparam("now"),
            and_(
                Stream.mailbox_id.in_(bindparam("owed", expanding=True)),
                Stream.failures == 0,
                Stream.state != StreamState.APPROVAL,
            ),
        ),
        or_(Stream.queued_until.is_(None), Stream.queued_until <= bindparam("now")),
    )
)


def _first(ready: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Of each server so many of these streams as matter, the longest waiting first."""
    rows = ready.subquery()
    return select(rows).where(rows.c.turn <= bindparam("most")).order_by(rows.c.due_at, rows.c.id)


# Made once: this is asked all the time, and making it takes longer than answering it.
_DUE = _first(_READY)
_WOKEN = _first(_READY.where(Stream.woken_at > func.coalesce(Stream.last_run_at, LONG_AGO)))


def due_streams(session: Session, settings: Settings, *, only_woken: bool = False) -> list[int]:
    """The streams whose time has come, the longest waiting first; claimed ones are left to their living worker.

    That of a stream comes, too, when something is owed to Outlook for so long that no more changes are waited for;
    but not while the stream backs off or waits for approval. `only_woken`: those that were woken since they last ran.
    Not what is on the queue already, and no more of a server than it has places for (`servers`).
    """
    now = utcnow()
    owed = outbox.due_mailboxes(session, now - timedelta(seconds=settings.outlook.write_delay_seconds))
    limit = settings.sync.streams_per_server
    asked = {"now": now, "owed": [mailbox_id for mailbox_id, _ in owed], "most": servers.most(limit)}
    found = session.execute(_WOKEN if only_woken else _DUE, asked).all()

    def is_due(row: Row[*tuple[Any, ...]]) -> bool:
        if row.due_at <= now:
            return True
        return (row.mailbox_id, row.kind) in owed and outbox.may_write(session.get_one(Stream, row.id))

    places = servers.Places(session, limit) if found else None
    return [row.id for row in found if places and is_due(row) and claims.is_free(row) and places.take(row.server)]


def is_handed_out(session: Session, stream_id: int) -> bool:
    """Whether the stream was put on the queue and has not been run since."""
    return session.scalar(select(Stream.queued_until).where(Stream.id == stream_id)) is not None


def chosen_streams(session: Session, mailbox: str | None, kind: str | None) -> list[int]:
    """The streams that a person asks to run now: of one mailbox, of one kind, or all that are enabled.

    A stream in back-off is left alone unless its mailbox is named; one that waits for a person is never tried
    (a wrong password tried again and again locks the account). People first, so that mail finds them.
    """
    now = utcnow()
    found = [
        stream
        for stream in _enabled(session, mailbox, kind)
        if stream.state not in STOPPED
        and (mailbox is not None or stream.state != StreamState.BACKOFF or stream.due_at <= now)
    ]
    return [stream.id for stream in sorted(found, key=lambda s: ORDER.get(s.kind, len(ORDER)))]


def waiting_streams(session: Session, mailbox: str | None, kind: str | None, chosen: list[int]) -> list[Stream]:
    """The enabled streams that `chosen_streams` left out, because they wait for a person or for their server."""
    return [stream for stream in _enabled(session, mailbox, kind) if stream.id not in chosen]


def _enabled(session: Session, mailbox: str | None, kind: str | None) -> list[Stream]:
    query = (
        select(Stream)
        .join(Mailbox)
        .where(Mailbox.is_enabled, Stream.is_enabled, Stream.direction != OFF)
        .order_by(Mailbox.address, Stream.id)
    )
    if mailbox is not None:
        query = query.where(Mailbox.address == mailbox)
    if kind is not None:
        query = query.where(Stream.kind == kind)
    return list(session.scalars(query))
