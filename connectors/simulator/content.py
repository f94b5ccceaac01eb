"""What the readers of mail, vCard and iCalendar hand to the store: one EWS item with its attachments.

An item is kept as the EWS element that a client would see (`{types}Message`, `{types}Contact`,
`{types}CalendarItem`, ...), so what was written and what is read are the same thing. Children may come in any
order; `schema.arrange` puts them into the order of Microsoft's schema before they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True)
class Attachment:
    """One file or item attachment; `item` is set for an attached message, contact or meeting."""

    name: str
    content_type: str
    content: bytes
    content_id: str | None = None
    is_inline: bool = False
    is_contact_photo: bool = False
    item: Item | None = None
    content_location: str | None = None


@dataclass
class Item:
    """One item on its way into a folder.

    `element` is the item in EWS terms, without ItemId, ParentFolderId and the other properties that the server
    sets. `mime` is its original RFC 822 source where it had one.
    """

    element: etree._Element
    attachments: list[Attachment] = field(default_factory=list)
    mime: bytes | None = None
