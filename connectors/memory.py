"""A remote system in memory, behind the same interface: fast tests of the engine, with faults on demand.

It behaves like Exchange where the engine can tell: versions change with each write, ids change on a move, deleted
items are told once, a cursor that the server forgot is CursorExpired, a change of the read flag comes alone, and
a write is refused when the item has changed since.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors import memory_contacts, memory_items, outlook_limits
from connectors.base import Account, Capabilities, Listed, Version
from connectors.memory_items import Box, Item
from terracrm.domain.records import (
    AttachmentInfo,
    Body,
    Change,
    ContactRecord,
    Folder,
    MessageRecord,
    Page,
    Record,
    StreamKind,
    Writable,
)
from terracrm.errors import (
    AuthFailed,
    ConnectorError,
    CursorExpired,
    ItemGone,
    ItemRejected,
    SignInRefused,
    Temporary,
    TooLarge,
    VersionConflict,
)

WELL_KNOWN = (
    Folder("", "Inbox", StreamKind.MAIL, "inbox"),
    Folder("", "Sent Items", StreamKind.MAIL, "sentitems"),
    Folder("", "Drafts", StreamKind.MAIL, "drafts"),
    Folder("", "Deleted Items", StreamKind.MAIL, "deleteditems"),
    Folder("", "Contacts", StreamKind.CONTACTS, "contacts"),
    Folder("", "Calendar", StreamKind.CALENDAR, "calendar"),
    Folder("", "Tasks", StreamKind.TASKS, "tasks"),
)


class MemoryServer:
    """Mailboxes with folders and items. `sign_ins`, `requests` and `writes` count what the connectors did.

    `second_change` lets an item change its version once more right after a connector has written it. `mails` are those
    that were sent, each as (from, to, subject, text); `skew` is by how much the server's clock is ahead.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, tuple[str, ...], str, str]] = []
        self.skew: timedelta | None = None
        self.writes = 0
        self.second_change = False
        self._lost_answers = 0
        self.sign_ins = 0
        self.requests = 0
        self._passwords: dict[str, str] = {}
        self._services: set[str] = set()
        self._folders: dict[str, dict[str, Box]] = {}
        self._counter = itertools.count(1)
        self._epoch = 0
        self._failures: list[ConnectorError] = []
        self._contents: dict[str, bytes | ConnectorError] = {}
        self.listeners: list[Callable[[str, str], None]] = []

    def add_mailbox(self, address: str, password: str = "secret") -> None:  # noqa: S107 - what tests sign in with
        """A mailbox with the folders that every mailbox has; its address is its user name."""
        self._passwords[address.lower()] = password
        self._folders[address.lower()] = {}
        for folder in WELL_KNOWN:
            self.add_folder(address, folder.path, folder.kind, folder.well_known)

    def add_service(self, username: str, password: str = "secret") -> None:  # noqa: S107
        """An account without a mailbox that may impersonate all of them."""
        self._passwords[username.lower()] = password
        self._services.add(username.lower())

    def add_folder(self, address: str, path: str, kind: StreamKind = StreamKind.MAIL, well_known: str = "") -> Folder:
        """A folder of a mailbox."""
        folder = Folder(f"folder{next(self._counter)}", path, kind, well_known)
        self._folders[address.lower()][folder.remote_id] = Box(folder)
        self._tell(folder.remote_id)
        return folder

    def remove_folder(self, folder: Folder) -> None:
        """Remove a folder with all that is in it."""
        self._tell(folder.remote_id)
        for folders in self._folders.values():
            folders.pop(folder.remote_id, None)

    def put(self, folder: Folder, record: Record, key: str = "") -> str:
        """A new item; returns its id."""
        now = next(self._counter)
        item = Item(f"item{now}", record, created=now, changed=now, flagged=0, key=key)
        self._box(folder).items[item.remote_id] = item
        self._tell(folder.remote_id)
        return item.remote_id

    def change(self, remote_id: str, record: Record) -> None:
        """Replace an item's content."""
        item = self._item(remote_id)
        item.record = record
        item.touch(next(self._counter))
        self._tell(remote_id)

    def set_read(self, remote_id: str, is_read: bool) -> None:
        """Change the read flag of a message, and nothing else."""
        item = self._item(remote_id)
        if not isinstance(item.record, MessageRecord):
            raise TypeError(f"{remote_id} is no message")
        item.record, item.flagged = replace(item.record, is_read=is_read), next(self._counter)

    def delete(self, remote_id: str) -> None:
        """Delete an item for good."""
        item = self._item(remote_id)
        item.is_deleted, item.changed = True, next(self._counter)
        self._tell(remote_id)

    def lose(self, remote_id: str) -> None:
        """Let an item be gone without telling anybody, as when it came and went between two readings."""
        for folders in self._folders.values():
            for box in folders.values():
                box.items.pop(remote_id, None)

    def move(self, remote_id: str, target: Folder) -> str:
        """Move an item to another folder, where it gets a new id, which is returned."""
        item = self._item(remote_id)
        self.delete(remote_id)
        return self.put(target, item.record, item.key)

    def copy(self, remote_id: str, target: Folder) -> str:
        """Copy an item with all its properties, our key among them; returns the id of the copy."""
        item = self._item(remote_id)
        return self.put(target, item.record, item.key)

    def break_item(self, remote_id: str, error: str = "This item is corrupt.") -> None:
        """Let an item fail whenever it is read."""
        self._item(remote_id).error = error

    def mend_item(self, remote_id: str) -> None:
        """Let an item be read again."""
        self._item(remote_id).error = ""

    def attach(self, remote_id: str, info: AttachmentInfo, content: bytes | ConnectorError) -> None:
        """Hang an attachment on a message: what is told of it, and its content or what reading it raises."""
        item = self._item(remote_id)
        if not isinstance(item.record, MessageRecord):
            raise TypeError(f"{remote_id} is no message")
        info = replace(info, remote_id=f"attachment{next(self._counter)}")
        self._contents[info.remote_id] = content
        item.record = replace(item.record, attachments=(*item.record.attachments, info))
        item.changed = next(self._counter)

    def content(self, info: AttachmentInfo) -> bytes:
        """What hangs on a message under this id; raises ItemGone where nothing does."""
        items = (item for folders in self._folders.values() for box in folders.values() for item in box.present())
        records = (item.record for item in items if isinstance(item.record, MessageRecord))
        if not any(info.remote_id == each.remote_id for record in records for each in record.attachments):
            raise ItemGone("The attachment is no longer there.")
        found = self._contents[info.remote_id]
        if isinstance(found, ConnectorError):
            raise found
        return found

    def expire_cursors(self) -> None:
        """Forget every cursor that was handed out."""
        self._epoch += 1

    def fail_next(self, error: ConnectorError, times: int = 1) -> None:
        """Let the next requests fail."""
        self._failures += [error] * times

    def lose_answers(self, count: int = 1) -> None:
        """Let the next writes take place and their answers get lost."""
        self._lost_answers += count

    def written(self, remote_id: str) -> Version:
        """What the server answers to a write of an item."""
        self.writes += 1
        item = self._item(remote_id)
        version = Version(item.remote_id, item.version)
        if self.second_change:
            item.touch(next(self._counter))
        if self._lost_answers:
            self._lost_answers -= 1
            raise Temporary("The connection broke off.")
        return version

    def enter(self, account: Account) -> dict[str, Box]:
        """The folders that this account may see now; raises what the server answers otherwise."""
        self.requests += 1
        if self._failures:
            raise self._failures.pop(0)
        username, address = account.username.lower(), account.address.lower()
        self.sign_ins += 1
        if self._passwords.get(username) != account.password:
            raise SignInRefused("The server refused the user name or the password.")
        if address not in self._folders or (username != address and username not in self._services):
            raise AuthFailed("The account has no right to open this mailbox.")
        return self._folders[address]

    def cursor(self, folder: Folder, position: int) -> str:
        """The cursor of a folder after this many writes."""
        return f"{self._epoch}/{folder.remote_id}/{position}"

    def position(self, folder: Folder, cursor: str | None) -> int:
        """What `cursor` made; raises CursorExpired for one of another folder or time."""
        if cursor is None:
            return 0
        epoch, remote_id, position = (*cursor.split("/"), "", "")[:3]
        if (epoch, remote_id) != (str(self._epoch), folder.remote_id) or not position.isdigit():
            raise CursorExpired("The server no longer knows the position in this folder.")
        return int(position)

    def _tell(self, name: str) -> None:
        """Tell of a change of this folder or item."""
        for address, folders in self._folders.items():
            for folder_id in (each for each, box in folders.items() if name == each or name in box.items):
                for listener in list(self.listeners):
                    listener(address, folder_id)

    def _box(self, folder: Folder) -> Box:
        return next(folders[folder.remote_id] for folders in self._folders.values() if folder.remote_id in folders)

    def _item(self, remote_id: str) -> Item:
        boxes = (box for folders in self._folders.values() for box in folders.values())
        return next(box.items[remote_id] for box in boxes if remote_id in box.items)


