"""GetFolder, CreateFolder, UpdateFolder, DeleteFolder, EmptyFolder, MoveFolder, CopyFolder, CreateFolderPath."""

from __future__ import annotations

from connectors.simulator import access, fields, ids, render, shapes, targets
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.operations.disposal import DISPOSALS, dispose_item
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, batch, choice, flag, holding, listed, part
from connectors.simulator.rows import FolderRow
from connectors.simulator.schema import (
    FOLDER_ORDER,
    Element,
    arrange,
    elements,
    local,
    make,
    misplaced,
    t,
    text_of,
)

_TRUTH = {"1": "true", "0": "false"}
_SETTINGS = ("ExtendedProperty", "PermissionSet", "SearchParameters", "ManagedFolderInformation")


@operation("GetFolder")
def get_folder(call: Call) -> Element:
    shape = shapes.parse(part(call, "FolderShape"))

    def serve(entry: Element) -> list[Part]:
        return [holding("Folders", render.folder(call, targets.folder(call, entry), shape))]

    return batch(call, listed(call, "FolderIds"), serve, empty="Folders")


def _ids(*rows: FolderRow) -> Element:
    made = []
    for row in rows:
        shown = make(row.kind)
        shown.append(render.folder_id(row))
        made.append(shown)
    return holding("Folders", *made)


def _checked(entry: Element) -> Element:
    kind = local(entry)
    if kind not in FOLDER_ORDER:
        raise SchemaViolation(f"The element 'Folders' has invalid child element '{kind}'.")
    wrong = misplaced(entry, FOLDER_ORDER[kind])
    if wrong is not None:
        raise SchemaViolation(f"The element '{kind}' has invalid child element '{wrong}'.")
    return entry


def _settings(entry: Element) -> Element:
    """What a folder keeps beyond its name and class."""
    kept = make(local(entry))
    for child in elements(entry):
        if local(child) in _SETTINGS:
            kept.append(child)
    complete_permissions(kept)
    return kept


def complete_permissions(settings: Element) -> None:
    """Spell out the rights that a permission level stands for, as the server answers them.

    A permission without a known level keeps the single rights that it names, whatever their order and case.
    """
    for held in settings.iterfind(f"{t('PermissionSet')}/*/*"):
        calendar = local(held) == "CalendarPermission"
        given = {local(child).lower(): child for child in elements(held)}
        named = given.get("permissionlevel", given.get("calendarpermissionlevel"))
        level = (named.text or "") if named is not None else "Custom"
        full = render.permission("Default", level if level in access.LEVELS else "None", calendar=calendar)
        if level not in access.LEVELS:
            for right in full[1:-1]:
                source = given.get(local(right).lower())
                if source is not None:
                    right.text = _TRUTH.get(source.text or "", source.text)
            full[-1].text = "Custom"
        held[:] = [given.get("userid", full[0]), *full[1:]]


@operation("CreateFolder")
def create_folder(call: Call) -> Element:
    parent_holder = part(call, "ParentFolderId")

    def serve(entry: Element) -> list[Part]:
        _checked(entry)
        parent = targets.target(call, parent_holder, "subfolders")
        name = text_of(entry, "DisplayName").strip()
        if not name:
            raise EwsError("ErrorFolderSavePropertyError", "Folder save failed: the display name is empty.")
        row = call.store.folders.create(parent, name, text_of(entry, "FolderClass") or None, _settings(entry))
        return [_ids(row)]

    return batch(call, listed(call, "Folders"), serve, empty="Folders")


@operation("CreateFolderPath")
def create_folder_path(call: Call) -> Element:
    parent = targets.target(call, part(call, "ParentFolderId"), "subfolders")
    made: list[FolderRow] = [parent]

    def serve(entry: Element) -> list[Part]:
        name = text_of(entry, "DisplayName")
        row = call.store.folders.child(made[-1], name) or call.store.folders.create(
            made[-1], name, text_of(entry, "FolderClass") or None, _settings(entry)
        )
        made.append(row)
        return [_ids(row)]

    return batch(call, listed(call, "RelativeFolderPath"), serve, empty="Folders")


