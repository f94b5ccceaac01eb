"""SyncFolderItems and SyncFolderHierarchy: what has changed since a state that the client keeps.

A state is numbers of the store's sequence: everything created up to `created` was told, every change up to `changed`,
every deletion up to `deleted`. `since` and `began` are where the pass began, so that an item that this very pass has
told as new is not told again as changed. A page tells deletions first, then what is new, then what has changed; so
pages are exact however the folder changes between them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace

from connectors.simulator import ids, render, shapes, targets
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.operations.items import meets
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, attempt, holding, part
from connectors.simulator.rows import FolderRow, ItemRow
from connectors.simulator.schema import Element, elements, m, make

_MOST = 512


@dataclass(frozen=True)
class State:
    """How much of a folder (or of a folder tree) a client knows."""

    folder: int
    created: int = 0
    changed: int = 0
    deleted: int = 0
    since: int = 0
    began: int = 0

    def encode(self) -> str:
        """The SyncState text that clients keep."""
        numbers = [3, self.folder, self.created, self.changed, self.deleted, self.since, self.began]
        return base64.b64encode(b"H4sI" + json.dumps(numbers).encode()).decode()


def _beginning(folder: FolderRow, now: int) -> State:
    """Nothing is known, and so nothing can have changed or gone."""
    return State(folder.number, created=0, changed=now, deleted=now, since=0, began=now)


def _end(folder: FolderRow, now: int) -> State:
    """Everything is known."""
    return State(folder.number, now, now, now, now, now)


def decode(text: str | None, folder: int) -> State | None:
    """The state that a client sends back; None at the first time. Raises ErrorInvalidSyncStateData."""
    if not text:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
        version, known, *numbers = json.loads(raw[4:])
    except (ValueError, TypeError) as error:
        raise EwsError("ErrorInvalidSyncStateData") from error
    if raw[:4] != b"H4sI" or version != 3 or known != folder or len(numbers) != 5:
        raise EwsError("ErrorInvalidSyncStateData")
    return State(folder, *numbers)


@operation("SyncFolderItems")
def sync_folder_items(call: Call) -> Element:
    shape = shapes.parse(part(call, "ItemShape"))
    most = part(call, "MaxChangesReturned").text or ""
    if not most.isdigit() or not 1 <= int(most) <= _MOST:
        raise SchemaViolation(f"The 'MaxChangesReturned' element is invalid - The value '{most}' is invalid.")

    def serve(holder: Element) -> list[Part]:
        folder = targets.target(call, holder, "read")
        if any(fault.kind == "invalid_sync_state" for fault in call.striking):
            raise EwsError("ErrorInvalidSyncStateData")
        state = decode(call.request.findtext(m("SyncState")), folder.number)
        if state is None:
            state = _beginning(folder, call.store.sequence)
        if any(fault.kind == "empty_folder" for fault in call.striking):
            return _vanished(call, folder, state)
        lies = _falsely_gone(call, folder, state)
        changes, state, last = _changes(call, folder, state, int(most), shape)
        return [
            ("SyncState", state.encode()),
            ("IncludesLastItemInRange", "true" if last else "false"),
            holding("Changes", *lies, *changes),
        ]

    name = "SyncFolderItemsResponseMessage"
    made = attempt(call, name, part(call, "SyncFolderId"), serve)
    return answer(call.name, [_with_empty_state(made)])


def _with_empty_state(made: Element) -> Element:
    """Exchange answers a refused state with empty elements, which clients look for."""
    if made.get("ResponseClass") == "Error":
        for name, text in (("SyncState", None), ("IncludesLastItemInRange", "true")):
            child = make(name, text)
            child.tag = m(name)
            made.append(child)
    return made


def _vanished(call: Call, folder: FolderRow, state: State) -> list[Part]:
    """A server that has lost the folder's items tells each of them as deleted."""
    gone = [
        _change("Delete", render.item_id(row))
        for row in call.store.items.in_folder(folder)
        if row.created_sequence <= state.created
    ]
    return [
        ("SyncState", state.encode()),
        ("IncludesLastItemInRange", "true"),
        holding("Changes", *gone),
    ]


def _falsely_gone(call: Call, folder: FolderRow, state: State) -> list[Element]:
    """What the server tells as deleted by mistake, of what it has told before."""
    faults = [fault for fault in call.striking if fault.kind == "false_delete"]
    rows = call.store.items.in_folder(folder) if faults else []
    known = [row for row in rows if row.created_sequence <= state.created]
    return [_change("Delete", render.item_id(row)) for row in known if any(meets(call, each, row) for each in faults)]


