"""Task elements of EWS -> TaskRecord, and what a write of one sends.

Sources: [MS-OXWSTASK], [MS-OXOTASK]. A due date is midnight of the user's own day, told as if that were in UTC. Of
Status, PercentComplete and CompleteDate the one that comes last in a request decides on the others.

A task that its owner made recurring is read as what is to be done next. Exchange answers to its completion with a copy
that is done, which carries our key, and moves the task itself on to its next day: nothing here tries to do more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from lxml.etree import _Element as Element

from connectors.exchange_ews import named
from connectors.exchange_ews.elements import Item, day, moment
from connectors.exchange_ews.item_settings import (
    body_setting,
    differing,
    key_setting,
    new_item,
    sensitivity,
    simple,
    text_setting,
)
from connectors.exchange_ews.services import Shape, field
from connectors.exchange_ews.write_services import Setting
from connectors.outlook_limits import FIRST_DAY
from terracrm.domain.outlook_slots import reads_the_same
from terracrm.domain.records import Body, TaskRecord

TYPES: Final = frozenset({"Task"})
SHAPE: Final = Shape(
    paths=(
        field("item:Subject"),
        field("item:Sensitivity"),
        field("item:Body"),
        field("item:Importance"),
        field("item:ReminderDueBy"),
        field("item:ReminderIsSet"),
        field("item:LastModifiedTime"),
        field("task:CompleteDate"),
        field("task:DueDate"),
        field("task:IsComplete"),
        field("task:StartDate"),
        named.path(named.KEY),
    ),
    body_type="Text",
)

KEY_SHAPE: Final = Shape(paths=(named.path(named.KEY),), body_type="Text")
"""What is asked of every task: a person's own are no business of ours."""

_ORDER = (
    "Subject", "Sensitivity", "Body", "Importance", "ReminderDueBy", "ReminderIsSet", "ExtendedProperty",
    "CompleteDate", "DueDate", "StartDate", "Status",
)  # fmt: skip
_Settings = Iterator[Setting]


def task(item: Item) -> TaskRecord:
    """The record of a task element that was fetched with SHAPE."""
    importance = item.text("Importance").lower()
    return TaskRecord(
        subject=item.text("Subject"),
        body=item.body("Body")[0].strip(),
        due_on=day(item.text("DueDate")),
        remind_at=item.moment("ReminderDueBy") if item.flag("ReminderIsSet") else None,
        completed_on=_completed_on(item),
        importance=importance or "normal",
        is_private=item.is_private,
    )


def new_task(record: TaskRecord, key: str) -> Element:
    """The element of a new task, which is nobody's but the mailbox owner's."""
    settings = [setting for name in FIELDS for setting in FIELDS[name](record)]
    if record.completed_on is not None:
        settings.append(_done(record.completed_on))
    return new_item("Task", [*settings, key_setting(key)], _ORDER)


def changes(item: Item, wanted: TaskRecord, fields: Collection[str]) -> list[Setting]:
    """What must be written so that these fields of a task become as they are wanted.

    A text that reads the same is left in the form that it has, and a task that is done keeps the day on which it was.
    """
    now, found = task(item), []
    if reads_the_same(wanted.body, now.body):
        wanted = replace(wanted, body=now.body)
    for name in (name for name in FIELDS if name in fields):
        found += differing(FIELDS[name](now), FIELDS[name](wanted))
    if "due_on" in fields and wanted.due_on != now.due_on:
        found += _start(day(item.text("StartDate")), wanted.due_on)
    if "completed_on" in fields and (wanted.completed_on is None) != (now.completed_on is None):
        found.append(
            _done(wanted.completed_on) if wanted.completed_on else Setting(*simple("task:Status", "NotStarted"))
        )
    return found


def _completed_on(item: Item) -> date | None:
    """Outlook writes midnight of its user's zone, the server itself the moment at which it was told."""
    if not item.flag("IsComplete"):
        return None
    text = item.text("CompleteDate") or item.text("LastModifiedTime")
    when = moment(text)
    if when is None:
        return FIRST_DAY
    is_midnight_somewhere = when.minute % 15 == 0 and when.second == 0
    return (day(text) or FIRST_DAY) if is_midnight_somewhere else when.date()


def _done(on: date) -> Setting:
    """Done now, which is the server's to say; or on a day before, at an hour that is that day wherever it is shown."""
    if on >= datetime.now(UTC).date():
        return _status("Completed")
    return Setting(*simple("task:CompleteDate", f"{on.isoformat()}T11:59:00Z"))


def _status(status: str) -> Setting:
    return text_setting("task:Status", status)


def _start(start: date | None, due: date | None) -> list[Setting]:
    """A task cannot begin after it is due, nor without being due: what its owner planned moves along, as in Outlook."""
    if start is None or (due is not None and start <= due):
        return []
    return [text_setting("task:StartDate", _midnight(due))]


def _midnight(value: date | None) -> str:
    return f"{value.isoformat()}T00:00:00Z" if value else ""


def _subject(record: TaskRecord) -> _Settings:
    yield text_setting("item:Subject", record.subject)


def _body(record: TaskRecord) -> _Settings:
    yield body_setting(Body(record.body))


def _due_on(record: TaskRecord) -> _Settings:
    yield text_setting("task:DueDate", _midnight(record.due_on))


def _remind_at(record: TaskRecord) -> _Settings:
    if record.remind_at is not None:
        yield text_setting("item:ReminderDueBy", record.remind_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    yield Setting(*simple("item:ReminderIsSet", "true" if record.remind_at else "false"))


def _importance(record: TaskRecord) -> _Settings:
    yield text_setting("item:Importance", record.importance.capitalize())


def _is_private(record: TaskRecord) -> _Settings:
    yield sensitivity(record.is_private)


FIELDS: Final[dict[str, Callable[[TaskRecord], _Settings]]] = {
    "subject": _subject,
    "body": _body,
    "importance": _importance,
    "is_private": _is_private,
    "remind_at": _remind_at,
    "due_on": _due_on,
}
"""How each field of TaskRecord is written, but for whether it is done."""
