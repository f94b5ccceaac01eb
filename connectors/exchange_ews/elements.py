"""Reading the XML of an EWS item: one pass over its children, then look-ups by name.

So it is for what is inside them, too: lxml's `find` takes several times as long as a look at all of a few children.
Values that do not parse read as missing: one odd date must not cost the item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta

from lxml.etree import _Element as Element

from terracrm.domain.records import Participant, Response, Role

TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = f"{{{TYPES}}}"
M = f"{{{MESSAGES}}}"

_ADDRESS, _NAME, _ROUTING_TYPE = f"{T}EmailAddress", f"{T}Name", f"{T}RoutingType"
_PROPERTY, _PROPERTY_NAME, _PROPERTY_VALUE = f"{T}ExtendedProperty", f"{T}ExtendedFieldURI", f"{T}Value"
_RESPONSES = {
    "Organizer": Response.ORGANIZER,
    "Accept": Response.ACCEPTED,
    "Tentative": Response.TENTATIVE,
    "Decline": Response.DECLINED,
}


class Item:
    """The element of one item; its fields by their EWS names."""

    __slots__ = ("_children", "_element")

    def __init__(self, element: Element) -> None:
        self._element = element
        self._children = {child.tag: child for child in element}

    def child(self, name: str) -> Element | None:
        """The element of a field, where the item has it."""
        return self._children.get(T + name)

    def text(self, name: str) -> str:
        """A field's text without space around it, "" where it is missing."""
        child = self._children.get(T + name)
        return (child.text or "").strip() if child is not None else ""

    def body(self, name: str) -> tuple[str, bool]:
        """A body's text as it is, and whether it is HTML."""
        child = self._children.get(T + name)
        if child is None:
            return "", False
        return child.text or "", child.get("BodyType") == "HTML"

    def flag(self, name: str, default: bool = False) -> bool:
        """A yes-no field."""
        text = self.text(name)
        return text in ("true", "1") if text else default

    def number(self, name: str) -> int:
        """A whole number, 0 where it is missing."""
        text = self.text(name)
        return int(text) if text.isdigit() else 0

    def moment(self, name: str) -> datetime | None:
        """A point in time, in UTC."""
        return moment(self.text(name))

    def id(self, name: str) -> str:
        """The Id of a field that names an item, folder, conversation or attachment."""
        child = self._children.get(T + name)
        return "" if child is None else child.get("Id") or ""

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings, such as the categories."""
        return tuple(entry.text for entry in self.elements(name) if entry.text)

    def elements(self, name: str) -> Iterable[Element]:
        """The elements of a list, such as the headers."""
        child = self._children.get(T + name)
        return () if child is None else child

    def items(self, name: str) -> Iterator[Item]:
        """The elements of a list, to look into."""
        return (Item(entry) for entry in self.elements(name))

    def nested(self, name: str) -> Iterator[Item]:
        """The element of a field itself, where the item has it, to look into."""
        child = self._children.get(T + name)
        if child is not None:
            yield Item(child)

    def parts(self) -> Iterator[Item]:
        """All its elements, in their order."""
        return (Item(child) for child in self._element)

    def extended(self) -> dict[str, str]:
        """The values of the extended properties: by tag ("0x5d01"), property id ("32900") or name, in lower case."""
        found = {}
        for entry in self._element.iterchildren(_PROPERTY) if _PROPERTY in self._children else ():
            parts = {part.tag: part for part in entry}
            uri, value = parts.get(_PROPERTY_NAME), parts.get(_PROPERTY_VALUE)
            if uri is not None and value is not None and value.text:
                name = uri.get("PropertyTag") or uri.get("PropertyId") or uri.get("PropertyName") or ""
                found[name.lower()] = value.text
        return found

    @property
    def type(self) -> str:
        """The name of the element: Message, Contact, CalendarItem..."""
        return str(self._element.tag).rpartition("}")[2]

    @property
    def is_private(self) -> bool:
        """Whether its sensitivity is anything but Normal: Personal, Private and Confidential are nobody's business."""
        return self.text("Sensitivity") not in ("", "Normal")

    def attribute(self, name: str) -> str:
        """An attribute of the element itself."""
        return self._element.get(name) or ""

    @property
    def own_text(self) -> str:
        """The text of the element itself."""
        return (self._element.text or "").strip()


def moment(text: str) -> datetime | None:
    """An xs:dateTime in UTC; without a zone it already is in UTC, which every request asks for.

    None for what is no time, and for the first and the last year there are: clocks elsewhere could not show it.
    """
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return value if MINYEAR < value.year < MAXYEAR else None


def day(text: str) -> date | None:
    """The date that was meant by an xs:dateTime, whatever zone it was saved in.

    Outlook writes midnight of the user's zone, or 11:59 UTC of the date itself: the nearest date in UTC is right
    for both, from 11 hours west of Greenwich to 11 hours and 59 minutes east of it.
    """
    try:
        value = datetime.fromisoformat(text)
        if value.tzinfo is None or value.time() == time(0):
            return value.date()
        return (value.astimezone(UTC) + timedelta(hours=11, minutes=59)).date()
    except (ValueError, OverflowError):
        return None


def response(text: str) -> Response:
    """An answer to a meeting request; none received is none known."""
    return _RESPONSES.get(text, Response.UNKNOWN)


def participant(role: Role, mailbox: Element, smtp_address: str = "", answer: str = "") -> Participant | None:
    """The person of a Mailbox element, or None where it names nobody.

    Inside an organisation the address may be Exchange's own (RoutingType EX, "/o=..."): `smtp_address` then takes
    its place where the item carries one.
    """
    told = {part.tag: part.text for part in mailbox}
    address = (told.get(_ADDRESS) or "").strip()
    if smtp_address and (not address or address.startswith("/") or told.get(_ROUTING_TYPE) == "EX"):
        address = smtp_address.strip()
    name = (told.get(_NAME) or "").strip()
    if not address and not name:
        return None
    return Participant(role, address, name, response(answer))
