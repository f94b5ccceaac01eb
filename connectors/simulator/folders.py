"""The folder trees of the mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from connectors.simulator import ids
from connectors.simulator.distinguished import CLASS_BY_KIND, DEFAULTS, kind_of
from connectors.simulator.errors import EwsError
from connectors.simulator.rows import Event, FolderRow, Mailbox
from connectors.simulator.schema import Element, make

if TYPE_CHECKING:
    from connectors.simulator.store import Store

_COLUMNS = (
    "number, mailbox, parent, path, kind, class, name, distinguished, sequence, created_sequence, touched, xml, changed"
)


class Folders:
    """Folders by number; a folder keeps its number when it moves inside its mailbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _row(self, row: tuple) -> FolderRow:
        return FolderRow(row[0], self._store.mailboxes.by_number(row[1]), *row[2:])

    def find(self, number: int) -> FolderRow | None:
        """The folder with that number."""
        row = self._store.one(f"SELECT {_COLUMNS} FROM folder WHERE number = ?", number)  # noqa: S608
        return self._row(row) if row else None

    def get(self, number: int) -> FolderRow:
        """The folder with that number. Raises ErrorFolderNotFound."""
        found = self.find(number)
        if found is None:
            raise EwsError("ErrorFolderNotFound")
        return found

    def distinguished(self, mailbox: Mailbox, key: str) -> FolderRow:
        """The default folder of a mailbox. Raises ErrorFolderNotFound where it has none of that name."""
        row = self._store.one(
            f"SELECT {_COLUMNS} FROM folder WHERE mailbox = ? AND distinguished = ?",  # noqa: S608
            mailbox.number,
            key,
        )
        if row is None:
            raise EwsError("ErrorFolderNotFound")
        return self._row(row)

    def children(self, parent: FolderRow, *, deep: bool = False) -> list[FolderRow]:
        """The folders in a folder; `deep` adds their folders and so on, each after its parent."""
        if deep:
            where, value = "mailbox = ? AND path LIKE ? AND number != ?", f"{parent.path}%"
            values: tuple = (parent.mailbox.number, value, parent.number)
        else:
            where, values = "parent = ?", (parent.number,)
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM folder WHERE {where} ORDER BY number",  # noqa: S608
            *values,
        )
        return [self._row(row) for row in rows]

    def child(self, parent: FolderRow, name: str) -> FolderRow | None:
        """The folder of that name in a folder, in any case of letters."""
        lowered = name.lower()
        return next((row for row in self.children(parent) if row.name.lower() == lowered), None)

    def counts(self, folder: FolderRow) -> tuple[int, int, int]:
        """How many items, unread items, and child folders a folder has."""
        total, unread = self._store.one(
            "SELECT COUNT(*), COALESCE(SUM(is_read = 0), 0) FROM item WHERE folder = ? AND associated = 0",
            folder.number,
        )
        return (
            total,
            unread,
            self._store.value("SELECT COUNT(*) FROM folder WHERE parent = ?", folder.number),
        )

    def unread(self, number: int) -> int:
        """How many unread items a folder has."""
        return self._store.value(
            "SELECT COUNT(*) FROM item WHERE folder = ? AND is_read = 0 AND associated = 0", number
        )

    def make_defaults(self, mailbox: Mailbox) -> None:
        """Give a new mailbox the folders that every mailbox has."""
        made: dict[str, FolderRow] = {}
        for default in DEFAULTS:
            row = self._insert(
                mailbox,
                made.get(default.parent),
                default.name,
                default.kind,
                default.folder_class,
                etree.tostring(make(default.kind)),
                default.key or None,
            )
            made[default.key] = row

    def create(
        self, parent: FolderRow, name: str, folder_class: str | None = None, element: Element | None = None
    ) -> FolderRow:
        """A new folder. Its class decides its kind, or its element where no class is given.

        Raises ErrorFolderExists where the parent has one of that name.
        """
        if self.child(parent, name):
            raise EwsError(
                "ErrorFolderExists",
                f"A folder with the specified name already exists., Could not create folder '{name}'.",
            )
        kind = etree.QName(element).localname if element is not None else kind_of(folder_class or "IPF.Note")
        if kind == "Folder" and folder_class:
            kind = kind_of(folder_class)
        xml = etree.tostring(element if element is not None else make(kind))
        folder_class = folder_class or CLASS_BY_KIND[kind]
        row = self._insert(parent.mailbox, parent, name, kind, folder_class, xml, None)
        self._note("CreatedEvent", row)
        return row

    def _insert(
        self,
        mailbox: Mailbox,
        parent: FolderRow | None,
        name: str,
        kind: str,
        folder_class: str,
        xml: bytes,
        distinguished: str | None,
    ) -> FolderRow:
        sequence = self._store.tick()
        number = self._store.execute(
            "INSERT INTO folder (mailbox, parent, path, kind, class, name, distinguished, sequence,"
            " created_sequence, xml, changed) VALUES (?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?)",
            mailbox.number,
            parent.number if parent else None,
            kind,
            folder_class,
            name,
            distinguished,
            sequence,
            sequence,
            xml,
            self._store.stamp(),
        ).lastrowid
        path = f"{parent.path if parent else '/'}{number}/"
        self._store.execute("UPDATE folder SET path = ? WHERE number = ?", path, number)
        return self.get(number)

    def element(self, folder: FolderRow) -> Element:
        """What clients have set on a folder beyond its name: permissions, extended properties, a search."""
        return etree.fromstring(folder.xml)

    def rewrite(self, folder: FolderRow, *, name: str, folder_class: str, element: Element) -> FolderRow:
        """Change a folder's name, class or settings. Raises ErrorFolderExists for a name that is taken."""
        if folder.parent is not None and name != folder.name:
            twin = self.child(self.get(folder.parent), name)
            if twin is not None and twin.number != folder.number:
                raise EwsError("ErrorFolderExists")
        self._store.execute(
            "UPDATE folder SET name = ?, class = ?, xml = ?, changed = ?, sequence = ? WHERE number = ?",
            name,
            folder_class,
            etree.tostring(element),
            self._store.stamp(),
            self._store.tick(),
            folder.number,
        )
        row = self.get(folder.number)
        self._note("ModifiedEvent", row)
        return row

    def touch(self, number: int) -> None:
        """A folder's change key moves on when its content does."""
        self._store.execute(
            "UPDATE folder SET touched = ?, changed = ? WHERE number = ?",
            self._store.tick(),
            self._store.stamp(),
            number,
        )

    def move(self, folder: FolderRow, target: FolderRow) -> FolderRow:
        """Hang a folder, with all below it, elsewhere in its mailbox.

        Raises ErrorFolderExists, or ErrorMoveCopyFailed for a move into itself.
        """
        if target.path.startswith(folder.path):
            raise EwsError("ErrorMoveCopyFailed")
        if self.child(target, folder.name):
            raise EwsError("ErrorFolderExists")
        for row in [folder, *self.children(folder, deep=True)]:
            self._remember_gone(row)
            self._store.execute(
                "UPDATE folder SET path = ?, sequence = ? WHERE number = ?",
                target.path + row.path[len(folder.path) - len(str(folder.number)) - 1 :],
                self._store.tick(),
                row.number,
            )
        self._store.execute("UPDATE folder SET parent = ? WHERE number = ?", target.number, folder.number)
        moved = self.get(folder.number)
        self._note("MovedEvent", moved, old=folder)
        return moved

    def copy(self, folder: FolderRow, target: FolderRow) -> FolderRow:
        """Copy a folder with its items and all below it."""
        if self.child(target, folder.name):
            raise EwsError("ErrorFolderExists")
        row = self._insert(target.mailbox, target, folder.name, folder.kind, folder.folder_class, folder.xml, None)
        for item in self._store.items.in_folder(folder):
            self._store.items.copy(item, row)
        for child in self.children(folder):
            if not child.path.startswith(row.path):
                self.copy(child, row)
        self._note("CopiedEvent", row, old=folder)
        return row

    def delete(self, folder: FolderRow) -> None:
        """Delete a folder with everything in it for good."""
        for row in reversed([folder, *self.children(folder, deep=True)]):
            for item in self._store.items.in_folder(row, associated=None):
                self._store.items.delete(item, quiet=True)
            self._remember_gone(row)
            self._store.execute("DELETE FROM configuration WHERE folder = ?", row.number)
            self._store.execute("DELETE FROM folder WHERE number = ?", row.number)
        self._note("DeletedEvent", folder)

    def _remember_gone(self, row: FolderRow) -> None:
        self._store.execute(
            "INSERT INTO gone_folder VALUES (?, ?, ?, ?, ?)",
            self._store.tick(),
            row.mailbox.number,
            row.number,
            row.path,
            row.created_sequence,
        )

    def _note(self, kind: str, folder: FolderRow, old: FolderRow | None = None) -> None:
        parent = self.find(folder.parent) if folder.parent else None
        if parent is None:
            return
        old_parent = self.find(old.parent) if old and old.parent else None
        self._store.journal.note(
            Event(
                sequence=self._store.tick(),
                at=self._store.stamp(),
                mailbox=folder.mailbox.number,
                kind=kind,
                folder=parent.number,
                is_folder=True,
                this=(folder.ews_id, folder.change_key),
                parent=(parent.ews_id, parent.change_key),
                old_this=(old.ews_id, old.change_key) if old else None,
                old_parent=(old_parent.ews_id, old_parent.change_key) if old_parent else None,
                old_folder=old_parent.number if old_parent else None,
            )
        )

    def id_of(self, number: int, mailbox: Mailbox) -> str:
        """The EWS id of a folder by its number."""
        return ids.encode(ids.Id(mailbox.guid, number))
