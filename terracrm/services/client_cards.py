"""The cards of clients in Outlook, read: what their people change there comes in, field by field (W1, S4, S9).

A card is a link by the rule CLIENTS. `base` is what it said when both sides last agreed, `sent` what we said then, and
`told` what is known here from the people of its mailbox alone. A card with `untracked_at` was made private: nothing is
known of it but that it is there. What becomes of cards that are gone is for `gone_cards` to say, once all folders were
read; such a link has a version until then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain import client_echo, client_merge, history_block
from terracrm.domain.capture import PRIVATE, hashed
from terracrm.domain.client_merge import BOTH, IN, OFF, OUT, Merged
from terracrm.domain.client_slots import BLANK
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot
from terracrm.domain.records import Body, Change, ContactRecord
from terracrm.models import Contact, Link, MirrorFolder, OutboxItem, Stream, utcnow
from terracrm.services import (
    client_writes,
    conflicts,
    contact_data,
    field_history,
    links,
    merged,
    mirror_contacts,
    outbox,
    returning,
    scopes,
    skipped,
)
from terracrm.services.outbox import CLIENTS, CONTACT
from terracrm.services.sources import Source, lock_directory

COPY: Final = "copy"
NOT_TAKEN: Final = "direction"
"""The rules by which an item among the cards is left out: it is a copy of another one; nothing comes in."""
BY_KEY, NEW = "key", "new"

LEFT_OUT: Final = (COPY, PRIVATE, NOT_TAKEN)
Outcome = Literal["kept", "created", "updated", "copy", "private", "direction"]


def known_keys(session: Session, mailbox_id: int, keys: Collection[str]) -> frozenset[str]:
    """Those of these keys that we gave to cards of a mailbox, or are giving now."""
    if not keys:
        return frozenset()
    mine = Link.mailbox_id == mailbox_id, Link.entity == CONTACT, links.HAS_KEY
    cards = select(Link.key).where(*mine, Link.key.in_(keys))
    owed = OutboxItem.mailbox_id == mailbox_id, OutboxItem.entity == CONTACT
    making = select(OutboxItem.key).where(*owed, OutboxItem.key.in_(keys))
    return frozenset(session.scalars(cards)) | frozenset(session.scalars(making))


def take(session: Session, source: Source, change: Change) -> Outcome:
    """A card, an item with the key of one, or whatever lies in the clients' folder, is there: as new, or changed.

    An item with the key of another one is a copy of it; or is that item, moved, if the other one is gone. That is told
    when all folders were read (`gone_cards`): until then it is held for a copy, because while a folder is read anew all
    of its items are gone for a while.
    """
    lock_directory(session, for_writing=True)
    record = cast(ContactRecord, change.record)
    stream = session.get_one(MirrorFolder, source.folder_id).stream
    link = links.find(session, source.mailbox_id, change.remote_id)
    if link is None and change.key:
        link = _of_key(session, source, change)
        if link is not None and link.remote_id != change.remote_id:
            if link.gone_at is None or link.version:
                skip = skipped.Skip(source.folder_id, change.remote_id, COPY, hashed(link.key))
                skipped.note(session, source.run_id, [skip])
                return "copy"
            link.remote_id = change.remote_id
    if link is None or link.rule != CLIENTS:
        return _take_from_person(session, source, stream, link, change, record)
    link.folder_id, link.version, link.gone_at = source.folder_id, change.version, None
    link.key = link.key or change.key  # written onto it, but not noted before the worker was killed
    if record.is_private:
        _hide(session, source, link, change.remote_id)
        return "private"
    link.untracked_at = None
    contact = merged.survivor(session, session.get(Contact, link.local_id))
    if contact is None:
        return "kept"  # it was forgotten: the card goes with the next writing
    return "updated" if absorb(session, source, stream, link, contact, record, change.changed_at) else "kept"


def directions_of(stream: Stream) -> dict[str, str]:
    """Which way each field goes, where it is not both: the direction of the stream limits that of its fields."""
    limited = {"in": {BOTH: IN, OUT: OFF}, "out": {BOTH: OUT, IN: OFF}}.get(stream.direction, {})
    chosen = {field: stream.field_directions.get(field, BOTH) for field in (*SCALARS, *LISTS)}
    return {field: limited.get(way, way) for field, way in chosen.items()}


def absorb(
    session: Session,
    source: Source,
    stream: Stream,
    link: Link,
    contact: Contact,
    record: ContactRecord,
    remote_at: datetime | None,
) -> bool:
    """Take in what a card says now; whether anything changed here, or both sides had changed the same."""
    stood = link.written and link.block_removed_at is None
    if stood and history_block.read(Body(record.notes), was_there=True) is history_block.State.REMOVED:
        link.block_removed_at, link.written = utcnow(), ""
    return reconcile(session, source, stream, link, contact, client_merge.card_of(record, link.written), remote_at)


def reconcile(
    session: Session,
    source: Source,
    stream: Stream,
    link: Link,
    contact: Contact,
    remote: Snapshot,
    remote_at: datetime | None,
) -> bool:
    """Merge a contact with what its card says; whether anything changed here, or both sides had changed the same.

    An edit there brings back a contact that was archived here meanwhile (S9).
    """
    directions = directions_of(stream)

    def changed_at(field: str) -> datetime:
        return field_history.changed_at(session, CONTACT, contact.id, [field]).get(field, contact.created_at)

    base, sent = cast("Snapshot | None", link.base), cast("Snapshot | None", link.sent)
    if base and sent:
        base, sent = client_echo.acknowledged(base, sent, remote, outbox.unfinished(session, link))
    found = client_merge.merge(
        base=base,
        sent=sent,
        local=client_writes.local(contact),
        remote=remote,
        directions=directions,
        rule=source.conflict,
        remote_at=remote_at,
        changed_at=changed_at,
    )
    was_known = link.base is not None
    link.local_id, link.base, link.sent = contact.id, found.base, found.sent
    link.told = client_merge.still_told(cast("Snapshot | None", link.told), found)
    _apply(session, source, contact, found)
    is_edited = bool(found.said) or any(each.rule != client_merge.DIRECTION for each in found.conflicts)
    if contact.archived_at is not None and was_known and is_edited:
        with field_history.recording(session, field_history.of_mailbox(source), contact):
            contact.archived_at = None
    projection = client_merge.project(client_writes.local(contact), found.base)
    if client_merge.outgoing(found.sent, projection, directions) or not was_known:
        outbox.owe(session, source.mailbox_id, CONTACT, [contact.id], "merged")
    session.flush()
    return bool(found.changes or found.conflicts)


def _apply(session: Session, source: Source, contact: Contact, found: Merged) -> None:
    conflicts.note(session, source, CONTACT, contact.id, found.conflicts)
    if found.changes or not contact.display_name:
        origin = field_history.of_mailbox(source)
        contact_data.change(session, origin, source.policy, contact, found.changes)


def adopt(session: Session, source: Source, stream: Stream, link: Link, contact: Contact, at: datetime | None) -> bool:
    """Let an item that a person put into the clients' folder be the card of a contact; as `reconcile` says."""
    remote = cast(Snapshot, link.base)
    link.rule, link.base, link.sent, link.content_hash = CLIENTS, None, None, ""
    return reconcile(session, source, stream, link, contact, remote, at)


