"""Internet mail (RFC 822, MIME) as EWS items.

`read_mime` never fails: real archives hold mail that no RFC allows, and a mirror that stops at one of them
is of no use. What cannot be understood is left out or kept as text.
"""

from __future__ import annotations

import base64
import email.policy
import re
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser

from lxml import etree

from connectors.simulator.content import Item
from connectors.simulator.elements import add, add_mailbox, add_text, clean, new
from connectors.simulator.mime_addresses import Address, read_addresses
from connectors.simulator.mime_headers import all_texts, decoded, moment, raw, received, text, unfold
from connectors.simulator.mime_meetings import meeting_item
from connectors.simulator.mime_parts import Parts, attempt, read_parts
from connectors.simulator.mime_write import write_mime

__all__ = ["read_mime", "write_mime"]

_SENSITIVITIES = {
    "personal": "Personal",
    "private": "Private",
    "company-confidential": "Confidential",
    "confidential": "Confidential",
}
_IMPORTANCES = {
    "high": "High",
    "urgent": "High",
    "1": "High",
    "2": "High",
    "low": "Low",
    "non-urgent": "Low",
    "4": "Low",
    "5": "Low",
}
# Answer and forward marks of Outlook in several languages, as Exchange cuts them for the conversation topic.
_PREFIX = re.compile(r"^\s*(?:[^\W\d_]{1,3}(?:\[\d+\])?:\s+)+", re.I)
_ENVELOPE_LINE = re.compile(rb"\A(?:>?From [^\r\n]*\r?\n)+")
_HEADER_LIMIT = 32_768


def read_mime(data: bytes) -> Item:
    """A mail as a Message, or as a MeetingRequest, MeetingResponse or MeetingCancellation where it is one.

    The item keeps its source. Times are in UTC; a mail without date has neither DateTimeSent nor
    DateTimeReceived.
    """
    stripped = _ENVELOPE_LINE.sub(b"", data.lstrip(b"\r\n"), count=1)
    try:
        message: Message = BytesParser(policy=email.policy.compat32).parsebytes(stripped)
    except RecursionError:
        # Parts within parts beyond all reason: its head is read, the rest is text.
        message = BytesHeaderParser(policy=email.policy.compat32).parsebytes(stripped)
        del message["Content-Type"]
    return _read_message(message, stripped)


def _read_message(message: Message, data: bytes) -> Item:
    parts = read_parts(message, _read_message)
    element = new("Message")
    add(element, "ItemClass", parts.item_class or "IPM.Note")
    _add_head(element, message)
    _add_people(element, message)
    _add_times(element, message)
    _add_body(element, parts)
    item = Item(element, parts.attachments, data)
    for calendar in parts.calendars:
        item = meeting_item(item, calendar)
    return item


def _add_head(element: etree._Element, message: Message) -> None:
    subject = re.sub(r"\s+", " ", text(message, "Subject"))
    add_text(element, "Subject", subject)
    add_text(element, "ConversationTopic", text(message, "Thread-Topic") or _PREFIX.sub("", subject))
    add_text(element, "ConversationIndex", _conversation_index(text(message, "Thread-Index")))
    add_text(element, "InternetMessageId", text(message, "Message-ID"))
    add_text(element, "InReplyTo", text(message, "In-Reply-To"))
    add_text(element, "References", text(message, "References"))
    add(element, "Sensitivity", _SENSITIVITIES.get(text(message, "Sensitivity").lower(), "Normal"))
    add(element, "Importance", _importance(message))
    add(element, "IsReadReceiptRequested", bool(raw(message, "Disposition-Notification-To")))
    add(element, "IsDeliveryReceiptRequested", bool(raw(message, "Return-Receipt-To")))
    names = [word.strip() for line in all_texts(message, "Keywords") for word in re.split("[,;]", line)]
    if categories := list(dict.fromkeys(filter(None, names))):
        holder = add(element, "Categories")
        for name in categories:
            add(holder, "String", name)
    _add_headers(element, message)


def _add_headers(element: etree._Element, message: Message) -> None:
    holder = None
    for name, value in message.raw_items():
        name = clean(name).strip()
        if name:
            holder = add(element, "InternetMessageHeaders") if holder is None else holder
            add(holder, "InternetMessageHeader", decoded(unfold(value))[:_HEADER_LIMIT], HeaderName=name)


def _add_people(element: etree._Element, message: Message) -> None:
    authors = _addresses(message, "From", "X-From")
    senders = _addresses(message, "Sender") or authors
    for name, people in (("From", authors or senders), ("Sender", senders)):
        for person in people[:1]:
            add_mailbox(element, person.name, person.address, wrapper=name)
    recipients = [
        ("ToRecipients", _addresses(message, "To", "X-To")),
        ("CcRecipients", _addresses(message, "Cc", "X-cc")),
        ("BccRecipients", _addresses(message, "Bcc", "X-bcc")),
        ("ReplyTo", _addresses(message, "Reply-To")),
    ]
    for name, people in recipients:
        if people:
            holder = add(element, name)
            for person in people:
                add_mailbox(holder, person.name, person.address)


def _addresses(message: Message, field: str, names_field: str = "") -> list[Address]:
    """Everyone in all header fields of this name (a broken mailer writes several), each address once."""
    fields = [unfold(value) for key, value in message.raw_items() if key.lower() == field.lower()]
    names = raw(message, names_field) if names_field and len(fields) == 1 else ""
    found = [address for value in fields for address in read_addresses(clean(value), clean(names))]
    return list({(each.address.lower() or each.name): each for each in reversed(found)}.values())[::-1]


def _add_times(element: etree._Element, message: Message) -> None:
    sent = moment(raw(message, "Date"))
    arrived = received(message)
    if sent or arrived:
        add(element, "DateTimeSent", sent or arrived)
        add(element, "DateTimeReceived", arrived or sent)


def _add_body(element: etree._Element, parts: Parts) -> None:
    if parts.html is not None:
        add(element, "Body", parts.html, BodyType="HTML")
    else:
        add(element, "Body", parts.text or "", BodyType="Text")


def _importance(message: Message) -> str:
    for name in ("Importance", "X-Priority", "X-MSMail-Priority", "Priority"):
        words = text(message, name).lower().split()
        if words:
            return _IMPORTANCES.get(words[0], "Normal")
    return "Normal"


def _conversation_index(value: str) -> str | None:
    data = attempt(lambda: base64.b64decode(value, validate=True), b"")
    # [MS-OXOMSG] 2.2.1.3: 22 bytes, and 5 more for each answer.
    return base64.b64encode(data).decode("ascii") if len(data) >= 22 else None
