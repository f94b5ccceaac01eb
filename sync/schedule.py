"""Which streams are to be run: due ones for the daemon, named ones for the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select, true
from sqlalchemy.orm import Session

from sync import claims
from terracrm.config import Settings
from terracrm.models import STOPPED, UNREAD, Mailbox, Stream, StreamState, utcnow
from terracrm.services import outbox

ORDER = {"contacts": 0, "calendar": 1, "mail": 2, "tasks": 3, "posts": 4}
OFF = "off"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def due_streams(session: Session, settings: Settings, *, only_woken: bool = False) -> list[int]:
    """The streams whose time has come, the longest waiting first; claimed ones are left to their living worker.

    That of a stream comes, too, when something is owed to Outlook for so long that no more changes are waited for;
    but not while the stream backs off or waits for approval. `only_woken`: those that were woken since they last ran.
    """
    now = utcnow()
    owed = outbox.due_mailboxes(session, now - timedelta(seconds=settings.outlook.write_delay_seconds))
    may_write = (Stream.failures == 0) & (Stream.state != StreamState.APPROVAL)
    is_owed = Stream.mailbox_id.in_({mailbox_id for mailbox_id, _ in owed}) & may_write
    found = session.scalars(
        select(Stream)
        .join(Mailbox)
        .where(
            Mailbox.is_enabled,
            Stream.is_enabled,
            Stream.direction != OFF,
            Stream.state.not_in(UNREAD),
            or_(Stream.due_at <= now, is_owed),
            Stream.woken_at > func.coalesce(Stream.last_run_at, LONG_AGO) if only_woken else true(),
        )
        .order_by(Stream.due_at, Stream.id)
        .execution_options(populate_existing=True)
    )
    return [
        stream.id
        for stream in found
        if (stream.due_at <= now or ((stream.mailbox_id, stream.kind) in owed and outbox.may_write(stream)))
        and claims.is_free(stream)
    ]


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
