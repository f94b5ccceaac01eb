"""Writing items and their folders: what the Connector promises, made of the operations of EWS."""

from __future__ import annotations

from collections.abc import Collection

import exchangelib
from exchangelib.errors import ErrorFolderExists
from lxml.etree import _Element as Element

from connectors import outlook_limits
from connectors.base import Version
from connectors.exchange_ews import contact_settings, contacts, errors, named, posts, tasks
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.folders import ROOT
from connectors.exchange_ews.item_settings import key_setting
from connectors.exchange_ews.services import GetFolders, GetItems, Path, Shape, field
from connectors.exchange_ews.write_services import (
    CreateFolder,
    CreateItem,
    DeleteItem,
    FindChildFolders,
    FindItems,
    Setting,
    UpdateItem,
)
from terracrm.domain.records import Body, ContactRecord, Folder, StreamKind, TaskRecord, Writable
from terracrm.errors import ItemGone, ItemRejected, VersionConflict

FOLDERS = {
    StreamKind.CONTACTS: ("ContactsFolder", "IPF.Contact"),
    StreamKind.CALENDAR: ("CalendarFolder", "IPF.Appointment"),
    StreamKind.MAIL: ("Folder", "IPF.Note"),
    StreamKind.TASKS: ("TasksFolder", "IPF.Task"),
    StreamKind.POSTS: ("Folder", "IPF.Note"),
}
_BODY = field("item:Body")
_CHILD = Shape((field("folder:DisplayName"), field("folder:FolderClass"), field("folder:TotalCount")))


def ensure_folder(account: exchangelib.Account, parent: str | Folder, name: str, kind: StreamKind) -> Folder:
    """The folder of that name in another folder, made when there is none."""
    outlook_limits.check_text("name of the folder", name)
    above = _path(account, parent)
    path = f"{above}/{name}" if above else name
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


def create(account: exchangelib.Account, folder: Folder, record: Writable, key: str) -> Version:
    """A new contact, task or post."""
    outlook_limits.check(record)
    outlook_limits.check_text("key", key)
    return _version(CreateItem(account=account).call(folder.remote_id, _new(record, key)))


def find_by_key(account: exchangelib.Account, folder: Folder, key: str) -> Version | None:
    """The oldest item of a folder with this key, to the letter."""
    found = FindItems(account=account).call(folder.remote_id, named.path(named.KEY), key)
    return next((_version(each) for each in found if named.key(Item(each)) == key), None)


def read_body(account: exchangelib.Account, remote_id: str) -> tuple[Body, Version]:
    """The notes as plain text where they are that, else as HTML (what was written in Outlook's rich text, too)."""
    found = _read(account, remote_id, (_BODY,), "Best")
    return _body(Item(found)), _version(found)


def update(
    account: exchangelib.Account,
    remote_id: str,
    record: Writable,
    fields: Collection[str],
    change_key: str,
    key: str = "",
) -> Version:
    """Write what differs; reading the item first is what keeps the rest of its lists as it is."""
    outlook_limits.check(record, fields)
    outlook_limits.check_text("key", key)
    element, shape = _before(record, fields)
    found = _read(account, remote_id, shape.paths, shape.body_type)
    item = Item(found)
    if item.type != element:
        raise ItemRejected(f"The item is now of another kind ({item.type}).")
    if _version(found).change_key != change_key:
        raise VersionConflict(errors.CHANGED_SINCE)
    settings = _changes(item, record, fields)
    if key and named.key(item) != key:
        settings.append(key_setting(key))
    if not settings:
        return _version(found)
    return _version(UpdateItem(account=account).call(remote_id, change_key, element, settings))


def delete(account: exchangelib.Account, remote_id: str, change_key: str) -> None:
    """Move an item to Deleted Items. DeleteItem itself would not notice that the item has changed meanwhile."""
    if _version(_read(account, remote_id, (), "")).change_key != change_key:
        raise VersionConflict(errors.CHANGED_SINCE)
    DeleteItem(account=account).call(remote_id)


def _new(record: Writable, key: str) -> Element:
    if isinstance(record, ContactRecord):
        return contact_settings.new_contact(outlook_limits.trimmed(record), key)
    if isinstance(record, TaskRecord):
        return tasks.new_task(outlook_limits.trimmed(record), key)
    return posts.new_post(outlook_limits.trimmed(record), key)


def _before(record: Writable, fields: Collection[str]) -> tuple[str, Shape]:
    """The name of the item's element, and what of it must be known before it is written."""
    if isinstance(record, ContactRecord):
        paths = tuple(path for path in contacts.SHAPE.paths if "notes" in fields or path != _BODY)
        body_type = "Text" if record.body is None else "Best"
        return "Contact", Shape((*paths, field("contacts:FileAsMapping")), body_type)
    return ("Task", tasks.SHAPE) if isinstance(record, TaskRecord) else ("PostItem", posts.SHAPE)


def _changes(item: Item, record: Writable, fields: Collection[str]) -> list[Setting]:
    if isinstance(record, ContactRecord):
        return contact_settings.changes(item, outlook_limits.trimmed(record), fields)
    if isinstance(record, TaskRecord):
        return tasks.changes(item, outlook_limits.trimmed(record), fields)
    return posts.changes(item, outlook_limits.trimmed(record), fields)


def _read(account: exchangelib.Account, remote_id: str, paths: tuple[Path, ...], body_type: str) -> Element:
    (found,) = GetItems(account=account).call([remote_id], Shape(paths, body_type))
    if isinstance(found, Exception):
        raise errors.translate(found, account.protocol.server) from found
    return found


def _path(account: exchangelib.Account, parent: str | Folder) -> str:
    """The path of a folder to lie in, "" for the top."""
    if isinstance(parent, Folder):
        return parent.path
    (found,) = GetFolders(account=account).call([parent], Shape((field("folder:DisplayName"),)))
    if found is None:
        raise ItemGone(f"The mailbox has no folder {parent!r}.")
    return "" if parent == ROOT else Item(found).text("DisplayName")


def _child(account: exchangelib.Account, parent: str | Folder, name: str) -> Item | None:
    children = map(Item, FindChildFolders(account=account).call(parent, _CHILD))
    return next((each for each in children if each.text("DisplayName").casefold() == name.casefold()), None)


def _body(item: Item) -> Body:
    return Body(*item.body("Body"))


def _version(found: Element) -> Version:
    item_id = Item(found).child("ItemId")
    return Version(item_id.get("Id") or "", item_id.get("ChangeKey") or "") if item_id is not None else Version("", "")
