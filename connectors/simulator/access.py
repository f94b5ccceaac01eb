"""Who may do what with a folder: its owner and full access, or its permission set."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulator.errors import EwsError
from connectors.simulator.rows import FolderRow, Mailbox
from connectors.simulator.schema import Element, add, make, t, text_of
from connectors.simulator.store import Store


@dataclass(frozen=True)
class Rights:
    """What a user may do in a folder. Editing and deleting of own items only counts as editing here."""

    visible: bool = False
    read: bool = False
    create: bool = False
    edit: bool = False
    delete: bool = False
    subfolders: bool = False
    owner: bool = False


ALL = Rights(True, True, True, True, True, True, True)
LEVELS = {
    "None": Rights(),
    "Owner": ALL,
    "PublishingEditor": Rights(True, True, True, True, True, True),
    "Editor": Rights(True, True, True, True, True),
    "PublishingAuthor": Rights(True, True, True, True, True, True),
    "Author": Rights(True, True, True, True, True),
    "NoneditingAuthor": Rights(True, True, True, False, True),
    "Reviewer": Rights(True, True),
    "Contributor": Rights(True, False, True),
    "FreeBusyTimeOnly": Rights(),
    "FreeBusyTimeAndSubjectAndLocation": Rights(),
}


def rights(store: Store, user: Mailbox, folder: FolderRow) -> Rights:
    """What the user may do in the folder."""
    if store.mailboxes.may_open(folder.mailbox, user):
        return ALL
    chosen = Rights()
    for permission in store.folders.element(folder).iterfind(f"{t('PermissionSet')}/*/*"):
        who = permission.find(t("UserId"))
        if who is None:
            continue
        named = text_of(who, "PrimarySmtpAddress").lower() == user.address.lower()
        if named or text_of(who, "SID") == user.sid:
            return _granted(permission)
        if text_of(who, "DistinguishedUser") == "Default":
            chosen = _granted(permission)
    return chosen


def _granted(permission: Element) -> Rights:
    level = text_of(permission, "PermissionLevel") or text_of(permission, "CalendarPermissionLevel")
    if level in LEVELS:
        return LEVELS[level]

    def allowed(name: str) -> bool:
        return text_of(permission, name, "false") not in ("false", "None", "TimeOnly")

    return Rights(
        allowed("IsFolderVisible") or allowed("ReadItems"),
        allowed("ReadItems"),
        allowed("CanCreateItems"),
        allowed("EditItems"),
        allowed("DeleteItems"),
        allowed("CanCreateSubFolders"),
        allowed("IsFolderOwner"),
    )


def demand(store: Store, user: Mailbox, folder: FolderRow, right: str) -> FolderRow:
    """The folder, if the user has the right (a field of Rights) on it.

    A folder that the user cannot see answers ErrorFolderNotFound, a missing right ErrorAccessDenied.
    """
    held = rights(store, user, folder)
    if not (held.visible or held.create):
        raise EwsError("ErrorFolderNotFound")
    if not getattr(held, right):
        raise EwsError("ErrorAccessDenied")
    return folder


def effective(held: Rights, *, folder: bool = False) -> Element:
    """The EffectiveRights element of a folder or item."""
    element = make("EffectiveRights")
    for name, value in (
        ("CreateAssociated", folder and held.owner),
        ("CreateContents", folder and held.create),
        ("CreateHierarchy", folder and held.subfolders),
        ("Delete", held.delete),
        ("Modify", held.edit),
        ("Read", held.read or (folder and held.visible)),
        ("ViewPrivateItems", held.owner),
    ):
        add(element, name, "true" if value else "false")
    return element
