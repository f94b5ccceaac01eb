"""DeleteItem, MoveItem, CopyItem, MarkAsJunk, MarkAllItemsAsRead, ArchiveItem: items that go elsewhere."""

from __future__ import annotations

from connectors.simulator import render, targets
from connectors.simulator.errors import EwsError
from connectors.simulator.registry import Call, hooks, operation
from connectors.simulator.responses import Part, batch, choice, flag, holding, listed, part
from connectors.simulator.rows import FolderRow, ItemRow
from connectors.simulator.schema import Element, m, make

DISPOSALS = ("HardDelete", "SoftDelete", "MoveToDeletedItems")
_WRONG_FOLDER = {
    "CalendarFolder": ("CalendarItem", "ErrorCannotCreateCalendarItemInNonCalendarFolder"),
    "ContactsFolder": ("Contact", "ErrorCannotCreateContactInNonContactFolder"),
    "TasksFolder": ("Task", "ErrorCannotCreateTaskInNonTaskFolder"),
}


def only_id(row: ItemRow) -> Element:
    """An item that shows nothing but its id."""
    made = make(row.kind)
    made.append(render.item_id(row))
    return made


def dispose_item(call: Call, row: ItemRow, how: str, send: str = "SendToNone") -> None:
    """Delete an item as DeleteType says."""
    if row.occurrence is not None:
        if hooks.delete_occurrence is None:
            raise EwsError("ErrorItemNotFound")
        hooks.delete_occurrence(call, row, send)
        return
    if row.kind == "CalendarItem" and hooks.calendar_deleted is not None:
        hooks.calendar_deleted(call, row, send)
    folders = call.store.folders
    dumpster = folders.distinguished(row.mailbox, "recoverableitemsroot")
    place = folders.get(row.folder)
    if how == "HardDelete" or place.path.startswith(dumpster.path):
        call.store.items.delete(row)
    elif how == "SoftDelete":
        deletions = folders.distinguished(row.mailbox, "recoverableitemsdeletions")
        call.store.items.move(row, deletions, deleted_from=row.folder)
    else:
        trash = folders.distinguished(row.mailbox, "deleteditems")
        if row.folder == trash.number:
            trash = folders.distinguished(row.mailbox, "recoverableitemsdeletions")
        call.store.items.move(row, trash)


@operation("DeleteItem")
def delete_item(call: Call) -> Element:
    how = choice(call, "DeleteType", DISPOSALS)
    send = call.request.get("SendMeetingCancellations")

    def serve(entry: Element) -> list[Part]:
        row = targets.item(call, entry, "delete")
        if entry.get("ChangeKey"):
            targets.check_change_key_form(entry)
        if row.kind == "CalendarItem" and send is None:
            raise EwsError(
                "ErrorSendMeetingCancellationsRequired",
                "SendMeetingCancellations must be specified when deleting a calendar item.",
            )
        if row.kind == "Task" and call.request.get("AffectedTaskOccurrences") is None:
            raise EwsError(
                "ErrorAffectedTaskOccurrencesRequired",
                "AffectedTaskOccurrences must be specified when deleting a task.",
            )
        dispose_item(call, row, how, send or "SendToNone")
        return []

    return batch(call, listed(call, "ItemIds"), serve)


def check_place(kind: str, folder: FolderRow) -> None:
    """Refuse an item in a folder of another kind, as Exchange does for calendars, contacts and tasks."""
    if kind == "DistributionList":
        kind = "Contact"
    for folder_kind, (item_kind, code) in _WRONG_FOLDER.items():
        if kind == item_kind and folder.kind != folder_kind:
            raise EwsError(code)


@operation("MoveItem")
def move_item(call: Call) -> Element:
    return _carry(call, move=True)


@operation("CopyItem")
def copy_item(call: Call) -> Element:
    return _carry(call, move=False)


def _carry(call: Call, *, move: bool) -> Element:
    holder = part(call, "ToFolderId")
    tells = call.request.find(m("ReturnNewItemIds"))
    told = tells is None or flag(tells.text)

    def serve(entry: Element) -> list[Part]:
        row = targets.item(call, entry, "delete" if move else "read")
        if row.occurrence is not None:
            raise EwsError("ErrorCalendarCannotMoveOrCopyOccurrence")
        target = targets.target(call, holder, "create")
        if target.kind == "SearchFolder" or target.distinguished == "root":
            raise EwsError("ErrorMoveCopyFailed")
        items = call.store.items
        carried = items.move(row, target) if move else items.copy(row, target)
        same = carried.mailbox.number == row.mailbox.number
        return [holding("Items", *([only_id(carried)] if told and same else []))]

    return batch(call, listed(call, "ItemIds"), serve, empty="Items")


@operation("MarkAsJunk")
def mark_as_junk(call: Call) -> Element:
    junk = flag(choice(call, "IsJunk", ("true", "false", "1", "0")))
    moves = flag(choice(call, "MoveItem", ("true", "false", "1", "0")))

    def serve(entry: Element) -> list[Part]:
        row = targets.item(call, entry, "edit")
        if not row.kind.startswith("Me"):
            raise EwsError("ErrorInvalidOperation", "Only messages can be marked as junk.")
        if not moves:
            return []
        key = "junkemail" if junk else "inbox"
        row = call.store.items.move(row, call.store.folders.distinguished(row.mailbox, key))
        moved = make("MovedItemId", Id=row.ews_id, ChangeKey=row.change_key)
        moved.tag = m("MovedItemId")
        return [moved]

    return batch(call, listed(call, "ItemIds"), serve)


@operation("MarkAllItemsAsRead")
def mark_all_items_as_read(call: Call) -> Element:
    read = flag(part(call, "ReadFlag").text)

    def serve(entry: Element) -> list[Part]:
        folder = targets.folder(call, entry, "edit")
        for row in call.store.items.in_folder(folder):
            if row.kind.startswith("Me") or row.kind == "PostItem":
                call.store.items.set_read(row, read)
        return []

    return batch(call, listed(call, "FolderIds"), serve)


@operation("ArchiveItem")
def archive_item(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        targets.item(call, entry, "delete")
        raise EwsError("ErrorArchiveMailboxNotEnabled", "The user's mailbox does not have an archive mailbox.")

    return batch(call, listed(call, "ItemIds"), serve, empty="Items")
