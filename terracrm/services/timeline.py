"""The relationship history as profiles, the search and the home page read it: newest first, a page at a time (P1).

Pages continue after a Cursor (keyset), so that page 60 costs what page 1 costs and new entries shift nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Row, Select, and_, bindparam, exists, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from terracrm.domain.capture import Detail
from terracrm.domain.records import MeetingKind
from terracrm.errors import InvalidInput
from terracrm.models import Activity, ActivityKind, CompanyTimeline, ContactTimeline, Meeting, Message, Task, User
from terracrm.services import access, bulk, rows
from terracrm.services.access import Viewer
from terracrm.services.merged import Entity
from terracrm.services.people import Person, others, people_of, speaker

PAGE_SIZE = 30
COUNTED = 100  # entries: counting all of a long history would take longer than the rest of its page
MAX_ID = 2**63 - 1  # the databases take no larger one
Timeline = type[CompanyTimeline] | type[ContactTimeline]
# Where the history of a client of each kind is, and which column says whose it is.
_OF_CLIENT: dict[Entity, tuple[Timeline, InstrumentedAttribute[int]]] = {
    "company": (CompanyTimeline, CompanyTimeline.company_id),
    "contact": (ContactTimeline, ContactTimeline.contact_id),
}
_CURSOR = re.compile(r"(-?\d{1,18})_(\d{1,19})", re.ASCII)
_RESPONSIBLE, _DOER = aliased(User, name="responsible"), aliased(User, name="doer")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What an entry tells of an activity, in the order in which it tells it.
_SHOWN: tuple[Any, ...] = (
    Activity.id, Activity.kind, Activity.occurred_at, Activity.direction, Activity.subject, Activity.snippet,
    Activity.has_attachments,
)  # fmt: skip
_IDS: BindParameter[Any] = bindparam("ids")
_BARE = select(Message.activity_id).where(bulk.one_of(Message.activity_id, _IDS), Message.detail == Detail.HEADERS)
_MEETINGS: Select[*tuple[Any, ...]] = select(
    Meeting.activity_id, Meeting.end_at, Meeting.is_all_day, Meeting.is_cancelled, Meeting.location, Meeting.start_date,
    Meeting.end_date, or_(Meeting.series_id.is_not(None), func.coalesce(Meeting.recurrence, "") != ""),
    and_(Meeting.series_id.is_not(None), Meeting.kind == MeetingKind.EXCEPTION),
).where(bulk.one_of(Meeting.activity_id, _IDS))  # fmt: skip
_TASKS = (
    select(
        Task.activity_id,
        Task.due_on,
        func.coalesce(func.nullif(_RESPONSIBLE.full_name, ""), _RESPONSIBLE.name, ""),
        Task.done_at,
        func.coalesce(func.nullif(_DOER.full_name, ""), _DOER.name, ""),
        Task.cancelled_at,
    )
    .outerjoin(_RESPONSIBLE, _RESPONSIBLE.id == Task.responsible_id)
    .outerjoin(_DOER, _DOER.id == Task.done_by_id)
    .where(bulk.one_of(Task.activity_id, _IDS))
)


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
            if found and int(found[2]) <= MAX_ID:
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


class Entry(NamedTuple):
    """One entry of the history. Where `is_readable` is false, only its kind and time are told.

    `only_headers`: of this mail no more than who wrote to whom and when is kept (S6). A tuple as Person is.
    """

    id: int
    kind: str
    occurred_at: datetime
    is_readable: bool
    direction: str = ""
    subject: str = ""
    snippet: str = ""
    has_attachments: bool = False
    people: Sequence[Person] = ()
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


def of_client(
    session: Session, viewer: Viewer, entity: Entity, client_id: int, filters: Filters, after: Cursor | None = None
) -> Page:
    """The history of a client that the viewer sees; that of a company with that of its people."""
    table, _ = _OF_CLIENT[entity]
    newest, known = _histories(viewer)[entity], {"client_id": client_id}
    return _page(session, viewer, newest, known, table.occurred_at, table.activity_id, filters, after)


@access.kept
def _histories(viewer: Viewer) -> dict[Entity, Select[*tuple[Any, ...]]]:
    found = {}
    for entity, (table, mine) in _OF_CLIENT.items():
        history = select(*_SHOWN).join(table, table.activity_id == Activity.id)
        seen = history.where(mine == bindparam("client_id"), access.activities_of_client(viewer))
        found[entity] = _newest(seen, table.occurred_at, table.activity_id)
    return found


def everywhere(
    session: Session,
    viewer: Viewer,
    filters: Filters = Filters(),
    after: Cursor | None = None,
    only: Sequence[ColumnElement[bool]] = (),
    limit: int = PAGE_SIZE,
) -> Page:
    """The history of all that the viewer sees, as far as the conditions `only` hold."""
    seen = select(*_SHOWN).where(access.activities(viewer), *only)
    newest = _newest(seen, Activity.occurred_at, Activity.id, limit)
    return _page(session, viewer, newest, {}, Activity.occurred_at, Activity.id, filters, after, limit)


def upcoming_meetings(session: Session, viewer: Viewer, now: datetime, limit: int) -> list[Entry]:
    """The next meetings with clients that the viewer sees, the nearest first."""
    nearest = (
        select(*_SHOWN)
        .where(Activity.kind == ActivityKind.MEETING, Activity.occurred_at > now, access.activities(viewer))
        .where(~exists().where(Meeting.activity_id == Activity.id, Meeting.is_cancelled))
        .order_by(Activity.occurred_at, Activity.id)
        .limit(limit)
    )
    return _entries(session, viewer, rows.fetch(session, nearest))


def _newest(
    seen: Select[*tuple[Any, ...]],
    occurred_at: InstrumentedAttribute[datetime],
    activity_id: InstrumentedAttribute[int],
    limit: int = PAGE_SIZE,
) -> Select[*tuple[Any, ...]]:
    """The first so many, and one more that tells whether there are others."""
    return seen.order_by(occurred_at.desc(), activity_id.desc()).limit(limit + 1)


def _page(
    session: Session,
    viewer: Viewer,
    newest: Select[*tuple[Any, ...]],
    known: dict[str, int],
    occurred_at: InstrumentedAttribute[datetime],
    activity_id: InstrumentedAttribute[int],
    filters: Filters,
    after: Cursor | None,
    limit: int = PAGE_SIZE,
) -> Page:
    """One page of the `newest`, which hold only what the viewer may see."""
    if after:
        newest = newest.where(tuple_(occurred_at, activity_id) < (after.occurred_at, after.activity_id))
    if filters.since:
        newest = newest.where(occurred_at >= filters.since)
    if filters.until:
        newest = newest.where(occurred_at < filters.until)
    if filters.kinds:
        newest = newest.where(Activity.kind.in_(filters.kinds))
    if filters.contact_id is not None:
        person = ContactTimeline.__table__.alias()
        took_part = exists().where(person.c.activity_id == Activity.id, person.c.contact_id == filters.contact_id)
        newest = newest.where(took_part)
    found = rows.fetch(session, newest, known)
    shown = found[:limit]
    rest = Cursor(shown[-1].occurred_at, shown[-1].id) if len(found) > limit else None
    return Page(_entries(session, viewer, shown), rest)


def counts_of_client(session: Session, viewer: Viewer, entity: Entity, client_id: int) -> Counts:
    """The newest entries of a client's history by kind, as far as the viewer sees them."""
    found = rows.fetch(session, _kinds(viewer)[entity], {"client_id": client_id, "count": COUNTED + 1})
    counted = Counter(kind for (kind,) in found[:COUNTED])
    return Counts({kind: counted[kind] for kind in ActivityKind}, len(found) > COUNTED)


