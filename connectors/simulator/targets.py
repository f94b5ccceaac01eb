"""What the ids in a request mean, and whether the caller may touch it."""

from __future__ import annotations

from dataclasses import replace

from connectors.simulator import access, ids
from connectors.simulator.distinguished import ABSENT, DEFAULT_KEYS
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.registry import Call
from connectors.simulator.rows import FolderRow, ItemRow, Mailbox
from connectors.simulator.schema import Element, elements, local, t, text_of

_GONE = "The specified object was not found in the store., The process failed to get the correct properties."


def folder(call: Call, element: Element, right: str | None = "visible") -> FolderRow:
    """The folder that a FolderId or DistinguishedFolderId names, if the caller has that right on it."""
    kind = local(element)
    if kind == "DistinguishedFolderId":
        found = _distinguished(call, element)
    elif kind == "FolderId":
        found = folder_by_id(call, element.get("Id"))
    elif kind in ("AddressListId", "ConsumerCalendarId"):
        raise EwsError("ErrorFolderNotFound")
    else:
        raise SchemaViolation(f"The element '{kind}' is not a folder id.")
    return access.demand(call.store, call.user, found, right) if right else found


def target(call: Call, holder: Element | None, right: str | None = "visible") -> FolderRow:
    """The folder named inside a ToFolderId, SavedItemFolderId, ParentFolderId or SyncFolderId."""
    named = elements(holder)
    if not named:
        raise SchemaViolation("A folder id is missing.")
    return folder(call, named[0], right)


def folder_by_id(call: Call, text: str | None) -> FolderRow:
    """The folder that an EWS id names; where it is gone, it is called an object as Exchange calls it."""
    this = ids.decode(text)
    if this.item is not None:
        raise EwsError("ErrorCannotUseItemIdForFolderId")
    found = call.store.folders.find(this.folder)
    if found is None or found.mailbox.guid != this.mailbox:
        if call.name == "SyncFolderItems":
            raise EwsError("ErrorSyncFolderNotFound")
        raise EwsError("ErrorItemNotFound", _GONE)
    return found


def _distinguished(call: Call, element: Element) -> FolderRow:
    key = element.get("Id") or ""
    box = element.find(t("Mailbox"))
    mailbox = call.user if box is None else mailbox_of(call, text_of(box, "EmailAddress"))
    if key == "publicfoldersroot":
        raise EwsError("ErrorNoPublicFolderReplicaAvailable")
    if key in DEFAULT_KEYS:
        return call.store.folders.distinguished(mailbox, key)
    if key in ABSENT or key.isalpha():
        raise EwsError("ErrorFolderNotFound")
    raise SchemaViolation(f"The 'Id' attribute is invalid - The value '{key}' is invalid.")


def mailbox_of(call: Call, email: str) -> Mailbox:
    """The mailbox with that address. Raises ErrorNonExistentMailbox."""
    found = call.store.mailboxes.find(email)
    if found is None:
        raise EwsError("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
    return found


def item(call: Call, element: Element, right: str = "read") -> ItemRow:
    """The item that an ItemId, OccurrenceItemId or RecurringMasterItemId names, if the caller may."""
    kind = local(element)
    if kind == "OccurrenceItemId":
        row = item_by_id(call, element.get("RecurringMasterId"), right)
        index = element.get("InstanceIndex") or ""
        if not index.isdigit() or index == "0":
            raise EwsError("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")
        return replace(row, occurrence=int(index))
    if kind == "RecurringMasterItemId":
        return replace(item_by_id(call, element.get("OccurrenceId"), right), occurrence=None)
    if kind != "ItemId":
        raise SchemaViolation(f"The element '{kind}' is not an item id.")
    return item_by_id(call, element.get("Id"), right)


def item_by_id(call: Call, text: str | None, right: str = "read") -> ItemRow:
    """The item that an EWS id names, if the caller has the right on its folder."""
    this = ids.decode(text)
    if this.item is None:
        raise EwsError("ErrorCannotUseFolderIdForItemId")
    if this.attachments:
        raise EwsError("ErrorInvalidIdNotAnItemAttachmentId")
    found = call.store.items.get(this.item)
    if found.folder != this.folder or found.mailbox.guid != this.mailbox:
        raise EwsError("ErrorItemNotFound")
    _demand_for_item(call, found, right)
    return replace(found, occurrence=this.occurrence)


def _demand_for_item(call: Call, row: ItemRow, right: str) -> None:
    if call.store.mailboxes.may_open(row.mailbox, call.user):
        return
    try:
        access.demand(call.store, call.user, call.store.folders.get(row.folder), right)
    except EwsError as error:
        raise EwsError("ErrorItemNotFound" if error.code == "ErrorFolderNotFound" else error.code) from error


def check_change_key(element: Element, row: ItemRow, *, needed: bool = False) -> None:
    """Refuse a write that was meant for another version: ErrorChangeKeyRequired or ErrorIrresolvableConflict."""
    key = element.get("ChangeKey")
    if not key:
        if needed:
            raise EwsError("ErrorChangeKeyRequired")
        return
    if ids.parse_change_key(key) != row.sequence:
        raise EwsError("ErrorIrresolvableConflict")


def check_change_key_form(element: Element) -> None:
    """Refuse what is no change key at all."""
    ids.parse_change_key(element.get("ChangeKey") or "")
