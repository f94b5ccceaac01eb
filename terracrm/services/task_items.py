"""The tasks of the CRM and their items in Outlook: what is to stand there, and what comes back from there (W3, S9).

A task stands in the mailbox of who is to do it. Its item is linked; nothing else of a tasks folder is ever taken in.
A link whose item is there and that is `untracked_at` leads to an item that its owner made private: it is left alone.
One whose item is gone and that is `untracked_at` says that its owner deleted it: nothing puts it back but a person.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload

from terracrm.config import Settings
from terracrm.domain.capture import hashed
from terracrm.domain.records import Change, TaskRecord
from terracrm.domain.task_merge import (
    Frame,
    Merged,
    Values,
    acknowledged,
    day_of,
    merge,
    moment_of,
    said,
    to_write,
    told,
    values,
)
from terracrm.domain.topics import COMPANY, CONTACT
from terracrm.models import (
    Company,
    Contact,
    Link,
    Mailbox,
    MirrorFolder,
    OutboxItem,
    SkippedItem,
    Stream,
    Task,
    utcnow,
)
from terracrm.services import access, audit, conflicts, links, outbox, skipped, task_changes, tasks, topics
from terracrm.services.matching import chunks
from terracrm.services.sources import Source

RULE = "tasks"
"""The rule of links to items of tasks, and the role of their folder."""
BY_KEY, COPY, PRIVATE = "key", "copy", "private"
NOON = time(12)

Outcome = Literal["kept", "updated", "skipped", "left_alone"]


@dataclass(frozen=True, slots=True)
class Projection:
    """What the item of a task is to say in one mailbox: the task, and what is written around it."""

    mine: Values
    frame: Frame

    @property
    def sent(self) -> Values:
        """The same as a link keeps it."""
        return said(self.mine, self.frame)


# What is to stand in a mailbox


def project(session: Session, settings: Settings, mailbox: Mailbox, found: Sequence[Task]) -> dict[int, Projection]:
    """What these tasks are to say in a mailbox, by task; its owner learns of no client that the portal hides."""
    frames = _frames(session, settings, mailbox, [task.activity_id for task in found])
    zone = settings.web.time_zone
    return {task.activity_id: Projection(values_of(task, zone), frames[task.activity_id]) for task in found}


def of_ids(session: Session, task_ids: Collection[int]) -> dict[int, Task]:
    """These tasks with all that `project` asks for, by their ids."""
    query = select(Task).where(Task.activity_id.in_(task_ids)).options(joinedload(Task.activity))
    return {task.activity_id: task for task in session.scalars(query)}


def wanted(session: Session, mailbox: Mailbox, found: Collection[Task]) -> set[int]:
    """Those of these tasks whose item belongs into a mailbox: that of who is to do it, unless it was cancelled."""
    on_hand = [task for task in found if task.cancelled_at is None]
    mailbox_of = tasks.mailboxes_of(session, {task.responsible_id for task in on_hand if task.responsible_id})
    return {task.activity_id for task in on_hand if mailbox_of.get(task.responsible_id or 0) == mailbox.id}


def deleted(session: Session, mailbox_id: int, task_ids: Collection[int]) -> set[int]:
    """Those of these tasks whose item the owner of a mailbox deleted."""
    mine = Link.entity == outbox.TASK, Link.local_id.in_(task_ids), Link.mailbox_id == mailbox_id
    return set(session.scalars(select(Link.local_id).where(*mine, Link.gone_at.is_not(None))))


def settle(session: Session, settings: Settings, mailbox: Mailbox) -> None:
    """Say of the items that are gone what that means, and owe what the mailbox lacks or should not have.

    Only when all of its folders were read: then what is gone was deleted.
    """
    for link in session.scalars(_links(mailbox, Link.gone_at.is_not(None), Link.untracked_at.is_(None))).all():
        _settle_gone(session, settings, mailbox, link)
    session.flush()
    owed = _lacking(session, mailbox) | _superfluous_or_old(session, settings, mailbox)
    mine = OutboxItem.mailbox_id == mailbox.id, OutboxItem.entity == outbox.TASK
    missing = owed - set(session.scalars(select(OutboxItem.local_id).where(*mine, ~outbox.waits_for_its_time())))
    if missing:
        outbox.owe(session, mailbox.id, outbox.TASK, missing, "settled")


def _settle_gone(session: Session, settings: Settings, mailbox: Mailbox, link: Link) -> None:
    """An item is gone: by us, or by its owner, whose wish it is unless we had something new to say of it (S9)."""
    task = session.get(Task, link.local_id)
    if task is None or outbox.is_being_removed(session, link) or not wanted(session, mailbox, [task]):
        session.delete(link)
        return
    if link.version and skipped.make_due(session, *_copies(link)):
        link.version = ""  # it may have moved while its folder was read anew: the next run tells
        return
    now = project(session, settings, mailbox, [task])[task.activity_id]
    if task.done_at is None and to_write(now.mine, Frame.of(link.sent or {}), link.sent or {}):
        session.delete(link)  # edit beats delete: without the link it is lacking
        return
    link.version = ""  # what is put there again, under whatever id, is the item
    links.untrack(session, link)


def _lacking(session: Session, mailbox: Mailbox) -> set[int]:
    """The open tasks of the mailbox's owner that never had an item there."""
    if mailbox.user_id is None or tasks.mailboxes_of(session, [mailbox.user_id]).get(mailbox.user_id) != mailbox.id:
        return set()
    linked = select(Link.local_id).where(Link.mailbox_id == mailbox.id, Link.entity == outbox.TASK)
    mine = Task.responsible_id == mailbox.user_id, Task.done_at.is_(None), Task.cancelled_at.is_(None)
    return set(session.scalars(select(Task.activity_id).where(*mine, Task.activity_id.not_in(linked))))


