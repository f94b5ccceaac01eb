"""EWS items as Internet mail, for items that did not come as mail.

Exchange gives a contact as a vCard, a calendar item as iCalendar, and everything else as a mail.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import encoders
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesParser
from email.policy import compat32
from email.utils import format_datetime
from io import BytesIO

from inscriptis import get_text
from lxml import etree

from connectors.simulator.content import Attachment, Item
from connectors.simulator.elements import find, find_all, local_name, moment_of, text_of
from connectors.simulator.icalendar_write import write_calendar
from connectors.simulator.vcard_write import write_vcard

_METHODS = {"MeetingRequest": "REQUEST", "MeetingResponse": "REPLY", "MeetingCancellation": "CANCEL"}
_SENSITIVITIES = {"Personal": "Personal", "Private": "Private", "Confidential": "Company-Confidential"}
_PRIORITIES = {"High": ("high", "1"), "Low": ("low", "5")}
# Written from the item itself; everything else among its InternetMessageHeaders goes out as it is.
_OWN = {
    "from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "in-reply-to",
    "references", "importance", "x-priority", "sensitivity", "keywords", "thread-topic", "thread-index",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id",
}  # fmt: skip
_POLICY = compat32.clone(linesep="\r\n", max_line_length=78)


def write_mime(item: Item) -> bytes:
    """What Exchange gives as MimeContent: the source of a mail that has one, else the item written anew."""
    if item.mime is not None:
        return item.mime
    kind = local_name(item.element)
    if kind == "Contact":
        return write_vcard(item)
    if kind == "CalendarItem":
        return write_calendar(item.element)
    message = _with_attachments(_body(item, kind), item.attachments)
    _add_headers(message, item.element)
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, policy=_POLICY).flatten(message)
    return out.getvalue()


def _body(item: Item, kind: str) -> Message:
    body = find(item.element, "Body")
    text = (body.text or "") if body is not None else ""
    is_html = body is not None and body.get("BodyType") == "HTML"
    calendar = _METHODS.get(kind)
    if not is_html and not calendar:
        return _text_part(text, "plain")
    message = MIMEMultipart("alternative")
    message.attach(_text_part(get_text(text) if is_html and text.strip() else text, "plain"))
    if is_html:
        message.attach(_text_part(text, "html"))
    if calendar:
        part = _text_part(write_calendar(item.element, calendar).decode("utf-8"), "calendar")
        part.set_param("method", calendar)
        message.attach(part)
    return message


def _text_part(text: str, subtype: str) -> Message:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return MIMEText(lines, subtype, "us-ascii" if lines.isascii() and _short_lines(lines) else "utf-8")


def _short_lines(text: str) -> bool:
    # RFC 5322, section 2.1.1: a line has at most 998 characters.
    return all(len(line) < 998 for line in text.split("\n"))


def _with_attachments(body: Message, attachments: list[Attachment]) -> Message:
    inline = [each for each in attachments if each.is_inline and each.item is None]
    files = [each for each in attachments if each not in inline]
    for subtype, group in (("related", inline), ("mixed", files)):
        if group:
            whole = MIMEMultipart(subtype)
            whole.attach(body)
            for each in group:
                whole.attach(_attachment_part(each))
            body = whole
    return body


def _attachment_part(attachment: Attachment) -> Message:
    if attachment.item is not None:
        part: Message = MIMEBase("message", "rfc822")
        part.attach(BytesParser(policy=compat32).parsebytes(write_mime(attachment.item)))
    else:
        main, _, sub = attachment.content_type.partition("/")
        known = re.fullmatch(r"[\w.+-]+/[\w.+-]+", attachment.content_type, re.ASCII) and main not in (
            "multipart",
            "message",
        )
        part = MIMEBase(main, sub) if known else MIMEBase("application", "octet-stream")
        part.set_payload(attachment.content)
        encoders.encode_base64(part)
    disposition = "inline" if attachment.is_inline else "attachment"
    name = _line(attachment.name)
    part.add_header("Content-Disposition", disposition, filename=name if name.isascii() else ("utf-8", "", name))
    if attachment.content_id and attachment.content_id.isascii():
        part["Content-ID"] = f"<{_line(attachment.content_id)}>"
    if attachment.content_location and attachment.content_location.isascii():
        part["Content-Location"] = _line(attachment.content_location)
    return part


def _add_headers(message: Message, element: etree._Element) -> None:
    for header in find_all(element, "InternetMessageHeaders", "InternetMessageHeader"):
        name = header.get("HeaderName") or ""
        if name.lower() not in _OWN and re.fullmatch(r"[!-9;-~]+", name) and header.text:
            message[name] = _encoded(header.text)
    _add_people(message, element)
    subject = text_of(element, "Subject")
    simple = {
        "Subject": subject,
        "Thread-Topic": text_of(element, "ConversationTopic"),
        "Thread-Index": text_of(element, "ConversationIndex"),
        "Message-ID": text_of(element, "InternetMessageId"),
        "In-Reply-To": text_of(element, "InReplyTo"),
        "References": text_of(element, "References"),
        "Sensitivity": _SENSITIVITIES.get(text_of(element, "Sensitivity") or ""),
        "Keywords": ", ".join(each.text or "" for each in find_all(element, "Categories", "String")),
    }
    for name, value in simple.items():
        if value:
            message[name] = _encoded(value)
    importance, priority = _PRIORITIES.get(text_of(element, "Importance") or "", ("", ""))
    if importance:
        message["Importance"], message["X-Priority"] = importance, priority
    sent = next(
        (m for name in ("DateTimeSent", "DateTimeReceived", "DateTimeCreated") if (m := moment_of(element, name))),
        datetime.now(UTC),
    )
    message["Date"] = format_datetime(sent)
    if "MIME-Version" not in message:
        message["MIME-Version"] = "1.0"


def _add_people(message: Message, element: etree._Element) -> None:
    author, sender = _mailboxes(element, "From"), _mailboxes(element, "Sender")
    fields = {
        "From": author or sender,
        "Sender": sender if author and sender != author else [],
        "To": _mailboxes(element, "ToRecipients"),
        "Cc": _mailboxes(element, "CcRecipients"),
        "Bcc": _mailboxes(element, "BccRecipients"),
        "Reply-To": _mailboxes(element, "ReplyTo"),
    }
    for name, people in fields.items():
        if people:
            message[name] = ",\r\n ".join(people)


def _mailboxes(element: etree._Element, name: str) -> list[str]:
    return [_mailbox(each) for each in find_all(element, name, "Mailbox")]


def _mailbox(mailbox: etree._Element) -> str:
    name, address = _line(text_of(mailbox, "Name") or ""), _line(text_of(mailbox, "EmailAddress") or "")
    if not name or name == address:
        return address
    if not name.isascii():
        written = Header(name, "utf-8", maxlinelen=60).encode()
    elif re.fullmatch(r"[\w!#$%&'*+/=?^`{|}~ -]+", name, re.ASCII):
        written = name
    else:
        written = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{written} <{address}>" if address else written


def _encoded(value: str) -> str:
    line = _line(value)
    return line if line.isascii() else Header(line, "utf-8", maxlinelen=75, header_name="x" * 20).encode()


def _line(text: str) -> str:
    """One line: a line break inside a value would become a header of its own."""
    return re.sub(r"[\r\n\x00-\x1f]+", " ", text).strip()
