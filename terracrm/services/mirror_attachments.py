"""Attachments as the mirror keeps them: listed with their mail, fetched when they are wanted, stored once (S12).

The bytes are in the database, once for each content: one backup and any number of machines have them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from terracrm.config.settings import Mirror
from terracrm.domain import file_danger
from terracrm.domain.attachments import AttachmentPolicy, is_small_image, names_in_text
from terracrm.domain.file_types import sniff
from terracrm.domain.records import Folder, MessageRecord, StreamKind
from terracrm.errors import InvalidInput
from terracrm.models import (
    STOPPED,
    AttachmentContent,
    Link,
    Mailbox,
    MessageAttachment,
    MirrorFolder,
    Stream,
    StreamState,
    utcnow,
)
from terracrm.services import audit
from terracrm.services.sources import MEGABYTE, Source

POLICIES: tuple[str, ...] = get_args(AttachmentPolicy)
DEFAULT = "default"
WANTED, STORED, FAILED, TOO_LARGE, GONE, LINK = "wanted", "stored", "failed", "too_large", "gone", "link"
# A stream in one of these states is opened by nobody before a person has mended it.
_READY = (StreamState.NEW, StreamState.OK, StreamState.DEGRADED)
ENTITY = "message"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attachment whose content is to be fetched: what its item listed at `position`."""

    message_id: int
    position: int
    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Copy:
    """An item that holds a message; `is_ready` when its mailbox was read well the last time."""

    mailbox_id: int
    folder: Folder
    remote_id: str
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes with all that is found out of them: SHA-256 in hex, the type they show, and why they are flagged."""

    data: bytes
    hash: str
    content_type: str
    danger: str


def examined(waiting: Waiting, data: bytes) -> Content:
    """The content of an attachment, looked at."""
    danger = file_danger.of_content(waiting.name, waiting.content_type, data)
    return Content(data, hashlib.sha256(data).hexdigest(), sniff(data), danger)


def add(session: Session, records: Mapping[int, MessageRecord]) -> None:
    """List what new messages have attached, flagged by name; a link into the cloud has its address and no content."""
    rows = [
        {
            "activity_id": activity_id,
            "position": position,
            "name": each.name,
            "content_type": each.content_type,
            "size": each.size,
            "is_inline": each.is_inline,
            "content_id": names_in_text("" if each.is_link else each.content_id, each.location),
            "state": LINK if each.is_link else "",
            "danger": "" if each.is_link else file_danger.of_name(each.name, each.content_type),
        }
        for activity_id, record in records.items()
        for position, each in enumerate(record.attachments)
    ]
    if rows:
        session.execute(insert(MessageAttachment), rows)


def want(session: Session, source: Source, message_ids: Collection[int]) -> None:
    """Mark what the policy of a mailbox fetches by itself of messages that it has just brought."""
    here = MessageAttachment.activity_id.in_(message_ids)
    _want(session, source.attachments, source.attachment_max_bytes, here)


def set_policy(session: Session, mirror: Mirror, mailbox: Mailbox, policy: str) -> int:
    """Another policy for a mailbox, "default" for that of the settings; how many of its attachments are now wanted.

    It holds also for the mail that is here: what the mailbox alone holds and nobody has asked for waits no more,
    unless the new policy wants it. Raises InvalidInput for a policy that there is not.
    """
    if policy not in (*POLICIES, DEFAULT):
        raise InvalidInput(f"an attachment policy is one of {', '.join(POLICIES)} or {DEFAULT}; not {policy}")
    mailbox.attachments = "" if policy == DEFAULT else policy
    audit.record(session, None, "rules.change", "mailbox", mailbox.id, f"attachments of {mailbox.address}: {policy}")
    elsewhere = exists().where(_is_live(), Link.mailbox_id != mailbox.id)
    unasked = and_(MessageAttachment.state == WANTED, MessageAttachment.requested_at.is_(None))
    session.execute(update(MessageAttachment).where(unasked, _held(mailbox.id), ~elsewhere).values(state=""))
    count = _want(session, policy_of(mirror, mailbox), mirror.attachment_max_mb * MEGABYTE, _held(mailbox.id))
    if count:
        make_due(session, mailbox.id)
    return count


def policy_of(mirror: Mirror, mailbox: Mailbox) -> str:
    """A mailbox's own policy, or else that of the settings."""
    return mailbox.attachments or mirror.attachments


def waiting(session: Session, mailbox_id: int, limit: int) -> list[Waiting]:
    """What this mailbox holds and is to be fetched now: what somebody asked for first, then the newest mail's."""
    row = MessageAttachment
    query = (
        select(row.activity_id, row.position, row.name, row.content_type, row.size)
        .where(_is_due(), _held(mailbox_id))
        .order_by(row.requested_at.is_(None), row.requested_at, row.activity_id.desc(), row.position)
    )
    return [Waiting(*found) for found in session.execute(query.limit(limit))]


def is_waiting(session: Session, mirror: Mirror, mailbox: Mailbox) -> bool:
    """Whether something is left that this mailbox can be asked for."""
    if policy_of(mirror, mailbox) == "none":
        return False
    return bool(session.scalar(select(exists().where(_is_due(), _held(mailbox.id)))))


