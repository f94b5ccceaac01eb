"""Attachments as the portal shows and hands them out: to those who may read their message (S12, A4, invariant 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain import attachments as rules
from terracrm.domain import file_danger, file_types
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import Activity, AttachmentContent, MessageAttachment, MessageBody, utcnow
from terracrm.services import access, audit
from terracrm.services import mirror_attachments as mirror
from terracrm.services.access import Viewer
from terracrm.services.sources import MEGABYTE

DOWNLOAD = "attachment.download"
BYTES = "application/octet-stream"
_AS_THEY_ARE = file_types.SHOWN_IMAGES | {file_types.PDF}
"""What a browser is told of a download; it gets anything else as mere bytes."""


@dataclass(frozen=True, slots=True)
class File:
    """An attachment as a page shows it. `names` are what the text may call it, each as `rules.reference` made it.

    `state` is that of MessageAttachment, as it is now. `may_be_asked`: a mailbox that holds it can be asked for the
    content. `link` is its address when it is a safe link into the cloud.
    `is_in_text`: the text shows it; `is_shown`: its bytes may be shown as an image.
    """

    message_id: int
    position: int
    name: str
    content_type: str
    found_type: str
    kind: str
    size: int
    state: str
    error: str
    danger: str
    hash: str
    link: str
    names: tuple[str, ...]
    requested_at: datetime | None
    is_in_text: bool
    may_be_asked: bool = False

    @property
    def type(self) -> str:
        """What its bytes show it to be, else what its sender calls it; "" where nobody says.

        Of an Office document the bytes show only the envelope: that the sender knows better, unless it is flagged.
        """
        declared = "" if self.content_type == BYTES or self.state == mirror.LINK else self.content_type
        is_envelope = self.found_type in (file_types.ZIP, file_types.OLE) and not self.danger
        return declared if is_envelope and declared else self.found_type or declared

    @property
    def is_shown(self) -> bool:
        """Whether the content is here and is an image that cannot run anything."""
        return self.state == mirror.STORED and self.found_type in file_types.SHOWN_IMAGES


@dataclass(frozen=True, slots=True)
class Download:
    """What goes to the browser: `name` is one that every disk takes."""

    name: str
    content_type: str
    data: bytes


def files(session: Session, viewer: Viewer, settings: Settings, message_id: int) -> list[File]:
    """What a message has attached; NotFound when there is no such message or the viewer may not read it."""
    _require_readable(session, viewer, message_id)
    rows = session.execute(_query(message_id)).all()
    if not rows:
        return []
    html = session.scalar(select(MessageBody.html).where(MessageBody.activity_id == message_id)) or ""
    shown = rules.references(html)
    is_held = mirror.is_held(session, message_id)
    is_askable = bool(mirror.copies(session, settings.mirror, message_id))
    return [
        replace(_file(row, found_type, shown), **_where(row, settings, is_held=is_held, is_askable=is_askable))
        for row, found_type in rows
    ]


def file(session: Session, viewer: Viewer, settings: Settings, message_id: int, position: int) -> File:
    """One of them; raises NotFound."""
    for found in files(session, viewer, settings, message_id):
        if found.position == position:
            return found
    raise NotFound("There is no such attachment.")


def request(session: Session, viewer: Viewer, settings: Settings, message_id: int, position: int) -> None:
    """Ask for a content: the mailboxes that hold it are read at once, and it arrives with that.

    Nothing happens where it is here already. Raises InvalidInput when no mailbox can be asked, or it is too large.
    """
    found = file(session, viewer, settings, message_id, position)
    if found.state == mirror.STORED:
        return
    if not found.may_be_asked:
        raise InvalidInput("No mailbox that holds this attachment can be asked for it.")
    row = session.get_one(MessageAttachment, (message_id, position))
    if row.state != mirror.WANTED or row.requested_at is None:
        row.state, row.error, row.requested_at = mirror.WANTED, "", utcnow()
        session.flush()
    _wake(session, viewer, mirror.copies(session, settings.mirror, message_id))


def download(session: Session, viewer: Viewer, message_id: int, position: int, *, is_warned: bool) -> Download:
    """A content for the viewer to keep, which goes into the audit log; `is_warned` of why it is flagged.

    NotFound while it is not here, InvalidInput when it is flagged and the viewer was not warned.
    """
    row, content = _stored(session, viewer, message_id, position)
    if _danger(row) and not is_warned:
        raise InvalidInput("This file is flagged: its page says why.")
    # Not its name: the log stays when the mail becomes private (S4), and till then the message tells it.
    detail = f"attachment {position}, sha256 {row.content_hash}"
    audit.record(session, viewer.user_id, DOWNLOAD, "message", message_id, detail)
    content_type = content.content_type if content.content_type in _AS_THEY_ARE else BYTES
    is_item = row.content_type == file_types.MAIL
    name = rules.item_name(row.name, content.content_type) if is_item else rules.file_name(row.name, row.content_type)
    return Download(name, content_type, content.data)


def image(session: Session, viewer: Viewer, message_id: int, position: int) -> Download:
    """An image to show in the text of its message; NotFound when it is not here or is anything but a plain image."""
    row, content = _stored(session, viewer, message_id, position)
    if content.content_type not in file_types.SHOWN_IMAGES:
        raise NotFound("This attachment is no image.")
    return Download(rules.file_name(row.name, content.content_type), content.content_type, content.data)


def _wake(session: Session, viewer: Viewer, copies: Sequence[mirror.Copy]) -> None:
    """Have one mailbox read at once, best the viewer's own; those that wait for their server are not disturbed."""
    ready = [copy.mailbox_id for copy in copies if copy.is_ready]
    if ready:
        mirror.make_due(session, min(ready, key=lambda mailbox_id: mailbox_id not in viewer.mailbox_ids))


