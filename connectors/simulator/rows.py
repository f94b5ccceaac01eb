"""The rows of the store as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulator import ids


@dataclass(frozen=True)
class Mailbox:
    """A mailbox: its number, primary address, display name, the guid in its ids, and `user` or `shared`."""

    number: int
    address: str
    name: str
    guid: str
    kind: str = "user"

    @property
    def sid(self) -> str:
        """The Windows security identifier of its owner."""
        return f"S-1-5-21-3623811015-3361044348-30300820-{1000 + self.number}"


@dataclass(frozen=True)
class FolderRow:
    """A folder; `path` is the numbers of its ancestors and itself, `/1/7/`; `kind` its element's name.

    `sequence` counts changes of the folder itself, `touched` those of its content; `changed` is when the last one was.
    """

    number: int
    mailbox: Mailbox
    parent: int | None
    path: str
    kind: str
    folder_class: str
    name: str
    distinguished: str | None
    sequence: int
    created_sequence: int
    touched: int
    xml: bytes
    changed: str

    @property
    def ews_id(self) -> str:
        return ids.encode(ids.Id(self.mailbox.guid, self.number))

    @property
    def change_key(self) -> str:
        return ids.change_key(self.kind, self.mailbox.guid, max(self.sequence, self.touched))


@dataclass(frozen=True)
class ItemRow:
    """An item without its properties and source (these are read when needed).

    `sequence` counts every write, `content_sequence` every write but those of the read flag, and
    `created_sequence` is when the item came into this folder.
    """

    number: int
    mailbox: Mailbox
    folder: int
    kind: str
    item_class: str
    associated: bool
    is_read: bool
    has_attachments: bool
    size: int
    received: str
    sequence: int
    content_sequence: int
    created_sequence: int
    search_key: bytes
    deleted_from: int | None = None
    occurrence: int | None = None

    @property
    def ews_id(self) -> str:
        return ids.encode(ids.Id(self.mailbox.guid, self.folder, self.number, occurrence=self.occurrence))

    @property
    def change_key(self) -> str:
        return ids.change_key(self.kind, self.mailbox.guid, self.sequence)


@dataclass(frozen=True)
class AttachmentRow:
    """An attachment of an item, or of an item attachment (`parent`); `element` is an attached item's XML."""

    number: int
    item: int
    parent: int | None
    guid: bytes
    name: str
    content_type: str | None
    content_id: str | None
    content_location: str | None
    is_inline: bool
    is_photo: bool
    size: int
    modified: str
    element: bytes | None


@dataclass(frozen=True)
class Event:
    """One thing that happened, as notifications tell it; ids are complete EWS ids with their change keys."""

    sequence: int
    at: str
    mailbox: int
    kind: str
    folder: int
    is_folder: bool
    this: tuple[str, str]
    parent: tuple[str, str]
    old_this: tuple[str, str] | None = None
    old_parent: tuple[str, str] | None = None
    old_folder: int | None = None
