"""Message elements of EWS -> MessageRecord. Meeting requests, answers and reports in mail folders are mail too."""

from __future__ import annotations

import re

from connectors.exchange_ews.attachments import attachment_info
from connectors.exchange_ews.elements import Item, participant
from connectors.exchange_ews.services import Shape, field, tagged
from terracrm.domain.automatic import is_automatic
from terracrm.domain.records import MessageRecord, Participant, Role

TYPES = frozenset(
    {
        "Message", "MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation", "PostItem", "Item"
    }
)  # fmt: skip
"""The elements that are mail; a contact or task that somebody dragged into a mail folder is not."""

SENDER_SMTP = "0x5d01"  # PidTagSenderSmtpAddress
FROM_SMTP = "0x5d02"  # PidTagSentRepresentingSmtpAddress

SHAPE = Shape(
    paths=(
        field("item:ItemClass"),
        field("item:Subject"),
        field("item:Sensitivity"),
        field("item:Body"),
        field("item:Attachments"),
        field("item:DateTimeReceived"),
        field("item:Categories"),
        field("item:Importance"),
        field("item:InReplyTo"),
        field("item:IsDraft"),
        field("item:InternetMessageHeaders"),
        field("item:DateTimeSent"),
        field("item:ConversationId"),
        field("item:UniqueBody"),
        field("message:Sender"),
        field("message:ToRecipients"),
        field("message:CcRecipients"),
        field("message:BccRecipients"),
        field("message:From"),
        field("message:InternetMessageId"),
        field("message:IsRead"),
        field("message:References"),
        tagged(SENDER_SMTP, "String"),
        tagged(FROM_SMTP, "String"),
    ),
    body_type="Best",
    unique_body_type="Text",
)

_RECIPIENTS = (("ToRecipients", Role.TO), ("CcRecipients", Role.CC), ("BccRecipients", Role.BCC))
_ID = re.compile(r"<[^<>\s]+>")


def message(item: Item) -> MessageRecord:
    """The record of a message element that was fetched with SHAPE."""
    participants = _participants(item)
    body, is_html = item.body("Body")
    return MessageRecord(
        message_id=item.text("InternetMessageId"),
        subject=item.text("Subject"),
        sent_at=item.moment("DateTimeSent"),
        received_at=item.moment("DateTimeReceived"),
        participants=participants,
        in_reply_to=_ids(item.text("InReplyTo"))[0],
        references=tuple(each for each in _ids(item.text("References")) if each),
        conversation_id=item.id("ConversationId"),
        body_text="" if is_html else body,
        body_html=body if is_html else "",
        unique_text=item.body("UniqueBody")[0].strip(),
        importance=item.text("Importance").lower() or "normal",
        is_read=item.flag("IsRead", default=True),
        is_draft=item.flag("IsDraft"),
        is_bulk=_is_bulk(item, participants),
        item_class=item.text("ItemClass") or "IPM.Note",
        categories=item.strings("Categories"),
        attachments=tuple(attachment_info(each) for each in item.items("Attachments")),
        is_private=item.is_private,
    )


def _participants(item: Item) -> tuple[Participant, ...]:
    found = [_author(item)]
    for name, role in _RECIPIENTS:
        found += [participant(role, mailbox) for mailbox in item.elements(name)]
    return tuple(each for each in found if each is not None)


def _author(item: Item) -> Participant | None:
    """Who the message is from; the sender (perhaps an assistant) only where it names nobody else."""
    smtp = item.extended()
    for name, tag in (("From", FROM_SMTP), ("Sender", SENDER_SMTP)):
        for mailbox in item.elements(name):
            author = participant(Role.FROM, mailbox, smtp.get(tag, ""))
            if author is not None:
                return author
    return None


def _ids(text: str) -> list[str]:
    """The message ids of an In-Reply-To or References header; what has no angle brackets is split at spaces."""
    return _ID.findall(text) or text.split() or [""]


def _is_bulk(item: Item, participants: tuple[Participant, ...]) -> bool:
    headers = ((each.get("HeaderName") or "", each.text or "") for each in item.elements("InternetMessageHeaders"))
    author = next((each.address for each in participants if each.role is Role.FROM), "")
    return is_automatic(headers, item.text("ItemClass"), author)
