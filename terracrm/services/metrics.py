"""How the mirror is doing in numbers, for monitoring (G4, Y5): all from the tables, so every process tells the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, case, func, select, text
from sqlalchemy.orm import Session

from terracrm.models import (
    STOPPED,
    Alert,
    Conflict,
    Heartbeat,
    Mailbox,
    MirrorFolder,
    OutboxItem,
    QuarantinedItem,
    SkippedItem,
    Stream,
    SyncRun,
)
from terracrm.services import heartbeats, watches
from terracrm.services.conflicts import OPEN
from terracrm.services.outbox import GIVEN_UP, OWED

RECENT = timedelta(hours=1)
"""Runs and what they did are counted for this long: they do not stay for ever, so a total would fall."""
ITEMS = ("created", "updated", "deleted", "skipped", "written")


@dataclass(frozen=True, slots=True)
class StreamNumbers:
    """One stream. `is_on`: somebody wants it to run. Ages and waits are in seconds.

    `success_age` is None before the first success. `lag`: for how long it has been due without being run, 0 while it
    waits for a person. `backoff`: how long it still waits after a failure.
    """

    mailbox: str
    stream: str
    is_on: bool
    state: str
    success_age: float | None
    lag: float
    backoff: float
    failures: int
    quarantined: int
    skipped_due: int


@dataclass(frozen=True, slots=True)
class OutboxNumbers:
    """What is owed to a mailbox of one kind of things; `oldest` in seconds, 0 when nothing has to be written by now."""

    mailbox: str
    entity: str
    owed: int
    given_up: int
    oldest: float


@dataclass(frozen=True, slots=True)
class RunNumbers:
    """The runs of a stream with one outcome that began in the last hour, and what they did, by the words of `ITEMS`."""

    mailbox: str
    stream: str
    outcome: str
    runs: int
    items: dict[str, int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """All of it. `conflicts` are the open ones by the address of the mailbox, "" for none.

    `told_at_once`: whether a mailbox tells of its changes by itself, of those that are mirrored. `daemon_age` are the
    seconds since a daemon was seen, None for never; `queued` streams are on the queue of the distributed engine, and
    `broker_age` are the seconds since its message broker was reached, None for never; `alerts` those that were told
    and last, by rule.
    """

    streams: list[StreamNumbers]
    outbox: list[OutboxNumbers]
    runs: list[RunNumbers]
    conflicts: dict[str, int]
    told_at_once: dict[str, bool]
    database_bytes: int
    daemon_age: float | None
    queued: int
    broker_age: float | None
    alerts: dict[str, int]


def read(session: Session, now: datetime) -> Numbers:
    """The numbers as they are now, by eleven queries however many mailboxes there are."""
    ages = _ages(session, now)
    return Numbers(
        streams=_streams(session, now),
        outbox=_outbox(session, now),
        runs=_runs(session, now),
        conflicts=_conflicts(session),
        told_at_once=watches.told_at_once(session, now),
        database_bytes=_size(session),
        daemon_age=ages.get(heartbeats.DAEMON),
        queued=session.scalar(select(func.count()).select_from(Stream).where(Stream.queued_until > now)) or 0,
        broker_age=ages.get(heartbeats.BROKER),
        alerts=_alerts(session),
    )


def _streams(session: Session, now: datetime) -> list[StreamNumbers]:
    by_stream = select(MirrorFolder.stream_id, func.count()).group_by(MirrorFolder.stream_id)
    sick = _counted(session, by_stream.join(QuarantinedItem, QuarantinedItem.folder_id == MirrorFolder.id))
    is_due = SkippedItem.is_due, MirrorFolder.gone_at.is_(None)
    due = _counted(session, by_stream.join(SkippedItem, SkippedItem.folder_id == MirrorFolder.id).where(*is_due))
    rows = session.execute(select(Stream, Mailbox).join(Stream.mailbox).order_by(Mailbox.address, Stream.id))
    return [_stream(stream, mailbox, sick.get(stream.id, 0), due.get(stream.id, 0), now) for stream, mailbox in rows]


def _counted(session: Session, query: Select[int, int]) -> dict[int, int]:
    return dict(session.execute(query).all())


def _stream(stream: Stream, mailbox: Mailbox, quarantined: int, skipped_due: int, now: datetime) -> StreamNumbers:
    is_on = mailbox.is_enabled and stream.is_enabled and stream.direction != "off"
    runs = is_on and stream.state not in STOPPED
    is_running = bool(stream.claim and stream.claimed_until and stream.claimed_until > now)
    wait = (stream.due_at - now).total_seconds()
    return StreamNumbers(
        mailbox=mailbox.address,
        stream=stream.kind,
        is_on=is_on,
        state=stream.state,
        success_age=(now - stream.last_success_at).total_seconds() if stream.last_success_at else None,
        lag=max(-wait, 0.0) if runs and not is_running else 0.0,
        backoff=max(wait, 0.0) if runs and stream.failures else 0.0,
        failures=stream.failures,
        quarantined=quarantined,
        skipped_due=skipped_due,
    )


def _outbox(session: Session, now: datetime) -> list[OutboxNumbers]:
    is_owed = OutboxItem.state == OWED
    rows = session.execute(
        select(
            Mailbox.address,
            OutboxItem.entity,
            func.count(case((is_owed & (OutboxItem.owed_since <= now), 1))),
            func.count(case((OutboxItem.state == GIVEN_UP, 1))),
            func.min(case((is_owed, OutboxItem.owed_since))),
        )
        .join(OutboxItem.mailbox)
        .group_by(Mailbox.address, OutboxItem.entity)
        .order_by(Mailbox.address, OutboxItem.entity)
    )
    return [
        OutboxNumbers(
            address, entity, owed, given_up, max((now - oldest).total_seconds(), 0.0) if oldest is not None else 0.0
        )
        for address, entity, owed, given_up, oldest in rows
    ]


def _runs(session: Session, now: datetime) -> list[RunNumbers]:
    # Each stream's last hour is looked up by the index, instead of reading through all the runs that are kept.
    latest = SyncRun.stream_id.in_(select(Stream.id)), SyncRun.started_at > now - RECENT
    sums = [func.sum(getattr(SyncRun, name)) for name in ITEMS]
    rows = session.execute(
        select(Mailbox.address, Stream.kind, SyncRun.outcome, func.count(), *sums)
        .join(SyncRun.stream)
        .join(Stream.mailbox)
        .where(*latest)
        .group_by(Mailbox.address, Stream.kind, SyncRun.outcome)
        .order_by(Mailbox.address, Stream.kind, SyncRun.outcome)
    )
    return [
        RunNumbers(address, kind, outcome, runs, {name: int(count) for name, count in zip(ITEMS, done, strict=True)})
        for address, kind, outcome, runs, *done in rows
    ]


def _conflicts(session: Session) -> dict[str, int]:
    rows = session.execute(
        select(func.coalesce(Mailbox.address, ""), func.count())
        .select_from(Conflict)
        .outerjoin(Mailbox, Mailbox.id == Conflict.mailbox_id)
        .where(Conflict.state == OPEN)
        .group_by(Mailbox.address)
    )
    return dict(rows.all())


def _ages(session: Session, now: datetime) -> dict[str, float]:
    """The seconds since each heart beat."""
    return {row.name: max((now - row.at).total_seconds(), 0.0) for row in session.scalars(select(Heartbeat))}


def _alerts(session: Session) -> dict[str, int]:
    is_open = Alert.raised_at.is_not(None), Alert.over_at.is_(None), Alert.cleared_at.is_(None)
    return dict(session.execute(select(Alert.rule, func.count()).where(*is_open).group_by(Alert.rule)).all())


def _size(session: Session) -> int:
    """The bytes of the database; of SQLite's file, without its journal."""
    if session.get_bind().dialect.name == "postgresql":
        return session.scalar(text("SELECT pg_database_size(current_database())")) or 0
    return session.scalar(text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")) or 0