def has_card(session: Session, mailbox_id: int, contact_id: int) -> bool:
    """Whether a mailbox has a card of a contact, or had one of which it is not yet known what became of it."""
    there = [link for link in links.of(session, CONTACT, contact_id, mailbox_id) if link.rule == CLIENTS]
    return any(link.gone_at is None or link.version for link in there)


def _take_from_person(
    session: Session, source: Source, stream: Stream, link: Link | None, change: Change, record: ContactRecord
) -> Outcome:
    """An item without a key of ours: in the clients' folder the card of a new contact, or of one that lacks its card.

    Otherwise it is an entry like those of any contacts folder.
    """
    if stream.direction == "out":
        skip = skipped.Skip(source.folder_id, change.remote_id, NOT_TAKEN)
        skipped.note(session, source.run_id, [skip])
        return "direction"
    is_new = link is None
    told = mirror_contacts.match(session, source, record) if link is None else None
    if told is not None:
        returning.take_back(session, source, told)
    if link is None and told is None:
        contact = mirror_contacts.add(session, source, CLIENTS)
        link = links.add(session, source, CONTACT, contact.id, change.remote_id, CLIENTS, NEW)
        link.version = change.version
        reconcile(session, source, stream, link, contact, client_merge.card_of(record, ""), change.changed_at)
        return "created"
    if told is not None and _may_be_card(session, source, stream, told):
        _forget_former(session, source.mailbox_id, told.id)
        link = links.add(session, source, CONTACT, told.id, change.remote_id, CLIENTS, "address")
        link.version = change.version
        reconcile(session, source, stream, link, told, client_merge.card_of(record, ""), change.changed_at)
        return "created"
    is_changed = mirror_contacts.store(session, source, change.remote_id, change.version, record)
    return "created" if is_new else "updated" if is_changed else "kept"


