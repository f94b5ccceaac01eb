"""Replies and forwards: the message that a response object stands for."""

from __future__ import annotations

import html

from connectors.simulator import bodies, people, render, targets
from connectors.simulator.content import Attachment, Item
from connectors.simulator.errors import EwsError
from connectors.simulator.properties import topic
from connectors.simulator.registry import Call
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, add, make, put, t, text_of

_PREFIXES = {"ReplyToItem": "RE: ", "ReplyAllToItem": "RE: ", "ForwardItem": "FW: ", "PostReplyItem": "RE: "}


def reference(call: Call, entry: Element) -> ItemRow:
    """The item that a response object answers, in the version that the client has seen."""
    named = entry.find(t("ReferenceItemId"))
    if named is None:
        raise EwsError("ErrorMissingInformationReferenceItemId", "The reference item id is missing.")
    row = targets.item(call, make("ItemId", **dict(named.attrib)))
    targets.check_change_key(named, row)
    return row


def compose(call: Call, entry: Element, kind: str) -> Item:
    """The message that a ReplyToItem, ReplyAllToItem, ForwardItem or PostReplyItem makes."""
    row = reference(call, entry)
    source = render.properties_of(call, row)
    made = make("PostItem" if kind == "PostReplyItem" else "Message")
    subject = text_of(source, "Subject")
    about = text_of(source, "ConversationTopic") or topic(subject)
    put(made, "Subject", text_of(entry, "Subject") or _PREFIXES[kind] + about)
    made.append(_body(entry, source))
    put(made, "ConversationTopic", about)
    _refer(made, source)
    _address(call, made, entry, source, kind)
    for name in ("IsReadReceiptRequested", "IsDeliveryReceiptRequested"):
        if text_of(entry, name):
            put(made, name, text_of(entry, name))
    attachments: list[Attachment] = []
    if kind == "ForwardItem":
        attachments = call.store.attachments.as_content(row)
    elif kind != "PostReplyItem":
        attachments = [one for one in call.store.attachments.as_content(row) if one.is_inline]
    return Item(made, attachments)


def _refer(made: Element, source: Element) -> None:
    message_id = text_of(source, "InternetMessageId")
    if message_id:
        put(made, "InReplyTo", message_id)
        put(made, "References", f"{text_of(source, 'References')} {message_id}".strip())


def _address(call: Call, made: Element, entry: Element, source: Element, kind: str) -> None:
    given = {name: entry.find(t(name)) for name in ("ToRecipients", "CcRecipients", "BccRecipients", "From")}
    if given["ToRecipients"] is None and kind in ("ReplyToItem", "ReplyAllToItem"):
        _answer_to(call, made, source, everybody=kind == "ReplyAllToItem")
    for name, element in given.items():
        if element is not None:
            for held in made.findall(t(name)):
                made.remove(held)
            made.append(element)


def _answer_to(call: Call, made: Element, source: Element, *, everybody: bool) -> None:
    back = next((found for name in ("ReplyTo", "From", "Sender", "Organizer") if (found := _boxes(source, name))), [])
    me = call.user.address.lower()
    if everybody:
        seen = {text_of(box, "EmailAddress").lower() for box in back} | {me}
        back += _others(source, ("ToRecipients", "RequiredAttendees"), seen)
        copied = _others(source, ("CcRecipients", "OptionalAttendees"), seen)
        if copied:
            add(made, "CcRecipients").extend(copied)
    if back:
        add(made, "ToRecipients").extend(back)


def _boxes(source: Element, name: str) -> list[Element]:
    return [
        people.address(text_of(box, "Name"), text_of(box, "EmailAddress"))
        for box in source.iterfind(f"{t(name)}//{t('Mailbox')}")
        if text_of(box, "EmailAddress")
    ]


def _others(source: Element, names: tuple[str, ...], seen: set[str]) -> list[Element]:
    found = []
    for name in names:
        for box in _boxes(source, name):
            address = text_of(box, "EmailAddress").lower()
            if address not in seen:
                seen.add(address)
                found.append(box)
    return found


def _body(entry: Element, source: Element) -> Element:
    whole = entry.find(t("Body"))
    if whole is not None:
        return whole
    new = entry.find(t("NewBodyContent"))
    old = source.find(t("Body"))
    kind = (new if new is not None else old if old is not None else make("Body", BodyType="Text")).get("BodyType")
    written = new.text or "" if new is not None else ""
    quoted = bodies.converted(old, kind or "Text")[0] if old is not None else ""
    facts = _facts(source)
    if kind == "HTML":
        head = "<br>".join(f"<b>{label}:</b> {html.escape(text)}" for label, text in facts)
        return make("Body", f"{written}<hr><div>{head}</div><br>{quoted}", BodyType="HTML")
    head = "\r\n".join(f"{label}: {text}" for label, text in facts)
    rule = "_" * 32
    return make("Body", f"{written}\r\n\r\n{rule}\r\n{head}\r\n\r\n{quoted}", BodyType="Text")


def _facts(source: Element) -> list[tuple[str, str]]:
    sender = next((box for name in ("From", "Sender", "Organizer") for box in _boxes(source, name)), None)
    shown = f"{text_of(sender, 'Name')} <{text_of(sender, 'EmailAddress')}>" if sender is not None else ""
    facts = [
        ("From", shown),
        ("Sent", text_of(source, "DateTimeSent")),
        ("To", text_of(source, "DisplayTo")),
        ("Cc", text_of(source, "DisplayCc")),
        ("Subject", text_of(source, "Subject")),
    ]
    return [(label, text) for label, text in facts if text]
