"""Building and reading EWS elements: the few moves that every reader of mail, vCards and calendars needs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from lxml import etree

from connectors.simulator.content import MESSAGES, TYPES

_NSMAP = {"t": TYPES, "m": MESSAGES}
# XML 1.0, section 2.2: everything else cannot be written at all, not even as a character reference.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DURATION = re.compile(
    r"^(?P<sign>-?)P(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.\d+)?S)?)?$"
)


def clean(text: str) -> str:
    """`text` without the characters that XML 1.0 cannot hold (NUL, most controls, lone surrogates)."""
    # Whatever Python calls printable is legal, and nearly every value is.
    return text if text.isprintable() else _ILLEGAL.sub("", text)


def new(name: str) -> etree._Element:
    """An empty element of the types namespace that stands alone, ready to become an item."""
    return etree.Element(f"{{{TYPES}}}{name}", nsmap=_NSMAP)


def add(
    parent: etree._Element, name: str, text: str | int | bool | datetime | None = None, **attributes: str
) -> etree._Element:
    """Append a child; booleans, whole numbers and moments are written as XML Schema wants them."""
    child = etree.SubElement(parent, f"{{{TYPES}}}{name}")
    for key, value in attributes.items():
        child.set(key, clean(value))
    if text is not None:
        child.text = _written(text)
    return child


def add_text(parent: etree._Element, name: str, text: str | None, **attributes: str) -> None:
    """Append a child only when there is something to say."""
    if text and (cleaned := clean(text)):
        add(parent, name, cleaned, **attributes)


def replace(parent: etree._Element, name: str, text: str | int | bool | datetime) -> etree._Element:
    """Set a simple child, whether or not it was there; its place among the children is kept."""
    child = find(parent, name)
    if child is None:
        return add(parent, name, text)
    child.text = _written(text)
    return child


def remove(parent: etree._Element, *names: str) -> None:
    """Take away the named children, as far as they are there."""
    for name in names:
        for child in parent.findall(f"{{{TYPES}}}{name}"):
            parent.remove(child)


def find(parent: etree._Element, *path: str) -> etree._Element | None:
    """The first element at this path of names, or None."""
    return parent.find("/".join(f"{{{TYPES}}}{name}" for name in path))


def find_all(parent: etree._Element, *path: str) -> list[etree._Element]:
    """Every element at this path of names."""
    return parent.findall("/".join(f"{{{TYPES}}}{name}" for name in path))


def text_of(parent: etree._Element, *path: str) -> str | None:
    """The text at this path of names; None when the element is missing or empty."""
    element = find(parent, *path)
    return element.text if element is not None and element.text else None


def moment_of(parent: etree._Element, *path: str) -> datetime | None:
    """The moment at this path of names in UTC; None when there is none that can be read."""
    text = text_of(parent, *path)
    return read_moment(text) if text else None


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace."""
    return etree.QName(element).localname


def add_mailbox(parent: etree._Element, name: str, address: str, wrapper: str | None = None) -> None:
    """Append a Mailbox, inside `wrapper` where one is named. Nothing is written without name and address."""
    name, address = clean(name).strip(), clean(address).strip()
    if not name and not address:
        return
    mailbox = add(add(parent, wrapper) if wrapper else parent, "Mailbox")
    add(mailbox, "Name", name or address)
    if address:
        add(mailbox, "EmailAddress", address)
        add(mailbox, "RoutingType", "EX" if address.upper().startswith("/O=") else "SMTP")


def xml_moment(moment: datetime) -> str:
    """A moment as Exchange writes it: in UTC, to the second. A time without zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    # Not strftime: it does not pad years below 1000 on Linux.
    return aware.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def read_moment(text: str, zone: tzinfo = UTC) -> datetime | None:
    """An XML Schema dateTime in UTC; one without offset is meant in `zone`. None when it cannot be read."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def xml_duration(span: timedelta) -> str:
    """A span as an XML Schema duration of days, hours, minutes and seconds."""
    seconds = int(span.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    days, rest = divmod(seconds, 86_400)
    parts = [(rest // 3600, "H"), (rest % 3600 // 60, "M"), (rest % 60, "S")]
    clock = "".join(f"{count}{unit}" for count, unit in parts if count)
    if not days and not clock:
        return "PT0S"
    return f"{sign}P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def read_duration(text: str) -> timedelta | None:
    """The span of an XML Schema duration without years and months; None when it cannot be read."""
    match = _DURATION.match(text.strip())
    if match is None:
        return None
    amounts = {unit: int(match[unit] or 0) for unit in ("days", "hours", "minutes", "seconds")}
    span = timedelta(**amounts)
    return -span if match["sign"] else span


def _written(value: str | int | bool | datetime) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return xml_moment(value)
    return clean(str(value))