class MemoryConnector:
    """The Connector of a MemoryServer."""

    def __init__(self, account: Account, server: MemoryServer) -> None:
        self._account = account
        self._server = server

    def test(self) -> Capabilities:
        """Sign in and list the folders."""
        folders = self.folders()
        return Capabilities("memory", datetime.now(UTC), frozenset(folder.kind for folder in folders), len(folders))

    def folders(self) -> list[Folder]:
        """Every folder, sorted by path."""
        boxes = self._server.enter(self._account).values()
        counted = [replace(box.folder, item_count=len(box.present())) for box in boxes]
        return sorted(counted, key=lambda folder: folder.path)

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Generator[Page, None, None]:
        """Pages in the order of the last write to each item, each read when it is asked for."""
        is_last = False
        while not is_last:
            box = self._open(folder)
            position = self._server.position(folder, cursor)
            told = {item.told(position): item for item in box.items.values() if item.last > position}
            page = [told[moment] for moment in sorted(told)[:page_size]]
            reached = page[-1].told(position) if page else position
            is_last = all(item.last <= reached for item in told.values())
            cursor = self._server.cursor(folder, reached)
            changes = (memory_items.change(item, position, folder.kind) for item in page)
            yield Page(
                changes=tuple(change for change in changes if change is not None),
                cursor=cursor,
                is_last=is_last,
                expected=len(box.present()) or None,
            )

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        """These items as they are now."""
        items = self._open(folder).items
        return [memory_items.as_it_is(remote_id, items.get(remote_id), folder.kind) for remote_id in remote_ids]

    def present(self, folder: Folder, remote_ids: Sequence[str]) -> set[str]:
        """Those of these items that are there and can be read."""
        there = {item.remote_id for item in self._open(folder).present() if not item.error}
        return there.intersection(remote_ids)

    def listing(self, folder: Folder) -> Iterator[Listed]:
        """The items that are there, by the order in which they came."""
        for item in self._open(folder).present():
            yield Listed(item.remote_id, item.version, memory_items.is_other(item.record, folder.kind))

    def attachment(self, info: AttachmentInfo, max_bytes: int) -> bytes:
        """The content of an attachment."""
        if info.is_link:
            raise ItemRejected("This attachment is a link: it has no content.")
        if info.size > max_bytes:
            raise TooLarge("The attachment is larger than what is fetched.")
        self._server.enter(self._account)
        return self._server.content(info)

    def ensure_folder(self, parent: str | Folder, name: str, kind: StreamKind) -> Folder:
        """A folder in a well-known one, or in any other."""
        outlook_limits.check_text("name of the folder", name)
        folders = self.folders()
        above = self._path(parent, folders)
        path = f"{above}/{name}" if above else name
        there = next((each for each in folders if each.path.casefold() == path.casefold()), None)
        listed = StreamKind.MAIL if kind is StreamKind.POSTS else kind
        if there is None:
            there = self._server.add_folder(self._account.address, path, listed)
        if there.kind is not listed:
            raise ItemRejected(f"There is a folder {path!r} that is not for {kind}: rename it or choose another name.")
        return replace(there, kind=kind)

    @staticmethod
    def _path(parent: str | Folder, folders: list[Folder]) -> str:
        if parent == "msgfolderroot":
            return ""
        if isinstance(parent, str):
            above = next((each.path for each in folders if each.well_known == parent), None)
        else:
            above = next((each.path for each in folders if each.remote_id == parent.remote_id), None)
        if above is None:
            raise ItemGone("The folder that it is to lie in is no longer there.")
        return above

    def create(self, folder: Folder, record: Writable, key: str) -> Version:
        """A new contact, task or post."""
        outlook_limits.check(record)
        outlook_limits.check_text("key", key)
        self._open(folder)
        item = memory_items.created(outlook_limits.trimmed(record))
        return self._server.written(self._server.put(folder, item, key))

    def find_by_key(self, folder: Folder, key: str) -> Version | None:
        """What was created with this key."""
        found = (item for item in self._open(folder).present() if item.key == key)
        oldest = min(found, key=lambda item: item.created, default=None)
        return None if oldest is None else Version(oldest.remote_id, oldest.version)

    def read_body(self, remote_id: str) -> tuple[Body, Version]:
        """The notes as the mailbox keeps them."""
        item, record = self._contact(remote_id)
        return memory_contacts.body_of(record), Version(remote_id, item.version)

    def update(self, remote_id: str, record: Writable, fields: Collection[str], version: str, key: str = "") -> Version:
        """Write these fields of an item."""
        outlook_limits.check(record, fields)
        outlook_limits.check_text("key", key)
        item = self._present_item(remote_id)
        wanted = memory_items.written(item.record, outlook_limits.trimmed(record), fields)
        if item.version != version:
            raise VersionConflict("The item has changed in the mailbox since it was read.")
        if wanted == item.record and key in ("", item.key):
            return Version(remote_id, version)
        item.key = key or item.key
        self._server.change(remote_id, wanted)
        return self._server.written(remote_id)

    def delete(self, remote_id: str, version: str) -> None:
        """Move an item to Deleted Items."""
        item = self._present_item(remote_id)
        if item.version != version:
            raise VersionConflict("The item has changed in the mailbox since it was read.")
        boxes = self._server.enter(self._account).values()
        trash = next(box.folder for box in boxes if box.folder.well_known == "deleteditems")
        self._server.written(self._server.move(remote_id, trash))

    def clock_skew(self) -> timedelta | None:
        """What the server says."""
        return self._server.skew

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> None:
        """Note it with the server."""
        self._server.enter(self._account)
        self._server.mails.append((self._account.address, tuple(to), subject, text))

    def close(self) -> None:
        """There is nothing to give back."""

    def _present_item(self, remote_id: str) -> Item:
        boxes = self._server.enter(self._account).values()
        if not remote_id.removeprefix("item").isdigit():
            raise ItemRejected("The id of this item is malformed.")
        item = next((box.items[remote_id] for box in boxes if remote_id in box.items), None)
        if item is None or item.is_deleted:
            raise ItemGone("The item is no longer there.")
        return item

    def _contact(self, remote_id: str) -> tuple[Item, ContactRecord]:
        item = self._present_item(remote_id)
        if not isinstance(item.record, ContactRecord):
            raise ItemRejected("The item is now of another kind.")
        return item, item.record

    def _open(self, folder: Folder) -> Box:
        boxes = self._server.enter(self._account)
        if folder.remote_id not in boxes:
            raise ItemGone("The folder is no longer there.")
        return boxes[folder.remote_id]