def _query(message_id: int) -> Any:
    return (
        select(MessageAttachment, AttachmentContent.content_type)
        .outerjoin(AttachmentContent, AttachmentContent.hash == MessageAttachment.content_hash)
        .where(MessageAttachment.activity_id == message_id)
        .order_by(MessageAttachment.position)
    )


def _file(row: MessageAttachment, found_type: str | None, shown: frozenset[str]) -> File:
    is_link = row.state == mirror.LINK
    return File(
        message_id=row.activity_id,
        position=row.position,
        name=rules.shown_name(row.name),
        content_type=row.content_type,
        found_type=found_type or "",
        kind="link" if is_link else file_types.kind(row.name, row.content_type),
        size=row.size,
        state=row.state,
        error=row.error,
        danger="" if is_link else _danger(row),
        hash=row.content_hash,
        link=row.content_id if is_link and rules.is_safe_link(row.content_id) else "",
        names=tuple(map(rules.reference, row.content_id.splitlines())),
        requested_at=row.requested_at,
        is_in_text=rules.is_in_text(row.name, row.content_type, row.content_id, shown),
    )


def _where(row: MessageAttachment, settings: Settings, *, is_held: bool, is_askable: bool) -> dict[str, Any]:
    """The state of a content as it is now, and whether a mailbox can be asked for it."""
    if row.state in (mirror.STORED, mirror.LINK):
        return {}
    if not is_held:
        return {"state": mirror.GONE}
    if row.size > settings.mirror.attachment_max_mb * MEGABYTE:
        return {"state": mirror.TOO_LARGE}
    if not is_askable:
        return {"state": ""}
    return {"may_be_asked": True}


def _danger(row: MessageAttachment) -> str:
    """Why it is flagged; by its name also where it was listed before there were flags."""
    return row.danger or file_danger.of_name(row.name, row.content_type)


def _stored(
    session: Session, viewer: Viewer, message_id: int, position: int
) -> tuple[MessageAttachment, AttachmentContent]:
    _require_readable(session, viewer, message_id)
    found = session.execute(
        select(MessageAttachment, AttachmentContent)
        .join(AttachmentContent, AttachmentContent.hash == MessageAttachment.content_hash)
        .where(MessageAttachment.activity_id == message_id, MessageAttachment.position == position)
    ).first()
    if found is None:
        raise NotFound("The content of this attachment is not here.")
    return found


def _require_readable(session: Session, viewer: Viewer, message_id: int) -> None:
    readable = select(Activity.id).where(Activity.id == message_id, access.readable_activities(viewer))
    if session.scalar(readable) is None:
        raise NotFound("There is no such message.")