def _superfluous_or_old(session: Session, settings: Settings, mailbox: Mailbox) -> set[int]:
    """The tasks whose item should not be there, or says something else than they do. What is done rests."""
    by_task = {
        link.local_id: link
        for link in session.scalars(_links(mailbox, Link.gone_at.is_(None), Link.untracked_at.is_(None)))
    }
    found: set[int] = set()
    for ids in chunks(sorted(by_task)):
        there = of_ids(session, ids)
        found |= set(ids) - wanted(session, mailbox, there.values())
        open_ones = [task for id_, task in there.items() if task.done_at is None and id_ not in found]
        for id_, now in project(session, settings, mailbox, open_ones).items():
            if to_write(now.mine, now.frame, by_task[id_].sent or {}):
                found.add(id_)
    return found


def _links(mailbox: Mailbox, *which: ColumnElement[bool]) -> Any:
    return select(Link).where(Link.mailbox_id == mailbox.id, Link.entity == outbox.TASK, *which).order_by(Link.id)


def _frames(session: Session, settings: Settings, mailbox: Mailbox, task_ids: Sequence[int]) -> dict[int, Frame]:
    """Whom each task is about and where that is found, as far as the owner of the mailbox sees it in the portal."""
    viewer, address = access.viewer_of_mailbox(session, mailbox), settings.web.address
    about = topics.of_activities(session, viewer, task_ids)
    contacts = {topic.entity_id for rows in about.values() for topic in rows if topic.entity == CONTACT}
    employers = (
        select(Contact.id, Company.name)
        .join(Company, Company.id == Contact.company_id)
        .where(Contact.id.in_(contacts), access.companies(viewer))
    )
    company_of = dict(session.execute(employers).all()) if contacts else {}
    frames = {}
    for task_id in task_ids:
        person = next((topic for topic in about.get(task_id, ()) if topic.entity == CONTACT), None)
        company = next((topic for topic in about.get(task_id, ()) if topic.entity == COMPANY), None)
        names = [person.name if person else "", company.name if company else ""]
        if person and not company:
            names[1] = company_of.get(person.entity_id, "")
        path = f"tasks/{task_id}"
        if person or company:
            path = f"contacts/{person.entity_id}" if person else f"companies/{company.entity_id}"  # type: ignore[union-attr]
        frames[task_id] = Frame(" ".join(", ".join(filter(None, names)).split()), f"{address}/{path}")
    return frames


def agree(link: Link, sent: Values, base: Values) -> None:
    """Note what each side says from now on, as both know."""
    link.sent, link.base = dict(sent), dict(base)


# What comes back


def values_of(task: Task, time_zone: str) -> Values:
    """A task in the terms of the merge."""
    done_on = task.done_at.astimezone(ZoneInfo(time_zone)).date() if task.done_at else None
    return values(task.activity.subject, task.text, task.due_on, task.remind_at, task.importance, done_on)


def take(session: Session, source: Source, change: Change) -> Outcome:
    """An item with a key of ours, or one that is linked, is there: what its owner changed comes in.

    One that has the key of another item is a copy of it; or is that item, moved, when the other one is gone. While a
    folder is read anew all are gone for a while, so it is held as a copy until that is over (`gone`, `settle`).
    """
    record = cast(TaskRecord, change.record)
    link = links.find(session, source.mailbox_id, change.remote_id) or _of_key(session, source, change)
    if link is None or link.entity != outbox.TASK:
        return "kept"
    if link.remote_id != change.remote_id:
        if link.gone_at is None or link.version:
            skip = skipped.Skip(source.folder_id, change.remote_id, COPY, hashed(link.key))
            skipped.note(session, source.run_id, [skip])
            return "skipped"
        link.remote_id = change.remote_id
    is_known = link.version == change.version
    link.folder_id, link.version, link.gone_at = source.folder_id, change.version, None
    if record.is_private:
        was_followed, link.untracked_at = link.untracked_at is None, link.untracked_at or utcnow()
        return "left_alone" if was_followed else "kept"
    link.untracked_at = None
    return "kept" if is_known else _merge(session, source, link, change, record)


