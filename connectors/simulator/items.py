"""The items of the folders: written whole, read whole, and every write remembered for sync."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from lxml import etree

from connectors.simulator import properties
from connectors.simulator.content import Attachment
from connectors.simulator.errors import EwsError
from connectors.simulator.rows import Event, FolderRow, ItemRow, Mailbox
from connectors.simulator.schema import Element, arrange, local, parse, put, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

_COLUMNS = (
    "number, mailbox, folder, kind, class, associated, is_read, has_attachments, size, received, sequence,"
    " content_sequence, created_sequence, search_key, deleted_from"
)


class Items:
    """Items by number. An item that moves gets another number, so that its id changes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def forget(self) -> None:
        """Nothing is kept outside the database."""

    def _row(self, row: tuple) -> ItemRow:
        box = self._store.mailboxes.by_number(row[1])
        return ItemRow(row[0], box, row[2], row[3], row[4], bool(row[5]), bool(row[6]), bool(row[7]), *row[8:])

    def find(self, number: int) -> ItemRow | None:
        """The item with that number."""
        row = self._store.one(f"SELECT {_COLUMNS} FROM item WHERE number = ?", number)  # noqa: S608
        return self._row(row) if row else None

    def get(self, number: int) -> ItemRow:
        """The item with that number. Raises ErrorItemNotFound."""
        found = self.find(number)
        if found is None:
            raise EwsError("ErrorItemNotFound")
        return found

    def where(self, condition: str, *values: object, limit: int = -1) -> list[ItemRow]:
        """The items that meet an SQL condition on their columns (with its ORDER BY, if any)."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM item WHERE {condition} LIMIT ?",  # noqa: S608
            *values,
            limit,
        )
        return [self._row(row) for row in rows]

    def in_folder(self, folder: FolderRow, *, associated: bool | None = False) -> list[ItemRow]:
        """The items of a folder, newest first; `associated` None means the hidden ones too."""
        condition = "" if associated is None else f" AND associated = {int(associated)}"
        return self.where(f"folder = ?{condition} ORDER BY received DESC, number DESC", folder.number)

    def in_folder_with_elements(self, folder: FolderRow, *, associated: bool = False) -> list[tuple[ItemRow, Element]]:
        """The items of a folder, newest first, each with its properties."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS}, xml FROM item WHERE folder = ? AND associated = ?"  # noqa: S608
            " ORDER BY received DESC, number DESC",
            folder.number,
            associated,
        )
        return [(self._row(row[:-1]), parse(row[-1])) for row in rows]

    def by_message_id(self, mailbox: Mailbox, message_id: str) -> list[ItemRow]:
        """The items of a mailbox with that Message-ID, oldest first."""
        return self.where("mailbox = ? AND message_id = ? ORDER BY number", mailbox.number, message_id.strip())

    def by_uid(self, mailbox: Mailbox, uid: str) -> list[ItemRow]:
        """The calendar items and meeting messages of a mailbox with that UID, oldest first."""
        return self.where("mailbox = ? AND uid = ? ORDER BY number", mailbox.number, uid)

    def by_conversation(self, mailbox: Mailbox, conversation: bytes) -> list[ItemRow]:
        """The items of one conversation in a mailbox, oldest first."""
        return self.where("mailbox = ? AND conversation = ? ORDER BY received, number", mailbox.number, conversation)

    def xml(self, row: ItemRow) -> bytes:
        """The stored properties, as bytes."""
        found = self._store.value("SELECT xml FROM item WHERE number = ?", row.number)
        if found is None:
            raise EwsError("ErrorItemNotFound")
        return found

    def element(self, row: ItemRow) -> Element:
        """The stored properties, in a tree of the caller's own."""
        return parse(self.xml(row))

    def conversation(self, row: ItemRow) -> bytes | None:
        """The 16 bytes of the item's conversation, if it belongs to one."""
        return self._store.value("SELECT conversation FROM item WHERE number = ?", row.number)

    def mime(self, row: ItemRow) -> bytes | None:
        """The item's own RFC 822 source, where it had one and was not changed since."""
        return self._store.value("SELECT mime FROM item WHERE number = ?", row.number)

    def create(
        self,
        folder: FolderRow,
        element: Element,
        *,
        attachments: list[Attachment] | tuple[Attachment, ...] = (),
        mime: bytes | None = None,
        associated: bool = False,
        draft: bool | None = None,
        new_mail: bool = False,
        by: Mailbox | None = None,
        search_key: bytes | None = None,
    ) -> ItemRow:
        """Put an item into a folder, with everything that the server sets itself.

        `draft` None leaves IsDraft as the element says. `new_mail` announces it as newly arrived.
        """
        store = self._store
        conversation = properties.complete(
            store, folder.mailbox, element, draft=draft, associated=associated, by=by, received=new_mail
        )
        row = self._insert(folder, element, mime, associated, search_key, conversation)
        if attachments:
            for attachment in attachments:
                store.attachments.add(row, attachment)
            row = self._after_attachments(row)
        self._note("CreatedEvent", row)
        if new_mail:
            self._note("NewMailEvent", row)
        store.folders.touch(folder.number)
        return row

    def _insert(
        self,
        folder: FolderRow,
        element: Element,
        mime: bytes | None,
        associated: bool,
        search_key: bytes | None,
        conversation: bytes | None,
    ) -> ItemRow:
        sequence = self._store.tick()
        xml = etree.tostring(arrange(element))
        columns = properties.columns(element)
        number = self._store.execute(
            "INSERT INTO item (mailbox, folder, kind, class, associated, is_read, has_attachments, size,"
            " received, sequence, content_sequence, created_sequence, search_key, message_id, conversation,"
            " uid, xml, mime) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            folder.mailbox.number,
            folder.number,
            local(element),
            columns.item_class,
            associated,
            columns.is_read,
            len(mime) if mime else len(xml),
            columns.received,
            sequence,
            sequence,
            sequence,
            search_key or secrets.token_bytes(16),
            columns.message_id,
            conversation,
            columns.uid,
            xml,
            mime,
        ).lastrowid
        return self.get(number)

    def _after_attachments(self, row: ItemRow) -> ItemRow:
        size, shown = self._store.one(
            "SELECT COALESCE(SUM(size), 0), COALESCE(MAX(NOT is_inline AND NOT is_photo), 0)"
            " FROM attachment WHERE item = ? AND parent IS NULL",
            row.number,
        )
        xml, mime = self._store.one("SELECT LENGTH(xml), LENGTH(mime) FROM item WHERE number = ?", row.number)
        self._store.execute(
            "UPDATE item SET has_attachments = ?, size = ? WHERE number = ?",
            bool(shown),
            mime or xml + size,
            row.number,
        )
        return self.get(row.number)

    def attachments_changed(self, row: ItemRow) -> ItemRow:
        """After its attachments changed: a new change key, its source forgotten, HasAttachments anew."""
        self._store.execute("UPDATE item SET mime = NULL WHERE number = ?", row.number)
        return self._after_attachments(self.rewrite(row, self.element(row)))

    def rewrite(self, row: ItemRow, element: Element, *, by: Mailbox | None = None) -> ItemRow:
        """Store changed properties: a new change key, and one update for every sync that follows."""
        sequence = self._store.tick()
        put(element, "LastModifiedTime", self._store.stamp())
        put(element, "LastModifiedName", (by or row.mailbox).name)
        xml = etree.tostring(arrange(element))
        columns = properties.columns(element)
        self._store.execute(
            "UPDATE item SET kind = ?, class = ?, is_read = ?, size = size + ?, received = ?, sequence = ?,"
            " content_sequence = ?, message_id = ?, uid = ?, xml = ?, mime = NULL WHERE number = ?",
            local(element),
            columns.item_class,
            columns.is_read,
            len(xml) - len(self.xml(row)),
            columns.received,
            sequence,
            sequence,
            columns.message_id,
            columns.uid,
            xml,
            row.number,
        )
        changed = replace(self.get(row.number), occurrence=row.occurrence)
        self._note("ModifiedEvent", changed)
        self._store.folders.touch(row.folder)
        return changed

    def keep_mime(self, row: ItemRow, mime: bytes | None) -> None:
        """Keep a source beside properties that still say the same as it does."""
        self._store.execute("UPDATE item SET mime = ? WHERE number = ?", mime, row.number)

    def set_read(self, row: ItemRow, is_read: bool) -> ItemRow:
        """Change the read flag only: syncs tell it as a change of the read flag."""
        if row.is_read == is_read:
            return row
        element = self.element(row)
        put(element, "IsRead", "true" if is_read else "false")
        self._store.execute(
            "UPDATE item SET is_read = ?, sequence = ?, xml = ? WHERE number = ?",
            is_read,
            self._store.tick(),
            etree.tostring(arrange(element)),
            row.number,
        )
        changed = self.get(row.number)
        self._note("ModifiedEvent", changed)
        self._store.folders.touch(row.folder)
        return changed

    def delete(self, row: ItemRow, *, quiet: bool = False) -> None:
        """Delete an item for good."""
        self._remember_gone(row)
        self._store.execute("DELETE FROM attachment WHERE item = ?", row.number)
        self._store.execute("DELETE FROM item WHERE number = ?", row.number)
        if not quiet:
            self._note("DeletedEvent", row)
            self._store.folders.touch(row.folder)

    def move(self, row: ItemRow, folder: FolderRow, *, deleted_from: int | None = None) -> ItemRow:
        """Move an item; it gets another id and change key and keeps its search key."""
        self._remember_gone(row)
        sequence = self._store.tick()
        number = self._store.execute(
            "INSERT INTO item (mailbox, folder, kind, class, associated, is_read, has_attachments, size,"
            " received, sequence, content_sequence, created_sequence, search_key, deleted_from, message_id,"
            " conversation, uid, xml, mime) SELECT ?, ?, kind, class, associated, is_read, has_attachments,"
            " size, received, ?, ?, ?, search_key, ?, message_id, conversation, uid, xml, mime"
            " FROM item WHERE number = ?",
            folder.mailbox.number,
            folder.number,
            sequence,
            sequence,
            sequence,
            deleted_from,
            row.number,
        ).lastrowid
        self._store.execute("UPDATE attachment SET item = ? WHERE item = ?", number, row.number)
        self._store.execute("DELETE FROM item WHERE number = ?", row.number)
        moved = self.get(number)
        self._note("MovedEvent", moved, old=row)
        self._store.folders.touch(row.folder)
        self._store.folders.touch(folder.number)
        return moved

    def copy(self, row: ItemRow, folder: FolderRow) -> ItemRow:
        """Copy an item with its attachments; the copy shares the search key."""
        conversation = self.conversation(row)
        mime = self.mime(row)
        element = self.element(row)
        made = self._insert(folder, element, mime, row.associated, row.search_key, conversation)
        self._store.attachments.copy_all(row, made)
        made = self._after_attachments(made)
        self._note("CopiedEvent", made, old=row)
        self._store.folders.touch(folder.number)
        return made

    def _remember_gone(self, row: ItemRow) -> None:
        self._store.execute(
            "INSERT INTO gone_item VALUES (?, ?, ?, ?, ?)",
            self._store.tick(),
            row.folder,
            row.number,
            row.created_sequence,
            row.associated,
        )

    def _note(self, kind: str, row: ItemRow, old: ItemRow | None = None) -> None:
        if row.associated:
            return
        folder = self._store.folders.get(row.folder)
        old_folder = self._store.folders.get(old.folder) if old else None
        self._store.journal.note(
            Event(
                sequence=self._store.tick(),
                at=self._store.stamp(),
                mailbox=row.mailbox.number,
                kind=kind,
                folder=row.folder,
                is_folder=False,
                this=(row.ews_id, row.change_key),
                parent=(folder.ews_id, folder.change_key),
                old_this=(old.ews_id, old.change_key) if old else None,
                old_parent=(old_folder.ews_id, old_folder.change_key) if old_folder else None,
                old_folder=old.folder if old else None,
            )
        )

    def subject(self, row: ItemRow) -> str:
        """The subject of an item."""
        return text_of(self.element(row), "Subject")
