"""What the server itself sets on an item: defaults when it is created, and what follows from other properties."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

from connectors.simulator import people, tasks
from connectors.simulator.errors import EwsError
from connectors.simulator.registry import hooks
from connectors.simulator.rows import Mailbox
from connectors.simulator.schema import Element, add, drop, local, make, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

ITEM_CLASSES = {
    "Item": "IPM.Note",
    "Message": "IPM.Note",
    "Contact": "IPM.Contact",
    "DistributionList": "IPM.DistList",
    "CalendarItem": "IPM.Appointment",
    "Task": "IPM.Task",
    "PostItem": "IPM.Post",
    "MeetingMessage": "IPM.Schedule.Meeting",
    "MeetingRequest": "IPM.Schedule.Meeting.Request",
    "MeetingResponse": "IPM.Schedule.Meeting.Resp.Pos",
    "MeetingCancellation": "IPM.Schedule.Meeting.Canceled",
}
MAIL_KINDS = frozenset({"Message", "MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation"})
# Exchange keeps so many characters of a subject, and refuses longer names of a person.
_LONGEST = 255
_NAMES = ("GivenName", "MiddleName", "Surname")
_PREFIX = re.compile(r"^\s*(?:\w{1,3}(?:\[\d+\])?:\s*)+")
# Never taken from a client: the server knows them, or makes them for each answer.
COMPUTED = (
    "ItemId",
    "ParentFolderId",
    "Size",
    "HasAttachments",
    "Attachments",
    "MimeContent",
    "MimeContentUTF8",
    "EffectiveRights",
    "ResponseObjects",
    "UniqueBody",
    "NormalizedBody",
    "TextBody",
    "Preview",
    "InstanceKey",
    "StoreEntryId",
    "WebClientReadFormQueryString",
    "WebClientEditFormQueryString",
    "ConversationId",
    "SearchKey",
    "HasPicture",
)


class Columns(NamedTuple):
    """The properties that the store keeps beside the XML, to search and count by."""

    item_class: str
    is_read: bool
    received: str
    message_id: str | None
    uid: str | None


def columns(element: Element) -> Columns:
    """What the store's columns say about an item with these properties."""
    kind = local(element)
    return Columns(
        text_of(element, "ItemClass", ITEM_CLASSES.get(kind, "IPM.Note")),
        text_of(element, "IsRead", "true") != "false",
        text_of(element, "DateTimeReceived") or text_of(element, "DateTimeCreated"),
        text_of(element, "InternetMessageId").strip() or None,
        text_of(element, "UID") or None,
    )


def complete(
    store: Store,
    mailbox: Mailbox,
    element: Element,
    *,
    draft: bool | None,
    associated: bool = False,
    by: Mailbox | None = None,
    received: bool = False,
) -> bytes | None:
    """Fill in everything that a new item has without being told; returns the key of its conversation."""
    kind, now = local(element), store.stamp()
    drop(element, *COMPUTED)
    if draft is not None:
        put(element, "IsDraft", _flag(draft))
    if not text_of(element, "ItemClass"):
        put(element, "ItemClass", ITEM_CLASSES.get(kind, "IPM.Note"))
    created = text_of(element, "DateTimeSent") or text_of(element, "DateTimeReceived") or now
    _default(element, "Sensitivity", "Normal")
    _default(element, "Importance", "Normal")
    _default(element, "DateTimeReceived", now if received or draft else created)
    if kind in MAIL_KINDS or kind == "PostItem":
        _default(element, "DateTimeSent", now)
    _default(element, "DateTimeCreated", now)
    _default(element, "ReminderIsSet", "false")
    if kind != "CalendarItem" and text_of(element, "ReminderIsSet") == "false":
        _default(element, "ReminderMinutesBeforeStart", "0")
    for name in ("IsSubmitted", "IsDraft", "IsFromMe", "IsResend"):
        _default(element, name, "false")
    _default(element, "IsUnmodified", _flag(received))
    put(element, "IsAssociated", _flag(associated))
    _default(element, "Culture", "en-US")
    put(element, "LastModifiedName", (by or mailbox).name)
    put(element, "LastModifiedTime", now)
    if kind in MAIL_KINDS or kind == "PostItem":
        _complete_mail(store, mailbox, element, draft=bool(draft))
    if kind == "CalendarItem" and hooks.complete_calendar is not None:
        hooks.complete_calendar(store, element, mailbox)
    if kind == "Task":
        tasks.complete(mailbox, element, now)
    refresh(store, mailbox, element)
    if kind in MAIL_KINDS or kind == "PostItem":
        return converse(store, mailbox, element)
    return None


