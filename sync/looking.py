"""What a page of actions would do here, step by step, without doing it (Y1): performed, read off, and taken back.

All of it happens inside a transaction of the caller, who takes it back; nothing remote is asked meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sync import outgoing, writer
from sync.planner import Action, MarkGone, Return, Store, TakeCard, TakeTask, Untrack, Update, Withdraw
from terracrm.db import is_about_data
from terracrm.domain.capture import hashed
from terracrm.domain.contact_merge import LISTS, SCALARS, identity, snapshot
from terracrm.domain.records import ContactRecord, MeetingRecord, MessageRecord, Record
from terracrm.models import FieldChange, Link, MessageCopy, MirrorFolder, SkippedItem, Stream, Task
from terracrm.services import (
    client_cards,
    links,
    meeting_entries,
    mirror_calendar,
    mirror_contacts,
    mirror_mail,
    outbox,
    task_items,
)
from terracrm.services.matching import chunks
from terracrm.services.plans import CHANGE, CREATE, IN, OUT, REMOVE, Field, Step
from terracrm.services.sources import Source

log = structlog.get_logger(__name__)

LEFT: Final = "left_folder"
FOLDER_LEFT: Final = "folder_gone"
PRIVATE: Final = "private"
UNTRACKED: Final = "category_removed"
# What a plan does not keep: the words of a meeting or a mail are read where they are.
UNTOLD: Final = frozenset({"body_text", "body_html", "exceptions", "deleted_occurrences"})
# The rule of what is taken in because its folder is mirrored.
BY_ENTITY: Final = {mirror_contacts.ENTITY: mirror_contacts.FROM_FOLDER, mirror_calendar.ENTITY: meeting_entries.RULE,
                    mirror_mail.ENTITY: ""}  # fmt: skip
Thing = tuple[str, int]
"""Entity and local id."""


def steps_of(session: Session, source: Source, folder: MirrorFolder, actions: Sequence[Action]) -> list[Step]:
    """The steps of a page in its order; an action that comes to nothing is none."""
    linked = _linked(session, source.mailbox_id, [action.remote_id for action in actions])
    looked = _Look(session, source, folder)
    found: list[Step] = []
    for action in actions:
        found += looked.at(action, linked.get(action.remote_id))
    return found


def of_links(session: Session, stream_id: int, found: Iterable[Link], rule: str) -> list[Step]:
    """That these items left, one step each."""
    return [_removal(link, stream_id, rule) for link in found]


def weighs(step: Step) -> bool:
    """Whether the brake counts a step: it removes something, or changes what is known here, or what people wrote there.

    What became private is never held back. A mail does not change: only where it lies, or how it is filed.
    """
    if step.direction == OUT:
        return outgoing.weighs(step)
    if step.rule == PRIVATE or step.act == CREATE:
        return False
    return step.act == REMOVE or step.entity != mirror_mail.ENTITY


def still_told(session: Session, source: Source, actions: Iterable[Action]) -> set[Thing]:
    """The things that these actions would link: of what left elsewhere in the mailbox, it tells that it has moved."""
    found: set[Thing] = set()
    for action in actions:
        match action:
            case Store(record=MessageRecord() as record):
                found |= {(link.entity, link.local_id) for link in mirror_mail.links_of(session, source, record)}
            case Store(record=MeetingRecord() as record):
                found |= {(link.entity, link.local_id) for link in mirror_calendar.links_of(session, source, record)}
            case Store(record=ContactRecord() as record):
                person = mirror_contacts.match(session, source, record)
                found |= {(mirror_contacts.ENTITY, person.id)} if person else set()
            case TakeCard(change=change) | TakeTask(change=change) if change.key:
                mine = Link.mailbox_id == source.mailbox_id, links.HAS_KEY, Link.key == change.key
                rows = session.execute(select(Link.entity, Link.local_id).where(*mine))
                found |= {(entity, local_id) for entity, local_id in rows}
            case Return(remote_id) | Update(remote_id):
                if link := links.find(session, source.mailbox_id, remote_id):
                    found.add((link.entity, link.local_id))
            case _:
                pass
    return found


def held(session: Session, mailbox_id: int, things: Collection[Thing], without: Collection[str] = ()) -> set[Thing]:
    """Those of these things that an item of the mailbox is linked to, other than the ones `without`.

    An item that lies elsewhere with the key of one that we wrote is that one, moved, as far as can be told now. A card
    that we wrote is no other place of an entry that a person made, nor the other way round.
    """
    left_out, found = frozenset(without), set()
    for entity in {entity for entity, _ in things}:
        for ids in chunks(sorted(local_id for each, local_id in things if each == entity)):
            mine = Link.mailbox_id == mailbox_id, Link.entity == entity, Link.local_id.in_(ids)
            is_ours = (Link.match_method == links.WRITTEN).label("is_ours")
            rows = session.execute(
                select(Link.local_id, Link.remote_id, Link.gone_at, Link.key, is_ours).where(*mine)
            ).all()
            leaving = {(row.local_id, not row.is_ours) for row in rows if row.remote_id in left_out}
            leaving -= {(row.local_id, row.is_ours) for row in rows if row.remote_id in left_out}
            found |= {
                (entity, row.local_id)
                for row in rows
                if not row.gone_at and row.remote_id not in left_out and (row.local_id, row.is_ours) not in leaving
            }
            keys = {hashed(row.key): row.local_id for row in rows if row.key}
            copied = _copied(session, mailbox_id, keys) if keys else ()
            found |= {(entity, keys[key]) for key in copied}
    return found


def _copied(session: Session, mailbox_id: int, key_hashes: Collection[str]) -> Sequence[str]:
    of_mailbox = select(MirrorFolder.id).join(Stream).where(Stream.mailbox_id == mailbox_id)
    copies = SkippedItem.folder_id.in_(of_mailbox), SkippedItem.rule == client_cards.COPY
    query = select(SkippedItem.message_hash).where(*copies, SkippedItem.message_hash.in_(key_hashes))
    return session.scalars(query).all()


def _linked(session: Session, mailbox_id: int, remote_ids: Sequence[str]) -> dict[str, Link]:
    mine = select(Link).where(Link.mailbox_id == mailbox_id)
    return {
        link.remote_id: link
        for some in chunks(remote_ids)
        for link in session.scalars(mine.where(Link.remote_id.in_(some)))
    }


def _removal(link: Link, stream_id: int, rule: str) -> Step:
    where = {"folder_id": link.folder_id, "remote_id": link.remote_id, "version": link.version}
    return Step(stream_id, IN, REMOVE, link.entity, link.local_id, rule=rule, **where)  # type: ignore[arg-type]


class _Look:
    """One page's trial: what each action does is read off what it leaves behind."""

    def __init__(self, session: Session, source: Source, folder: MirrorFolder) -> None:
        self._session, self._source = session, source
        self._stream_id, self._folder_id = folder.stream_id, folder.id

    def at(self, action: Action, link: Link | None) -> Iterator[Step]:
        match action:
            case MarkGone() if link and link.folder_id == self._folder_id:
                yield _removal(link, self._stream_id, LEFT)
            case Withdraw() if link:
                yield _removal(link, self._stream_id, PRIVATE)
            case Store(remote_id, version, record, decision):
                yield self._creation(remote_id, version, record, decision.rule or BY_ENTITY[_entity(record)])
            case Untrack(remote_id, version) if link:
                yield self._change(link, remote_id, version, UNTRACKED, (Field("followed", "yes", ""),))
            case Update(remote_id, version, MessageRecord() as record) if link:
                if fields := self._filed(link, record):
                    yield self._change(link, remote_id, version, link.rule, fields)
            case Update() | TakeCard() | TakeTask():
                yield from self._tried(action, link)
            case _:
                pass

    def _tried(self, action: Update | TakeCard | TakeTask, link: Link | None) -> list[Step]:
        """What an action changes, performed behind a savepoint; what cannot be stored will be quarantined."""
        try:
            with self._session.begin_nested():
                return list(self._performed(action, link))
        except Exception as error:
            if not is_about_data(error):
                raise
            log.warning("an item could not be planned", remote_id=action.remote_id, reason=type(error).__name__)
            return []

    def _performed(self, action: Update | TakeCard | TakeTask, link: Link | None) -> Iterator[Step]:
        session, version = self._session, action.version if isinstance(action, Update) else action.change.version
        last = session.scalar(select(func.max(FieldChange.id))) or 0
        base, task = (dict(link.base or {}), self._task(link)) if link else ({}, {})
        rule, entity, local_id = (link.rule, link.entity, link.local_id) if link else ("", "", 0)
        counts = writer.apply(session, self._source, [action])
        session.flush()
        if link is None:
            if counts.created and isinstance(action, TakeCard) and action.change.record:
                yield self._creation(action.remote_id, version, action.change.record, outbox.CLIENTS)
            return
        if not counts.weight.changed:
            return
        mine = FieldChange.id > last, FieldChange.run_id == self._source.run_id
        rows = session.scalars(select(FieldChange).where(*mine).order_by(FieldChange.id)).all()
        fields = [Field(_name(row, entity), row.old, row.new) for row in rows]
        if entity == mirror_calendar.ENTITY:
            now = links.find(session, self._source.mailbox_id, action.remote_id)
            fields += _differing(base, dict(now.base or {}) if now else {})
        elif entity == outbox.TASK:
            fields += _differing(task, self._task(link))
        where = {"folder_id": self._folder_id, "remote_id": action.remote_id, "version": version}
        yield Step(self._stream_id, IN, CHANGE, entity, local_id, rule=rule, fields=tuple(fields), **where)  # type: ignore[arg-type]

    def _task(self, link: Link) -> dict[str, Any]:
        task = self._session.get(Task, link.local_id) if link.entity == outbox.TASK else None
        return dict(task_items.values_of(task, self._source.time_zone)) if task else {}

    def _filed(self, link: Link, record: MessageRecord) -> tuple[Field, ...]:
        copy, now = self._session.get(MessageCopy, link.id), "\n".join(record.categories)
        return (Field("categories", copy.categories, now),) if copy and copy.categories != now else ()

    def _creation(self, remote_id: str, version: str, record: Record, rule: str) -> Step:
        where = {"folder_id": self._folder_id, "remote_id": remote_id, "version": version}
        return Step(self._stream_id, IN, CREATE, _entity(record), rule=rule, fields=_said(record), **where)  # type: ignore[arg-type]

    def _change(self, link: Link, remote_id: str, version: str, rule: str, fields: tuple[Field, ...]) -> Step:
        where = {"folder_id": self._folder_id, "remote_id": remote_id, "version": version}
        return Step(self._stream_id, IN, CHANGE, link.entity, link.local_id, rule=rule, fields=fields, **where)  # type: ignore[arg-type]