@access.kept
def _kinds(viewer: Viewer) -> dict[Entity, Select[str]]:
    found = {}
    for entity, (table, mine) in _OF_CLIENT.items():
        kinds = select(table.kind).where(mine == bindparam("client_id"))
        if not viewer.sees_all:
            kinds = kinds.join(Activity, Activity.id == table.activity_id).where(access.activities_of_client(viewer))
        found[entity] = kinds.order_by(table.occurred_at.desc(), table.activity_id.desc()).limit(bindparam("count"))
    return found


def page_of_ids(session: Session, viewer: Viewer, ids: Sequence[int]) -> Page:
    """The page that begins with these activities, in this order, all of which the viewer may see; what has gone since
    is left out.
    """
    shown = ids[:PAGE_SIZE]
    found = {row.id: row for row in rows.fetch(session, select(*_SHOWN).where(Activity.id.in_(shown)))}
    there = [found[id_] for id_ in shown if id_ in found]
    rest = Cursor(there[-1].occurred_at, there[-1].id) if there and len(ids) > PAGE_SIZE else None
    return Page(_entries(session, viewer, there), rest)


def _entries(session: Session, viewer: Viewer, shown: Sequence[Row[*tuple[Any, ...]]]) -> list[Entry]:
    if not viewer.reads_content:
        return [Entry(id_, kind, occurred_at, is_readable=False) for id_, kind, occurred_at, *_ in shown]
    people = people_of(session, viewer, [id_ for id_, *_ in shown])
    mails = [id_ for id_, kind, _, _, subject, *_ in shown if kind == ActivityKind.MAIL and not subject]
    bare = _of_headers_only(session, mails)
    meetings = _meetings(session, [id_ for id_, kind, *_ in shown if kind == ActivityKind.MEETING])
    tasks = _tasks(session, [id_ for id_, kind, *_ in shown if kind == ActivityKind.TASK])
    return [
        Entry(
            *(id_, kind, occurred_at, True, direction, subject, snippet, has_attachments),
            people.get(id_, ()),
            meetings.get(id_),
            tasks.get(id_),
            id_ in bare,
        )
        for id_, kind, occurred_at, direction, subject, snippet, has_attachments in shown
    ]


def _of_headers_only(session: Session, activity_ids: list[int]) -> set[int]:
    if not activity_ids:
        return set()
    return {id_ for (id_,) in rows.fetch(session, _BARE, {"ids": activity_ids})}


def _meetings(session: Session, activity_ids: list[int]) -> dict[int, MeetingFacts]:
    if not activity_ids:
        return {}
    found = rows.fetch(session, _MEETINGS, {"ids": activity_ids})
    return {activity_id: MeetingFacts(*facts) for activity_id, *facts in found}


def _tasks(session: Session, activity_ids: list[int]) -> dict[int, TaskFacts]:
    if not activity_ids:
        return {}
    return {
        activity_id: TaskFacts(due_on, responsible, done_at, doer, cancelled_at is not None)
        for activity_id, due_on, responsible, done_at, doer, cancelled_at in rows.fetch(
            session, _TASKS, {"ids": activity_ids}
        )
    }
