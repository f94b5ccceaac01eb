"""The state of mailboxes and their streams, as the portal shows it (Y5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from terracrm.errors import NotFound
from terracrm.models import STOPPED, Mailbox, MirrorFolder, QuarantinedItem, Stream, StreamState, SyncRun
from terracrm.services import access, outbox_list
from terracrm.services.access import Viewer
from terracrm.services.outbox_list import Owed

RUNS_SHOWN = 20
DAY = timedelta(days=1)
SICK = (StreamState.DEGRADED, StreamState.BACKOFF, *STOPPED)


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """One stream. `is_on`: somebody wants it to run; `next_run_at` is None when it does not.

    `lag` is for how long it has been due without being run; `quarantined` items could not be processed; `owed` is what
    it has still to write into Outlook; `broken_off` runs died since the last one that went well.
    """

    stream: Stream
    is_on: bool
    is_running: bool
    next_run_at: datetime | None
    lag: timedelta
    quarantined: int
    owed: Owed
    broken_off: int

    @property
    def is_gaps_alone(self) -> bool:
        """Whether nothing went wrong, and its error only says that a count has found gaps (S14)."""
        return bool(self.stream.gaps) and not self.stream.failures and self.stream.state == StreamState.DEGRADED

    @property
    def troubles(self) -> list[str]:
        """What a person is to be told of its state: the state, or what has made it degraded."""
        if self.stream.state != StreamState.DEGRADED:
            return [self.stream.state]
        found = {"quarantined": self.quarantined, "given_up": self.owed.given_up, "gaps": self.stream.gaps}
        return [name for name, count in found.items() if count] or ["failed"]

    @property
    def backoff_until(self) -> datetime | None:
        """Until when it waits after a failure."""
        return self.next_run_at if self.stream.failures else None


@dataclass(frozen=True, slots=True)
class MailboxHealth:
    """A mailbox with its streams; `owner` is its person or its team, `owed` what is still to be written into it."""

    mailbox: Mailbox
    owner: str
    streams: list[StreamHealth]
    owed: Owed

    @property
    def is_sick(self) -> bool:
        """Whether somebody should look."""
        is_one = any(found.stream.state in SICK or found.quarantined for found in self.streams)
        return self.mailbox.is_enabled and (is_one or bool(self.owed.given_up))


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """A mailbox with the last runs of its streams, newest first."""

    health: MailboxHealth
    runs: list[SyncRun]
    quarantine: list[QuarantinedItem]


def all_mailboxes(session: Session, viewer: Viewer, now: datetime) -> list[MailboxHealth]:
    """The mailboxes that the viewer sees, by address."""
    mailboxes = session.scalars(
        select(Mailbox)
        .options(joinedload(Mailbox.user), joinedload(Mailbox.team), selectinload(Mailbox.streams))
        .where(access.mailboxes(viewer))
        .order_by(Mailbox.address)
    ).all()
    return _health(session, mailboxes, now)


def get(session: Session, viewer: Viewer, mailbox_id: int) -> Mailbox:
    """The mailbox itself; NotFound when there is none or the viewer does not see it."""
    mailbox = session.scalar(select(Mailbox).where(Mailbox.id == mailbox_id, access.mailboxes(viewer)))
    if mailbox is None:
        raise NotFound("There is no such mailbox.")
    return mailbox


def page(session: Session, viewer: Viewer, mailbox_id: int, now: datetime) -> MailboxPage:
    """One mailbox; NotFound when there is none or the viewer does not see it."""
    mailbox = get(session, viewer, mailbox_id)
    runs = session.scalars(
        select(SyncRun)
        .join(SyncRun.stream)
        .options(joinedload(SyncRun.stream))
        .where(Stream.mailbox_id == mailbox_id)
        .order_by(SyncRun.started_at.desc(), SyncRun.id.desc())
        .limit(RUNS_SHOWN)
    )
    quarantine = session.scalars(
        select(QuarantinedItem)
        .join(QuarantinedItem.folder)
        .join(MirrorFolder.stream)
        .options(joinedload(QuarantinedItem.folder))
        .where(Stream.mailbox_id == mailbox_id)
        .order_by(QuarantinedItem.first_seen_at.desc())
        .limit(RUNS_SHOWN)
    )
    return MailboxPage(_health(session, [mailbox], now)[0], list(runs), list(quarantine))


def _health(session: Session, mailboxes: Sequence[Mailbox], now: datetime) -> list[MailboxHealth]:
    rows = session.execute(
        select(MirrorFolder.stream_id, func.count())
        .join(QuarantinedItem, QuarantinedItem.folder_id == MirrorFolder.id)
        .group_by(MirrorFolder.stream_id)
    )
    quarantined = dict(rows.all())
    ids = [mailbox.id for mailbox in mailboxes]
    owed = outbox_list.counts(session, ids)
    of_kind = outbox_list.counts_by_kind(session, ids)
    broken_off = _broken_off(session, now)

    def health(mailbox: Mailbox, stream: Stream) -> StreamHealth:
        key = (mailbox.id, stream.kind)
        found = quarantined.get(stream.id, 0), of_kind.get(key, Owed()), broken_off.get(stream.id, 0)
        return _stream(mailbox, stream, *found, now)

    return [
        MailboxHealth(
            mailbox,
            _owner(mailbox),
            [health(mailbox, stream) for stream in mailbox.streams],
            owed.get(mailbox.id, Owed()),
        )
        for mailbox in mailboxes
    ]


def _broken_off(session: Session, now: datetime) -> dict[int, int]:
    """How many runs of each stream died since its last success, of those of the last day."""
    # A stream in order has no such run to look through: its runs since the last success are few, or one.
    since = func.coalesce(Stream.last_success_at, now - DAY)
    rows = session.execute(
        select(SyncRun.stream_id, func.count())
        .join(Stream, Stream.id == SyncRun.stream_id)
        .where(SyncRun.started_at > now - DAY, SyncRun.started_at >= since, SyncRun.outcome == "broken_off")
        .group_by(SyncRun.stream_id)
    )
    return dict(rows.all())


def _owner(mailbox: Mailbox) -> str:
    if mailbox.user:
        return mailbox.user.full_name or mailbox.user.name
    return mailbox.team.name if mailbox.team else ""


def _stream(
    mailbox: Mailbox, stream: Stream, quarantined: int, owed: Owed, broken_off: int, now: datetime
) -> StreamHealth:
    is_on = mailbox.is_enabled and stream.is_enabled and stream.direction != "off"
    runs = is_on and stream.state not in STOPPED
    is_running = bool(stream.claim and stream.claimed_until and stream.claimed_until > now)
    lag = max(now - stream.due_at, timedelta()) if runs and not is_running else timedelta()
    next_run_at = stream.due_at if runs else None
    return StreamHealth(stream, is_on, is_running, next_run_at, lag, quarantined, owed, broken_off)
