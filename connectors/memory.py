"""A remote system in memory, behind the same interface: fast tests of the engine, with faults on demand.

It behaves like Exchange where the engine can tell: versions change with each write, ids change on a move, deleted
items are told once, a cursor that the server forgot is CursorExpired, a change of the read flag comes alone, and
a write is refused when the item has changed since.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from connectors import memory_contacts, outlook_limits
from connectors.base import Account, Capabilities, Version
from terracrm.domain.records import (
    AttachmentInfo,
    Body,
    Change,
    ChangeKind,
    ContactRecord,
    Folder,
    MessageRecord,
    Page,
    Record,
    StreamKind,
)
from terracrm.errors import (
    AuthFailed,
    ConnectorError,
    CursorExpired,
    ItemGone,
    ItemRejected,
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
)


@dataclass(slots=True)
class _Item:
    """One item with the moments (counted in writes) of its creation and of its last changes."""

    remote_id: str
    record: Record
    created: int
    changed: int
    flagged: int
    error: str = ""
    is_deleted: bool = False
    key: str = ""

    @property
    def last(self) -> int:
        return max(self.changed, self.flagged)

    def told(self, position: int) -> int:
        """Where the news since a position come: an item is told before its read flag is."""
        return self.changed if self.changed > position else self.flagged

    @property
    def version(self) -> str:
        return f"v{self.last}"


@dataclass(slots=True)
class _Folder:
    folder: Folder
    items: dict[str, _Item] = field(default_factory=dict)


class MemoryServer:
    """Mailboxes with folders and items. `sign_ins`, `requests` and `writes` count what the connectors did.

    `second_change` lets an item change its version once more right after a connector has written it.
    """

    def __init__(self) -> None:
        self.writes = 0
        self.second_change = False
        self._lost_answers = 0
        self.sign_ins = 0
        self.requests = 0
        self._passwords: dict[str, str] = {}
        self._services: set[str] = set()
        self._folders: dict[str, dict[str, _Folder]] = {}
        self._counter = itertools.count(1)
        self._epoch = 0
        self._failures: list[ConnectorError] = []
        self._contents: dict[str, bytes | ConnectorError] = {}

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
        self._folders[address.lower()][folder.remote_id] = _Folder(folder)
        return folder

    def remove_folder(self, folder: Folder) -> None:
        """Remove a folder with all that is in it."""
        for folders in self._folders.values():
            folders.pop(folder.remote_id, None)

    def put(self, folder: Folder, record: Record, key: str = "") -> str:
        """A new item; returns its id."""
        now = next(self._counter)
        item = _Item(f"item{now}", record, created=now, changed=now, flagged=0, key=key)
        self._box(folder).items[item.remote_id] = item
        return item.remote_id

    def change(self, remote_id: str, record: Record) -> None:
        """Replace an item's content."""
        item = self._item(remote_id)
        item.record, item.changed = record, next(self._counter)

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
        items = (item for folders in self._folders.values() for box in folders.values() for item in _present(box))
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
            item.changed = next(self._counter)
        if self._lost_answers:
            self._lost_answers -= 1
            raise Temporary("The connection broke off.")
        return version

    def enter(self, account: Account) -> dict[str, _Folder]:
        """The folders that this account may see now; raises what the server answers otherwise."""
        self.requests += 1
        if self._failures:
            raise self._failures.pop(0)
        username, address = account.username.lower(), account.address.lower()
        self.sign_ins += 1
        if self._passwords.get(username) != account.password:
            raise AuthFailed("The server refused the user name or the password.")
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

    def _box(self, folder: Folder) -> _Folder:
        return next(folders[folder.remote_id] for folders in self._folders.values() if folder.remote_id in folders)

    def _item(self, remote_id: str) -> _Item:
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
        counted = [replace(box.folder, item_count=len(_present(box))) for box in boxes]
        return sorted(counted, key=lambda folder: folder.path)

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        """Pages in the order of the last write to each item."""
        is_last = False
        while not is_last:
            box = self._open(folder)
            position = self._server.position(folder, cursor)
            told = {item.told(position): item for item in box.items.values() if item.last > position}
            page = [told[moment] for moment in sorted(told)[:page_size]]
            reached = page[-1].told(position) if page else position
            is_last = all(item.last <= reached for item in told.values())
            cursor = self._server.cursor(folder, reached)
            changes = (_change(item, position) for item in page)
            yield Page(
                changes=tuple(change for change in changes if change is not None),
                cursor=cursor,
                is_last=is_last,
                expected=len(_present(box)) or None,
            )

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        """These items as they are now."""
        items = self._open(folder).items
        return [_as_it_is(remote_id, items.get(remote_id)) for remote_id in remote_ids]

    def attachment(self, info: AttachmentInfo, max_bytes: int) -> bytes:
        """The content of an attachment."""
        if info.is_link:
            raise ItemRejected("This attachment is a link: it has no content.")
        if info.size > max_bytes:
            raise TooLarge("The attachment is larger than what is fetched.")
        self._server.enter(self._account)
        return self._server.content(info)

    def ensure_folder(self, parent: str, name: str, kind: StreamKind) -> Folder:
        """A folder in a well-known one."""
        outlook_limits.check_text("name of the folder", name)
        folders = self.folders()
        above = next((each.path for each in folders if each.well_known == parent), None)
        if above is None and parent != "msgfolderroot":
            raise ItemGone(f"The mailbox has no folder {parent!r}.")
        path = f"{above}/{name}" if above else name
        there = next((each for each in folders if each.path.casefold() == path.casefold()), None)
        if there is None:
            return self._server.add_folder(self._account.address, path, kind)
        if there.kind is not kind:
            raise ItemRejected(f"There is a folder {path!r} that is not for {kind}: rename it or choose another name.")
        return there

    def create(self, folder: Folder, record: ContactRecord, key: str) -> Version:
        """A new contact."""
        outlook_limits.check(record)
        outlook_limits.check_text("key", key)
        self._open(folder)
        contact = memory_contacts.created(outlook_limits.trimmed(record))
        return self._server.written(self._server.put(folder, contact, key))

    def find_by_key(self, folder: Folder, key: str) -> Version | None:
        """What was created with this key."""
        found = (item for item in _present(self._open(folder)) if item.key == key)
        oldest = min(found, key=lambda item: item.created, default=None)
        return None if oldest is None else Version(oldest.remote_id, oldest.version)

    def read_body(self, remote_id: str) -> tuple[Body, Version]:
        """The notes as the mailbox keeps them."""
        item, record = self._contact(remote_id)
        return memory_contacts.body_of(record), Version(remote_id, item.version)

    def update(self, remote_id: str, record: ContactRecord, fields: Collection[str], version: str) -> Version:
        """Write these fields of a contact."""
        outlook_limits.check(record, fields)
        item, now = self._contact(remote_id)
        if item.version != version:
            raise VersionConflict("The item has changed in the mailbox since it was read.")
        wanted = memory_contacts.written(now, outlook_limits.trimmed(record), fields)
        if wanted == now:
            return Version(remote_id, version)
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

    def close(self) -> None:
        """There is nothing to give back."""

    def _present_item(self, remote_id: str) -> _Item:
        boxes = self._server.enter(self._account).values()
        if not remote_id.removeprefix("item").isdigit():
            raise ItemRejected("The id of this item is malformed.")
        item = next((box.items[remote_id] for box in boxes if remote_id in box.items), None)
        if item is None or item.is_deleted:
            raise ItemGone("The item is no longer there.")
        return item

    def _contact(self, remote_id: str) -> tuple[_Item, ContactRecord]:
        item = self._present_item(remote_id)
        if not isinstance(item.record, ContactRecord):
            raise ItemRejected("The item is now of another kind.")
        return item, item.record

    def _open(self, folder: Folder) -> _Folder:
        boxes = self._server.enter(self._account)
        if folder.remote_id not in boxes:
            raise ItemGone("The folder is no longer there.")
        return boxes[folder.remote_id]


def _present(box: _Folder) -> list[_Item]:
    return [item for item in box.items.values() if not item.is_deleted]


def _change(item: _Item, position: int) -> Change | None:
    """What is new about an item since a position; None where it came and went in between."""
    if item.is_deleted:
        return Change(ChangeKind.DELETED, item.remote_id) if item.created <= position else None
    if item.changed > position:
        kind = ChangeKind.CREATED if item.created > position else ChangeKind.UPDATED
        return replace(_as_it_is(item.remote_id, item), kind=kind)
    is_read = item.record.is_read if isinstance(item.record, MessageRecord) else None
    return Change(ChangeKind.READ_FLAG, item.remote_id, is_read=is_read)


def _as_it_is(remote_id: str, item: _Item | None) -> Change:
    if item is None or item.is_deleted:
        return Change(ChangeKind.DELETED, remote_id)
    if item.error:
        return Change(ChangeKind.UPDATED, remote_id, item.version, error=item.error)
    record = replace(item.record, body=None) if isinstance(item.record, ContactRecord) else item.record
    return Change(ChangeKind.UPDATED, remote_id, item.version, record, key=item.key)
