"""What is kept no longer than the settings say, so that the database does not grow without bound.

Nothing goes that tells why something is here (Y4): the run that brought what is here stays however old it is, and so
does every change of a field (P2). What a person may still undo stays, too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from terracrm.config import Settings
from terracrm.models import (
    Alert,
    AlertMessage,
    AuditEntry,
    Base,
    Conflict,
    Link,
    Plan,
    SenderDecision,
    Stream,
    SyncRun,
    SyncRunItem,
)
from terracrm.services import audit, bulk, plans, sender_decisions
from terracrm.services.conflicts import OPEN

RUN_ITEMS, RUNS, IDLE_RUNS, MOVED_MAIL = "run_items", "runs", "idle_runs", "moved_mail"
PLANS, CONFLICTS, AUDIT = "plans", "conflicts", "audit"
ALERTS, ALERT_MESSAGES = "alerts", "alert_messages"
FETCHED_AT_ONCE = 10_000
COUNTS = ("created", "updated", "deleted", "skipped", "quarantined", "unmatched", "written")


@dataclass(frozen=True, slots=True)
class Aged:
    """What of one kind is too old: rows of which all `conditions` hold, and whose ids none of `named_by` says.

    What is named are runs; of these the last of each stream stays, too.
    """

    kind: str
    table: type[Any]
    conditions: tuple[ColumnElement[bool], ...]
    named_by: tuple[Any, ...] = ()


def aged(settings: Settings, now: datetime) -> list[Aged]:
    """Each kind of things that does not stay for ever, in the order in which they go."""
    return list(_aged(settings, now))


def count(session: Session, found: Aged) -> int:
    """How many rows are too old."""
    return session.scalar(select(func.count()).select_from(_query(found).subquery())) or 0


def find(session: Session, found: Aged, limit: int, after: int = 0) -> tuple[array[int], int | None]:
    """The ids of rows that are too old, the oldest first, among the first `limit` whose conditions hold and whose ids
    come `after`; and after which id others come, None when there are none.

    What could name them is read through once, whatever the limit: a large one is cheaper, at 8 bytes a row.
    """
    id_ = found.table.id
    met = select(id_).where(*found.conditions, id_ > after).order_by(id_)
    last = session.scalar(met.offset(limit - 1).limit(1))
    ids = session.scalars(_query(found, after, last).order_by(id_).execution_options(yield_per=FETCHED_AT_ONCE))
    return array("q", ids), last


def remove(session: Session, found: Aged, ids: Sequence[int]) -> int:
    """Remove those of these rows that are still too old; how many. Of the audit log a line says that it was cut."""
    these = delete(found.table).where(bulk.one_of(found.table.id, ids), *found.conditions)
    gone = session.connection().execute(these).rowcount
    if gone and found.table is AuditEntry:
        audit.was_cut(session, gone, max(ids))
    return gone


def _query(found: Aged, after: int = 0, until: int | None = None) -> Select[int]:
    def within(id_: ColumnElement[int]) -> ColumnElement[bool]:
        return id_ > after if until is None else and_(id_ > after, id_ <= until)

    query = select(found.table.id).where(*found.conditions, within(found.table.id))
    if not found.named_by:
        return query
    # A join is what both databases do in one pass; the columns that name runs have no index of their own.
    sources = (select(column.label("id")).where(within(column)) for column in found.named_by)
    named = union(_last_of_streams(), *sources).subquery()
    return query.outerjoin(named, named.c.id == found.table.id).where(named.c.id.is_(None))


def _aged(settings: Settings, now: datetime) -> Iterator[Aged]:
    keep = settings.retention
    is_idle = and_(SyncRun.outcome == "ok", *(getattr(SyncRun, name) == 0 for name in COUNTS))
    if keep.runs_days:
        yield Aged(PLANS, Plan, (_is_settled(), Plan.made_at < now - timedelta(days=keep.runs_days)))
        old = _over(now - timedelta(days=keep.runs_days))
        yield Aged(RUN_ITEMS, SyncRunItem, (SyncRunItem.run_id.in_(select(SyncRun.id).where(*old)),))
        yield Aged(RUNS, SyncRun, (*old, ~is_idle), _sources())
    if keep.idle_runs_days:
        old = _over(now - timedelta(days=keep.idle_runs_days))
        yield Aged(IDLE_RUNS, SyncRun, (*old, is_idle), (*_sources(), SyncRunItem.run_id))
    if keep.moved_mail_days:
        yield Aged(MOVED_MAIL, Link, _moved_before(now - timedelta(days=keep.moved_mail_days)))
    if keep.conflicts_days:
        since = now - timedelta(days=keep.conflicts_days)
        yield Aged(CONFLICTS, Conflict, (Conflict.state != OPEN, Conflict.decided_at < since))
    if keep.runs_days:
        since = now - timedelta(days=keep.runs_days)
        yield Aged(ALERTS, Alert, (Alert.cleared_at < since,))
        is_left = or_(AlertMessage.sent_at < since, AlertMessage.given_up_at < since)
        yield Aged(ALERT_MESSAGES, AlertMessage, (is_left,))
    if keep.audit_days:
        since = now - timedelta(days=keep.audit_days)
        yield Aged(AUDIT, AuditEntry, (AuditEntry.at < since, ~_undoes_a_decision()))


def _over(since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Runs that ended and began before."""
    return SyncRun.finished_at.is_not(None), SyncRun.started_at < since


def _is_settled() -> ColumnElement[bool]:
    """Plans that wait for no decision, and for no run that would do what was approved."""
    return or_(and_(Plan.cause == plans.COMMAND, Plan.state == plans.OPEN), Plan.state.not_in(plans.PENDING))


def _last_of_streams() -> Select[int | None]:
    """By their beginnings: the index of a stream's runs has them, so that not all runs are read."""
    newest = (
        select(SyncRun.id).where(SyncRun.stream_id == Stream.id).order_by(SyncRun.started_at.desc(), SyncRun.id.desc())
    )
    return select(newest.limit(1).scalar_subquery().label("id")).select_from(Stream)


def _sources() -> tuple[Any, ...]:
    """The columns in which something that is here names the run that it came from, in whatever table."""
    return tuple(
        column
        for table in Base.metadata.sorted_tables
        if table is not SyncRunItem.__table__
        for column in table.columns
        if column.name.endswith("run_id")
    )


def _moved_before(since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Where mail was that has been elsewhere in the same mailbox since, and is still there.

    Of other items the tombstones stay: they say that a client's card was deleted, and is not to be put back.
    """
    there = aliased(Link)
    same = there.mailbox_id == Link.mailbox_id, there.entity == Link.entity, there.local_id == Link.local_id
    is_there = exists().where(*same, there.gone_at.is_(None))
    return Link.entity == "message", Link.gone_at < since, Link.untracked_at.is_(None), is_there


def _undoes_a_decision() -> ColumnElement[bool]:
    """Lines that say what a decision about a sender changed: taking it back needs them."""
    is_in_force = SenderDecision.id == AuditEntry.entity_id
    decided = AuditEntry.action == sender_decisions.DECIDED, AuditEntry.entity == sender_decisions.ENTITY
    return exists().where(*decided, is_in_force)
