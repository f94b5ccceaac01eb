"""The relationship history as profiles, the search and the home page read it: newest first, a page at a time (P1).

Pages continue after a Cursor (keyset), so that page 60 costs what page 1 costs and new entries shift nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, defer

from terracrm.domain.capture import Detail
from terracrm.domain.records import MeetingKind
from terracrm.errors import InvalidInput
from terracrm.models import Activity, ActivityKind, CompanyTimeline, ContactTimeline, Meeting, Message, Task, User
from terracrm.services import access
from terracrm.services.access import Viewer
from terracrm.services.people import Person, others, people_of, speaker

PAGE_SIZE = 30
COUNTED = 200  # entries: counting all of a long history would take longer than the rest of its page
_CURSOR = re.compile(r"(-?\d{1,18})_(\d{1,18})", re.ASCII)
_RESPONSIBLE, _DOER = aliased(User, name="responsible"), aliased(User, name="doer")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What an entry tells of an activity and of a meeting: rows cost half of what objects do.
_SHOWN: tuple[Any, ...] = (
    Activity.id, Activity.kind, Activity.occurred_at, Activity.direction, Activity.subject, Activity.snippet,
    Activity.has_attachments,
)  # fmt: skip
_SHOWN_MEETING = (
    Meeting.activity_id, Meeting.end_at, Meeting.is_all_day, Meeting.is_cancelled, Meeting.location, Meeting.start_date,
    Meeting.end_date, Meeting.series_id, Meeting.recurrence, Meeting.kind,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a history: the entries older than this one come next."""

    occurred_at: datetime
    activity_id: int

    def __str__(self) -> str:
        return f"{(self.occurred_at - _EPOCH) // timedelta(microseconds=1)}_{self.activity_id}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor that was written as `text`; InvalidInput for anything else."""
        found = _CURSOR.fullmatch(text)
        try:
            if found:
                return cls(_EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
        except OverflowError:
            pass
        raise InvalidInput("This position in the history is not valid. Open the page anew.")


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a history is asked for: kinds, one person, from (inclusive) and until (exclusive) in UTC."""

    kinds: frozenset[str] = frozenset()
    contact_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class MeetingFacts:
    """What the history shows of a meeting besides its subject; `is_changed` when it differs from its series."""

    end_at: datetime | None
    is_all_day: bool
    is_cancelled: bool
    location: str
    start_date: date | None
    end_date: date | None
    is_recurring: bool
    is_changed: bool

    @property
    def lasts_days(self) -> bool:
        """Whether it is an event of several whole days."""
        return bool(self.start_date and self.end_date and (self.end_date - self.start_date).days > 1)


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What the history shows of a task besides its subject; `responsible` and `done_by` are names."""

    due_on: date | None
    responsible: str
    done_at: datetime | None
    done_by: str
    is_cancelled: bool

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.done_at is None and not self.is_cancelled


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history. Where `is_readable` is false, only its kind and time are told.

    `only_headers`: of this mail no more than who wrote to whom and when is kept (S6).
    """

    id: int
    kind: str
    occurred_at: datetime
    is_readable: bool
    direction: str = ""
    subject: str = ""
    snippet: str = ""
    has_attachments: bool = False
    people: list[Person] = field(default_factory=list)
    meeting: MeetingFacts | None = None
    task: TaskFacts | None = None
    only_headers: bool = False

    @property
    def speaker(self) -> Person | None:
        """Who wrote the mail or called the meeting."""
        return speaker(self.people)

    @property
    def others(self) -> list[Person]:
        """Those whom it was addressed to."""
        return others(self.people)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of the newest entries of a history are of each kind; `is_more` when there are older ones besides."""

    of: dict[str, int]
    is_more: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first, and where the next page begins; None after the last."""

    entries: list[Entry]
    next: Cursor | None


def of_company(
    session: Session, viewer: Viewer, company_id: int, filters: Filters, after: Cursor | None = None
) -> Page:
    """The history of a company that the viewer sees, with that of its people."""
    rows, known = _of_company(viewer), {"client_id": company_id}
    return _page(session, viewer, rows, known, CompanyTimeline.occurred_at, CompanyTimeline.activity_id, filters, after)


@access.kept
def _of_company(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    rows = select(*_SHOWN).join(CompanyTimeline, CompanyTimeline.activity_id == Activity.id)
    mine = CompanyTimeline.company_id == bindparam("client_id")
    rows = rows.where(mine, access.activities_of_client(viewer))
    return _newest(rows, CompanyTimeline.occurred_at, CompanyTimeline.activity_id)


def of_contact(
    session: Session, viewer: Viewer, contact_id: int, filters: Filters, after: Cursor | None = None
) -> Page:
    """The history of a contact that the viewer sees."""
    rows, known = _of_contact(viewer), {"client_id": contact_id}
    return _page(session, viewer, rows, known, ContactTimeline.occurred_at, ContactTimeline.activity_id, filters, after)


@access.kept
def _of_contact(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    rows = select(*_SHOWN).join(ContactTimeline, ContactTimeline.activity_id == Activity.id)
    mine = ContactTimeline.contact_id == bindparam("client_id")
    rows = rows.where(mine, access.activities_of_client(viewer))
    return _newest(rows, ContactTimeline.occurred_at, ContactTimeline.activity_id)


def everywhere(
    session: Session,
    viewer: Viewer,
    filters: Filters = Filters(),
    after: Cursor | None = None,
    only: Sequence[ColumnElement[bool]] = (),
    limit: int = PAGE_SIZE,
) -> Page:
    """The history of all that the viewer sees, as far as the conditions `only` hold."""
    rows = select(*_SHOWN).where(access.activities(viewer), *only)
    rows = _newest(rows, Activity.occurred_at, Activity.id, limit)
    return _page(session, viewer, rows, {}, Activity.occurred_at, Activity.id, filters, after, limit)


def upcoming_meetings(session: Session, viewer: Viewer, now: datetime, limit: int) -> list[Entry]:
    """The next meetings with clients that the viewer sees, the nearest first."""
    rows = session.execute(
        select(*_SHOWN)
        .where(Activity.kind == ActivityKind.MEETING, Activity.occurred_at > now, access.activities(viewer))
        .where(~exists().where(Meeting.activity_id == Activity.id, Meeting.is_cancelled))
        .order_by(Activity.occurred_at, Activity.id)
        .limit(limit)
    ).all()
    return _entries(session, viewer, rows)


def _newest(
    rows: Select[*tuple[Any, ...]],
    occurred_at: InstrumentedAttribute[datetime],
    activity_id: InstrumentedAttribute[int],
    limit: int = PAGE_SIZE,
) -> Select[*tuple[Any, ...]]:
    """The first so many, and one more that tells whether there are others."""
    return rows.order_by(occurred_at.desc(), activity_id.desc()).limit(limit + 1)


def _page(
    session: Session,
    viewer: Viewer,
    rows: Select[*tuple[Any, ...]],
    known: dict[str, int],
    occurred_at: InstrumentedAttribute[datetime],
    activity_id: InstrumentedAttribute[int],
    filters: Filters,
    after: Cursor | None,
    limit: int = PAGE_SIZE,
) -> Page:
    """One page of the `_newest` of `rows`, which hold only what the viewer may see."""
    if after:
        rows = rows.where(tuple_(occurred_at, activity_id) < (after.occurred_at, after.activity_id))
    if filters.since:
        rows = rows.where(occurred_at >= filters.since)
    if filters.until:
        rows = rows.where(occurred_at < filters.until)
    if filters.kinds:
        rows = rows.where(Activity.kind.in_(filters.kinds))
    if filters.contact_id is not None:
        person = ContactTimeline.__table__.alias()
        took_part = exists().where(person.c.activity_id == Activity.id, person.c.contact_id == filters.contact_id)
        rows = rows.where(took_part)
    found = session.execute(rows, known).all()
    shown = found[:limit]
    rest = Cursor(shown[-1].occurred_at, shown[-1].id) if len(found) > limit else None
    return Page(_entries(session, viewer, shown), rest)


def counts_of_company(session: Session, viewer: Viewer, company_id: int) -> Counts:
    """The newest entries of a company's history by kind, as far as the viewer sees them."""
    return _counts(session, _kinds_of_company(viewer), company_id)


def counts_of_contact(session: Session, viewer: Viewer, contact_id: int) -> Counts:
    """The newest entries of a contact's history by kind, as far as the viewer sees them."""
    return _counts(session, _kinds_of_contact(viewer), contact_id)


@access.kept
def _kinds_of_company(viewer: Viewer) -> Select[str]:
    kinds = select(CompanyTimeline.kind).where(CompanyTimeline.company_id == bindparam("client_id"))
    kinds = _seen(viewer, kinds, CompanyTimeline.activity_id)
    return kinds.order_by(CompanyTimeline.occurred_at.desc(), CompanyTimeline.activity_id.desc()).limit(
        bindparam("count")
    )


@access.kept
def _kinds_of_contact(viewer: Viewer) -> Select[str]:
    kinds = select(ContactTimeline.kind).where(ContactTimeline.contact_id == bindparam("client_id"))
    kinds = _seen(viewer, kinds, ContactTimeline.activity_id)
    return kinds.order_by(ContactTimeline.occurred_at.desc(), ContactTimeline.activity_id.desc()).limit(
        bindparam("count")
    )


def _seen(viewer: Viewer, kinds: Select[str], activity_id: InstrumentedAttribute[int]) -> Select[str]:
    if viewer.sees_all:
        return kinds
    return kinds.join(Activity, Activity.id == activity_id).where(access.activities_of_client(viewer))


def _counts(session: Session, kinds: Select[str], client_id: int) -> Counts:
    found = session.scalars(kinds, {"client_id": client_id, "count": COUNTED + 1}).all()
    counted = Counter(found[:COUNTED])
    return Counts({kind: counted[kind] for kind in ActivityKind}, len(found) > COUNTED)


def page_of_ids(session: Session, viewer: Viewer, ids: Sequence[int]) -> Page:
    """The page that begins with these activities, in this order, all of which the viewer may see; what has gone since
    is left out.
    """
    shown = ids[:PAGE_SIZE]
    found = {row.id: row for row in session.execute(select(*_SHOWN).where(Activity.id.in_(shown)))}
    rows = [found[id_] for id_ in shown if id_ in found]
    rest = Cursor(rows[-1].occurred_at, rows[-1].id) if rows and len(ids) > PAGE_SIZE else None
    return Page(_entries(session, viewer, rows), rest)


def _entries(session: Session, viewer: Viewer, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Entry]:
    if not viewer.reads_content:
        return [Entry(row.id, row.kind, row.occurred_at, is_readable=False) for row in rows]
    ids = [row.id for row in rows]
    people = people_of(session, viewer, ids)
    bare = _of_headers_only(session, [row.id for row in rows if row.kind == ActivityKind.MAIL and not row.subject])
    meetings = _meetings(session, [row.id for row in rows if row.kind == ActivityKind.MEETING])
    tasks = _tasks(session, [row.id for row in rows if row.kind == ActivityKind.TASK])
    return [
        Entry(
            id=row.id,
            kind=row.kind,
            occurred_at=row.occurred_at,
            is_readable=True,
            direction=row.direction,
            subject=row.subject,
            snippet=row.snippet,
            has_attachments=row.has_attachments,
            people=people.get(row.id, []),
            meeting=meetings.get(row.id),
            task=tasks.get(row.id),
            only_headers=row.id in bare,
        )
        for row in rows
    ]


def _of_headers_only(session: Session, activity_ids: list[int]) -> set[int]:
    if not activity_ids:
        return set()
    bare = select(Message.activity_id).where(Message.activity_id.in_(activity_ids), Message.detail == Detail.HEADERS)
    return set(session.scalars(bare))


def _meetings(session: Session, activity_ids: list[int]) -> dict[int, MeetingFacts]:
    if not activity_ids:
        return {}
    rows = session.execute(select(*_SHOWN_MEETING).where(Meeting.activity_id.in_(activity_ids)))
    return {
        row.activity_id: MeetingFacts(
            end_at=row.end_at,
            is_all_day=row.is_all_day,
            is_cancelled=row.is_cancelled,
            location=row.location,
            start_date=row.start_date,
            end_date=row.end_date,
            is_recurring=row.series_id is not None or bool(row.recurrence),
            is_changed=row.series_id is not None and row.kind == MeetingKind.EXCEPTION,
        )
        for row in rows
        if row.activity_id is not None
    }


def _tasks(session: Session, activity_ids: list[int]) -> dict[int, TaskFacts]:
    if not activity_ids:
        return {}
    rows = session.execute(
        select(Task, _RESPONSIBLE.full_name, _RESPONSIBLE.name, _DOER.full_name, _DOER.name)
        .outerjoin(_RESPONSIBLE, _RESPONSIBLE.id == Task.responsible_id)
        .outerjoin(_DOER, _DOER.id == Task.done_by_id)
        .where(Task.activity_id.in_(activity_ids))
        .options(defer(Task.text))
    )
    return {
        row.activity_id: TaskFacts(
            due_on=row.due_on,
            responsible=responsible or login or "",
            done_at=row.done_at,
            done_by=doer or doer_login or "",
            is_cancelled=row.cancelled_at is not None,
        )
        for row, responsible, login, doer, doer_login in rows
    }