def _entity(record: Record) -> str:
    if isinstance(record, MessageRecord):
        return mirror_mail.ENTITY
    return mirror_calendar.ENTITY if isinstance(record, MeetingRecord) else mirror_contacts.ENTITY


def _said(record: Record) -> tuple[Field, ...]:
    """What a new item says, as far as a plan keeps it: of mail only when it was sent."""
    if isinstance(record, ContactRecord):
        said = snapshot(record)
        texts = {field: said[field] for field in SCALARS}
        lists = {field: "; ".join(identity(field, entry) for entry in said[field]) for field in LISTS}
        return tuple(Field(field, "", text) for field, text in (texts | lists).items() if text)
    if isinstance(record, MeetingRecord):
        start = record.start.isoformat() if record.start else ""
        return tuple(Field(*each) for each in (("subject", "", record.subject), ("start", "", start)) if each[2])
    if isinstance(record, MessageRecord) and record.sent_at:
        return (Field("sent_at", "", record.sent_at.isoformat()),)
    return ()


def _name(row: FieldChange, entity: str) -> str:
    return row.field if row.entity == entity else f"{row.entity}.{row.field}"


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[Field]:
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [
        Field(name, "", "") if name in UNTOLD else Field(name, _text(old.get(name)), _text(new.get(name)))
        for name in names
    ]


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
