"""What hangs on the items: files, and items inside items."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from lxml import etree

from connectors.simulator import ids
from connectors.simulator.content import Attachment
from connectors.simulator.errors import EwsError
from connectors.simulator.rows import AttachmentRow, ItemRow
from connectors.simulator.schema import arrange, parse

if TYPE_CHECKING:
    from connectors.simulator.store import Store

_COLUMNS = (
    "number, item, parent, guid, name, content_type, content_id, content_location, is_inline, is_photo, size,"
    " modified, element"
)


class Attachments:
    """Attachments by guid; an attached item keeps its own attachments under it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _row(self, row: tuple) -> AttachmentRow:
        return AttachmentRow(*row[:8], bool(row[8]), bool(row[9]), *row[10:])

    def of(self, item: int, parent: int | None = None) -> list[AttachmentRow]:
        """The attachments of an item, or of an attached item in it, in the order they were added."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM attachment WHERE item = ? AND parent IS ? ORDER BY number",  # noqa: S608
            item,
            parent,
        )
        return [self._row(row) for row in rows]

    def find(self, text: str) -> tuple[ItemRow, AttachmentRow]:
        """The attachment that an AttachmentId names, with its item.

        Raises ErrorInvalidIdMalformed, ErrorInvalidAttachmentId, or ErrorItemNotFound where the item itself is gone.
        """
        this = ids.decode(text)
        if not this.attachments or this.item is None:
            raise EwsError("ErrorInvalidAttachmentId")
        item = self._store.items.get(this.item)
        row = self._store.one(
            f"SELECT {_COLUMNS} FROM attachment WHERE guid = ? AND item = ?",  # noqa: S608
            this.attachments[-1],
            item.number,
        )
        if row is None:
            raise EwsError("ErrorInvalidAttachmentId")
        return item, self._row(row)

    def ews_id(self, item: ItemRow, row: AttachmentRow) -> str:
        """The AttachmentId: the item's id with the guids of the attachments that lead to this one."""
        guids = [row.guid]
        parent = row.parent
        while parent is not None:
            guid, parent = self._store.one("SELECT guid, parent FROM attachment WHERE number = ?", parent)
            guids.insert(0, guid)
        return ids.encode(ids.Id(item.mailbox.guid, item.folder, item.number, tuple(guids)))

    def content(self, row: AttachmentRow) -> bytes:
        """The bytes of a file attachment (for an attached item: its RFC 822 source, may be empty)."""
        return self._store.value("SELECT content FROM attachment WHERE number = ?", row.number) or b""

    def add(self, item: ItemRow, attachment: Attachment, parent: int | None = None) -> AttachmentRow:
        """Hang an attachment, with everything in it, on an item."""
        inner = attachment.item
        content = (inner.mime or b"") if inner else attachment.content
        element = etree.tostring(arrange(inner.element)) if inner else None
        number = self._store.execute(
            "INSERT INTO attachment (item, parent, guid, name, content_type, content_id, content_location,"
            " is_inline, is_photo, size, modified, element, content) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            item.number,
            parent,
            secrets.token_bytes(16),
            attachment.name,
            attachment.content_type or None,
            attachment.content_id,
            attachment.content_location,
            attachment.is_inline,
            attachment.is_contact_photo,
            len(content) or len(element or b""),
            self._store.stamp(),
            element,
            content,
        ).lastrowid
        for nested in inner.attachments if inner else ():
            self.add(item, nested, number)
        return self._row(
            self._store.one(f"SELECT {_COLUMNS} FROM attachment WHERE number = ?", number)  # noqa: S608
        )

    def delete(self, row: AttachmentRow) -> None:
        """Take an attachment off its item, with everything in it."""
        for nested in self.of(row.item, row.number):
            self.delete(nested)
        self._store.execute("DELETE FROM attachment WHERE number = ?", row.number)

    def copy_all(self, source: ItemRow, target: ItemRow, *, inline_only: bool = False) -> None:
        """Hang copies of an item's attachments on another item."""
        self._copy(source, target, None, None, inline_only)

    def _copy(self, source: ItemRow, target: ItemRow, below: int | None, under: int | None, inline_only: bool) -> None:
        for row in self.of(source.number, below):
            if inline_only and not row.is_inline:
                continue
            number = self._store.execute(
                "INSERT INTO attachment (item, parent, guid, name, content_type, content_id, content_location,"
                " is_inline, is_photo, size, modified, element, content) SELECT ?, ?, ?, name, content_type,"
                " content_id, content_location, is_inline, is_photo, size, modified, element, content"
                " FROM attachment WHERE number = ?",
                target.number,
                under,
                secrets.token_bytes(16),
                row.number,
            ).lastrowid
            self._copy(source, target, row.number, number, False)

    def has_photo(self, item: ItemRow) -> bool:
        """True when one of a contact's attachments is its picture."""
        return bool(self._store.value("SELECT 1 FROM attachment WHERE item = ? AND is_photo = 1", item.number))

    def as_content(self, item: ItemRow, parent: int | None = None) -> list[Attachment]:
        """The attachments as the writers of MIME and vCards take them."""
        from connectors.simulator.content import Item

        found = []
        for row in self.of(item.number, parent):
            inner = None
            if row.element is not None:
                inner = Item(
                    parse(row.element),
                    self.as_content(item, row.number),
                    self.content(row) or None,
                )
            found.append(
                Attachment(
                    row.name,
                    row.content_type or "",
                    b"" if inner else self.content(row),
                    row.content_id,
                    row.is_inline,
                    row.is_photo,
                    inner,
                    row.content_location,
                )
            )
        return found
