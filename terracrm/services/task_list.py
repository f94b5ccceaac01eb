"""Tasks as pages and commands read them: lists, and one with all that is known of it (P4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, false, func, select, true
from sqlalchemy.orm import Session, aliased

from terracrm.domain.topics import CONTACT
from terracrm.errors import NotFound
from terracrm.models import Activity, ActivityKind, CompanyTimeline, ContactTimeline, Task, User
from terracrm.services import access, topics
from terracrm.services.access import Viewer
from terracrm.services.listing import PAGE_SIZE, Listing
from terracrm.services.topics import TopicRow

State = Literal["open", "done", "cancelled", "all"]
SHOWN_OF_CLIENT = 10

_Responsible = aliased(User, name="responsible")
_Author = aliased(User, name="author")
_Doer = aliased(User, name="doer")


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in a list. `responsible`, `author` and `done_by` are names, "" where nobody is named.

    `clients` are those whom it is about, as far as the viewer sees them.
    """

    id: int
    subject: str
    text: str
    due_on: date | None
    remind_at: datetime | None
    importance: str
    set_at: datetime
    done_at: datetime | None
    cancelled_at: datetime | None
    responsible_id: int | None
    responsible: str
    author_id: int | None
    author: str
    done_by: str
    clients: tuple[TopicRow, ...]

    @property
    def state(self) -> str:
        """Done, cancelled, or open."""
        return "cancelled" if self.cancelled_at else "done" if self.done_at else "open"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.state == "open"

    def is_overdue(self, today: date) -> bool:
        """Whether it should have been done before this day of the office."""
        return self.is_open and self.due_on is not None and self.due_on < today


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks are asked for: in what state, whose, set by whom (`is_given`: for somebody else), of which client."""

    state: State = "open"
    responsible_id: int | None = None
    author_id: int | None = None
    is_given: bool = False
    contact_id: int | None = None
    company_id: int | None = None
    due_before: date | None = None


def listing(session: Session, viewer: Viewer, filters: Filters, page: int = 1) -> Listing[TaskRow]:
    """One page of the tasks that the viewer reads: the open ones by due date, the others the latest first."""
    wanted = _wanted(viewer, filters)
    total = session.scalar(select(func.count()).select_from(Task).join(Activity).where(*wanted)) or 0
    rows = _rows(filters.state).where(*wanted).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)
    return Listing(_read(session, viewer, session.execute(rows).all()), total, page)


def of_client(session: Session, viewer: Viewer, entity: str, client_id: int) -> list[TaskRow]:
    """The next open tasks of a contact, or of a company and its people, that the viewer reads.

    The viewer sees the client. What is looked through is the client's own history, however many tasks there are.
    """
    rows = _of_contact(viewer) if entity == CONTACT else _of_company(viewer)
    return _read(session, viewer, session.execute(rows, {"client_id": client_id}).all())


def one(session: Session, viewer: Viewer, task_id: int) -> TaskRow:
    """A task; NotFound when there is none or the viewer may not read it."""
    rows = _rows("all").where(Task.activity_id == task_id, access.readable_activities(viewer))
    found = _read(session, viewer, session.execute(rows).all())
    if not found:
        raise NotFound("There is no such task.")
    return found[0]


def count_due(session: Session, viewer: Viewer, until: date) -> int:
    """How many of the viewer's own open tasks are due by this day of the office, the overdue ones included."""
    wanted = _wanted(viewer, Filters(responsible_id=viewer.user_id))
    query = select(func.count()).select_from(Task).join(Activity).where(*wanted, Task.due_on <= until)
    return session.scalar(query) or 0


@access.kept
def _of_contact(viewer: Viewer) -> Select[Activity, Task, str, str, str]:
    rows = _next_ones(viewer).join(ContactTimeline, ContactTimeline.activity_id == Activity.id)
    mine = ContactTimeline.contact_id == bindparam("client_id"), ContactTimeline.kind == ActivityKind.TASK
    return rows.where(*mine)


@access.kept
def _of_company(viewer: Viewer) -> Select[Activity, Task, str, str, str]:
    rows = _next_ones(viewer).join(CompanyTimeline, CompanyTimeline.activity_id == Activity.id)
    mine = CompanyTimeline.company_id == bindparam("client_id"), CompanyTimeline.kind == ActivityKind.TASK
    return rows.where(*mine)


def _next_ones(viewer: Viewer) -> Select[Activity, Task, str, str, str]:
    seen = access.activities_of_client(viewer) if viewer.reads_content else false()
    return _rows("open").where(seen, _in_state("open")).limit(SHOWN_OF_CLIENT)


def _wanted(viewer: Viewer, filters: Filters) -> list[ColumnElement[bool]]:
    wanted = [access.readable_activities(viewer), _in_state(filters.state)]
    if filters.responsible_id is not None:
        wanted.append(Task.responsible_id == filters.responsible_id)
    if filters.author_id is not None:
        wanted.append(Task.author_id == filters.author_id)
    if filters.is_given:
        wanted.append(Task.responsible_id.is_distinct_from(Task.author_id))
    if filters.contact_id is not None:
        wanted.append(
            exists().where(
                ContactTimeline.activity_id == Task.activity_id, ContactTimeline.contact_id == filters.contact_id
            )
        )
    if filters.company_id is not None:
        wanted.append(
            exists().where(
                CompanyTimeline.activity_id == Task.activity_id, CompanyTimeline.company_id == filters.company_id
            )
        )
    if filters.due_before is not None:
        wanted.append(Task.due_on < filters.due_before)
    return wanted


def _in_state(state: State) -> ColumnElement[bool]:
    if state == "open":
        return Task.done_at.is_(None) & Task.cancelled_at.is_(None)
    if state == "done":
        return Task.done_at.is_not(None)
    return Task.cancelled_at.is_not(None) if state == "cancelled" else true()


def _rows(state: State) -> Select[Activity, Task, str, str, str]:
    rows = (
        select(Activity, Task, _name(_Responsible), _name(_Author), _name(_Doer))
        .join(Task, Task.activity_id == Activity.id)
        .outerjoin(_Responsible, _Responsible.id == Task.responsible_id)
        .outerjoin(_Author, _Author.id == Task.author_id)
        .outerjoin(_Doer, _Doer.id == Task.done_by_id)
    )
    if state == "open":
        return rows.order_by(Task.due_on.asc().nulls_last(), Task.activity_id)
    newest = func.coalesce(Task.done_at, Task.cancelled_at, Activity.occurred_at)
    return rows.order_by(newest.desc(), Task.activity_id.desc())


def _name(user: type[User]) -> ColumnElement[str]:
    return func.coalesce(func.nullif(user.full_name, ""), user.name, "")


def _read(session: Session, viewer: Viewer, found: Sequence[Row[Activity, Task, str, str, str]]) -> list[TaskRow]:
    clients = topics.of_activities(session, viewer, [row[0].id for row in found])
    return [
        TaskRow(
            id=activity.id,
            subject=activity.subject,
            text=task.text,
            due_on=task.due_on,
            remind_at=task.remind_at,
            importance=task.importance,
            set_at=activity.created_at,
            done_at=task.done_at,
            cancelled_at=task.cancelled_at,
            responsible_id=task.responsible_id,
            responsible=responsible,
            author_id=task.author_id,
            author=author,
            done_by=doer,
            clients=tuple(clients.get(activity.id, ())),
        )
        for activity, task, responsible, author, doer in found
    ]