def refresh(store: Store, mailbox: Mailbox, element: Element, touched: frozenset[str] | None = None) -> None:
    """After any write: what follows from other properties (display names, flags of a task, names of a contact).

    `touched` names what an update has changed; None for a new item.
    """
    kind = local(element)
    subject = element.find(t("Subject"))
    if subject is not None and len(subject.text or "") > _LONGEST:
        subject.text = (subject.text or "")[:_LONGEST]
    if touched is not None and any(len(text_of(element, name)) > _LONGEST for name in touched.intersection(_NAMES)):
        raise EwsError("ErrorPropertyUpdate")
    for path in ("ToRecipients", "CcRecipients", "BccRecipients", "From", "Sender", "ReplyTo"):
        for box in element.iterfind(f"{t(path)}/{t('Mailbox')}"):
            people.complete_address(store, box)
    for path in ("RequiredAttendees", "OptionalAttendees", "Resources"):
        for box in element.iterfind(f"{t(path)}/{t('Attendee')}/{t('Mailbox')}"):
            people.complete_address(store, box)
    if element.find(t("Flag")) is None and kind != "CalendarItem":
        add(add(element, "Flag"), "FlagStatus", "NotFlagged")
    if kind in MAIL_KINDS or kind in ("CalendarItem", "Item"):
        _display(element)
    if kind == "Contact":
        people.complete_contact(element, touched)
    elif kind == "DistributionList":
        people.complete_list(store, element, new=touched is None)
    elif kind == "Task":
        tasks.refresh(element)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _default(element: Element, name: str, text: str) -> None:
    if element.find(t(name)) is None:
        add(element, name, text)


def _display(element: Element) -> None:
    sources = (
        ("DisplayTo", ("ToRecipients", "RequiredAttendees")),
        ("DisplayCc", ("CcRecipients", "OptionalAttendees")),
    )
    for name, lists in sources:
        names = [
            text_of(box, "Name") or text_of(box, "EmailAddress")
            for path in lists
            for box in element.iterfind(f"{t(path)}//{t('Mailbox')}")
        ]
        put(element, name, "; ".join(names))


def _complete_mail(store: Store, mailbox: Mailbox, element: Element, *, draft: bool) -> None:
    for name in ("IsReadReceiptRequested", "IsDeliveryReceiptRequested", "IsResponseRequested"):
        if local(element) != "PostItem":
            _default(element, name, "false")
    _default(element, "IsRead", _flag(draft or local(element) == "PostItem"))
    if not text_of(element, "InternetMessageId"):
        put(element, "InternetMessageId", new_message_id(store))
    if draft or local(element) == "PostItem":
        for name in ("From", "Sender"):
            if element.find(t(name)) is None:
                add(element, name).append(people.address(mailbox.name, mailbox.address, "Mailbox"))
    if local(element) == "PostItem":
        _default(element, "PostedTime", text_of(element, "DateTimeCreated"))
    if element.find(t("ConversationTopic")) is None:
        put(element, "ConversationTopic", topic(text_of(element, "Subject")))


def new_message_id(store: Store) -> str:
    """A fresh Message-ID of this server."""
    return f"<{secrets.token_hex(16)}@{store.domain}>"


def topic(subject: str) -> str:
    """The subject without its reply and forward prefixes."""
    return _PREFIX.sub("", subject).strip()


def converse(store: Store, mailbox: Mailbox, element: Element) -> bytes:
    """The conversation of a mail: by its index, by the mail that it answers, or by its topic."""
    index = _decoded(text_of(element, "ConversationIndex"))
    if len(index) >= 22:
        return index[6:22]
    references = (text_of(element, "References") + " " + text_of(element, "InReplyTo")).split()
    parent_index, key = b"", None
    for reference in reversed(references):
        for row in store.items.by_message_id(mailbox, reference):
            key = store.items.conversation(row)
            parent_index = _decoded(text_of(store.items.element(row), "ConversationIndex"))
            break
        if key:
            break
    if key is None:
        about = text_of(element, "ConversationTopic").lower()
        source = about.encode() if about else secrets.token_bytes(16)
        key = hashlib.md5(source, usedforsecurity=False).digest()
    head = parent_index or b"\x01" + store.tick().to_bytes(5, "big") + key
    tail = secrets.token_bytes(5) if parent_index else b""
    put(element, "ConversationIndex", base64.b64encode(head + tail).decode())
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def copy_of(element: Element, kind: str | None = None) -> Element:
    """The same properties in a tree of their own, under another kind of item where one is named."""
    fresh = make(kind or local(element))
    for child in deepcopy(element):
        fresh.append(child)
    return fresh