def _changes(
    call: Call, folder: FolderRow, state: State, most: int, shape: shapes.Shape
) -> tuple[list[Element], State, bool]:
    hidden = (call.request.findtext(m("SyncScope")) or "NormalItems") == "NormalAndAssociatedItems"
    ignored = {entry.get("Id") for entry in elements(call.request.find(m("Ignore")))}
    if state.created >= state.began:  # the last pass came to its end: a new one begins
        state = replace(state, since=state.created, began=call.store.sequence)
    gone = _gone(call, folder, state, most + 1, hidden)
    made = [_change("Delete", render.item_id(row)) for row in gone[:most]]
    if len(gone) > most:
        return made, replace(state, deleted=gone[most - 1].sequence), False
    state, room = replace(state, deleted=call.store.sequence), most - len(gone)
    created = _created(call, folder, state, room + 1, hidden)
    told = state.created
    made += [
        _change("Create", render.item(call, row, shape, view=True))
        for row in created[:room]
        if row.ews_id not in ignored
    ]
    if created:
        state = replace(state, created=created[:room][-1].created_sequence if room else told)
    if len(created) > room:
        return made, state, False
    room -= len(created)
    changed = _changed(call, folder, state, told, room + 1, hidden)
    made += [_shown(row, state, call, shape) for row in changed[:room] if row.ews_id not in ignored]
    if len(changed) > room:
        return made, replace(state, changed=changed[room - 1].sequence if room else state.changed), False
    return made, _end(folder, call.store.sequence), True


def _gone(call: Call, folder: FolderRow, state: State, most: int, hidden: bool) -> list[ItemRow]:
    """What was told and is deleted since, oldest deletion first."""
    visible = "" if hidden else " AND associated = 0"
    rows = call.store.rows(
        "SELECT sequence, number FROM gone_item WHERE folder = ? AND sequence > ? AND created_sequence <= ?"  # noqa: S608 - constants
        f"{visible} ORDER BY sequence LIMIT ?",
        folder.number,
        state.deleted,
        state.created,
        most,
    )
    return [_ghost(folder, number, sequence) for sequence, number in rows]


def _created(call: Call, folder: FolderRow, state: State, most: int, hidden: bool) -> list[ItemRow]:
    visible = "" if hidden else " AND associated = 0"
    return call.store.items.where(
        f"folder = ? AND created_sequence > ?{visible} ORDER BY created_sequence",
        folder.number,
        state.created,
        limit=most,
    )


def _changed(call: Call, folder: FolderRow, state: State, told: int, most: int, hidden: bool) -> list[ItemRow]:
    """What was told up to `told` and has changed since, oldest change first."""
    visible = "" if hidden else " AND associated = 0"
    return call.store.items.where(
        "folder = ? AND sequence > ? AND created_sequence <= ? AND sequence != created_sequence"
        f" AND NOT (created_sequence > ? AND sequence <= ?){visible} ORDER BY sequence",
        folder.number,
        state.changed,
        told,
        state.since,  # told as new by this pass, in the version that it has now
        state.began,
        limit=most,
    )


def _ghost(folder: FolderRow, number: int, sequence: int) -> ItemRow:
    return ItemRow(
        number, folder.mailbox, folder.number, "Message", "", False, True, False, 0, "", sequence, sequence, 0, b""
    )


def _change(kind: str, *children: Element) -> Element:
    made = make(kind)
    made.extend(children)
    return made


def _shown(row: ItemRow, state: State, call: Call, shape: shapes.Shape) -> Element:
    if row.content_sequence <= state.changed:
        return _change("ReadFlagChange", render.item_id(row), make("IsRead", str(row.is_read).lower()))
    return _change("Update", render.item(call, row, shape, view=True))


@operation("SyncFolderHierarchy")
def sync_folder_hierarchy(call: Call) -> Element:
    shape = shapes.parse(part(call, "FolderShape"))

    def serve(holder: Element | None) -> list[Part]:
        if holder is None:
            root = call.store.folders.distinguished(call.user, "msgfolderroot")
        else:
            root = targets.target(call, holder)
        if any(fault.kind == "invalid_sync_state" for fault in call.striking):
            raise EwsError("ErrorInvalidSyncStateData")
        state = decode(call.request.findtext(m("SyncState")), root.number)
        changes = _tree_changes(call, root, state, shape)
        now = call.store.sequence
        return [
            ("SyncState", _end(root, now).encode()),
            ("IncludesLastFolderInRange", "true"),
            holding("Changes", *changes),
        ]

    made = attempt(call, "SyncFolderHierarchyResponseMessage", call.request.find(m("SyncFolderId")), serve)
    if made.get("ResponseClass") == "Error":
        child = make("SyncState")
        child.tag = m("SyncState")
        made.append(child)
    return answer(call.name, [made])


def _tree_changes(call: Call, root: FolderRow, state: State | None, shape: shapes.Shape) -> list[Element]:
    folders = call.store.folders.children(root, deep=True)
    if state is None:
        return [_change("Create", render.folder(call, row, shape)) for row in folders]
    gone = call.store.rows(
        "SELECT sequence, number, path, created_sequence FROM gone_folder WHERE mailbox = ? AND sequence > ?"
        " ORDER BY sequence",
        root.mailbox.number,
        state.changed,
    )
    left = {number: created for _, number, path, created in gone if path.startswith(root.path)}
    moved = {number for _, number, _, _ in gone}
    here = {row.number for row in folders}
    made = []
    for row in folders:
        if row.created_sequence > state.created or (row.number in moved and row.number not in left):
            made.append(_change("Create", render.folder(call, row, shape)))
        elif row.sequence > state.changed:
            made.append(_change("Update", render.folder(call, row, shape)))
    for number, created in left.items():
        if number not in here and created <= state.created:
            gone_id = make("FolderId", Id=ids.encode(ids.Id(root.mailbox.guid, number)), ChangeKey="AQAAAA==")
            made.append(_change("Delete", gone_id))
    return made