@operation("UpdateFolder")
def update_folder(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        children = elements(entry)
        row = targets.folder(call, children[0], "owner")
        if children[0].get("ChangeKey"):
            ids.parse_change_key(children[0].get("ChangeKey", ""))
        settings = call.store.folders.element(row)
        name, folder_class = row.name, row.folder_class
        for update in elements(entry.find(t("Updates"))):
            name, folder_class = _apply(update, row, settings, name, folder_class)
        complete_permissions(settings)
        changed = call.store.folders.rewrite(row, name=name, folder_class=folder_class, element=arrange(settings))
        return [_ids(changed)]

    return batch(call, listed(call, "FolderChanges"), serve, empty="Folders")


def _apply(update: Element, row: FolderRow, settings: Element, name: str, folder_class: str) -> tuple[str, str]:
    kind, children = local(update), elements(update)
    if not children:
        raise SchemaViolation(f"The element '{kind}' has incomplete content.")
    path = fields.parse(children[0])
    if kind == "DeleteFolderField":
        if path.name in ("DisplayName", "FolderClass"):
            raise EwsError("ErrorInvalidPropertyDelete")
        fields.delete(settings, path)
        return name, folder_class
    if kind not in ("SetFolderField", "AppendToFolderField") or len(children) < 2:
        raise SchemaViolation(f"The element 'Updates' has invalid child element '{kind}'.")
    carrier = children[1]
    if path.name == "DisplayName":
        if row.distinguished:
            raise EwsError("ErrorFolderSavePropertyError", "Distinguished folders cannot be renamed.")
        return text_of(carrier, "DisplayName") or name, folder_class
    if path.name == "FolderClass":
        if text_of(carrier, "FolderClass") != folder_class:
            raise EwsError("ErrorObjectTypeChanged")
        return name, folder_class
    if not path.key and path.name not in _SETTINGS:
        raise EwsError("ErrorInvalidPropertySet")
    fields.assign(settings, path, carrier)
    return name, folder_class


@operation("DeleteFolder")
def delete_folder(call: Call) -> Element:
    how = choice(call, "DeleteType", DISPOSALS)

    def serve(entry: Element) -> list[Part]:
        row = targets.folder(call, entry, "owner")
        if row.distinguished:
            raise EwsError("ErrorDeleteDistinguishedFolder")
        dispose(call, row, how)
        return []

    return batch(call, listed(call, "FolderIds"), serve)


def dispose(call: Call, row: FolderRow, how: str) -> None:
    """Delete a folder for good, or move it to Deleted Items; inside Deleted Items deleting is for good."""
    folders = call.store.folders
    trash = folders.distinguished(row.mailbox, "deleteditems")
    if how != "MoveToDeletedItems" or row.path.startswith(trash.path):
        folders.delete(row)
        return
    name, number = row.name, 0
    while folders.child(trash, name):
        number += 1
        name = f"{row.name}{number}"
    if name != row.name:
        row = folders.rewrite(row, name=name, folder_class=row.folder_class, element=folders.element(row))
    folders.move(row, trash)


@operation("EmptyFolder")
def empty_folder(call: Call) -> Element:
    how = choice(call, "DeleteType", DISPOSALS)
    with_folders = flag(call.request.get("DeleteSubFolders"))

    def serve(entry: Element) -> list[Part]:
        row = targets.folder(call, entry, "delete")
        if row.kind in ("CalendarFolder", "SearchFolder") or row.distinguished in ("root", "msgfolderroot"):
            raise EwsError("ErrorCannotEmptyFolder")
        for item in call.store.items.in_folder(row):
            dispose_item(call, item, how)
        if with_folders:
            for child in call.store.folders.children(row):
                if child.distinguished:
                    raise EwsError("ErrorDeleteDistinguishedFolder")
                dispose(call, child, how)
        return []

    return batch(call, listed(call, "FolderIds"), serve)


@operation("MoveFolder")
def move_folder(call: Call) -> Element:
    target_holder = part(call, "ToFolderId")

    def serve(entry: Element) -> list[Part]:
        row = targets.folder(call, entry, "owner")
        if row.distinguished:
            raise EwsError("ErrorMoveDistinguishedFolder")
        target = targets.target(call, target_holder, "subfolders")
        return [_ids(call.store.folders.move(row, target))]

    return batch(call, listed(call, "FolderIds"), serve, empty="Folders")


@operation("CopyFolder")
def copy_folder(call: Call) -> Element:
    target_holder = part(call, "ToFolderId")

    def serve(entry: Element) -> list[Part]:
        row = targets.folder(call, entry, "read")
        return [_ids(call.store.folders.copy(row, targets.target(call, target_holder, "subfolders")))]

    return batch(call, listed(call, "FolderIds"), serve, empty="Folders")
