"""The items that could not be read or stored, for a person to look at, and to have them tried again (Y4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session, contains_eager

from terracrm.errors import Forbidden, NotFound
from terracrm.models import Mailbox, MirrorFolder, QuarantinedItem, Stream, utcnow
from terracrm.services import access, audit, outbox_list, skipped
from terracrm.services.access import Viewer
from terracrm.services.listing import PAGE_SIZE, Listing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SickRow:
    """One item in quarantine. Nothing is known of its content: only where it lies, and what went wrong."""

    id: int
    mailbox_id: int
    mailbox: str
    stream: str
    folder: str
    remote_id: str
    error: str
    attempts: int
    first_seen_at: datetime
    next_try_at: datetime


def listing(session: Session, viewer: Viewer, mailbox_id: int | None = None, page: int = 1) -> Listing[SickRow]:
    """One page of what is in quarantine of the mailboxes that the viewer sees, newest first."""
    seen = _seen(viewer, mailbox_id)
    total = session.scalar(_joined(select(func.count()).select_from(QuarantinedItem)).where(seen)) or 0
    items = session.scalars(
        _joined(select(QuarantinedItem))
        .options(contains_eager(QuarantinedItem.folder, MirrorFolder.stream, Stream.mailbox))
        .where(seen)
        .order_by(QuarantinedItem.first_seen_at.desc(), QuarantinedItem.id.desc())
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    return Listing([_row(item) for item in items], total, page)


def may_retry(viewer: Viewer) -> bool:
    """Whether this role may have something tried again, in the mailboxes that it sees."""
    return outbox_list.may_retry(viewer)


def retry(session: Session, viewer: Viewer, item_id: int) -> SickRow:
    """Try one item again with the next run, which comes soon; NotFound where it is no longer in quarantine."""
    found = _retry(session, viewer, and_(QuarantinedItem.id == item_id, _seen(viewer)))
    if not found:
        raise NotFound("This is no longer in quarantine.")
    return found[0]


def retry_all(session: Session, viewer: Viewer, mailbox_id: int | None = None) -> int:
    """Try all items again with the next runs, of one mailbox or of all that the viewer sees; how many they are."""
    return len(_retry(session, viewer, _seen(viewer, mailbox_id)))


def _retry(session: Session, viewer: Viewer, which: ColumnElement[bool]) -> list[SickRow]:
    if not may_retry(viewer):
        raise Forbidden("This role changes nothing in mailboxes.")
    items = session.scalars(_joined(select(QuarantinedItem)).where(which).order_by(QuarantinedItem.id)).all()
    for item in items:
        item.next_try_at = utcnow()
    session.flush()
    rows = [_row(item) for item in items]
    skipped.hurry(session, {item.folder_id for item in items})
    for mailbox_id, count in sorted(_by_mailbox(rows).items()):
        audit.record(session, viewer.signs_as, "quarantine.retry", "mailbox", mailbox_id, f"items: {count}")
    return rows


def _by_mailbox(rows: Collection[SickRow]) -> dict[int, int]:
    ids = [row.mailbox_id for row in rows]
    return {mailbox_id: ids.count(mailbox_id) for mailbox_id in set(ids)}


def _joined(query: Select[T]) -> Select[T]:
    return query.join(QuarantinedItem.folder).join(MirrorFolder.stream).join(Stream.mailbox)


def _seen(viewer: Viewer, mailbox_id: int | None = None) -> ColumnElement[bool]:
    seen = access.mailboxes(viewer)
    return seen if mailbox_id is None else and_(seen, Mailbox.id == mailbox_id)


def _row(item: QuarantinedItem) -> SickRow:
    stream = item.folder.stream
    return SickRow(
        id=item.id,
        mailbox_id=stream.mailbox_id,
        mailbox=stream.mailbox.address,
        stream=stream.kind,
        folder=item.folder.path,
        remote_id=item.remote_id,
        error=item.error,
        attempts=item.attempts,
        first_seen_at=item.first_seen_at,
        next_try_at=item.next_try_at,
    )
