"""Mail between the mailboxes of the simulator, and the log of what would have left it."""

from __future__ import annotations

import json
import secrets
from copy import deepcopy
from typing import TYPE_CHECKING

from lxml import etree

from connectors.simulator import people, properties
from connectors.simulator.content import Attachment
from connectors.simulator.mime import read_mime
from connectors.simulator.registry import hooks
from connectors.simulator.rows import FolderRow, ItemRow, Mailbox
from connectors.simulator.schema import Element, add, drop, make, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

RECIPIENTS = ("ToRecipients", "CcRecipients", "BccRecipients")


def from_outside(store: Store, message: bytes, to: list[str], *, folder: str = "inbox") -> list[ItemRow]:
    """Put an RFC 822 message into a folder of each of these mailboxes. KeyError for an unknown address."""
    boxes = [store.mailboxes.find(address) for address in to]
    for address, box in zip(to, boxes, strict=True):
        if box is None:
            raise KeyError(f"no mailbox {address}")
    rows = []
    with store.transaction():
        for box in filter(None, boxes):
            item = read_mime(message)
            drop(item.element, "DateTimeReceived", "IsRead")
            rows.append(_arrive(store, box, item.element, item.attachments, item.mime, folder=folder))
    return rows


def _arrive(
    store: Store,
    box: Mailbox,
    element: Element,
    attachments: list[Attachment],
    mime: bytes | None,
    *,
    folder: str = "inbox",
    search_key: bytes | None = None,
) -> ItemRow:
    put(element, "IsRead", "false")
    drop(element, "IsSubmitted", "IsFromMe")
    for name in ("ReceivedBy", "ReceivedRepresenting"):
        drop(element, name)
        add(element, name).append(people.address(box.name, box.address, "Mailbox"))
    row = store.items.create(
        store.folders.distinguished(box, folder),
        element,
        attachments=attachments,
        mime=mime,
        draft=False,
        new_mail=True,
        search_key=search_key,
    )
    if row.kind.startswith("Meeting") and hooks.meeting_arrived is not None:
        hooks.meeting_arrived(store, box, row)
    return row


def send(
    store: Store,
    sender: Mailbox,
    element: Element,
    attachments: list[Attachment] | None = None,
    *,
    saved_to: FolderRow | None = None,
    mime: bytes | None = None,
) -> ItemRow | None:
    """Send a message or meeting message: to the Inbox of every addressed mailbox of the simulator, to the
    outbound log for every other address, and, where `saved_to` is given, a copy into that folder.

    The element is used up. Returns the saved copy.
    """
    search_key = secrets.token_bytes(16)
    prepare(store, sender, element)
    recipients = list(dict.fromkeys(address.lower() for address in people.addresses(element, *RECIPIENTS)))
    outside = [address for address in recipients if store.mailboxes.find(address) is None]
    for address in recipients:
        box = store.mailboxes.find(address)
        if box is not None:
            copy = deepcopy(element)
            drop(copy, "BccRecipients", "Flag", "Categories")
            _arrive(store, box, copy, attachments or [], None, search_key=search_key)
    if outside:
        store.execute(
            "INSERT INTO outbound (at, sender, recipients, subject, kind) VALUES (?, ?, ?, ?, ?)",
            store.stamp(),
            sender.address,
            json.dumps(outside),
            text_of(element, "Subject"),
            etree.QName(element).localname,
        )
    if saved_to is None:
        return None
    put(element, "IsRead", "true")
    return store.items.create(
        saved_to, element, attachments=attachments or [], mime=mime, draft=False, search_key=search_key, by=sender
    )


def prepare(store: Store, sender: Mailbox, element: Element) -> None:
    """Make a message one that has left its sender: From, Sender, Message-ID, times, no draft any more."""
    drop(element, *properties.COMPUTED)
    now = store.stamp()
    for name in ("From", "Sender"):
        box = element.find(f"{t(name)}/{t('Mailbox')}")
        if box is None or not text_of(box, "EmailAddress"):
            drop(element, name)
            add(element, name).append(people.address(sender.name, sender.address, "Mailbox"))
    if not text_of(element, "InternetMessageId"):
        put(element, "InternetMessageId", properties.new_message_id(store))
    drop(element, "DateTimeReceived", "DateTimeCreated", "IsSubmitted", "IsUnmodified", "InternetMessageHeaders")
    put(element, "DateTimeSent", now)
    put(element, "DateTimeReceived", now)
    put(element, "IsDraft", "false")
    put(element, "IsFromMe", "true")
    if element.find(t("ConversationTopic")) is None:
        put(element, "ConversationTopic", properties.topic(text_of(element, "Subject")))
    if not text_of(element, "ConversationIndex"):
        _index(store, sender, element)


def _index(store: Store, sender: Mailbox, element: Element) -> None:
    """One conversation index for every copy, continuing the index of the mail that this one answers."""
    probe = make(etree.QName(element).localname)
    for name in ("ConversationTopic", "References", "InReplyTo"):
        put(probe, name, text_of(element, name))
    properties.converse(store, sender, probe)
    put(element, "ConversationIndex", text_of(probe, "ConversationIndex"))


def outbound(store: Store) -> list[dict[str, object]]:
    """Everything that was sent to an address outside the simulator, oldest first."""
    rows = store.rows("SELECT at, sender, recipients, subject, kind FROM outbound ORDER BY number")
    return [
        {"at": at, "sender": sender, "recipients": json.loads(to), "subject": subject, "kind": kind}
        for at, sender, to, subject, kind in rows
    ]
