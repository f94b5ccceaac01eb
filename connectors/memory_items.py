"""The items that the memory server keeps, and what is told of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from connectors import memory_contacts
from terracrm.domain.outlook_slots import reads_the_same
from terracrm.domain.records import (
    Change,
    ChangeKind,
    ContactRecord,
    Folder,
    MeetingRecord,
    MessageRecord,
    PostRecord,
    Record,
    StreamKind,
    TaskRecord,
    Writable,
)
from terracrm.errors import ItemRejected

KINDS: Final[dict[StreamKind, tuple[type, ...]]] = {
    StreamKind.MAIL: (MessageRecord, PostRecord),
    StreamKind.CONTACTS: (ContactRecord,),
    StreamKind.CALENDAR: (MeetingRecord,),
    StreamKind.TASKS: (TaskRecord,),
    StreamKind.POSTS: (PostRecord,),
}
"""What the items of a folder are; others may lie in it."""


@dataclass(slots=True)
class Item:
    """One item with the moments (counted in writes) of its creation and of its last changes."""

    remote_id: str
    record: Record
    created: int
    changed: int
    flagged: int
    error: str = ""
    is_deleted: bool = False
    key: str = ""
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def last(self) -> int:
        """The moment of its last news."""
        return max(self.changed, self.flagged)

    def told(self, position: int) -> int:
        """Where the news since a position come: an item is told before its read flag is."""
        return self.changed if self.changed > position else self.flagged

    def touch(self, moment: int) -> None:
        """It is changed now."""
        self.changed, self.changed_at = moment, datetime.now(UTC)

    @property
    def version(self) -> str:
        """Its change key."""
        return f"v{self.last}"


@dataclass(slots=True)
class Box:
    """A folder with the items that are or were in it."""

    folder: Folder
    items: dict[str, Item] = field(default_factory=dict)

    def present(self) -> list[Item]:
        """The items that are in it."""
        return [item for item in self.items.values() if not item.is_deleted]


def change(item: Item, position: int, kind: StreamKind) -> Change | None:
    """What is new about an item since a position; None where it came and went in between, or is of another kind."""
    if is_other(item.record, kind) and not item.is_deleted:
        return None
    if item.is_deleted:
        return Change(ChangeKind.DELETED, item.remote_id) if item.created <= position else None
    if item.changed > position:
        news = ChangeKind.CREATED if item.created > position else ChangeKind.UPDATED
        return replace(as_it_is(item.remote_id, item, kind), kind=news)
    is_read = item.record.is_read if isinstance(item.record, MessageRecord) else None
    return Change(ChangeKind.READ_FLAG, item.remote_id, item.version, is_read=is_read)


def is_other(record: Record, kind: StreamKind) -> bool:
    """Whether an item is of another kind than its folder."""
    return not isinstance(record, KINDS[kind])


def as_it_is(remote_id: str, item: Item | None, kind: StreamKind) -> Change:
    """What an item is now, for who reads its folder as one of this kind."""
    if item is None or item.is_deleted:
        return Change(ChangeKind.DELETED, remote_id)
    if item.error:
        return Change(ChangeKind.UPDATED, remote_id, item.version, error=item.error)
    told, changed_at = item.record, None
    if isinstance(told, TaskRecord) and not item.key:
        return Change(ChangeKind.UPDATED, remote_id, item.version, TaskRecord())
    if isinstance(told, ContactRecord | TaskRecord):
        changed_at = item.changed_at
    record = told
    if isinstance(told, ContactRecord):
        record = replace(told, body=None)
    elif isinstance(told, PostRecord) and kind is StreamKind.MAIL:
        record = _as_mail(told)
    key = "" if isinstance(record, MessageRecord) else item.key
    return Change(ChangeKind.UPDATED, remote_id, item.version, record, key=key, changed_at=changed_at)


def _as_mail(post: PostRecord) -> MessageRecord:
    return MessageRecord(subject=post.subject, body_text=post.body, item_class="IPM.Post")


def created(record: Writable) -> Writable:
    """A new item as the server keeps it."""
    if isinstance(record, ContactRecord):
        return memory_contacts.created(record)
    return _kept(record) if isinstance(record, TaskRecord) else replace(record, body=record.body.strip())


def _kept(task: TaskRecord) -> TaskRecord:
    """Of what is done nobody is reminded."""
    return replace(task, body=task.body.strip(), remind_at=None if task.completed_on else task.remind_at)


def written(now: Record, wanted: Writable, fields: Collection[str]) -> Writable:
    """An item after these fields were written; the same one where nothing differs."""
    if isinstance(now, ContactRecord) and isinstance(wanted, ContactRecord):
        return memory_contacts.written(now, wanted, fields)
    if isinstance(now, TaskRecord) and isinstance(wanted, TaskRecord):
        return _task(now, wanted, fields)
    if isinstance(now, PostRecord) and isinstance(wanted, PostRecord):
        post = replace(now, **{name: getattr(wanted, name) for name in _differing(now, wanted, fields)})
        return replace(post, body=post.body.strip())
    raise ItemRejected("The item is now of another kind.")


def _task(now: TaskRecord, wanted: TaskRecord, fields: Collection[str]) -> TaskRecord:
    """A task that is done keeps the day on which it was."""
    names = _differing(now, wanted, fields)
    if now.completed_on is not None and wanted.completed_on is not None:
        names.discard("completed_on")
    return _kept(replace(now, **{name: getattr(wanted, name) for name in names}))


def _differing(now: TaskRecord | PostRecord, wanted: TaskRecord | PostRecord, fields: Collection[str]) -> set[str]:
    names = {name for name in fields if getattr(now, name) != getattr(wanted, name)}
    return names - {"body"} if reads_the_same(now.body, wanted.body) else names
