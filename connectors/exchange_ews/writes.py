"""Writing contacts and their folders: what the Connector promises, made of the operations of EWS."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import exchangelib
from exchangelib.errors import ErrorFolderExists
from lxml.etree import _Element as Element

from connectors import outlook_limits
from connectors.base import Version
from connectors.exchange_ews import contacts, errors, named
from connectors.exchange_ews.contact_settings import NAMES, differences, new_contact, refiled
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.folders import ROOT
from connectors.exchange_ews.services import GetFolders, GetItems, Path, Shape, field
from connectors.exchange_ews.write_services import (
    CreateFolder,
    CreateItem,
    DeleteItem,
    FindChildFolders,
    FindItems,
    UpdateItem,
)
from terracrm.domain.records import Body, ContactRecord, Folder, StreamKind
from terracrm.errors import ItemGone, ItemRejected, VersionConflict

FOLDERS = {
    StreamKind.CONTACTS: ("ContactsFolder", "IPF.Contact"),
    StreamKind.CALENDAR: ("CalendarFolder", "IPF.Appointment"),
    StreamKind.MAIL: ("Folder", "IPF.Note"),
}
_BODY = field("item:Body")
_CHILD = Shape((field("folder:DisplayName"), field("folder:FolderClass"), field("folder:TotalCount")))


def ensure_folder(account: exchangelib.Account, parent: str, name: str, kind: StreamKind) -> Folder:
    """The folder of that name in a well-known folder, made when there is none."""
    outlook_limits.check_text("name of the folder", name)
    (found,) = GetFolders(account=account).call([parent], Shape((field("folder:DisplayName"),)))
    if found is None:
        raise ItemGone(f"The mailbox has no folder {parent!r}.")
    path = name if parent == ROOT else f"{Item(found).text('DisplayName')}/{name}"
    there = _child(account, parent, name)
    if there is None:
        try:
            made = CreateFolder(account=account).call(parent, *FOLDERS[kind], name)
        except ItemRejected as error:
            if not isinstance(error.__cause__, ErrorFolderExists):
                raise
            there = _child(account, parent, name)  # somebody was quicker
            if there is None:
                raise
        else:
            return Folder(Item(made).id("FolderId"), path, kind)
    if there.text("FolderClass") != FOLDERS[kind][1]:
        raise ItemRejected(f"There is a folder {path!r} that is not for {kind}: rename it or choose another name.")
    path = f"{path[: len(path) - len(name)]}{there.text('DisplayName')}"
    return Folder(there.id("FolderId"), path, kind, item_count=there.number("TotalCount"))


def create(account: exchangelib.Account, folder: Folder, record: ContactRecord, key: str) -> Version:
    """A new contact."""
    outlook_limits.check(record)
    outlook_limits.check_text("key", key)
    contact = new_contact(outlook_limits.trimmed(record), key)
    return _version(CreateItem(account=account).call(folder.remote_id, contact))


def find_by_key(account: exchangelib.Account, folder: Folder, key: str) -> Version | None:
    """The oldest item of a folder with this key, to the letter."""
    found = FindItems(account=account).call(folder.remote_id, named.path(named.KEY), key)
    return next((_version(each) for each in found if named.key(Item(each)) == key), None)


def read_body(account: exchangelib.Account, remote_id: str) -> tuple[Body, Version]:
    """The notes as plain text where they are that, else as HTML (what was written in Outlook's rich text, too)."""
    found = _read(account, remote_id, (_BODY,), "Best")
    return _body(Item(found)), _version(found)


def update(
    account: exchangelib.Account, remote_id: str, record: ContactRecord, fields: Collection[str], change_key: str
) -> Version:
    """Write what differs; reading the contact first is what keeps the rest of its lists as it is."""
    outlook_limits.check(record, fields)
    current = _current(account, remote_id, "notes" in fields, record.body is not None)
    if current.version.change_key != change_key:
        raise VersionConflict(errors.CHANGED_SINCE)
    record = outlook_limits.trimmed(record)
    settings = differences(current.record, record, fields)
    named_now = replace(current.record, **{name: getattr(record, name) for name in NAMES.intersection(fields)})
    if named_now != current.record:
        settings += refiled(current.record, named_now, current.file_as, current.mapping)
    if not settings:
        return current.version
    return _version(UpdateItem(account=account).call(remote_id, change_key, "Contact", settings))


def delete(account: exchangelib.Account, remote_id: str, change_key: str) -> None:
    """Move an item to Deleted Items. DeleteItem itself would not notice that the item has changed meanwhile."""
    if _version(_read(account, remote_id, (), "")).change_key != change_key:
        raise VersionConflict(errors.CHANGED_SINCE)
    DeleteItem(account=account).call(remote_id)


@dataclass(frozen=True, slots=True)
class _Current:
    """A contact as it is: what it says, in which version, and how it is filed."""

    record: ContactRecord
    version: Version
    file_as: str
    mapping: str


def _current(account: exchangelib.Account, remote_id: str, with_notes: bool, as_kept: bool) -> _Current:
    paths = tuple(path for path in contacts.SHAPE.paths if with_notes or path != _BODY)
    found = _read(account, remote_id, (*paths, field("contacts:FileAsMapping")), "Best" if as_kept else "Text")
    item = Item(found)
    if item.type not in contacts.TYPES:
        raise ItemRejected(f"The item is now of another kind ({item.type}).")
    record = contacts.contact(item)
    record = replace(record, body=_body(item)) if as_kept else record
    return _Current(record, _version(found), item.text("FileAs"), item.text("FileAsMapping"))


def _read(account: exchangelib.Account, remote_id: str, paths: tuple[Path, ...], body_type: str) -> Element:
    (found,) = GetItems(account=account).call([remote_id], Shape(paths, body_type))
    if isinstance(found, Exception):
        raise errors.translate(found, account.protocol.server) from found
    return found


def _child(account: exchangelib.Account, parent: str, name: str) -> Item | None:
    children = map(Item, FindChildFolders(account=account).call(parent, _CHILD))
    return next((each for each in children if each.text("DisplayName").casefold() == name.casefold()), None)


def _body(item: Item) -> Body:
    return Body(*item.body("Body"))


def _version(found: Element) -> Version:
    item_id = Item(found).child("ItemId")
    return Version(item_id.get("Id") or "", item_id.get("ChangeKey") or "") if item_id is not None else Version("", "")