def _may_be_card(session: Session, source: Source, stream: Stream, contact: Contact) -> bool:
    """Whether a contact belongs into the mailbox and has no card there. One that was deleted there may come back."""
    in_scope = scopes.within(session, stream, source.client_scope)
    belongs = select(Contact.id).where(Contact.id == contact.id, scopes.is_active(), in_scope)
    return session.scalar(belongs) is not None and not has_card(session, source.mailbox_id, contact.id)


def _forget_former(session: Session, mailbox_id: int, contact_id: int) -> None:
    """A card that was deleted is put there again by a person: the wish that it be gone is over."""
    for link in links.of(session, CONTACT, contact_id, mailbox_id):
        if link.rule == CLIENTS and link.gone_at is not None:
            session.delete(link)
    session.flush()


def _of_key(session: Session, source: Source, change: Change) -> Link | None:
    """The link of the card that has this key, or a new one of what we are still making."""
    mine = Link.mailbox_id == source.mailbox_id, Link.entity == CONTACT, links.HAS_KEY, Link.key == change.key
    if link := session.scalar(select(Link).where(*mine).order_by(Link.gone_at.is_not(None), Link.id.desc())):
        return link
    owed = session.scalar(
        select(OutboxItem).where(
            OutboxItem.mailbox_id == source.mailbox_id, OutboxItem.entity == CONTACT, OutboxItem.key == change.key
        )
    )
    if owed is None or owed.sent is None:
        return None
    link = links.add(session, source, CONTACT, owed.local_id, change.remote_id, CLIENTS, links.WRITTEN)
    link.key, link.base, link.sent = change.key, owed.sent, owed.sent
    outbox.written(session, {owed.id: 0})
    session.flush()
    return link


def _hide(session: Session, source: Source, link: Link, remote_id: str) -> None:
    """A card was made private: nothing that only its people said stays, and it is left alone until the mark goes.

    A contact that has no other source is forgotten, and so is the card.
    """
    skipped.note(session, source.run_id, [skipped.Skip(source.folder_id, remote_id, PRIVATE)])
    if link.untracked_at is not None:
        return
    told: Snapshot = link.told or {}
    link.untracked_at, link.base, link.sent, link.told = utcnow(), None, None, None
    contact = merged.survivor(session, session.get(Contact, link.local_id))
    session.flush()
    if contact is None:
        return
    conflicts.forget(session, CONTACT, contact.id, mailbox_id=source.mailbox_id)
    if told and mirror_contacts.take_back(session, source, contact, [BLANK | told], set(told)):
        for own in links.of(session, CONTACT, contact.id, source.mailbox_id):
            session.delete(own)
        session.flush()
