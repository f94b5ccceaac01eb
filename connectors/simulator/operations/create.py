"""CreateItem and SendItem."""

from __future__ import annotations

import base64
import binascii

from connectors.simulator import delivery, mapi, people, render, sources, targets, values
from connectors.simulator.content import Attachment, Item
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.operations import answering
from connectors.simulator.operations.attachments import contents, only_attachment_id
from connectors.simulator.operations.disposal import check_place, only_id
from connectors.simulator.properties import MAIL_KINDS
from connectors.simulator.registry import Call, hooks, operation
from connectors.simulator.responses import Part, batch, flag, holding, listed
from connectors.simulator.rows import FolderRow, ItemRow
from connectors.simulator.schema import (
    ITEM_ORDER,
    RESPONSE_ORDER,
    Element,
    add,
    elements,
    local,
    m,
    misplaced,
    put,
    t,
    text_of,
)

_DISPOSITIONS = ("SaveOnly", "SendOnly", "SendAndSaveCopy")
_HOMES = {
    "CalendarItem": "calendar",
    "Contact": "contacts",
    "DistributionList": "contacts",
    "Task": "tasks",
    "PostItem": "inbox",
    "Item": "inbox",
}
_MEETING_ANSWERS = frozenset({"AcceptItem", "TentativelyAcceptItem", "DeclineItem", "CancelCalendarItem", "RemoveItem"})


@operation("CreateItem")
def create_item(call: Call) -> Element:
    disposition = call.request.get("MessageDisposition")
    if disposition is not None and disposition not in _DISPOSITIONS:
        raise SchemaViolation(f"The 'MessageDisposition' attribute is invalid - The value '{disposition}' is invalid.")
    entries = listed(call, "Items")
    for entry in entries:
        _check(entry)
        values.normalise(entry, call.time_zone)

    def serve(entry: Element) -> list[Part]:
        rows = _create(call, entry, disposition)
        return [holding("Items", *(_shown(call, row) for row in rows))]

    return batch(call, entries, serve, empty="Items")


def _shown(call: Call, row: ItemRow) -> Element:
    """A new item shows its id and those of its attachments."""
    made = only_id(row)
    held = call.store.attachments.of(row.number)
    if held:
        add(made, "Attachments").extend(only_attachment_id(call, row, one) for one in held)
    return made


def _check(entry: Element) -> None:
    order = ITEM_ORDER.get(local(entry)) or RESPONSE_ORDER.get(local(entry))
    if order is None:
        raise SchemaViolation(f"The element 'Items' has invalid child element '{local(entry)}'.")
    wrong = misplaced(entry, order)
    if wrong is not None:
        raise SchemaViolation(
            f"The element '{local(entry)}' in namespace 'http://schemas.microsoft.com/exchange/services/2006/types'"
            f" has invalid child element '{wrong}'."
        )


def _saved_folder(call: Call, right: str = "create") -> FolderRow | None:
    holder = call.request.find(m("SavedItemFolderId"))
    return None if holder is None else targets.target(call, holder, right)


def _create(call: Call, entry: Element, disposition: str | None) -> list[ItemRow]:
    kind = local(entry)
    if kind in _MEETING_ANSWERS:
        reference = answering.reference(call, entry)
        if hooks.respond is None:
            raise EwsError("ErrorInvalidOperation", f"{kind} is not possible for this item.")
        return hooks.respond(call, entry, reference, disposition or "SendAndSaveCopy")
    if kind in RESPONSE_ORDER:
        return _answer(call, entry, kind, disposition)
    item = read_item(call, entry)
    if kind in MAIL_KINDS:
        if disposition is None:
            raise EwsError("ErrorMessageDispositionRequired")
        return post(call, item, disposition)
    return [_store(call, item, kind)]


def _answer(call: Call, entry: Element, kind: str, disposition: str | None) -> list[ItemRow]:
    if kind == "SuppressReadReceipt":
        answering.reference(call, entry)
        return []
    item = answering.compose(call, entry, kind)
    if kind == "PostReplyItem":
        folder = _saved_folder(call) or call.store.folders.get(answering.reference(call, entry).folder)
        return [call.store.items.create(folder, item.element, draft=False, by=call.user)]
    if disposition is None:
        raise EwsError("ErrorMessageDispositionRequired")
    return post(call, item, disposition)