def copies(session: Session, mirror: Mirror, message_id: int) -> list[Copy]:
    """The items that hold a message, in mailboxes that may be read and whose attachments may be fetched."""
    policy = func.coalesce(func.nullif(Mailbox.attachments, ""), mirror.attachments)
    query = (
        select(Link.mailbox_id, Link.remote_id, MirrorFolder, Stream.state)
        .join(MirrorFolder, MirrorFolder.id == Link.folder_id)
        .join(Mailbox, Mailbox.id == Link.mailbox_id)
        .join(Stream, and_(Stream.mailbox_id == Mailbox.id, Stream.kind == StreamKind.MAIL))
        .where(
            Link.entity == ENTITY, Link.local_id == message_id, Link.gone_at.is_(None),
            MirrorFolder.gone_at.is_(None), Mailbox.is_enabled, policy != "none",
            Stream.is_enabled, Stream.state.not_in(STOPPED),
        )
        .order_by(Link.mailbox_id, Link.id.desc())
    )  # fmt: skip
    return [
        Copy(mailbox_id, _folder(folder), remote_id, state in _READY)
        for mailbox_id, remote_id, folder, state in session.execute(query)
    ]


def is_held(session: Session, message_id: int) -> bool:
    """Whether any mailbox still holds a message."""
    live = exists().where(Link.entity == ENTITY, Link.local_id == message_id, Link.gone_at.is_(None))
    return bool(session.scalar(select(live)))


def store(session: Session, waiting: Waiting, content: Content) -> None:
    """Keep a content, once however many messages carry it, and say of the attachment that this is its own.

    Nothing happens when the message is no longer here.
    """
    _lock(session)
    row = session.get(MessageAttachment, (waiting.message_id, waiting.position))
    if row is None:
        return
    if session.scalar(select(AttachmentContent.hash).where(AttachmentContent.hash == content.hash)) is None:
        session.execute(
            insert(AttachmentContent),
            [
                {
                    "hash": content.hash,
                    "size": len(content.data),
                    "content_type": content.content_type,
                    "data": content.data,
                }
            ],
        )
    row.state, row.error, row.requested_at = STORED, "", None
    row.content_hash, row.danger, row.size = content.hash, content.danger, len(content.data)
    session.flush()


def give_up(session: Session, waiting: Waiting, state: str, error: str = "", try_at: datetime | None = None) -> None:
    """Say why a content was not fetched, and when that is tried again, if it is; a person may ask again anyway."""
    session.execute(
        update(MessageAttachment)
        .where(
            MessageAttachment.activity_id == waiting.message_id,
            MessageAttachment.position == waiting.position,
            MessageAttachment.state != STORED,
        )
        .values(state=state, error=error, requested_at=try_at)
    )


def forget(session: Session, message_ids: Iterable[int]) -> None:
    """Drop what these messages had attached, and each content that no other message has (S4, S6)."""
    _lock(session)
    ids = list(message_ids)
    mine = MessageAttachment.activity_id.in_(ids)
    hashes = set(session.scalars(select(MessageAttachment.content_hash).where(mine))) - {""}
    session.execute(delete(MessageAttachment).where(mine))
    still_used = exists().where(MessageAttachment.content_hash == AttachmentContent.hash)
    session.execute(delete(AttachmentContent).where(AttachmentContent.hash.in_(hashes), ~still_used))


def make_due(session: Session, mailbox_id: int) -> None:
    """Read the mail of a mailbox at the next occasion; a stream that waits for its server goes on waiting."""
    now = utcnow()
    session.execute(
        update(Stream)
        .where(
            Stream.mailbox_id == mailbox_id,
            Stream.kind == StreamKind.MAIL,
            Stream.state.in_(_READY),
            Stream.due_at > now,
        )
        .values(due_at=now)
    )


def _want(session: Session, policy: str, max_bytes: int, here: ColumnElement[bool]) -> int:
    row = MessageAttachment
    is_new = and_(here, row.state == "")
    if policy == "all":
        found = update(row).where(is_new, row.size <= max_bytes).values(state=WANTED)
        return session.connection().execute(found).rowcount
    if policy == "none":
        return 0
    images = [
        each
        for each in session.scalars(select(row).where(is_new, or_(row.is_inline, row.content_id != "")))
        if is_small_image(each.name, each.content_type, each.size, max_bytes)
    ]
    for each in images:
        each.state = WANTED
    session.flush()
    return len(images)


def _is_due() -> ColumnElement[bool]:
    state, when = MessageAttachment.state, MessageAttachment.requested_at
    return or_(state == WANTED, and_(state == FAILED, when <= utcnow()))


def _held(mailbox_id: int) -> ColumnElement[bool]:
    """The attachments of messages that this mailbox still holds."""
    return exists().where(_is_live(), Link.mailbox_id == mailbox_id)


def _is_live() -> ColumnElement[bool]:
    return and_(Link.entity == ENTITY, Link.local_id == MessageAttachment.activity_id, Link.gone_at.is_(None))


def _folder(row: MirrorFolder) -> Folder:
    return Folder(row.remote_id, row.path, StreamKind.MAIL, row.well_known)


def _lock(session: Session) -> None:
    """One transaction at a time adds or drops contents: else one could drop what another has just found there.

    SQLite has one writer anyway (`db.begin_write`).
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql("SELECT pg_advisory_xact_lock(7205002)")
