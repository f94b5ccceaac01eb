"""How much of a mail is kept: all while one mailbox that holds it keeps all, else who wrote to whom and when (S6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from terracrm.domain.capture import Detail
from terracrm.models import Activity, ContactSuggestion, Mailbox, Message, MessageBody, MessageCopy
from terracrm.services import merge_privacy, mirror_attachments, search, touches
from terracrm.services.matching import chunks


def kept_by_nobody(
    session: Session, message_ids: Collection[int], default: Detail, but: int | None = None
) -> list[int]:
    """Those of these messages whose content is here although no mailbox that holds them keeps it, `but` aside.

    `default` is the detail of the mailboxes that choose none.
    """
    detail = func.coalesce(func.nullif(Mailbox.detail, ""), default)
    kept = (
        select(MessageCopy.link_id)
        .join(Mailbox, Mailbox.id == MessageCopy.mailbox_id)
        .where(MessageCopy.message_id == Message.activity_id, detail == Detail.FULL)
    )
    kept = kept.where(MessageCopy.mailbox_id != but) if but is not None else kept
    found = select(Message.activity_id).where(Message.detail == Detail.FULL, ~kept.exists())
    return [
        message_id
        for some in chunks(sorted(message_ids))
        for message_id in session.scalars(found.where(Message.activity_id.in_(some)))
    ]


def cut(session: Session, message_ids: Sequence[int]) -> None:
    """Keep of these messages who wrote to whom and when, and nothing of what they say."""
    touches.activities(session, message_ids)
    for ids in chunks(message_ids):
        search.remove(session, "activity_search", ids)
        mirror_attachments.forget(session, ids)
        for content in (MessageBody, ContactSuggestion):
            session.execute(delete(content).where(content.activity_id.in_(ids)))
        merge_privacy.forget_said(session, ids)
        session.execute(update(Message).where(Message.activity_id.in_(ids)).values(detail=Detail.HEADERS))
        session.execute(
            update(Activity).where(Activity.id.in_(ids)).values(subject="", snippet="", has_attachments=False)
        )
