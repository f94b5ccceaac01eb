"""What somebody of the office is to do for a client: set, changed, handed on, done, cancelled (W3, P7).

A task is an entry of the history, about whom its topics name. Whoever changes it owes it to the mailbox of who is to do
it, and to those that have it; `task_items` says what is written there, and takes in what comes back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, delete, func, select
from sqlalchemy.orm import Session

from terracrm.domain.capture import snippet
from terracrm.domain.records import StreamKind
from terracrm.domain.task_merge import MAX_SUBJECT, MAX_TEXT
from terracrm.domain.topics import COMPANY, CONTACT
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import (
    Activity,
    ActivityKind,
    Link,
    Mailbox,
    Stream,
    Task,
    User,
    utcnow,
)
from terracrm.services import access, audit, history, outbox, rows, search, topics
from terracrm.services.access import RoleCode, Viewer

IMPORTANCES = ("low", "normal", "high")
BY_HAND = "task"
# Word ends lines with vertical tabs. What no item of Outlook can hold would keep a client's card from being written.
_LINE_END = re.compile("\r\n?|[\x0b\x0c]")
_UNSENDABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
EARLIEST, LATEST = date(1990, 1, 1), date(2200, 1, 1)

REFUSALS = {
    "no_subject": "A task needs a subject.",
    "long_subject": f"The subject is longer than {MAX_SUBJECT} characters: put the rest into the text.",
    "long_text": f"The text is longer than {MAX_TEXT} characters.",
    "importance": f"The importance is one of {', '.join(IMPORTANCES)}.",
    "day": f"The day must lie between {EARLIEST.year} and {LATEST.year - 1}.",
    "reminder": f"The reminder must lie between {EARLIEST.year} and {LATEST.year - 1}.",
    "nobody": "Say who is to do the task.",
    "not_a_manager": "Only a client manager who may sign in can be given a task.",
    "cancelled": "This task was cancelled. Reopen it first.",
    "done": "This task is done already. Reopen it first.",
}


class TaskRefused(InvalidInput):
    """A task cannot be like that: `reason` is a key of REFUSALS. Nothing was changed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(REFUSALS[reason])


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person says of a task; `due_on` is a day of the office, `remind_at` a moment."""

    subject: str = ""
    text: str = ""
    due_on: date | None = None
    remind_at: datetime | None = None
    importance: str = "normal"


DRAFT_FIELDS = tuple(field.name for field in fields(Draft))


def add(
    session: Session,
    viewer: Viewer,
    draft: Draft,
    *,
    contact_id: int | None = None,
    company_id: int | None = None,
    responsible_id: int | None = None,
) -> Task:
    """A new task, about a contact, a company, both or nobody; who sets it is to do it unless another is named.

    Raises Forbidden, InvalidInput, or NotFound for a client that the viewer does not see.
    """
    require_right(viewer)
    wanted = _checked(draft)
    responsible = _responsible(session, responsible_id or viewer.signs_as)
    activity = Activity(kind=ActivityKind.TASK, occurred_at=utcnow(), rule=BY_HAND, subject=wanted.subject)
    session.add(activity)
    session.flush()
    task = Task(activity_id=activity.id, author_id=viewer.signs_as, responsible_id=responsible.id)
    session.add(task)
    session.flush()
    _set(task, asdict(wanted))
    for entity, id_ in ((CONTACT, contact_id), (COMPANY, company_id)):
        if id_ is not None:
            topics.set_topic(session, viewer, activity.id, entity, id_)
    audit.record(session, viewer.signs_as, "task.add", "task", task.activity_id)
    renew(session, task, "task_added")
    return task


def change(session: Session, viewer: Viewer, task_id: int, changes: Mapping[str, Any]) -> Task:
    """Set some of the fields of a `Draft`. Raises Forbidden, InvalidInput, or NotFound."""
    task = to_be_changed(session, viewer, task_id)
    before = draft_of(task)
    if unknown := changes.keys() - set(DRAFT_FIELDS):
        raise InvalidInput(f"a task has no {', '.join(sorted(unknown))}")
    wanted = _checked(replace(before, **changes))
    differing = {name: new for name, new in asdict(wanted).items() if getattr(before, name) != new}
    if differing:
        _set(task, differing)
        _note(session, viewer, task, "task.change", ", ".join(differing))
    return task


def assign(session: Session, viewer: Viewer, task_id: int, responsible_id: int) -> Task:
    """Somebody else is to do it: it leaves the one's Outlook and comes to the other's."""
    task = to_be_changed(session, viewer, task_id)
    responsible = _responsible(session, responsible_id)
    if task.responsible_id != responsible.id:
        task.responsible_id = responsible.id
        put_back(session, task)
        _note(session, viewer, task, "task.assign", responsible.name)
    return task


def done(session: Session, viewer: Viewer, task_id: int) -> Task:
    """It is done, now and by the viewer. What is done already stays as it is; what was cancelled is refused."""
    task = to_be_changed(session, viewer, task_id)
    if task.cancelled_at is not None:
        raise TaskRefused("cancelled")
    if task.done_at is None:
        finish(task, utcnow(), viewer.signs_as)
        _note(session, viewer, task, "task.done")
    return task


def reopen(session: Session, viewer: Viewer, task_id: int) -> Task:
    """It is to be done after all, whether it was done or cancelled; and stands in Outlook again."""
    task = to_be_changed(session, viewer, task_id)
    if task.done_at is not None or task.cancelled_at is not None:
        resume(task)
        put_back(session, task)
        _note(session, viewer, task, "task.reopen")
    return task


def cancel(session: Session, viewer: Viewer, task_id: int) -> Task:
    """It is not to be done any more: it leaves Outlook. What is done cannot be cancelled."""
    task = to_be_changed(session, viewer, task_id)
    if task.done_at is not None:
        raise TaskRefused("done")
    if task.cancelled_at is None:
        task.cancelled_at = utcnow()
        _note(session, viewer, task, "task.cancel")
    return task


def to_be_changed(session: Session, viewer: Viewer, task_id: int) -> Task:
    """A task that this viewer may change; Forbidden for a role that changes nothing, NotFound for any other task."""
    require_right(viewer)
    mine = select(Task).join(Activity, Activity.id == Task.activity_id)
    mine = mine.where(Task.activity_id == task_id, access.changeable_tasks(viewer))
    task = session.scalar(mine.with_for_update(of=Task).execution_options(populate_existing=True))
    if task is None:
        raise NotFound("There is no such task.")
    return task


def assignees(session: Session) -> list[Row[int, str, str]]:
    """Who can be given a task: those who work with clients, by name; each with `id`, `full_name` and `name`."""
    users = rows.fetch(session, _ASSIGNEES)
    return sorted(users, key=lambda user: (user.full_name or user.name).casefold())


def draft_of(task: Task) -> Draft:
    """What a task says."""
    return Draft(task.activity.subject, task.text, task.due_on, task.remind_at, task.importance)


def finish(task: Task, at: datetime, user_id: int | None) -> None:
    """Mark it as done then, by somebody: there it stands in the history from now on."""
    task.done_at, task.done_by_id, task.cancelled_at = at, user_id, None
    task.activity.occurred_at = at


def resume(task: Task) -> None:
    """Mark it as open: it stands in the history where it was set."""
    task.done_at, task.done_by_id, task.cancelled_at = None, None, None
    task.activity.occurred_at = task.activity.created_at


def renew(session: Session, task: Task, reason: str) -> None:
    """Let all follow that depends on a task: timelines and with them the cards of clients, the search, and Outlook."""
    activity = task.activity
    activity.snippet = snippet(task.text)
    session.flush()
    history.refresh(session, [activity.id])
    search.index_activities(session, [(activity.id, activity.occurred_at, f"{activity.subject} {task.text}")])
    for mailbox_id in sorted(_mailboxes(session, task)):
        outbox.owe(session, mailbox_id, outbox.TASK, [activity.id], reason)


def mailboxes_of(session: Session, user_ids: Collection[int]) -> dict[int, int]:
    """Into which mailbox the tasks of these people are written: the first of theirs that an admin has told to."""
    rows = session.execute(
        select(Mailbox.user_id, func.min(Mailbox.id))
        .join(Stream, Stream.mailbox_id == Mailbox.id)
        .where(Mailbox.user_id.in_(user_ids), Stream.kind == StreamKind.TASKS, Stream.direction.in_(("both", "out")))
        .group_by(Mailbox.user_id)
    )
    return {user_id: mailbox_id for user_id, mailbox_id in rows if user_id is not None}


def put_back(session: Session, task: Task) -> None:
    """What its owner deleted in Outlook comes back there: somebody said that it is to be done."""
    gone = select(Link.id).where(
        Link.entity == outbox.TASK, Link.local_id == task.activity_id, Link.gone_at.is_not(None)
    )
    session.execute(delete(Link).where(Link.id.in_(gone)))


def _note(session: Session, viewer: Viewer, task: Task, action: str, detail: str = "") -> None:
    task.changed_at = utcnow()
    audit.record(session, viewer.signs_as, action, "task", task.activity_id, detail)
    renew(session, task, action.replace(".", "_"))


def require_right(viewer: Viewer) -> None:
    """Raise Forbidden for a role that changes no tasks."""
    if not viewer.decides:
        raise Forbidden("This role changes nothing.")


_WORKS = (User.is_active, User.role_code == RoleCode.MANAGER)
_ASSIGNEES = select(User.id, User.full_name, User.name).where(*_WORKS)


def _responsible(session: Session, user_id: int | None) -> User:
    if user_id is None:
        raise TaskRefused("nobody")
    found = session.scalar(select(User).where(User.id == user_id, *_WORKS))
    if found is None:
        raise TaskRefused("not_a_manager")
    return found


def _checked(draft: Draft) -> Draft:
    subject = " ".join(_UNSENDABLE.sub("", draft.subject).split())
    text = _UNSENDABLE.sub("", _LINE_END.sub("\n", draft.text)).strip()
    remind_at = draft.remind_at.replace(second=0, microsecond=0) if draft.remind_at else None
    wrong = {
        "no_subject": not subject,
        "long_subject": len(subject) > MAX_SUBJECT,
        "long_text": len(text) > MAX_TEXT,
        "importance": draft.importance not in IMPORTANCES,
        "day": draft.due_on is not None and not EARLIEST <= draft.due_on < LATEST,
        "reminder": remind_at is not None and not EARLIEST <= remind_at.date() < LATEST,
    }
    for reason in (reason for reason, is_so in wrong.items() if is_so):
        raise TaskRefused(reason)
    return replace(draft, subject=subject, text=text, remind_at=remind_at)


def _set(task: Task, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(task.activity if name == "subject" else task, name, value)


def _mailboxes(session: Session, task: Task) -> set[int]:
    """The mailbox of who is to do it, and those that have it."""
    links = select(Link.mailbox_id).where(
        Link.entity == outbox.TASK, Link.local_id == task.activity_id, Link.gone_at.is_(None)
    )
    found = set(session.scalars(links))
    return found | set(mailboxes_of(session, [task.responsible_id or 0]).values())
