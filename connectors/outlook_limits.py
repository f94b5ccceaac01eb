"""What an item of Outlook can keep: the rest is trimmed or refused before anything is sent, whatever the system."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace
from datetime import UTC, date
from typing import Any, Final, TypeVar

from terracrm.domain import outlook_slots
from terracrm.domain.records import ContactRecord, PostRecord, TaskRecord, Writable
from terracrm.errors import ItemRejected

Item = TypeVar("Item", ContactRecord, TaskRecord, PostRecord)

FIELDS: Final = frozenset(field.name for field in dataclass_fields(ContactRecord)) - {"body"}
"""What `Connector.update` may be asked to write of a contact."""
TASK_FIELDS: Final = frozenset(field.name for field in dataclass_fields(TaskRecord))
POST_FIELDS: Final = frozenset(field.name for field in dataclass_fields(PostRecord))
IMPORTANCE: Final = ("low", "normal", "high")
LONGEST_SUBJECT: Final = 255
FIRST_DAY: Final = date(1601, 1, 1)
"""Where the calendar of Windows begins."""

_KINDS: Final = {
    ContactRecord: ("contact", FIELDS),
    TaskRecord: ("task", TASK_FIELDS),
    PostRecord: ("post", POST_FIELDS),
}

_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 has no form for, and no Exchange would take."""


def check(record: Writable, fields: Collection[str] | None = None) -> None:
    """Raise ItemRejected, in words for the user, when one of these fields (all) of the record cannot be written.

    Raises ValueError for a name that is no field.
    """
    kind, known = _KINDS[type(record)]
    unknown = set(fields or ()) - known
    if unknown:
        raise ValueError(f"no fields of a {kind}: {', '.join(sorted(unknown))}")
    names = known if fields is None else frozenset(fields)
    for name in sorted(names):
        for text in _texts(getattr(record, name)):
            check_text(name.replace("_", " "), text)
    if isinstance(record, ContactRecord):
        _check_contact(record, names)
    elif isinstance(record, TaskRecord):
        _check_task(record, names)


def _check_contact(record: ContactRecord, fields: Collection[str]) -> None:
    if "notes" in fields and record.body is not None:
        check_text("notes", record.body.content)
    for name, allowed in outlook_slots.LABELS.items():
        if name in fields:
            _check_labels(name, [entry.label for entry in getattr(record, name)], allowed)
    if "birthday" in fields and record.birthday is not None and record.birthday < FIRST_DAY:
        raise ItemRejected(f"Outlook knows no birthday before {FIRST_DAY.year}: correct it or take it out.")


def _check_task(record: TaskRecord, fields: Collection[str]) -> None:
    if "importance" in fields and record.importance not in IMPORTANCE:
        raise ItemRejected(f"Outlook knows no importance {record.importance!r}: choose {', '.join(IMPORTANCE)}.")
    for name in ("due_on", "completed_on"):
        day = getattr(record, name)
        if name in fields and day is not None and day < FIRST_DAY:
            raise ItemRejected(f"Outlook knows no day before {FIRST_DAY.year}: correct it or take it out.")


def trimmed(record: Item) -> Item:
    """The record as it reads after it was written.

    There is no space around values, no empty entry, no line break in a subject nor more than 255 characters; times are
    to the second, those of reminders to the minute.
    """
    if isinstance(record, ContactRecord):
        return outlook_slots.trimmed(record)
    subject = " ".join(record.subject.split())[:LONGEST_SUBJECT].rstrip()
    if isinstance(record, PostRecord):
        return replace(record, subject=subject)
    remind_at = record.remind_at.astimezone(UTC).replace(second=0, microsecond=0) if record.remind_at else None
    return replace(record, subject=subject, remind_at=remind_at)


def check_text(name: str, text: str) -> None:
    """Raise ItemRejected when a text has a character that cannot be sent; `name` says where, for the user."""
    found = _UNSENDABLE.search(text)
    if found:
        raise ItemRejected(
            f"Outlook cannot keep the control character U+{ord(found[0]):04X} in the {name}: take it out and try again."
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in dataclass_fields(value):
            yield from _texts(getattr(value, field.name))


def _check_labels(name: str, labels: list[str], allowed: Iterable[str]) -> None:
    what = name.replace("_", " ")
    for label, count in Counter(labels).items():
        if label not in allowed:
            raise ItemRejected(f"Outlook has no place {label!r} for {what}: choose one of {', '.join(allowed)}.")
        if count > 1:
            raise ItemRejected(f"Outlook keeps one of the {what} labelled {label!r}, not {count}: choose other labels.")