def read_item(call: Call, entry: Element) -> Item:
    """The item that a client wrote: its MIME content read, its attachments taken apart."""
    mime = entry.find(t("MimeContent"))
    if mime is None:
        mapi.absorb(entry)
        return Item(entry, contents(call, entry.find(t("Attachments"))))
    try:
        data = base64.b64decode(mime.text or "")
    except binascii.Error as error:
        raise EwsError("ErrorMimeContentInvalidBase64String") from error
    item = sources.read(data, local(entry))
    for child in elements(entry):
        if local(child) == "MimeContent":
            continue
        for held in item.element.findall(child.tag):
            if local(child) != "ExtendedProperty":
                item.element.remove(held)
        item.element.append(child)
    mapi.absorb(item.element)
    return item


def post(call: Call, item: Item, disposition: str) -> list[ItemRow]:
    """Save a message as a draft, or send it, with or without keeping a copy."""
    element, folders = item.element, call.store.folders
    if disposition == "SaveOnly":
        folder = _saved_folder(call) or folders.distinguished(call.user, "drafts")
        draft = text_of(element, "IsDraft", "true") != "false"
        return [
            call.store.items.create(
                folder, element, attachments=item.attachments, mime=item.mime, draft=draft, by=call.user
            )
        ]
    check_recipients(call, element)
    saved = None
    if disposition == "SendAndSaveCopy":
        saved = _saved_folder(call) or folders.distinguished(call.user, "sentitems")
    delivery.send(call.store, call.user, element, item.attachments, saved_to=saved, mime=item.mime)
    return []


def check_recipients(call: Call, element: Element) -> None:
    """Refuse to send what has no recipient, or what would go out in somebody else's name."""
    if not people.addresses(element, *delivery.RECIPIENTS):
        raise EwsError("ErrorInvalidRecipients")
    for name in ("From", "Sender"):
        for address in people.addresses(element, name):
            box = call.store.mailboxes.find(address)
            if box is not None and not call.store.mailboxes.may_open(box, call.user):
                raise EwsError("ErrorSendAsDenied")


def _store(call: Call, item: Item, kind: str) -> ItemRow:
    folder = _saved_folder(call) or call.store.folders.distinguished(call.user, _HOMES[kind])
    check_place(kind, folder)
    send = call.request.get("SendMeetingInvitations")
    if kind == "CalendarItem" and send is None:
        raise EwsError(
            "ErrorSendMeetingInvitationsRequired",
            "SendMeetingInvitations must be specified when creating a calendar item.",
        )
    row = call.store.items.create(
        folder,
        item.element,
        attachments=item.attachments,
        mime=item.mime,
        by=call.user,
        draft=False if kind != "CalendarItem" else None,
    )
    if kind == "CalendarItem" and hooks.calendar_created is not None:
        hooks.calendar_created(call, row, send or "SendToNone")
        row = render.fresh(call, row)
    if any(fault.kind == "second_change" for fault in call.striking):
        call.store.items.rewrite(row, call.store.items.element(row), by=call.user)
    return row


@operation("SendItem")
def send_item(call: Call) -> Element:
    keep = flag(call.request.get("SaveItemToFolder"))

    def serve(entry: Element) -> list[Part]:
        if not entry.get("ChangeKey"):
            raise EwsError("ErrorChangeKeyRequired")
        row = targets.item(call, entry, "edit")
        targets.check_change_key(entry, row)
        if row.kind not in MAIL_KINDS:
            raise EwsError("ErrorInvalidItemForOperationSendItem")
        saved = None
        if keep:
            saved = _saved_folder(call) or call.store.folders.distinguished(call.user, "sentitems")
        send_row(call, row, saved)
        return []

    return batch(call, listed(call, "ItemIds"), serve)


def send_row(call: Call, row: ItemRow, saved: FolderRow | None) -> ItemRow | None:
    """Send a stored message; it leaves its folder. Returns the copy that is kept, if any."""
    element = call.store.items.element(row)
    check_recipients(call, element)
    attachments: list[Attachment] = call.store.attachments.as_content(row)
    mime = call.store.items.mime(row)
    call.store.items.delete(row)
    put(element, "IsDraft", "false")
    return delivery.send(call.store, call.user, element, attachments, saved_to=saved, mime=mime)