def gone(session: Session, link: Link) -> None:
    """The mailbox says that an item left its folder: what was held for a copy of it may be the item itself, moved."""
    link.version = ""
    skipped.make_due(session, *_copies(link))


def _copies(link: Link) -> tuple[ColumnElement[bool], ...]:
    of_mailbox = select(MirrorFolder.id).join(Stream).where(Stream.mailbox_id == link.mailbox_id)
    same_key = SkippedItem.message_hash == hashed(link.key)
    return SkippedItem.folder_id.in_(of_mailbox), SkippedItem.rule == COPY, same_key


def _of_key(session: Session, source: Source, change: Change) -> Link | None:
    """The link of the item that was made with this key, or a new one of what we are still making."""
    if not change.key:
        return None
    mine = Link.mailbox_id == source.mailbox_id, Link.key == change.key, links.HAS_KEY, Link.entity == outbox.TASK
    if link := session.scalar(select(Link).where(*mine)):
        return link
    owed = session.scalar(
        select(OutboxItem).where(
            OutboxItem.mailbox_id == source.mailbox_id,
            OutboxItem.entity == outbox.TASK,
            OutboxItem.key == change.key,
        )
    )
    if owed is None or owed.sent is None:
        return None
    link = links.add(session, source, outbox.TASK, owed.local_id, change.remote_id, RULE, BY_KEY)
    link.key, link.base, link.sent = change.key, owed.sent, owed.sent
    outbox.written(session, {owed.id: 0})
    session.flush()
    return link


def _merge(session: Session, source: Source, link: Link, change: Change, record: TaskRecord) -> Outcome:
    task = session.get(Task, link.local_id, with_for_update=True, populate_existing=True)
    if task is None:
        return "kept"
    base, sent = acknowledged(link.base or {}, link.sent or {}, record, outbox.unfinished(session, link))
    theirs, mine = told(record, Frame.of(sent)), values_of(task, source.time_zone)
    merged = merge(
        base,
        sent,
        mine,
        theirs,
        comes_in=source.goes == "both",
        rule=source.conflict,
        is_theirs_later=_is_later(change.changed_at, task.changed_at),
    )
    agree(link, merged.sent, theirs)
    conflicts.note(session, source, outbox.TASK, task.activity_id, merged.clashes)
    if merged.changes:
        _apply(session, source, link.remote_id, task, merged)
    if merged.clashes:
        outbox.owe(session, source.mailbox_id, outbox.TASK, [task.activity_id], "merged")
    return "updated" if merged.changes else "kept"


def _is_later(theirs: datetime | None, ours: datetime) -> bool:
    """Whether Outlook's change is the later one, as far as that is known: Exchange tells whole seconds."""
    return theirs is None or theirs >= ours.replace(microsecond=0)


def _apply(session: Session, source: Source, remote_id: str, task: Task, merged: Merged) -> None:
    """Who wrote it in Outlook did it. What was cancelled here and went on there goes on: edit beats delete (S9)."""
    changes, before = merged.changes, task_changes.state_of(task)
    if task.cancelled_at is not None:
        tasks.resume(task)
    for name, value in changes.items():
        if name == "subject":
            task.activity.subject = value
        elif name == "done_on":
            _set_done(source, task, day_of(value))
        else:
            setattr(task, name, _value(name, value))
    is_done, is_open = bool(changes.get("done_on")), changes.get("done_on") == ""
    action = "task.done" if is_done else "task.reopen" if is_open else "task.change"
    detail = f"Outlook: {', '.join(changes)}"
    audit.record(session, source.owner_id, action, "task", task.activity_id, detail)
    task_changes.note(session, source, remote_id, task, before)
    tasks.renew(session, task, "outlook")


def _value(name: str, value: str) -> str | date | datetime | None:
    if name == "due_on":
        return day_of(value)
    return moment_of(value) if name == "remind_at" else value


def _set_done(source: Source, task: Task, done_on: date | None) -> None:
    """Outlook tells the day: today means now, another day the middle of it."""
    if done_on is None:
        tasks.resume(task)
        return
    zone, now = ZoneInfo(source.time_zone), utcnow()
    is_before = done_on < now.astimezone(zone).date()
    tasks.finish(task, datetime.combine(done_on, NOON, zone) if is_before else now, source.owner_id)
