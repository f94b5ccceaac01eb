"""Items that an undone run had brought: they stay out until a person has them taken in again (Y3).

Each is a SkippedItem by the rule UNDONE of the run that was undone. It is known by its id and by a hash of what it is,
so that it stays out in whatever folder it is met, and when a folder is read anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from terracrm.domain.capture import hashed, message_hash, message_key
from terracrm.domain.client_merge import card_of
from terracrm.domain.meeting_identity import recognised
from terracrm.domain.records import Change, ContactRecord, MeetingRecord, MessageRecord, Record
from terracrm.models import MirrorFolder, SkippedItem, Stream
from terracrm.services import mirror_contacts, skipped
from terracrm.services.skipped import UNDONE, Skip


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Which undone run had brought an item, and what it is known by."""

    run_id: int | None
    identity: str


def of_mail(message_id: str, key: str) -> str:
    """What a mail is known by: what it can be asked for by, else the key that stands for its content."""
    return message_hash(message_id) or hashed(key)


def of_meeting(uid: str) -> str:
    """What a meeting is known by, with all its occurrences."""
    return hashed(f"meeting:{uid}") if uid else ""


def of_contact(content_hash: str) -> str:
    """What an entry of a contacts folder is known by: all that it says."""
    return hashed(f"contact:{content_hash}") if content_hash else ""


def lookup(session: Session, mailbox_id: int, changes: Iterable[Change]) -> dict[str, KeptOut]:
    """Those of these items of a mailbox that are kept out, by their ids. Of private ones only the id counts."""
    if session.scalar(select(SkippedItem.id).where(*_mine(mailbox_id)).limit(1)) is None:
        return {}
    told = {change.remote_id: _identity(change.record) for change in changes}
    wanted = {identity for identity in told.values() if identity}
    rows = session.execute(
        select(SkippedItem.remote_id, SkippedItem.run_id, SkippedItem.message_hash)
        .where(*_mine(mailbox_id), or_(SkippedItem.remote_id.in_(told), SkippedItem.message_hash.in_(wanted)))
        .order_by(SkippedItem.id)
    ).all()
    by_identity = {row.message_hash: KeptOut(row.run_id, row.message_hash) for row in rows if row.message_hash}
    found = {id_: by_identity[identity] for id_, identity in told.items() if identity in by_identity}
    return found | {row.remote_id: KeptOut(row.run_id, row.message_hash) for row in rows if row.remote_id in told}


def keep_out(session: Session, run_id: int | None, items: Mapping[tuple[int, str], str]) -> None:
    """Keep these items out, by folder and id, each with what it is known by; `run_id` had brought them."""
    skips = [Skip(folder_id, remote_id, UNDONE, identity) for (folder_id, remote_id), identity in items.items()]
    skipped.note(session, run_id, skips)


def take_again(session: Session, mailbox_id: int, run_id: int) -> int:
    """Have what this run had brought read again and taken in by the next run; how many items that are."""
    mine = and_(*_mine(mailbox_id))
    return skipped.make_due(session, mine, SkippedItem.run_id == run_id)


def count(session: Session, mailbox_id: int, run_id: int) -> int:
    """How many items that a run had brought are kept out."""
    return len(session.scalars(select(SkippedItem.id).where(*_mine(mailbox_id), SkippedItem.run_id == run_id)).all())


def _mine(mailbox_id: int) -> tuple[ColumnElement[bool], ...]:
    folders = select(MirrorFolder.id).join(Stream, Stream.id == MirrorFolder.stream_id)
    of_mailbox = SkippedItem.folder_id.in_(folders.where(Stream.mailbox_id == mailbox_id))
    return SkippedItem.rule == UNDONE, SkippedItem.is_due.is_(False), of_mailbox


def _identity(record: Record | None) -> str:
    """A private item is looked at as any other one: what it was before may have to be withdrawn (S4)."""
    match record:
        case MessageRecord(is_private=False):
            return of_mail(record.message_id, message_key(record))
        case ContactRecord(is_private=False):
            return of_contact(mirror_contacts.content_hash(card_of(record, "")))
        case MeetingRecord(is_private=False):
            return of_meeting(recognised(record).uid)
        case _:
            return ""
